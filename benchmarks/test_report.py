"""The report says what the results say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import report
import tables
from rows import Results, Row, load, orthogonal_flops
from sample import sample, write

HERE = Path(__file__).parent


@pytest.fixture
def results(tmp_path: Path) -> Results:
    (found,) = load(write(tmp_path))
    return found


def seconds(operation: str, who: str, threads: int, suite: str = "distributions", dtype: str = "float32") -> float:
    """Look a time up in the sample, by other means than the report's."""
    (found,) = (
        row["seconds"]
        for row in sample(threads)["rows"]
        if (row["suite"], row["operation"], row["who"], row["dtype"]) == (suite, operation, who, dtype)
    )
    return float(found)


def line_of(table: str, start: str) -> list[str]:
    """Return the cells of the one line that starts with certain words."""
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.split("|")[1:-1]]


# Tables


@pytest.mark.parametrize(
    ("start", "column", "operation", "who", "suite", "dtype"),
    [
        ("`uniform_` float32", "oneMKL", "uniform", "mkl ARS5", "distributions", "float32"),
        ("`normal_` float32", "torch", "normal", "torch", "distributions", "float32"),
        ("`normal_` float64", "NumPy", "normal", "numpy SFC64", "distributions", "float64"),
        ("`normal_` bfloat16", "JAX", "normal", "jax rbg", "distributions", "bfloat16"),
        ("`trunc_normal_` float32", "others", "trunc_normal", "scipy", "distributions", "float32"),
        ("`kaiming_normal_` float32", "others", "kaiming_normal", "randomgen SFC64", "scaled", "float32"),
        ("GPT-2 small", "oneMKL", "GPT-2 small", "mkl ARS5", "models", "float32"),
    ],
)
def test_main_table_has_the_fastest_of_each_family(
    results: Results, start: str, column: str, operation: str, who: str, suite: str, dtype: str
) -> None:
    table = tables.main_table(results)
    head, line = line_of(table, ""), line_of(table, start)
    shown = line[head.index(column)].replace("**", "").replace("x", "").split(" / ")
    for ratio, threads in zip(shown, (1, 2), strict=True):
        theirs, ours = (seconds(operation, name, threads, suite, dtype) for name in (who, "initcore"))
        assert float(ratio) == pytest.approx(theirs / ours, rel=0.04)


def test_main_table_has_times_and_shares_of_the_limit(results: Results) -> None:
    _, one, two, shares, *_ = line_of(tables.main_table(results), "`uniform_` float32")
    bandwidth = 24e9, 24e9 * 2**0.5  # of the sample
    for shown, share, threads in zip((one, two), shares.split(" / "), (1, 2), strict=True):
        expected = seconds("uniform", "initcore", threads)
        assert float(shown.removesuffix(" ns")) == pytest.approx(expected * 1e9 / 2**24, rel=0.04)
        assert float(share.removesuffix("%")) / 100 == pytest.approx(
            4 * 2**24 / bandwidth[threads - 1] / expected, abs=0.006
        )


def test_a_faster_peer_is_bold_and_a_slower_one_is_not(results: Results) -> None:
    table = tables.main_table(results)
    bold = {(line[0], cell) for line in map(_cells, table.splitlines()[2:]) for cell in line[1:] if "**" in cell}
    assert {name for name, _ in bold} == {"`uniform_` float32"}
    assert all(float(ratio.strip("*x")) < 1 for _, cell in bold for ratio in cell.split(" / "))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_suite_tables_have_every_peer_at_every_operation(results: Results) -> None:
    rows = results.select("distributions")
    table = tables.suite_table(results, rows)
    head = _cells(table.splitlines()[0])
    assert {name.rstrip("†") for name in head[4:]} == {row.who for row in rows} - {"initcore"}
    assert {name for name in head if name.endswith("†")} == {"jax threefry†", "jax rbg†", "keras†", "scipy†"}
    line = next(line for line in map(_cells, table.splitlines()) if line[:2] == ["`normal_` float32, 4096 x 4096", "2"])
    theirs, ours = (seconds("normal", who, 2) for who in ("torch", "initcore"))
    shown = re.fullmatch(r"([\d.]+) ns \(([\d.]+)x\)", line[head.index("torch")])
    assert shown
    assert float(shown[1]) == pytest.approx(theirs * 1e9 / 2**24, rel=0.01)
    assert float(shown[2]) == pytest.approx(theirs / ours, rel=0.01)
    bold = [cell.strip("*") for cell in re.findall(r"\*\*.*?\*\*", table)]
    assert bold
    assert all(re.search(r"\(0\.\d+x\)$", cell) for cell in bold)
    assert len(bold) == len(re.findall(r"\(0\.\d+x\)", table))
    filled = sum("x)" in cell for line in table.splitlines()[2:] for cell in _cells(line))
    assert filled == sum(row.who != "initcore" for row in rows)


