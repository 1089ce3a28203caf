"""Markdown tables of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from losses import Loss
from rows import OURS, Results, Row, order

FAMILIES = {
    "numpy": "NumPy",
    "torch": "torch",
    "jax": "JAX",
    "mkl": "oneMKL",
    "keras": "Keras",
    "scipy": "SciPy",
    "randomgen": "randomgen",
    "numba": "numba",
}
IN_README = ("numpy", "torch", "jax", "mkl")  # the others share a column
NONE = "\N{EN DASH}"

#: Suite, operation, dtype, and a matrix side or a number of elements where there are several
MAIN: tuple[tuple[str, str, str, int | None], ...] = (
    ("distributions", "uniform", "float32", None),
    ("distributions", "normal", "float32", None),
    ("distributions", "normal", "float64", None),
    ("distributions", "normal", "bfloat16", None),
    ("distributions", "trunc_normal", "float32", None),
    ("scaled", "kaiming_normal", "float32", None),
    ("orthogonal", "orthogonal", "float32", 1024),
    ("orthogonal", "orthogonal", "float32", 2048),
    ("models", "GPT-2 small", "float32", None),
    ("small", "normal", "float32", 64),
    ("small", "normal", "float32", 1024),
)
#: Those of its rows that the README has
SHORT = tuple(MAIN[i] for i in (0, 1, 3, 4, 7, 8))


# Cells


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """Return a table; columns are numbers but for some of words."""
    places = {place % len(head) for place in words}
    rule = ["---" if place in places else "--:" for place in range(len(head))]
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def figure(value: float) -> str:
    """Two places below ten, one below a hundred, then none."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def times(ratio: float) -> str:
    """How many times as long: two places below two, one below ten, then none."""
    return f"{ratio:.2f}" if ratio < 1.995 else f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, factor in (("ns", 1e9), ("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{figure(seconds * factor)} {unit}"
    return f"{figure(seconds)} s"


def time_of(row: Row) -> str:
    """By element where time grows with elements and one is not the question."""
    by_element = row.suite in ("distributions", "scaled") or row.by in ("size", "threads")
    return f"{figure(row.ns)} ns" if by_element else duration(row.seconds)


def size(row: Row) -> str:
    """Return a shape."""
    return " x ".join(map(str, row.shape))


def name(row: Row) -> str:
    """Return an operation as one calls it; a model has a name of its own."""
    return row.operation if row.suite == "models" else f"`{row.operation}_` {row.dtype}"


def label(row: Row) -> str:
    """Name what a row fills."""
    stack = "stack of " * ("batch_axis" in row.extra.get("settings", {}))
    varied = next((f", {row.extra[what]}" for what in ("stride", "isa") if what in row.extra), "")
    shards = f", {row.extra['shards']} shards" if "shards" in row.extra else ""
    return f"{name(row)}, {stack}{size(row)}{varied}{shards}"


def heading(who: str, rows: Iterable[Row]) -> str:
    """Mark peers that cannot fill in place."""
    return who + "†" * any(row.who == who and not row.in_place for row in rows)


# Tables

ENVIRONMENT = {
    "processor": "processor",
    "isa": "instruction set",
    "isas": "available instruction sets",
    "cache_bytes": "last-level cache, bytes",
    "compiler": "compiler",
    "system": "system",
    "python": "Python",
    "threads": "threads",
    "commit": "commit",
    "date": "date",
}


def environment_table(results: Results) -> str:
    """What the numbers depend on; where files differ, all that they say."""
    found = results.environments

    def value(name: str) -> str:
        texts = [", ".join(map(str, v)) if isinstance(v := e.get(name), list) else str(v) for e in found]
        return "; ".join(dict.fromkeys(texts))

    rows = [[title, value(name)] for name, title in ENVIRONMENT.items()]
    versions = dict.fromkeys(f"{name} {version}" for e in found for name, version in e.get("versions", {}).items())
    return markdown(["", ""], [*rows, ["versions", ", ".join(versions)]], words=(0, 1))


def missing_table(results: Results) -> str:
    """Who could not be measured, and what was left out."""
    rows = [[", ".join(who), "everything", reason] for reason, who in by_reason(results.missing).items()]
    rows += [[s["who"], f"{s['suite']}: {s['operation']}", s["reason"]] for s in results.skipped]
    if not rows:
        return "Nobody is missing, and nothing was left out.\n"
    return markdown(["peer", "what is left out", "why"], rows, words=(0, 1, 2))


def by_reason(missing: Mapping[str, str]) -> dict[str, list[str]]:
    """Return who is missing for each reason."""
    found: dict[str, list[str]] = {}
    for who, reason in missing.items():
        found.setdefault(reason, []).append(who)
    return found


def limits_table(results: Results) -> str:
    """What memory and arithmetic can do, by threads."""
    rows = []
    for row in results.select("limits"):
        amount = row.nbytes or row.extra.get("flops") or row.extra["operations"]
        unit = {"memset": "GB/s", "fma": "Gflop/s"}.get(row.operation, "G operations/s")
        rows.append([row.operation, row.who, row.dtype, str(row.threads), f"{amount / row.seconds / 1e9:.1f} {unit}"])
    return markdown(["limit", "by", "dtype", "threads", "reached"], rows, words=(0, 1, 2))


def suite_table(results: Results, rows: Sequence[Row]) -> str:
    """Operation by peer: this library's time, the share of its limit, and each peer's time with the ratio."""
    ours = [row for row in rows if row.who == OURS]
    peers = [who for who in order(rows) if who != OURS]
    limited = any(results.share(row) is not None for row in ours)
    head = ["", "threads", OURS, *["of the limit"] * limited, *(heading(who, rows) for who in peers)]
    lines = []
    for row in sorted(ours, key=lambda row: row.threads):
        theirs = {peer.who: peer for peer in results.peers_of.get(row.case, ())}
        cells = [_beside(results, theirs[who]) if who in theirs else NONE for who in peers]
        lines.append([label(row), str(row.threads), time_of(row), *[percent(results.share(row))] * limited, *cells])
    return markdown(head, lines)


def _beside(results: Results, theirs: Row) -> str:
    ratio = results.times(theirs)
    text = f"{time_of(theirs)} ({times(ratio)}x)"
    return f"**{text}**" if ratio < 1 else text


def percent(share: float | None) -> str:
    """Return a share, or a dash."""
    return NONE if share is None else f"{share:.0%}"


def memory_table(results: Results) -> str:
    """Memory beyond the array itself, and what of it importing takes."""
    rows = [
        [heading(row.who, [row]), row.dtype, str(row.threads), *map(_mebibytes, memory_of(row))]
        for row in results.select("memory")
    ]
    return markdown(["", "dtype", "threads", "array", "for the import", "for the fill"], rows, words=(0, 1))


def memory_of(row: Row) -> tuple[int, int, int]:
    """Return the bytes of the array, of what is imported, and of what filling it takes on top."""
    imported = row.extra["imported_bytes"]
    return row.nbytes, imported, row.extra["peak_bytes"] - imported


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"


def loss_table(found: Sequence[Loss]) -> str:
    """Where a peer is faster, or as fast: by how much, and why."""
    head = ["", "threads", "peer", OURS, "the peer", f"{OURS} takes", "why"]
    rows = [
        [
            f"{loss.ours.suite}: {label(loss.ours)}" + f", by {loss.ours.by}" * (loss.ours.by is not None),
            str(loss.ours.threads),
            heading(loss.theirs.who, [loss.theirs]),
            time_of(loss.ours),
            time_of(loss.theirs),
            "a tie" if loss.tie else f"{times(loss.times)}x as long",
            loss.reason,
        ]
        for loss in found
    ]
    return markdown(head, rows, words=(0, 2, -1))


# The README's


def main_rows(results: Results, wanted: Sequence[tuple[str, str, str, int | None]] = MAIN) -> list[list[Row]]:
    """Return this library's rows of the main table, each by the numbers of threads; those not measured are left out."""
    found = []
    for suite, operation, dtype, side in wanted:
        rows = [row for row in results.select(suite, operation=operation, dtype=dtype) if row.who == OURS]
        rows = [row for row in rows if side in (None, row.shape[0]) and len(row.shape) < 3]
        by_threads = {row.threads: row for row in rows}
        found.append([by_threads[threads] for threads in results.threads if threads in by_threads])
    return [rows for rows in found if rows]


def title(row: Row) -> str:
    """Name a row of the main table."""
    if row.suite in ("orthogonal", "small"):
        return f"{name(row)}, {size(row)}" + " elements" * (row.suite == "small")
    return name(row)


def threads_of(count: int) -> str:
    """Return a number of threads in words."""
    return "1 thread" if count == 1 else f"{count} threads"


def main_table(results: Results, wanted: Sequence[tuple[str, str, str, int | None]] = MAIN) -> str:
    """Return a table of times, share of the limit, and how many times as long each family's fastest takes."""
    counts = results.threads
    families = [family for family in IN_README if family in results.families]
    groups = {FAMILIES[family]: [family] for family in families}
    if others := other_families(results):
        groups["others"] = others
    lines = []
    for rows in main_rows(results, wanted):
        by_threads = {row.threads: row for row in rows}
        at = [by_threads.get(count) for count in counts]
        shares = [percent(results.share(row) if row else None) for row in at]
        cells = [_joined([_ratio(results, row, group) for row in at]) for group in groups.values()]
        lines.append([title(rows[0]), *(time_of(row) if row else NONE for row in at), _joined(shares), *cells])
    return markdown(["", *map(threads_of, counts), "of the limit", *groups], lines)


def _joined(cells: Sequence[str]) -> str:
    return NONE if set(cells) == {NONE} else " / ".join(cells)


def _ratio(results: Results, ours: Row | None, families: Iterable[str]) -> str:
    """How many times as long the fastest of some families takes."""
    rows = [results.fastest(ours, family) for family in families] if ours else []
    ratio = min((results.times(row) for row in rows if row), default=None)
    if ratio is None:
        return NONE
    return f"**{times(ratio)}x**" if ratio < 1 else f"{times(ratio)}x"


def other_families(results: Results) -> list[str]:
    """Return the families that share a column."""
    return [family for family in results.families if family not in IN_README]
