"""The guard tells a slower kernel from noise, and keeps what it measured."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import baselines
import guard
import pytest

import initcore


@dataclass
class Machine:
    """A clock that runs as the work on it says, and neighbours who make all of it up to four times as slow.

    `drift` is by how much they slow each run more than the one before.
    """

    chance: random.Random
    now: float = 0.0
    load: float = 1.0
    drift: float = 1.0

    def read(self) -> float:
        return self.now

    def work(self, seconds: float) -> Callable[[], None]:
        """Return what takes so long when nobody else is there."""

        def run() -> None:
            self.load = min(4.0, max(1.0, self.load * self.drift * self.chance.uniform(0.9, 1.11)))
            self.load = 1.0 if self.load == 4.0 and self.drift > 1 else self.load
            self.now += seconds * self.load * self.chance.uniform(0.97, 1.03)

        return run


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    before = initcore.get_num_threads()
    made = Machine(random.Random(0))
    monkeypatch.setattr(baselines, "perf_counter", made.read)
    monkeypatch.setattr(baselines, "process_time", made.read)
    yield made
    initcore.set_num_threads(before)


def kernels_on(machine: Machine, **slower: float) -> list[baselines.Kernel]:
    """Return two kernels that take 2 and 5 times as long as three units of a baseline, each some factor slower."""
    unit = baselines.Baseline("unit", machine.work(4e-3), 6.0)
    times = {"fill": 4e-3, "product": 10e-3}
    runs = {name: machine.work(seconds * slower.get(name, 1)) for name, seconds in times.items()}
    return [baselines.Kernel(name, run, ((unit, 3.0),)) for name, run in runs.items()]


def measured(machine: Machine, **slower: float) -> guard.Record:
    return guard.record_of(*baselines.measure(kernels_on(machine, **slower), budget=3.0))


def test_ratios_are_those_of_the_kernels_whatever_the_neighbours_do(machine: Machine) -> None:
    record = measured(machine)
    assert record.ratios == pytest.approx({"fill / unit": 2, "product / unit": 5}, rel=0.03)
    assert all(0 < spread < 0.03 for spread in record.spreads.values())


def test_a_steady_drift_cancels(machine: Machine) -> None:
    machine.drift = 1.05
    assert measured(machine).ratios == pytest.approx({"fill / unit": 2, "product / unit": 5}, rel=0.02)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    ("slower", "marks"),
    [
        ({}, ["", ""]),
        ({"fill": 1.05}, ["", ""]),
        ({"fill": 1.3}, ["slower", ""]),
        ({"product": 1.2}, ["", "slower"]),
        ({"fill": 0.7, "product": 1.3}, ["faster", "slower"]),
    ],
    ids=str,
)
def test_a_slowed_kernel_is_marked_and_no_other(
    slower: dict[str, float], marks: list[str], seed: int, machine: Machine
) -> None:
    machine.chance.seed(seed)
    then, now = measured(machine), measured(machine, **slower)
    assert [guard.verdict(now, then, name)[1] for name in now.ratios] == marks


def test_changes_within_the_spread_are_not_marked(machine: Machine) -> None:
    then, now = measured(machine), measured(machine, fill=1.3)
    now.spreads["fill / unit"] = 0.2
    change, mark = guard.verdict(now, then, "fill / unit")
    assert change == pytest.approx(0.3, abs=0.05)
    assert mark == ""


@pytest.fixture
def guarded(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """The command, with kernels that are some factor slower."""

    def run(*words: str, **slower: float) -> int:
        monkeypatch.setattr(guard, "kernels", lambda: (kernels_on(machine, **slower), {"bfloat16": "not there"}))
        return guard.main(["--file", str(tmp_path / "results" / "guard.jsonl"), "--seconds", "3", *words])

    return run


def test_recording_appends_one_line_that_can_be_read(guarded: Callable[..., int], tmp_path: Path) -> None:
    path = tmp_path / "results" / "guard.jsonl"
    assert guarded() == 0
    assert not path.exists()
    for count in (1, 2):
        assert guarded("--record") == 0
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) == count
        found = json.loads(lines[-1])
        expected = {"commit", "date", "processor", "isa", "compiler", "threads", "ratios", "spreads"}
        assert found.keys() == expected
        assert found["isa"] == initcore.isa()
        assert found["threads"] == 1
        assert found["ratios"].keys() == found["spreads"].keys() == {"fill / unit", "product / unit"}
    assert [record.ratios for record in guard.read(path)] == [json.loads(line)["ratios"] for line in lines]


def test_only_strict_fails(guarded: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded("--record") == 0
    assert guarded("--strict") == 0
    assert "slower" not in capsys.readouterr().out
    assert guarded(fill=1.5) == 0
    assert "slower" in capsys.readouterr().out
    assert guarded("--strict", fill=1.5) == 1


def test_what_is_missing_is_named(guarded: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded() == 0
    assert "Missing: bfloat16, since not there" in capsys.readouterr().out


def test_only_the_same_machine_is_compared(
    guarded: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results" / "guard.jsonl"
    assert guarded("--record") == 0
    here = path.read_text(encoding="utf-8")
    for name, other in (("processor", "another"), ("isa", "vax"), ("threads", 64)):
        path.write_text(json.dumps(json.loads(here) | {name: other}) + "\n", encoding="utf-8")
        assert guarded("--strict", fill=1.5) == 0
        assert "Nothing is recorded" in capsys.readouterr().out
    path.write_text(here, encoding="utf-8")
    assert guarded("--strict", fill=1.5) == 1


def test_the_history_shows_each_commit(
    guarded: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results" / "guard.jsonl"
    assert guarded("--record") == 0
    line = json.loads(path.read_text(encoding="utf-8"))
    ratios = {"a" * 40: 2.125, "b" * 40: 3.5}
    lines = [line | {"commit": commit, "ratios": {"fill / unit": ratio}} for commit, ratio in ratios.items()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    capsys.readouterr()
    assert guarded("--history") == 0
    shown = capsys.readouterr().out
    assert re.search(r"a{7}\s+b{7}", shown)
    assert re.search(r"fill / unit\s+2\.125\s+3\.5", shown)


def test_every_kernel_is_watched_beside_what_binds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ml_dtypes")
    smaller = {"NBYTES": 1 << 20, "SIDES": (32, 64), "CALLS": 2, "SPIN_SECONDS": 1e-5, "FEWEST_ROUNDS": 3}
    for name, value in smaller.items():
        monkeypatch.setattr(baselines, name, value)
    watched, missing = baselines.kernels()
    ratios, spreads = baselines.measure(watched, budget=0)
    fills = ["uniform_ float32", "normal_ float32", "trunc_normal_ float32", "bits_ uint32", "normal_ float64"]
    fills += ["normal_ bfloat16", "normal_ float32 transposed"]
    expected = {f"{fill} / {baseline}" for fill in fills for baseline in ("memset", "integer")}
    expected |= {f"orthogonal_ float32 {side} / fma_f32" for side in (32, 64)} | {"normal_ float32 of 64 / integer"}
    assert ratios.keys() == spreads.keys() == expected
    assert all(ratio > 0 for ratio in ratios.values())
    assert not missing


def test_results_make_a_commit_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    monkeypatch.setattr(guard, "HERE", results.parent)
    monkeypatch.setattr(guard, "HISTORY", results / "guard.jsonl")
    assert guard.commit() == "unknown"
    (tmp_path / "kernel.c").write_text("fast")
    guard.HISTORY.write_text("")
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "All"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    clean = guard.commit()
    assert re.fullmatch("[0-9a-f]{40}", clean)
    guard.HISTORY.write_text("a line\n")
    assert guard.commit() == clean
    (tmp_path / "kernel.c").write_text("slow")
    assert guard.commit() == f"{clean}-dirty"
