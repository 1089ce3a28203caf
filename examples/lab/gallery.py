"""Run all experiments, and write their figures and the part of docs/gallery.md that shows them.

python examples/lab/gallery.py
"""

from __future__ import annotations

import argparse
import importlib
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

from experiment import Experiment

from initcore.lab import compare
from initcore.lab.figures import save

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ("unit_variance", "symmetry", "scales", "saturation", "digits", "exploding", "depth_200")
BEGIN, END = "<!-- gallery -->", "<!-- /gallery -->"
LAB = "initcore lab --activation tanh relu --depth 50"


def experiments() -> dict[str, Experiment]:
    """Return all experiments by the names of their files."""
    return {name: importlib.import_module(name).EXPERIMENT for name in EXPERIMENTS}


def entry(title: str, command: str, says: str, picture: str) -> str:
    """Return a figure with what it shows and the command that makes it."""
    words = textwrap.fill(says, 120, break_long_words=False, break_on_hyphens=False)
    return f"## {title}\n\n{words}\n\n```sh\n{command}\n```\n\n![{title}]({picture})\n"


def entries(figures: Path, link: str) -> Iterator[str]:
    """Make each figure and yield its part of the page."""
    comparison = compare()
    save(comparison.figure(), figures / "lab.svg")
    steady = "; ".join(
        f"{activation}: {', '.join(case.label for case in comparison.of(activation) if case.steady) or 'none'}"
        for activation in comparison.activations
    )
    says = (
        "What seven starts do to a signal on its way through fifty layers, and to the gradient on its way back. "
        f"These starts keep both steady: with {steady}. kaiming_uniform with a = √5 is what torch gives a Linear. "
        "In the grey areas signal or gradient is so small or so large that plain gradient descent hardly begins."
    )
    yield entry("Seven initializers, two activations", f"{LAB} -o lab.svg", says, f"{link}/lab.svg")
    for name, experiment in experiments().items():
        start = time.perf_counter()
        found = experiment.measure()
        save(experiment.figure(found), figures / f"{name}.svg")
        print(f"{name}: {time.perf_counter() - start:.1f} s")
        yield entry(experiment.title, f"python examples/lab/{name}.py", experiment.say(found), f"{link}/{name}.svg")


def spliced(text: str, part: str) -> str:
    """Return a page with what stands between the marks replaced."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the page must have {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{part}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "gallery.md", help="%(default)s")
    page = parser.parse_args().page
    figures = page.parent / "figures" / "gallery"
    figures.mkdir(parents=True, exist_ok=True)
    part = "\n".join(entries(figures, "figures/gallery"))
    page.write_text(spliced(page.read_text(encoding="utf-8"), part), encoding="utf-8")


if __name__ == "__main__":
    main()
