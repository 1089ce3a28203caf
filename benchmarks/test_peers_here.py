"""Which peers are here, whether they are what their names say, and whether they use the threads that they may."""

from __future__ import annotations

import sys
from importlib import import_module, metadata
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from operations import Operation
from peers import PEERS, split

import initcore


@pytest.mark.parametrize("who", [name for name, peer in PEERS.items() if peer.package not in ("initcore", "numpy")])
def test_a_peer_that_is_missing_names_its_package(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = PEERS[who].package

    def nothing(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setitem(sys.modules, package, None)  # what makes an import fail
    monkeypatch.setattr("peers.mkl.metadata.files", nothing)
    monkeypatch.setattr("peers.mkl.library", sys.modules["peers.mkl"].library.__wrapped__)
    reason = PEERS[who].missing()
    assert reason is not None
    assert package in reason


def test_what_is_always_there() -> None:
    assert [name for name in PEERS if name.split()[0] in ("initcore", "numpy") and PEERS[name].missing()] == []


def test_keras_on_another_backend_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keras")
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert "keras runs on torch" in str(PEERS["keras"].missing())


def test_jax_without_an_implementation_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    monkeypatch.setattr(PEERS["jax philox"], "implementation", "philox9x32")
    reason = str(PEERS["jax philox"].missing())
    assert "jax" in reason
    assert "philox9x32" in reason


# Known answers: the index of a generator is that of its name


def philox(key: int) -> list[int]:
    counters = np.array([[block, 0, 0, 0] for block in range(2)], np.uint32)
    return [int(word) for word in initcore.philox4x32(counters, np.array([key, 0], np.uint32)).ravel()]


@pytest.mark.parametrize(
    ("who", "seeds", "words"),
    [
        ("mkl Philox4x32-10", [7], philox(7)),
        # five rounds of AES on counter 0, key schedule of Random123, from the definition of the S-box
        ("mkl ARS5", [7], [1376699343, 3590445878, 506325644, 774128496]),
        # SFMT.19937.out.txt of M. Saito's SFMT 1.5: init_by_array
        ("mkl SFMT19937", [0x1234, 0x5678, 0x9ABC, 0xDEF0], [2920711183, 3885745737, 3501893680, 856470934]),
    ],
)
def test_mkl_generators_are_those_of_their_names(who: str, seeds: list[int], words: list[int]) -> None:
    peer = PEERS[who]
    reason = peer.missing()
    if reason:
        pytest.skip(f"{who}: {reason}")
    from peers.mkl import STANDARD, Mkl, Stream

    assert isinstance(peer, Mkl)
    out = np.zeros(len(words), np.uint32)
    Stream(peer.generator, *seeds).call("viRngUniformBits32", STANDARD, out)
    assert out.tolist() == words


def test_mkl_truncates_whatever_probability_it_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its uniform numbers may be rounded to the bounds, which may be 0 and 1."""
    reason = PEERS["mkl ARS5"].missing()
    if reason:
        pytest.skip(reason)
    from peers.mkl import Stream

    monkeypatch.setattr(Stream, "call", lambda self, function, method, out, *of: out.flat.__setitem__([0, 1], [0, 1]))
    out = np.full(10, 0.5, np.float32)
    run = PEERS["mkl ARS5"].run(Operation("trunc_normal", {"std": 0.02}), out, 1)
    assert run is not None
    run()
    assert out.tolist()[:2] == [-2, 2]


# Threads


def test_parts_are_filled_at_the_same_time() -> None:
    """Each waits for all others, which none would reach if they came one after the other."""
    barrier = Barrier(3)
    passed = []
    run = split.together([lambda: passed.append(barrier.wait(timeout=30))] * 3)
    for _ in range(2):
        run()
    assert sorted(passed) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("fails", [0, 1])
def test_what_a_thread_raises_is_raised(fails: int) -> None:
    runs = [lambda: None, lambda: None]
    runs[fails] = lambda: [][0]
    with pytest.raises(IndexError):
        split.together(runs)()


@pytest.mark.parametrize(("size", "expected"), [(split.LEAST - 1, 1), (split.LEAST, 2)])
def test_small_arrays_are_left_to_one_thread(size: int, expected: int) -> None:
    assert len(split.parts_of(np.zeros(size), 2)) == expected


@pytest.mark.parametrize("who", ["torch", "numba"])
def test_libraries_with_threads_of_their_own_are_told_how_many(who: str) -> None:
    reason = PEERS[who].missing()
    if reason:
        pytest.skip(reason)
    library: Any = import_module(PEERS[who].package)
    most = vars(library.config)["NUMBA_NUM_THREADS"] if who == "numba" else 2
    for threads in (1, 2, 1):
        PEERS[who].run(Operation("normal"), np.zeros(split.LEAST, np.float32), threads)
        assert library.get_num_threads() == min(threads, most)
