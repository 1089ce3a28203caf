"""Constants in arrays of any strides and dtype, and Ctrl-C in whatever writes them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import Run

import initcore
from initcore import _core

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory that is there when it is touched")

DTYPES = ["u1", "?", "<f2", ">i2", "<f4", ">f4", "<f8", ">f8", "<c8", ">c16", "<c16", "g", "O"]
VIEWS: dict[str, Any] = {
    "all": np.s_[:],
    "cut": np.s_[3:, 1:-2, 2:],
    "backwards": np.s_[::-1, ::-2, ::-1],
    "steps": np.s_[::2, 1::3, ::5],
    "one": np.s_[2:3, 4:5, 6:7],
    "none": np.s_[2:2],
    "column": np.s_[:, 3, :],
    "element": np.s_[1, 2, 3],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_constants_at_any_strides(dtype: str, view: str, value: float, threads: int) -> None:
    """The bytes of NumPy's own assignment, in every element of a view and in no other."""
    if value == 0.5 and np.dtype(dtype).kind not in "fcO":
        value = 1
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        base = np.full((13, 11, 67), 3 if dtype != "?" else True, dtype)
        expected = base.copy()
        expected.transpose(order)[VIEWS[view]] = np.asarray(value).astype(dtype)
        out = base.transpose(order)[VIEWS[view] if view != "element" else np.s_[1:2, 2:3, 3:4]]
        initcore.constant_(out, value)
        assert (base.tolist() if dtype == "O" else base.tobytes()) == (
            expected.tolist() if dtype == "O" else expected.tobytes()
        )


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "<c16"])
def test_numbers_that_compare_equal_keep_their_own_bytes(dtype: str) -> None:
    """The bytes of numbers that were written before are kept: those of 0.0 must not serve for -0.0."""
    for value in (0.0, -0.0, 0, -0.0, True, 1, 1.0, float("nan"), np.float32(-0.0), 0.0, np.float64(1), float("nan")):
        expected = np.full(9, value, dtype)
        assert initcore.constant_(np.full(9, 5, dtype), value).tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["u1", "<f4", "<f8", "<c16", "g"])
