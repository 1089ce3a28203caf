"""Losses and ties are found, and shown with their reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import losses
import pytest
import report
import tables
from rows import Results, Row, load
from sample import write


@pytest.fixture
def results(tmp_path: Path) -> Results:
    (found,) = load(write(tmp_path))
    return found


def reasons_in(directory: Path, text: str) -> dict[str, str]:
    path = directory / "losses.toml"
    path.write_text(f"[reasons]\n{text}\n", encoding="utf-8")
    return losses.read_reasons(path)


def test_losses_are_found_with_their_reasons(results: Results, tmp_path: Path) -> None:
    reasons = reasons_in(tmp_path, '"dist*/uniform/float32/mkl ARS5" = "AES in hardware"')
    found = [loss for loss in losses.losses(results, reasons) if not loss.tie]
    assert {loss.theirs.who for loss in found} == {"mkl ARS5"}
    assert {loss.ours.operation for loss in found} == {"uniform"}
    by_reason = {(loss.ours.suite, loss.ours.dtype): loss.reason for loss in found}
    assert by_reason["distributions", "float32"] == "AES in hardware"
    assert by_reason["distributions", "float64"] == by_reason["small", "float32"] == losses.UNEXPLAINED
    text = tables.loss_table(found)
    assert "AES in hardware" in text
    assert losses.UNEXPLAINED in text
    worst = found[0]
    assert worst.times == pytest.approx(worst.ours.seconds / worst.theirs.seconds)
    assert worst.times == max(loss.times for loss in found) > 1


def made_slower(factor: float, elements: int = 4096, theirs: int = 1) -> list[losses.Loss]:
    """Return the losses where a peer takes so many times as long on one thread as initcore, with `theirs` threads."""
    fixed: dict[str, Any] = {"suite": "small", "operation": "normal", "dtype": "float32", "shape": (elements,)}
    fixed |= {"elements": elements, "nbytes": 4 * elements, "in_place": True}
    ours = Row(who="initcore", seconds=1.0, threads=1, **fixed)
    peer = Row(who="torch", seconds=factor, threads=theirs, **fixed)
    return losses.losses(Results([], {}, [], [ours, peer]), {})


@pytest.mark.parametrize(
    ("factor", "kinds"),
    [(0.5, ["loss"]), (0.96, ["loss"]), (0.98, ["tie"]), (1.0, ["tie"]), (1.02, ["tie"]), (1.04, []), (2.0, [])],
)
def test_ties_are_within_three_per_cent(factor: float, kinds: list[str]) -> None:
    assert ["tie" if loss.tie else "loss" for loss in made_slower(factor)] == kinds


def test_only_the_same_number_of_threads_is_compared() -> None:
    assert made_slower(0.5)
    assert not made_slower(0.5, theirs=2)


@pytest.mark.parametrize(("elements", "small"), [(1024, True), (4095, True), (4096, False)])
def test_small_arrays_have_a_table_of_their_own(elements: int, small: bool) -> None:
    found = made_slower(0.5, elements)
    large_part, _, small_part = "\n".join(report.losing(found)).partition("### Arrays below")
    assert [loss.small for loss in found] == [small]
    assert ("torch" in small_part, "torch" in large_part) == (small, not small)


@pytest.mark.parametrize("text", ['"uniform/float32/torch" = "three parts"', '"a/b/c/d" = " "'])
def test_patterns_and_reasons_must_be_whole(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"losses\.toml"):
        reasons_in(tmp_path, text)


def test_reasons_that_nothing_needs_are_named(results: Results, tmp_path: Path) -> None:
    reasons = reasons_in(tmp_path, '"*/uniform/*/mkl ARS5" = "needed"\n"*/normal/*/torch" = "no longer"')
    assert losses.unused(reasons, losses.losses(results, reasons)) == ["*/normal/*/torch"]


def test_the_reasons_that_are_kept_can_be_read() -> None:
    assert isinstance(losses.read_reasons(losses.REASONS), dict)
