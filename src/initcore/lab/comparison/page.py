"""A comparison as one HTML page that needs no other file and no network."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

import initcore
from initcore.lab.comparison.drawing import draw, looks
from initcore.lab.comparison.summary import COLUMNS, NOTE, cells, shown
from initcore.lab.figures import BAD, COLOURS, GOOD, INK, MUTED, PALE, PAPER, svg

if TYPE_CHECKING:
    from initcore.lab.comparison.case import ComparedCase
    from initcore.lab.comparison.data import ComparisonData

__all__ = ["page_of"]

# The CSS variable of each colour of the picture; on dark paper, the darker colours of the palette are lighter
LIGHT = {PAPER: "paper", INK: "ink", MUTED: "muted", PALE: "pale", GOOD: "good", BAD: "bad"}
LIGHT |= {colour: f"line-{place}" for place, colour in enumerate(COLOURS)}
DARK = {
    "paper": "#15191f",
    "ink": "#e8ebef",
    "muted": "#98a2ad",
    "pale": "#2c333c",
    "good": "#4fd6ab",
    "bad": "#ff9d5c",
}
DARK |= {"line-0": "#ff8a3d", "line-1": "#f2b92e", "line-2": "#e3a3c6", "line-3": "#5aa9e6", "line-4": "#2cc79a",
         "line-5": "#8fd0f7"}  # fmt: skip
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1.5rem clamp(1rem, 3vw, 3rem) 3rem; max-width: 90rem; background: var(--paper);
  color: var(--ink); font: 1.05rem/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
h1 {{ font-size: clamp(1.5rem, 2.6vw, 2.3rem); line-height: 1.2; margin: 0 0 .4rem; }}
h2 {{ font-size: 1.3rem; margin: 2rem 0 .5rem; }}
ul {{ margin: .3rem 0 1.2rem; padding-left: 1.2rem; }}
figure {{ margin: 0; overflow-x: auto; }}
figure svg {{ display: block; width: 100%; min-width: 46rem; height: auto; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .38rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--pale); }}
th {{ font-weight: 600; }}
thead th {{ border-bottom: 2px solid var(--muted); }}
th[scope=row], .words {{ text-align: left; }}
td.words {{ white-space: normal; min-width: 19rem; }}
th small {{ display: block; margin-left: 2.5em; font-weight: 400; color: var(--muted); }}
th[scope=row] {{ white-space: normal; min-width: 9rem; max-width: 24rem; }}
.key {{ display: inline-block; width: 1.5em; height: .55em; margin-right: .6em; border-radius: 2px; }}
.good {{ color: var(--good); font-weight: 600; }}
.bad {{ color: var(--bad); }}
.drifts {{ color: var(--muted); font-weight: 600; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; color: var(--muted);
  font-size: .92rem; }}
dt {{ font-weight: 600; }} dd {{ margin: 0; }}
footer {{ margin-top: 2rem; color: var(--muted); font-size: .9rem; }}
@media print {{ body {{ padding: 0; }} figure svg {{ min-width: 0; }} }}
</style>
</head>
<body>
<h1>{heading}</h1>
<ul>
{summary}
</ul>
<figure>
{picture}
</figure>
{tables}
<dl>
{keys}
</dl>
<footer>{note} Made by initcore {version}, <code>initcore lab</code>.</footer>
</body>
</html>
"""


def page_of(comparison: ComparisonData) -> str:
    """Return the page."""
    columns = shown(comparison.cases)
    keys = "\n".join(f"<dt>{escape(COLUMNS[key][0])}</dt><dd>{escape(COLUMNS[key][1])}</dd>" for key in columns)
    return PAGE.format(
        title=escape(f"{', '.join(comparison.activations)}: {comparison.title}"),
        heading=escape(f"What initialisation does to {comparison.title}"),
        light=" ".join(f"--{name}: {colour};" for colour, name in LIGHT.items()),
        dark=" ".join(f"--{name}: {colour};" for name, colour in DARK.items()),
        summary="\n".join(_summary(comparison, activation) for activation in comparison.activations),
        picture=_picture(comparison),
        tables="\n".join(_table(comparison, activation, columns) for activation in comparison.activations),
        keys=keys,
        note=escape(NOTE),
        version=escape(initcore.__version__),
    )


def _summary(comparison: ComparisonData, activation: str) -> str:
    cases = comparison.of(activation)
    good = [f"<b>{escape(case.label)}</b>" for case in cases if case.steady]
    verb = "keep" if len(good) > 1 else "keeps"
    who = f": {', '.join(good)}" if good else ""
    start = f"With <b>{escape(activation)}</b>, {len(good) or 'none'} of {len(cases)}"
    return f"<li>{start} {verb} signal and gradient steady{who}.</li>"


def _picture(comparison: ComparisonData) -> str:
    """Return the SVG without its prologue, with the page's variables for colours."""
    text = svg(draw(comparison, title=False), transparent=True)
    text = text[text.index("<svg") :]
    for colour, name in LIGHT.items():
        text = re.sub(re.escape(colour), f"var(--{name})", text, flags=re.IGNORECASE)
    label = escape(f"Signal, gradient and flat units by layer: {comparison.title}", quote=True)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _table(comparison: ComparisonData, activation: str, columns: list[str]) -> str:
    of = looks(comparison.labels)
    head = "".join(f'<th scope="col">{escape(COLUMNS[key][0])}</th>' for key in columns)
    lines = [_line(case, columns, LIGHT[of[case.label].colour]) for case in comparison.of(activation)]
    return (
        f'<h2>{escape(activation)}</h2>\n<div class="wide"><table>\n<thead><tr><th scope="col" class="words">'
        f'initialiser</th><th scope="col" class="words">verdict</th>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody></table></div>"
    )


#: By whether a case is steady, and whether it drifts: the sign before its verdict, and the class of its cell
MARKS = {
    (True, False): ("\N{CHECK MARK}", "good"),
    (False, True): ("\N{TILDE OPERATOR}", "drifts"),
    (False, False): ("\N{MULTIPLICATION X}", "bad"),
}


def _line(case: ComparedCase, columns: list[str], colour: str) -> str:
    texts = cells(case)
    name, _, details = (escape(words) for words in case.whole_label.partition(": "))
    name += f": <small>{details}</small>" if details else ""
    numbers = "".join(f"<td>{escape(texts[key])}</td>" for key in columns)
    mark, kind = MARKS[case.steady, case.drifts]
    key = f'<span class="key" style="background: var(--{colour})"></span>'
    return (
        f'<tr><th scope="row">{key}{name}</th><td class="words {kind}">{mark} {escape(case.verdict)}</td>{numbers}</tr>'
    )