@pytest.mark.parametrize(
    ("shape", "settings"),
    [((512, 512), {}), ((2048, 256), {}), ((256, 2048), {}), ((512, 8, 8), {}), ((8, 256, 256), {"batch_axis": 0})],
)
def test_flops_of_orthogonal_matrices_are_those_of_the_reflectors(
    shape: tuple[int, ...], settings: dict[str, int]
) -> None:
    """Counted one reflector at a time, to the leading order in the smaller side."""
    extra = {"settings": settings}
    row = Row("orthogonal", "orthogonal", "initcore", "float32", shape, 1, int(np.prod(shape)), 0, 1.0, True, extra)
    stack, rest = (shape[0], shape[1:]) if settings else (1, shape)
    m, n = max(rest[0], int(np.prod(rest[1:]))), min(rest[0], int(np.prod(rest[1:])))
    counted = stack * sum(2 * (m - k) * (n - k) + 2 * (m - k) * (n - k) for k in range(n))
    assert orthogonal_flops(row) == pytest.approx(counted, rel=2 / n)
    if m == n:
        assert orthogonal_flops(row) == pytest.approx(stack * 4 / 3 * n**3)


def test_orthogonal_matrices_are_limited_by_multiply_adds(results: Results) -> None:
    row = next(row for row in results.select("orthogonal", who="initcore", threads=2) if row.shape == (1024, 1024))
    assert results.share(row) == pytest.approx(4 / 3 * 1024**3 / 230e9 / row.seconds)


def test_small_arrays_and_other_instruction_sets_have_no_limit(results: Results) -> None:
    slower = [row for row in results.select("scaling", by="isa", operation="orthogonal") if row.extra["isa"] == "avx2"]
    rows = [*slower, *results.select("small"), *results.select("scaling", by="size")]
    assert slower
    assert {results.share(row) for row in rows} == {None}


# The command


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Arguments of a report of the sample, and a README to write into."""
    pytest.importorskip("matplotlib")
    paths = write(tmp_path)
    (tmp_path / "README.md").write_text(f"# Before\n\n{report.BEGIN}\nold\n{report.END}\n\nAfter\n", encoding="utf-8")
    options = {"-o": "docs/b.md", "--figures": "docs/figures", "--readme": "README.md"}
    return [*map(str, paths), *(word for option, name in options.items() for word in (option, str(tmp_path / name)))]


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that take no time to draw, for tests of what is around them."""
    plots = pytest.importorskip("plots")
    monkeypatch.setattr(plots, "draw", lambda _: dict.fromkeys(report.CAPTIONS, "<svg>times</svg>\n"))


@pytest.fixture
def written(command: list[str], sketched: None, tmp_path: Path) -> Path:
    """Where a report has been written."""
    assert report.main(command) == 0
    return tmp_path


