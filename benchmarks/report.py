"""From the suites' JSON to Markdown and pictures.

``python benchmarks/report.py results/*.json -o docs/benchmarks.md --figures docs/figures --readme README.md``
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import losses
import tables
from rows import Results, load

BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"

INTRODUCTION = """\
# Benchmarks

`benchmarks/report.py` writes this page from the measurements in `benchmarks/results/`. To repeat them, use a machine
that does nothing else:

```sh
pip install '.[bench]'
for n in 1 $(python -c 'import initcore; print(initcore.get_num_threads())'); do
  pytest benchmarks --threads $n --benchmark-json benchmarks/results/$n.json
done
python benchmarks/report.py benchmarks/results/*.json -o docs/benchmarks.md --figures docs/figures --readme README.md
```

A *peer* is a generator of another library. Times are medians of repeated fills of memory that is already in use. All
times of a row were measured in one process, which was bound to as many processors as there are threads. The numbers in
brackets and in the pictures say how many times as long as initcore a peer takes; **bold** numbers mark faster peers. †
marks peers that cannot fill in place and return a new array each time. A dash means that the peer has no such operation
or dtype, or that it is listed under "Missing peers".
"""
LIMITS = """\
A fill cannot be faster than memory can be set. This limit is measured in the same run, by as many threads, as the
better of plain and streaming stores. A share of more than 100 % is possible if part of an array stays in the caches.
"Philox alone" is the share that a fill would reach if it only computed its words, at the measured peak of integer
operations and 55 operations for four words ([performance.md](performance.md)). Orthogonal m x n matrices, m >= n, count
as 2 m n^2 - 2/3 n^3 multiplications and additions, which is 4/3 n^3 for square ones. The peak counts a fused
multiply-add as two. The same number is used for peers, whatever they compute.
"""
#: The anchor of the part on what a peer wins
WINS = f"where-a-peer-wins-arrays-of-{losses.SMALL}-elements-or-more"
SUITES = {
    "distributions": "Distributions",
    "scaled": "Scaled initializers",
    "orthogonal": "Orthogonal matrices",
    "models": "Whole models",
    "patterns": "Patterns, and sparse matrices",
    "forms": "New arrays, and tensors",
    "small": "Small arrays",
}
SWEEPS = {
    "size": "Size",
    "threads": "Threads",
    "isa": "Instruction sets",
    "stride": "Layouts",
    "shards": "Shards",
    "cut": "Thin shards, and half a matrix",
}
CAPTIONS = {
    "ratios": "How many times as long as initcore the fastest generator of each library takes",
    "peers": "How many times as long as initcore each peer takes",
    "limits": "Share of the limit: bandwidth of memory for fills, peak of multiply-adds for orthogonal matrices",
    "size": "Nanoseconds an element against the number of elements",
    "scaling": "Threads, instruction sets, layouts, shards",
    "memory": "Memory that a process takes in addition to the array",
}


def details(summary: str, text: str) -> str:
    """Return a part that a reader opens."""
    return f"<details><summary>{summary}</summary>\n\n{text}\n</details>\n"


def machine_name(results: Results) -> str:
    environment = results.environments[0]
    return f"{environment['processor']}, {environment['isa']}"


def losing(found: Sequence[losses.Loss]) -> Iterator[str]:
    """Yield the parts on losses, ties, and small arrays."""
    large = [loss for loss in found if not loss.small]
    parts = {
        f"Where a peer wins (arrays of {losses.SMALL} elements or more)": [loss for loss in large if not loss.tie],
        f"Ties, within {losses.TIE:.0%}": [loss for loss in large if loss.tie],
        f"Arrays below {losses.SMALL} elements, where a peer wins or ties": [loss for loss in found if loss.small],
    }
    for heading, rows in parts.items():
        yield f"### {heading}\n"
        yield tables.loss_table(rows) if rows else "Nowhere.\n"


def sections(results: Results, found: Sequence[losses.Loss], pictures: Mapping[str, str]) -> Iterator[str]:
    """Yield the parts of one machine; `pictures` are links by name."""

    def picture(name: str) -> Iterator[str]:
        if name in pictures:
            yield f"![{CAPTIONS[name]}]({pictures[name]})\n"

    yield f"## {machine_name(results)}\n"
    yield tables.environment_table(results)
    yield from picture("ratios")
    yield tables.main_table(results)
    yield compared(results)
    yield from losing(found)
    yield "### Limits\n"
    yield from picture("limits")
    yield LIMITS
    yield tables.limits_table(results)
    yield "### Missing peers\n"
    yield tables.missing_table(results)
    yield "### Every peer\n"
    yield from picture("peers")
    for suite, heading in SUITES.items():
        if rows := results.select(suite):
            yield details(heading, tables.suite_table(results, rows))
    yield "### Scaling\n"
    yield from picture("size")
    yield from picture("scaling")
    for by, heading in SWEEPS.items():
        if rows := results.select("scaling", by=by):
            yield details(heading, tables.suite_table(results, rows))
    if results.select("memory"):
        yield "### Memory\n"
        yield from picture("memory")
        yield tables.memory_table(results)


def compared(results: Results) -> str:
    """Say what the main table's columns are."""
    others = [tables.FAMILIES.get(family, family) for family in tables.other_families(results)]
    counts = " / ".join(map(tables.threads_of, results.threads))
    several = f", at {counts}" if len(results.threads) > 1 else ""
    last = f" *Others* are {', '.join(others)}." if others else ""
    return wrapped(
        "Times are for one element of a distribution or a scaled initializer, and for the whole array or model in "
        "other rows. *Of the limit* is the share of the bandwidth at which memory was set in the same run, or for "
        "`orthogonal_` of the peak of fused multiply-adds. The columns after it say how many times as long as initcore "
        f"the fastest generator of each library takes{several}; **bold** where it is faster.{last}"
    )