def test_constants_on_threads_and_past_the_caches(dtype: str, isa: str, threads: int) -> None:
    """Long rows that begin at any byte of a line, and units that end within rows."""
    size = 3 * _core.ELEMENTS_PER_THREAD
    for width in (size - 7, size // 3, 1031, 17, 3):
        memory = np.zeros((4, size + 64), dtype)
        out = memory[:, 5 : 5 + size // width * width].reshape(4, -1, width)[:, :, 1:]
        _core.set_constant(out, np.full((), 1, dtype).tobytes())
        assert (out == 1).all()
        assert np.count_nonzero(memory) == out.size
        for streaming in (True, False):
            _core.set_bytes(out, 0x11, streaming)
            assert out.tobytes() == b"\x11" * out.nbytes
            assert np.count_nonzero(memory) == out.size


def test_an_element_of_the_wrong_size_is_refused() -> None:
    out = np.zeros(3, np.float32)
    for element in (b"", b"123", b"12345"):
        with pytest.raises(ValueError, match="no element of float32"):
            _core.set_constant(out, element)
    with pytest.raises(ValueError, match="no element of object"):
        _core.set_constant(np.zeros(3, object), bytes(8))


@pytest.mark.parametrize("fill", [initcore.eye_, initcore.dirac_], ids=["eye", "dirac"])
def test_shards_of_ones_on_diagonals(fill: Any) -> None:
    """Every block of the whole, at any strides, has the elements that the whole has there."""
    shape = (9, 7) if fill is initcore.eye_ else (12, 5, 3, 4)
    for groups in ({},) if fill is initcore.eye_ else ({"groups": g} for g in (1, 2, 3, 4, 6, 12)):
        whole = fill(np.full(shape, 9.0), **groups)
        for top in range(shape[0]):
            for bottom in range(top, shape[0] + 1):
                for left in range(0, shape[1], 2):
                    at = np.s_[top:bottom, left : shape[1]]
                    part = np.full(whole[at].shape[::-1], 9.0).T
                    fill(part, shard=initcore.Shard(shape, at), **groups)
                    assert np.array_equal(part, whole[at])


def test_a_shard_of_a_whole_that_no_memory_could_hold() -> None:
    """Nothing is as long as the whole: neither the diagonal nor the taps are listed."""
    far = 2**30
    part = initcore.dirac_(
        np.empty((3, 3, 1)), shard=initcore.Shard((far, far, 3), np.s_[far - 3 : far, far - 3 : far, 1:2])
    )
    assert np.array_equal(part[:, :, 0], np.eye(3))
    rows = initcore.eye_(np.empty((3, 3)), shard=initcore.Shard((far, far), np.s_[far - 3 : far, far - 4 : far - 1]))
    assert np.array_equal(rows, np.eye(3, k=1))


@pytest.mark.parametrize(
    ("rows", "columns"), [(1, 3 << 20), (5, (1 << 20) + 3), (3 << 10, 1 << 10), (1 << 21, 1)], ids=str
)
def test_hadamard_is_cut_along_both_axes(rows: int, columns: int) -> None:
    out = initcore.hadamard_(np.empty((rows, columns), np.float32))
    whole = 1 << (max(rows, columns) - 1).bit_length()
    down = np.unique(np.r_[:rows:997, rows - 1])
    across = np.unique(np.r_[:columns:1013, columns - 1, min(1 << 20, columns - 1)])
    ones = np.array([[bin(int(i) & int(j)).count("1") % 2 for j in across] for i in down])
    assert np.array_equal(out[np.ix_(down, across)], np.where(ones, -1, 1) * np.float32(whole**-0.5))


LAYOUTS: dict[str, Callable[[int, int], tuple[slice, slice, bool]]] = {
    "window": lambda m, n: (np.s_[1 : m + 1], np.s_[2 : n + 2], False),
    "steps": lambda m, n: (np.s_[: 2 * m : 2], np.s_[1 : 2 * n : 2], False),
    "backwards": lambda m, n: (np.s_[m:0:-1], np.s_[n:0:-1], False),
    "transposed": lambda m, n: (np.s_[1 : n + 1], np.s_[1 : m + 1], True),
}


@pytest.mark.parametrize("streaming", [False, True], ids=["", "past the caches"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["i1", "f2", "f4", ">f8", "c16", "G"])
def test_hadamard_matrices_of_any_layout(dtype: str, layout: str, streaming: bool) -> None:
    _core.write_past_caches_from(0 if streaming else 1 << 62)
    try:
        for rows, columns, top, left in (
            (1, 1, 0, 0),
            (5, 700, 3, 2**40 - 350),
            (130, 70, 2**33, 60),
            (700, 33, 250, 1),
        ):
            memory = np.zeros((1500, 1500), dtype)
            across, down, turned = LAYOUTS[layout](rows, columns)
            out = memory[across, down].T if turned else memory[across, down]
            plus, minus = np.array(3, dtype), np.array(-5, dtype)
            _core.set_hadamard(out, plus.tobytes(), minus.tobytes(), top, left)
            both = np.arange(top, top + rows)[:, None] & np.arange(left, left + columns)
            odd = np.array([bin(i).count("1") % 2 for i in both.flat], bool).reshape(both.shape)
            assert np.array_equal(out, np.where(odd, minus, plus)), (rows, columns)
            out[...] = 0
            assert not memory.any()
    finally:
        _core.write_past_caches_from()


def test_hadamard_elements_are_whole() -> None:
    out = np.zeros((2, 2))
    for plus, minus in ((bytes(8), bytes(4)), (bytes(4), bytes(4))):
        with pytest.raises(ValueError, match="no elements of float64"):
            _core.set_hadamard(out, plus, minus, 0, 0)
    for wrong in (np.zeros(4), np.zeros((2, 2), object)):
        with pytest.raises(ValueError, match="two axes"):
            _core.set_hadamard(wrong, bytes(8), bytes(8), 0, 0)


# What is written first differs from what is there, and so does what would be written last: a thread that sees the
# first written sends the signal, and the last is as it was if the signal was heard in between.
INTERRUPTED = """
import os, signal, sys, threading
import numpy as np
import initcore
from initcore import patterns, sparse_zeros

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell begin with it ignored
initcore.set_num_threads(int(sys.argv[2]))
size = 3 << 29  # bytes, of which few are touched
flat = np.zeros(size // 4, np.float32)

def sparse(out):
    sparse_zeros.normal_ = lambda out, *_, **__: out
    sparse_zeros.sparse_(out, 1.0, rng=0)

def objects(out):
    # NumPy assigns them and holds the interpreter's lock: another thread may see the first only after the last
    parts = patterns._parts

    def interrupted(whole):
        for part in parts(whole):
            yield part
            os.kill(os.getpid(), signal.SIGINT)

    patterns._parts = interrupted
    initcore.constant_(out, 0.5)

what, out = {
    "zeros": (initcore.zeros_, flat),
    "ones": (initcore.ones_, flat),
    "constant": (lambda out: initcore.constant_(out, 0.5), flat),
    "complex": (lambda out: initcore.constant_(out, 0.5 + 1j), flat.view(np.complex128)),
    "strided": (lambda out: initcore.constant_(out, 0.5), flat.reshape(-1, 1 << 12)[:, : 3 << 10]),
    "steps": (lambda out: initcore.constant_(out, 0.5), flat[::2]),
    "objects": (objects, np.zeros(1 << 22, object)),
    "eye": (initcore.eye_, flat.reshape(-1, 1 << 14)),
    "eye_strided": (initcore.eye_, flat.reshape(-1, 1 << 12)[:, : 3 << 10]),
    "dirac": (initcore.dirac_, flat.reshape(-1, 1 << 12, 3)),
    "hadamard": (initcore.hadamard_, flat.reshape(-1, 1 << 12)),
    "hadamard_row": (initcore.hadamard_, flat.reshape(1, -1)),
    "sparse": (sparse, flat.reshape(-1, 1 << 14)),
}[sys.argv[1]]
first, last = (0,) * out.ndim, (-1,) * out.ndim
out[first] = out[last] = 7

def send():
    while out[first] == 7:
        pass
    os.kill(os.getpid(), signal.SIGINT)

if sys.argv[1] != "objects":
    threading.Thread(target=send, daemon=True).start()
try:
    what(out)
except KeyboardInterrupt:
    pass
else:
    sys.exit("not interrupted")
assert out[first] != 7
assert out[last] == 7, "all was written before the signal was heard"
"""


@linux
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize(
    "what",
    [
        *("zeros", "ones", "constant", "complex", "strided", "steps", "objects", "eye", "eye_strided", "dirac"),
        *("hadamard", "hadamard_row", "sparse"),
    ],
)
def test_ctrl_c_stops_every_long_write(what: str, threads: str, run_python: Run) -> None:
    run_python(INTERRUPTED, what, threads)


def test_no_write_leaves_the_interruptible_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the core is asked to set nothing, nothing is set: NumPy's own assignment stands in nowhere."""
    monkeypatch.setattr("initcore._core.set_constant", lambda out, element: None)
    for fill in (initcore.zeros_, initcore.ones_, initcore.eye_, initcore.dirac_):
        out: NDArray[Any] = np.full((4, 4, 3)[: 2 + (fill is initcore.dirac_)], 9.0)
        for view in (out, out[::2, ::-1]):
            fill(view)
            assert (out == 9).all()
