"""Shards: what an index means, and which are refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy
import numpy as np
import pytest

import initcore
from initcore import Shard

WHOLE = (6, 4, 5)
INDICES: list[Any] = [
    np.s_[:],
    np.s_[...],
    (),
    np.s_[2:],
    np.s_[:3],
    np.s_[2:5],
    np.s_[-2:],
    np.s_[:-2],
    np.s_[-4:-1],
    np.s_[:, 1:3],
    np.s_[..., 1:3],
    np.s_[1:2, ..., 3:],
    np.s_[..., 1:2, :, :],
    np.s_[1:2, 1:2, 1:2],
    np.s_[1:2, 1:2, 1:2, ...],
    np.s_[0:6, 0:4, 0:5],
    np.s_[3:3],
    np.s_[4:2],
    np.s_[6:],
    np.s_[:0],
    np.s_[6:6, 4:4, 5:5],
    np.s_[::1],
    np.s_[1:3:1, ::None],
    np.s_[np.int64(1) : np.uint8(3)],
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_index_means_what_it_means_to_numpy(index: Any) -> None:
    numbers = np.arange(np.prod(WHOLE)).reshape(WHOLE)
    shard = Shard(WHOLE, index)
    block = numbers[index]
    assert shard.global_shape == WHOLE
    assert shard.shape == block.shape
    np.testing.assert_array_equal(numbers[shard.index], block)
    if block.size:
        assert shard.offset == np.unravel_index(block.flat[0], WHOLE)
    assert all(type(n) is int for n in (*shard.shape, *shard.offset, *shard.global_shape))


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_fill_of_a_shard_is_the_slice_of_the_fill(index: Any) -> None:
    whole = initcore.normal(WHOLE, rng=0)
    np.testing.assert_array_equal(initcore.normal(Shard(WHOLE, index), rng=0), whole[index], strict=True)


@pytest.mark.parametrize(
    ("index", "error", "words"),
    [
        (3, TypeError, "3"),
        (np.s_[1:2, 0], TypeError, "0"),
        (np.int64(1), TypeError, "1"),
        (None, TypeError, "None"),
        (np.s_[:, None], TypeError, "None"),
        ([1, 2], TypeError, r"\[1, 2\]"),
        (np.s_[[0, 1], :], TypeError, r"\[0, 1\]"),
        ("1:2", TypeError, "1:2"),
        (True, TypeError, "True"),
        (np.s_[1.0:2], TypeError, "float"),
        (np.s_["a":"b"], TypeError, "str"),
        (np.s_[::2], ValueError, "step 1"),
        (np.s_[::-1], ValueError, "step 1"),
        (np.s_[:, 1:2:3], ValueError, "step 1"),
        (np.s_[..., ...], ValueError, "at most one"),
        (np.s_[:, :, :, :], ValueError, r"4 axes.*\(6, 4, 5\)"),
        (np.s_[:7], ValueError, r"7.*\(6, 4, 5\)"),
        (np.s_[7:], ValueError, r"7.*\(6, 4, 5\)"),
        (np.s_[-7:], ValueError, r"-7.*\(6, 4, 5\)"),
        (np.s_[:-7], ValueError, r"-7.*\(6, 4, 5\)"),
        (np.s_[..., :6], ValueError, r"6.*\(6, 4, 5\)"),
    ],
)
def test_refused_index(index: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Shard(WHOLE, index)


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ((-1, 3), ValueError),
        (-1, ValueError),
        ((2**63,), ValueError),
        ((2**32, 2**31), ValueError),
        ((1,) * 65, ValueError),
        ((2**70, 0), ValueError),
        (1.5, TypeError),
        ((1, 1.5), TypeError),
        ("12", TypeError),
        (None, TypeError),
    ],
)
def test_refused_shape(shape: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"shape|elements|dimensions"):
        Shard(shape)


@pytest.mark.parametrize("shape", [5, np.int32(5), [5], (np.int64(5),), range(5, 6), np.array([5])], ids=repr)
def test_kinds_of_shapes(shape: Any) -> None:
    shard = Shard(shape, np.s_[1:])
    assert (shard.global_shape, shard.shape, shard.offset) == ((5,), (4,), (1,))
    assert type(shard.global_shape[0]) is int


def test_largest_and_smallest_shapes() -> None:
    assert Shard(2**63 - 1, np.s_[-1:]).offset == (2**63 - 2,)
    assert Shard((2**62, 1, 1), np.s_[-2:]).offset == (2**62 - 2, 0, 0)
    assert Shard(()).shape == ()
    assert Shard((), ...).index == ()
    assert Shard((0, 2**62)).shape == (0, 2**62)
    with pytest.raises(ValueError, match=r"2\*\*63"):
        Shard((2**62, 2))


def same(a: Shard, b: Shard) -> bool:
    return (a.global_shape, a.offset, a.shape) == (b.global_shape, b.offset, b.shape)


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize(
    "through",
    [*range(pickle.HIGHEST_PROTOCOL + 1), copy.copy, copy.deepcopy, repr],
    ids=lambda it: getattr(it, "__name__", str(it)),
)
def test_round_trips(index: Any, through: Any) -> None:
    """By pickles, copies and eval(repr())."""
    shard = Shard(WHOLE, index)
    if through is repr:
        twin = eval(repr(shard), {"Shard": Shard, "numpy": numpy})
    else:
        twin = through(shard) if callable(through) else pickle.loads(pickle.dumps(shard, through))
    assert same(twin, shard)
    assert twin == shard
    assert hash(twin) == hash(shard)


def test_round_trip_without_dimensions() -> None:
    assert eval(repr(Shard(())), {"Shard": Shard, "numpy": numpy}) == Shard(())


def test_equality_goes_by_block_and_whole() -> None:
    shards = [Shard(WHOLE, index) for index in INDICES] + [Shard((6, 4, 6)), Shard((6, 20)), Shard(5), Shard(())]
    for a in shards:
        for b in shards:
            assert (a == b) == same(a, b)
    assert len(set(shards)) == len({(s.global_shape, s.offset, s.shape) for s in shards})
    assert Shard(WHOLE, np.s_[:2]) != np.s_[:2]


@pytest.mark.parametrize("name", ["global_shape", "shape", "offset", "index", "new"])
def test_shards_are_immutable(name: str) -> None:
    shard = Shard(WHOLE, np.s_[1:3])
    with pytest.raises(AttributeError):
        setattr(shard, name, (1,))
    assert same(shard, Shard(WHOLE, np.s_[1:3]))


ELEMENTWISE = ["normal", "uniform", "trunc_normal", "xavier_uniform", "kaiming_normal", "lecun_normal", "he_uniform"]


@pytest.mark.parametrize("init", ELEMENTWISE)
@pytest.mark.parametrize("shape", [(11,), (7, 5), (3, 4, 5)])
def test_ranges_of_elements_are_the_slice_of_the_fill(init: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 2 and init not in ("normal", "uniform", "trunc_normal"):
        return
    whole = getattr(initcore, init)(shape, rng=3).reshape(-1)
    for start, stop in ((0, 0), (0, whole.size), (1, 2), (3, whole.size - 2), (whole.size, whole.size)):
        part = getattr(initcore, init)(initcore.FlatShard(shape, start, stop), rng=3)
        np.testing.assert_array_equal(part, whole[start:stop])
        out = np.zeros(2 * (stop - start), np.float32)[::2]
        getattr(initcore, f"{init}_")(out, rng=3, shard=initcore.FlatShard(shape, start, stop))
        np.testing.assert_array_equal(out, whole[start:stop])


def test_ranges_of_elements_are_refused_where_blocks_are_needed() -> None:
    shard = initcore.FlatShard((4, 3), 2, 7)
    for init, given in (("orthogonal", {}), ("eye", {}), ("sparse", {"sparsity": 0.5}), ("hadamard", {})):
        out = np.zeros(5, np.float32)
        with pytest.raises((TypeError, ValueError), match=r"FlatShard|dimension"):
            getattr(initcore, f"{init}_")(out, shard=shard, **given)
        assert not out.any()
    assert (initcore.ones(shard) == 1).all()
    for wrong in ((-1, 2), (0, 13), (3, 2)):
        with pytest.raises(ValueError, match="are not all in an array of shape"):
            initcore.FlatShard((4, 3), *wrong)
    with pytest.raises(TypeError, match="from an int to an int"):
        initcore.FlatShard((4, 3), 0.0, 2)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is not a block, so no slices"):
        _ = shard.index
    with pytest.raises(ValueError, match="out has shape"):
        initcore.normal_(np.zeros(4), shard=shard)


def test_ranges_of_elements_are_values() -> None:
    shard = initcore.FlatShard((4, 3), 2, 7)
    assert shard == eval(repr(shard), {"FlatShard": initcore.FlatShard})
    assert shard == pickle.loads(pickle.dumps(shard))
    assert shard != initcore.FlatShard((3, 4), 2, 7)
    assert initcore.FlatShard(12, 2, 7) != initcore.Shard(12, np.s_[2:7])
    assert len({shard, initcore.FlatShard((4, 3), 2, 7)}) == 1
    with pytest.raises(AttributeError, match="immutable"):
        shard.shape = (3,)
