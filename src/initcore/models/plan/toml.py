"""Plans as TOML."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from initcore.dtypes import as_dtype
from initcore.errors import PlanError
from initcore.models.plan.rule import Rule
from initcore.streams import Stream

__all__ = ["loads", "parse", "read", "write"]

#: Keys of a rule that are not parameters of its initializer
RULE_KEYS = ("init", "match", "regex", "where", "optional", "note", "zero_rows")
TOP_KEYS = ("seed", "path", "dtype", "note", "rule")
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*(?:rule|\"rule\"|'rule')[ \t]*\]\]", re.MULTILINE)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def read(path: Path) -> tuple[list[Rule], list[str], dict[str, Any]]:
    """Read a file: rules, what they are called in errors, and seed, dtype and note as they are there."""
    return parse(text_of(path), f"{path}: ")


def text_of(path: Path) -> str:
    """Return what is in a file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PlanError([f"{path}: is not UTF-8: {error}"]) from None


def parse(text: str, place: str = "") -> tuple[list[Rule], list[str], dict[str, Any]]:
    """Read a text; `place` is said before what is wrong in it."""
    table = loads(text, place)
    problems = [f"unknown key {key!r}; known are {', '.join(TOP_KEYS)}" for key in table if key not in TOP_KEYS]
    entries = table.pop("rule", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        problems.append("rule must be [[rule]] tables")
        entries = []
    places = _places(text, len(entries))
    rules, labels = [], []
    for label, entry in zip(places, entries, strict=True):
        try:
            rules.append(_rule(entry))
            labels.append(f"{place}{label} ({rules[-1].pattern})")
        except PlanError as error:
            problems += [f"{label}: {problem}" for problem in error.problems]
    head, wrong = _head(table)
    if problems := [*wrong, *problems]:
        raise PlanError([f"{place}{problem}" for problem in problems])
    return rules, labels, head


def loads(text: str, place: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise ImportError(
                "plans in TOML need Python 3.11, or the package tomli: pip install 'initcore[models]'"
            ) from None
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise PlanError([f"{place}nested too deeply"]) from None
    except ValueError as error:  # beside the parser's own, that an integer has too many digits for Python
        raise PlanError([f"{place}no TOML: {error}"]) from None


def _places(text: str, count: int) -> list[str]:
    """Where rules are: the parser tells no lines, but each begins with a header."""
    lines = [text.count("\n", 0, found.start()) + 1 for found in _HEADER.finditer(text)]
    if len(lines) != count:  # of inline tables, or headers within strings
        return [f"rule {number}" for number in range(1, count + 1)]
    return [f"rule {number} in line {line}" for number, line in enumerate(lines, 1)]


def _rule(entry: Mapping[str, Any]) -> Rule:
    if "init" not in entry:
        raise PlanError(["a rule needs init"])
    settings = {key: value for key, value in entry.items() if key not in RULE_KEYS}
    return Rule(settings=settings, **{key: value for key, value in entry.items() if key in RULE_KEYS})


def _head(table: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what Plan takes, and what is wrong with it."""
    head, problems = {}, []
    try:
        path = table.get("path", [])
        head["seed"] = Stream(table.get("seed", 0), *(path if isinstance(path, list) else [path]))
    except (TypeError, ValueError) as error:
        problems.append(str(error))
    for key in ("dtype", "note"):
        if key in table:
            head[key] = table[key]
            if not isinstance(table[key], str):
                problems.append(f"{key} must be a string, not {table[key]!r}")
    if isinstance(head.get("dtype"), str):
        try:
            as_dtype(head["dtype"])
        except (ImportError, TypeError) as error:
            problems.append(f"dtype: {error}")
    return head, problems


def write(rules: tuple[Rule, ...], stream: Stream, dtype: str, note: str) -> str:
    """Return TOML that reads as these."""
    head: dict[str, Any] = {"note": note} if note else {}
    head |= {"seed": stream.seed, **({"path": list(stream.path)} if stream.path else {}), "dtype": dtype}
    return "\n".join(["\n".join(_lines(head)), *map(_table, rules)]) + "\n"


def _table(rule: Rule) -> str:
    entry: dict[str, Any] = {"note": rule.note} if rule.note else {}
    entry |= {"match": rule.match} if rule.match is not None else {"regex": rule.regex}
    entry |= {"where": rule.where} if rule.where else {}
    entry |= {"optional": True} if rule.optional else {}
    rows = {"zero_rows": list(rule.zero_rows)} if rule.zero_rows else {}
    return "\n".join(["", "[[rule]]", *_lines({**entry, "init": rule.init, **rule.settings, **rows})])


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{_key(key)} = {_value(value)}"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    if "\\" in text and text.isprintable() and "'" not in text:
        return f"'{text}'"  # as it is: a regular expression is read more easily
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value)