def wrapped(text: str) -> str:
    """Return a paragraph in lines as long as the others'."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def page(machines: Sequence[Results], reasons: Mapping[str, str], pictures: Sequence[Mapping[str, str]]) -> str:
    """Return the whole page."""
    parts = [INTRODUCTION]
    for results, links in zip(machines, pictures, strict=True):
        parts += sections(results, losses.losses(results, reasons), links)
    return "\n".join(parts)


def summary(results: Results, found: Sequence[losses.Loss], picture: str, page: str) -> str:
    """Return what stands in the README; `page` is the link to the whole report."""
    large = [loss for loss in found if not loss.small]
    lost, ties = [loss for loss in large if not loss.tie], sum(loss.tie for loss in large)
    count = sum(ours.elements >= losses.SMALL for _, ours in results.compared)
    where = f"of {count} comparisons at {losses.SMALL} elements or more ({ties} are ties)"
    worst = max(lost, key=lambda loss: loss.times, default=None)
    most = f", by a factor of at most {tables.times(worst.times)}" if worst else ""
    versions: dict[str, str] = results.environments[0].get("versions", {})
    measured = ", ".join(f"{package} {versions[package]}" for package in versions if package in tables.FAMILIES)
    missing = [f"{', '.join(who)} ({reason})" for reason, who in tables.by_reason(results.missing).items()]
    parts = [
        wrapped(
            f"{machine_name(results)}; {measured}. Medians of repeated fills in place, side by side in one process."
        ),
        tables.main_table(results, tables.SHORT),
        compared(results),
        f"![{CAPTIONS['ratios']}]({picture})\n",
        wrapped(f"A peer is faster in {len(lost)} {where}{most}: [which, and why]({page}#{WINS})."),
        *([wrapped(f"Missing: {'; '.join(missing)}.")] if missing else []),
    ]
    return "\n".join(parts)


def spliced(text: str, part: str, path: Path) -> str:
    """Return a text with what stands between the two marks replaced.

    Raises
    ------
    ValueError
        Unless each mark is there once, in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise ValueError(f"{path}: {BEGIN} and {END} must be there once each")
    return f"{before}{BEGIN}\n{part}{END}{after}"


def outputs(args: argparse.Namespace) -> dict[Path | None, str]:
    """Return the text of each file to write; None stands for standard output."""
    machines, reasons = load(args.results), losses.read_reasons(args.losses)
    for pattern in losses.unused(reasons, [loss for results in machines for loss in losses.losses(results, reasons)]):
        print(f"{args.losses}: nothing needs {pattern!r} any more", file=sys.stderr)
    texts: dict[Path | None, str] = {}
    names: list[dict[str, Path]] = [{} for _ in machines]
    if args.figures:
        import plots  # takes matplotlib, which tables do not need

        for i, results in enumerate(machines):
            for name, svg in plots.draw(results).items():
                names[i][name] = args.figures / (f"{name}.svg" if i == 0 else f"{name}-{i + 1}.svg")
                texts[names[i][name]] = svg
    start = args.output.parent if args.output else Path()
    links = [{name: _link(path, start) for name, path in of_machine.items()} for of_machine in names]
    texts[args.output] = page(machines, reasons, links)
    if args.readme:
        picture = _link(names[0]["ratios"], args.readme.parent)
        whole = _link(args.output, args.readme.parent) if args.output else ""
        part = summary(machines[0], losses.losses(machines[0], reasons), picture, whole)
        texts[args.readme] = spliced(args.readme.read_text(encoding="utf-8"), part, args.readme)
    return texts


def _link(path: Path, start: Path) -> str:
    return Path(os.path.relpath(path, start)).as_posix()


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="From the suites' JSON to Markdown and pictures.")
    parser.add_argument("results", nargs="+", type=Path, help="what pytest benchmarks --benchmark-json wrote")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="Markdown; standard output if not given")
    parser.add_argument("--figures", type=Path, metavar="DIRECTORY", help="write pictures, as SVG, and refer to them")
    parser.add_argument("--readme", type=Path, metavar="FILE", help=f"replace what stands between {BEGIN} and {END}")
    parser.add_argument("--losses", type=Path, default=losses.REASONS, metavar="FILE", help="reasons, losses.toml")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file would change")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments()
    args = parser.parse_args(words)
    if args.readme and not args.figures:
        parser.error("--readme shows a picture, and needs --figures")
    try:
        texts = outputs(args)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    changed = [path for path, text in texts.items() if path and (not path.exists() or path.read_text("utf-8") != text)]
    if args.check:
        print("\n".join(f"{path} is out of date" for path in changed) or "All is up to date.")
        return int(bool(changed))
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], encoding="utf-8")
    if None in texts:
        print(texts[None])
    return 0


if __name__ == "__main__":
    sys.exit(main())
