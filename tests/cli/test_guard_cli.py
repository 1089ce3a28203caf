"""No input, no terminal and no moment of a signal has the command line give a traceback."""

from __future__ import annotations

import argparse
import builtins
import os
import signal
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import Any, Final

import pytest
from rich.errors import MarkupError
from support import HUNG

import initcore
from initcore.cli import main
from initcore.errors import PlanError

pytestmark = pytest.mark.any_isa


class NoTextError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text either")


PASSED_ON: Final = (SystemExit, GeneratorExit, KeyboardInterrupt)
ARGUMENTS: Final[dict[str, tuple[Any, ...]]] = {
    "UnicodeDecodeError": ("utf-8", b"\xff", 0, 1, "invalid"),
    "UnicodeEncodeError": ("ascii", "\xff", 0, 1, "invalid"),
    "UnicodeTranslateError": ("\xff", 0, 1, "invalid"),
    "ExceptionGroup": ("several", [ValueError("one")]),
    "BaseExceptionGroup": ("several", [ValueError("one")]),
}
BUILT_IN = [
    kind
    for _, kind in sorted(vars(builtins).items())
    if isinstance(kind, type) and issubclass(kind, BaseException) and not issubclass(kind, PASSED_ON)
]
EVERY_KIND = [*BUILT_IN, tokenize.TokenError, MarkupError, PlanError, NoTextError]


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("where", ["run", "add_to"])
def test_every_exception_is_one_line(
    kind: type[BaseException], where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise kind(*ARGUMENTS.get(kind.__name__, ()))

    monkeypatch.setattr(f"initcore.cli.info.{where}", fail)
    assert main(["info"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("initcore: ")
    assert said.count("\n") == 1
    assert len(said) > len("initcore: \n")


def test_where_an_unknown_error_was_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise LookupError("here")

    monkeypatch.setattr("initcore.cli.info.run", fail)
    monkeypatch.setenv("INITCORE_TRACEBACK", "1")
    with pytest.raises(LookupError, match="here"):
        main(["info"])


def test_memory_that_cannot_be_had_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--depth", "99999999999"]) == 1
    assert capsys.readouterr().err == "initcore: not enough memory\n"


@pytest.mark.parametrize("words", ["init p --like=-- -o out", "fill zeros 3 -o x.npy --path=--", "verify x --plan=--"])
def test_two_hyphens_for_a_value(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Python before 3.13 makes an empty list of them."""
    assert main(words.split()) in (1, 2)
    said = capsys.readouterr().err
    assert said.startswith("initcore: ")
    assert "an error of initcore's own" not in said


# A process of its own: terminals, pipes and signals


def command(*words: str, **env: str) -> list[str]:
    return ["env", *(f"{name}={value}" for name, value in env.items()), sys.executable, "-m", "initcore", *words]


def run(line: list[str], **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, stderr=subprocess.PIPE, text=True, errors="backslashreplace", timeout=HUNG, **settings)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "shapes.toml").write_text('[shapes]\n"é…[/x].weight" = [4, 4]\n', encoding="utf-8")
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "zeros"\nnote = "…"\n', encoding="utf-8")
    return tmp_path


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell's environment")
@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=str,
)
@pytest.mark.parametrize("columns", ["20", "200"])
@pytest.mark.parametrize(
    "words",
    [
        ("init", "plan.toml", "--like", "shapes.toml", "-o", "out", "--describe"),
        ("info",),
        ("lab", "--depth", "2", "--width", "4", "--batch", "2", "--init", "normal", "--activation", "relu"),
        ("fill", "é…", "3", "-o", "x.npy"),
    ],
    ids=lambda words: words[0],
)
def test_any_encoding_of_the_terminal(files: Path, words: tuple[str, ...], columns: str, env: dict[str, str]) -> None:
    narrow = {"COLUMNS": columns, "TERM": "dumb", "FORCE_COLOR": "1"}
    done = run(command(*words, **env, **narrow), cwd=files, stdout=subprocess.PIPE)
    assert "Traceback" not in done.stderr
    assert done.returncode == (2 if words[0] == "fill" else 0), done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("words", ["bits --count 5", "info", "paint", "--help"])
def test_closed_outputs(words: str, closed: str) -> None:
    done = run(["sh", "-c", f'"$0" -m initcore {words} {closed}', sys.executable], stdout=subprocess.PIPE)
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode == (2 if words == "paint" or ("bits" in words and closed.startswith(">")) else 0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("words", ["bits --count 5", "info", "info --json"])
def test_full_output(words: str) -> None:
    with open("/dev/full", "wb") as full:
        done = run(command(*words.split()), stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith("initcore: [Errno 28]")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal")
@pytest.mark.parametrize("imported", ["numpy", "rich", "argparse"])
@pytest.mark.parametrize("as_module", [True, False])
def test_interruption_while_modules_are_imported(tmp_path: Path, imported: str, as_module: bool) -> None:
    (tmp_path / f"{imported}.py").write_text(
        "import os, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nos.kill(os.getpid(), 2)\n"
    )
    script = tmp_path / "initcore"
    script.write_text("import sys\nfrom initcore.cli import main\nsys.exit(main())\n")
    source = str(Path(initcore.__file__).parents[1])
    path = os.pathsep.join([str(tmp_path), source, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    how = ["-m", "initcore"] if as_module else [str(script)]
    done = run([sys.executable, *how, "info"], cwd="/", env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal")
def test_interruption_of_a_command_that_runs() -> None:
    script = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from initcore.cli import main\n"
    line = [sys.executable, "-c", f"{script}raise SystemExit(main(['bits']))"]
    child = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read(64)  # so it is under way
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=HUNG)
    assert (child.returncode, said) == (130, b"")


# Inputs


@pytest.mark.parametrize("init", ['["normal"]', "{}", "1", "[]", "{ a = 1 }"])
def test_an_initializer_that_is_no_name(
    init: str, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    Path("wrong.toml").write_text(f'[[rule]]\nmatch = "*"\ninit = {init}\n')
    assert main(["init", "wrong.toml", "--like", "shapes.toml", "-o", "out"]) == 2
    assert "rule 1 in line 1: init must be the name of an initializer, not" in capsys.readouterr().err


def test_a_configuration_of_generation_comes_along_whatever_it_holds(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    sizes = (
        '"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 9'
    )
    Path("config.json").write_text(f'{{"model_type": "llama", {sizes}}}')
    Path("generation_config.json").write_bytes(b"\xff\r\n")
    assert main(["init", "plan.toml", "--like", "config.json", "-o", "out"]) == 0
    assert Path("out", "generation_config.json").read_bytes() == b"\xff\r\n"


UNREADABLE = {
    "no UTF-8": b'"\xc3(" = 1\n',
    "open lists": b"a = " + b"[" * 5000,
    "digits": b"a = " + b"9" * 5000,
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=list(UNREADABLE))
@pytest.mark.parametrize("name", ["plan.toml", "shapes.toml"])
def test_toml_that_no_parser_reads(
    name: str, content: bytes, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    Path(name).write_bytes(content)
    assert main(["init", "plan.toml", "--like", "shapes.toml", "-o", "out"]) == 2
    assert capsys.readouterr().err.startswith(f"initcore: {name}: ")


@pytest.mark.parametrize(
    "init", [["normal"], {}, None, 1, b"normal", ("normal",), object()], ids=lambda init: type(init).__name__
)
def test_a_rule_whose_initializer_is_no_name(init: Any) -> None:
    with pytest.raises(PlanError, match="init must be the name"):
        initcore.Rule(init, match="*")


@pytest.mark.parametrize("dtype", [{"kind": [[]]}, [[]], "nonsense", 5], ids=repr)
def test_a_plan_whose_dtype_is_none(dtype: Any) -> None:
    with pytest.raises(PlanError, match="dtype: "):
        initcore.Plan([], dtype=dtype)


HEADS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4 ",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4",
    "{'descr': '<f4'",
    "{'descr': ('<f4',), 'fortran_order': False, 'shape': (4, 4)}",
    "{'descr': [('a', 1, 2, 3)], 'fortran_order': False, 'shape': (4, 4)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 'x')}",
    "{'descr': '<f4', 'fortran_order': 7, 'shape': (4, 4)}",
    "{[]: 1}",
    "((((((((((((",
    "(" * 5000,
    "\\",
    "'''",
    "\x00",
    "",
]


@pytest.mark.parametrize("head", HEADS, ids=range(len(HEADS)))
def test_npy_headers_that_are_none(
    head: str, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    folder = files / "arrays"
    folder.mkdir()
    text = head.encode("latin-1") + b"\n"
    (folder / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64))
    assert main(["verify", str(folder), "--plan", "plan.toml"]) == 1
    said = capsys.readouterr().err
    assert "a.npy: not a valid .npy file" in said
    assert said.count("\n") == 1
