"""Every block of code on every page runs, and every link within the documentation leads somewhere."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support import HELPERS, HUNG, ROOT, need

from initcore import cli
from initcore.cli.arguments import Parser, UsageError

pytestmark = pytest.mark.any_isa

DOCS = ROOT / "docs"
#: `docs/api` is made when the documentation is built
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "api")]
#: Blocks of these pages run elsewhere: tests/torch/distributed/test_stacks.py
STACKS = DOCS / "stacks"
_BLOCK = re.compile(r"^(<!-- not run: (?P<why>[^\n]*) -->\n\n)?```(?P<kind>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|^:link: (\S+)$", re.M)


def title(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, kind: str) -> list[str]:
    """Return the blocks of a page that are to run."""
    found = _BLOCK.finditer(path.read_text(encoding="utf-8"))
    return [block["code"] for block in found if block["kind"] == kind and not block["why"]]


def imported(code: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    facades = {name.split(".")[1] for name in names if re.match(r"initcore\.(torch|jax|keras|dask)\b", name)}
    return {name.partition(".")[0] for name in names} | facades


#: What the blocks of a page print, among other things
PRINTED = {"docs/models.md": "0.00408248", "docs/dynamic.md": "0.weight", "docs/which.md": "15.8"}
RUN = [path for path in PAGES if path.parent != STACKS and blocks(path, "python")]


@pytest.mark.slow
@pytest.mark.parametrize("path", RUN, ids=title)
def test_code_of_pages_runs(path: Path, tmp_path: Path) -> None:
    """The blocks of a page run one after the other, as a reader would run them, in one process."""
    code = blocks(path, "python")
    for package in sorted(set().union(*map(imported, code)) - {"initcore", *sys.stdlib_module_names}):
        if importlib.util.find_spec(package) is None:
            need(package)
    if sys.version_info < (3, 11) and "toml" in "".join(code):
        need("tomli")
    script = tmp_path / "page.py"
    script.write_text("\n".join(code), encoding="utf-8")
    environment = {"PYTHONPATH": HELPERS, "KERAS_BACKEND": "numpy", "JAX_PLATFORMS": "cpu", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=HUNG,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert PRINTED.get(title(path), "") in done.stdout


def commands(path: Path) -> list[str]:
    lines = "\n".join(blocks(path, "sh")).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.startswith("initcore ")]


@pytest.mark.parametrize(
    "line", sorted({line for path in PAGES for line in commands(path)}), ids=lambda line: line.replace("/", "_")
)
def test_commands_of_pages_are_taken(line: str) -> None:
    """The command line knows each command and each option that a page shows."""
    parser = Parser(prog="initcore")
    parsers = parser.add_subparsers(required=True)
    for command in cli.COMMANDS:
        command.add_to(parsers)
    words = shlex.split(re.split(r"\s[|>]\s", line)[0], comments=True)[1:]
    try:
        parser.parse_args(words)
    except UsageError as error:
        pytest.fail(f"{line}: {error}")


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def leads(path: Path, link: str) -> bool:
    """Whether a link of a page leads to a file, and to a heading of it."""
    target, _, anchor = link.partition("#")
    file = (path.parent / target).resolve() if target else path
    file = file if file.exists() else file.with_name(f"{file.name}.md")  # a document, as toctrees name it
    if DOCS / "api" in file.parents:
        return True
    return file.exists() and (not anchor or file.suffix != ".md" or anchor in anchors(file))


@pytest.mark.parametrize("path", PAGES, ids=title)
def test_links_within_the_documentation_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```(python|sh|toml).*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = {link for found in _LINK.findall(text) for link in found if link and "://" not in link}
    assert {link for link in links if not leads(path, link)} == set()


@pytest.mark.parametrize("path", PAGES, ids=title)
def test_pictures_have_a_text_for_those_who_cannot_see_them(path: Path) -> None:
    assert re.findall(r"!\[\]\([^)]*\)", path.read_text(encoding="utf-8")) == []