@pytest.mark.usefixtures("sketched")
def test_check_writes_nothing(command: list[str], tmp_path: Path) -> None:
    before = (tmp_path / "README.md").read_bytes()
    assert report.main([*command, "--check"]) == 1
    assert (tmp_path / "README.md").read_bytes() == before
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize("name", ["README.md", "docs/b.md", "docs/figures/ratios.svg"])
def test_check_finds_what_is_out_of_date(
    name: str, written: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([*command, "--check"]) == 0
    stale = written / name
    stale.write_text(stale.read_text(encoding="utf-8").replace("times", "another", 1), encoding="utf-8")
    capsys.readouterr()
    assert report.main([*command, "--check"]) == 1
    assert capsys.readouterr().out == f"{stale} is out of date\n"


def test_readme_keeps_what_stands_around_the_marks(written: Path, command: list[str]) -> None:
    text = (written / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# Before\n\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\n\nAfter\n")
    assert "\nold\n" not in text
    assert "](docs/figures/ratios.svg)" in text
    (results,) = load(map(Path, command[:2]))
    assert tables.main_table(results, tables.SHORT) in text
    assert f"](docs/b.md#{report.WINS})" in text


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize("marks", [[], [report.BEGIN], [report.END, report.BEGIN], [report.BEGIN, report.END] * 2])
def test_a_readme_without_its_marks_is_left_alone(marks: list[str], command: list[str], tmp_path: Path) -> None:
    readme, text = tmp_path / "README.md", "\n".join(["Before", *marks])
    readme.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit):
        report.main(command)
    assert readme.read_text(encoding="utf-8") == text


def test_who_is_missing_is_named(written: Path) -> None:
    for page in ("README.md", "docs/b.md"):
        text = (written / page).read_text(encoding="utf-8")
        for who, reason in sample(1)["missing"].items():
            assert who in text
            assert reason in text
    assert sample(1)["skipped"][0]["reason"] in text


def test_every_picture_is_shown(written: Path) -> None:
    page = (written / "docs/b.md").read_text(encoding="utf-8")
    pictures = {path.name for path in (written / "docs/figures").iterdir()}
    assert pictures == {f"{name}.svg" for name in report.CAPTIONS}
    assert all(f"](figures/{name})" in page for name in pictures)


def test_pictures_are_the_same_bytes_in_another_process(command: list[str], tmp_path: Path) -> None:
    assert report.main(command) == 0
    figures = tmp_path / "docs/figures"
    first = {path.name: path.read_bytes() for path in figures.iterdir()}
    assert first.keys() == {f"{name}.svg" for name in report.CAPTIONS}
    for path in figures.iterdir():
        path.unlink()
    environment = {**os.environ, "PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": "1"}
    subprocess.run([sys.executable, str(HERE / "report.py"), *command], check=True, env=environment)
    assert {path.name: path.read_bytes() for path in figures.iterdir()} == first


@pytest.mark.parametrize("suites", [{"small"}, {"distributions", "limits"}, {"scaling"}, {"limits"}])
@pytest.mark.parametrize("counts", [(1,), (1, 2, 8)])
def test_parts_of_the_suites_are_enough(suites: set[str], counts: tuple[int, ...], tmp_path: Path) -> None:
    plots = pytest.importorskip("plots")
    for path in write(tmp_path, counts):
        found = json.loads(path.read_text(encoding="utf-8"))
        found["rows"] = [row for row in found["rows"] if row["suite"] in suites]
        path.write_text(json.dumps(found), encoding="utf-8")
    machines = load(sorted(tmp_path.glob("*.json")))
    pictures = [dict.fromkeys(plots.draw(results), "there.svg") for results in machines]
    text = report.page(machines, {}, pictures)
    assert all(("there.svg" in text) == bool(names) for names in pictures)


def test_machines_are_kept_apart(tmp_path: Path) -> None:
    first, second = write(tmp_path)
    found = json.loads(second.read_text(encoding="utf-8"))
    found["environment"]["processor"] = "Another"
    second.write_text(json.dumps(found), encoding="utf-8")
    machines = load([first, second])
    assert [results.environments[0]["processor"] for results in machines] == ["AMD EPYC", "Another"]
    assert [{row.threads for row in results.select("small")} for results in machines] == [{1}, {2}]


def test_what_cannot_be_read_together_is_refused(tmp_path: Path) -> None:
    first, _ = write(tmp_path)
    twin, other = tmp_path / "twin.json", tmp_path / "other.json"
    twin.write_bytes(first.read_bytes())
    other.write_text('{"rows": []}')
    with pytest.raises(ValueError, match="both have"):
        load([first, twin])
    with pytest.raises(ValueError, match="not what the suites write"):
        load([other])
