"""Streams: which key a seed and a path make."""

from __future__ import annotations

import copy
import itertools
import pickle
import re
from typing import Any

import numpy as np
import pytest
import ref

import initcore
import initcore.models
from initcore import Generator, Stream

PATHS: list[tuple[int, tuple[str | int, ...]]] = [
    (0, ()),
    (1, ()),
    (2**32 - 1, ()),
    (2**32, ()),
    (2**64 + 12345, ()),
    (10**400 + 7, ()),
    (0, ("layers", 3)),
    (0, ("layers.3",)),
    (0, ("layers", "3")),
    (0, ("3",)),
    (0, (3,)),
    (0, (-3,)),
    (0, (-(2**70),)),
    (0, ("",)),
    (0, ("", "")),
    (0, ("ключ", "é", "e\u0301", "\U0001f600")),
    (0, ("a\0b",)),
    (123, tuple(range(40))),
]

# what the contract gave when this was written: a change of any is a new stream version
FROZEN: list[tuple[int, tuple[str | int, ...], tuple[int, int]]] = [
    (0, (), (2968811710, 3677149159)),
    (1, (), (1835504127, 1731038949)),
    (42, (), (3444837047, 2669555309)),
    (4294967296, (), (3964924996, 1358922860)),
    (18446744073709563961, (), (1848204530, 1899955366)),
    (10000000000000000000000000000000000000000, (), (1535395501, 1436425645)),
    (0, ("layers", 3), (3444166837, 2887142998)),
    (0, ("layers.3",), (3576286312, 427719094)),
    (0, (-3,), (136900315, 305587105)),
    (0, ("-3",), (4218619001, 3905613423)),
    (0, ("",), (3782907929, 3794906004)),
    (7, ("ключ", "é"), (4031965189, 3036748169)),
]


@pytest.mark.parametrize(("seed", "path"), PATHS)
def test_key_equals_the_reference(seed: int, path: tuple[str | int, ...]) -> None:
    stream = Stream(seed, *path)
    assert stream.key == ref.key_of(seed, path)
    assert all(type(word) is int for word in stream.key)


@pytest.mark.parametrize(("seed", "path", "key"), FROZEN)
def test_key_is_frozen(seed: int, path: tuple[str | int, ...], key: tuple[int, int]) -> None:
    assert Stream(seed, *path).key == key


@pytest.mark.parametrize(("seed", "path"), PATHS)
def test_spawn_key_is_what_seed_sequence_takes(seed: int, path: tuple[str | int, ...]) -> None:
    stream = Stream(seed, *path)
    assert len(stream.spawn_key) == 4 * len(path)
    words = np.random.SeedSequence(seed, spawn_key=stream.spawn_key).generate_state(2)
    assert stream.key == tuple(words.tolist())


def test_paths_have_keys_of_their_own() -> None:
    """Text and ints differ, and so do parts and their concatenation."""
    keys = [Stream(seed, *path).key for seed, path in PATHS]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("seed", "path"), PATHS)
def test_slash_appends_parts(seed: int, path: tuple[str | int, ...]) -> None:
    stream = Stream(seed)
    for part in path:
        stream = stream / part
    assert stream == Stream(seed, *path)
    assert (stream.seed, stream.path) == (seed, path)
    assert stream.key == Stream(seed, *path).key


def test_equality_and_hash_go_by_seed_and_path() -> None:
    streams = [Stream(seed, *path) for seed, path in PATHS]
    for (i, a), (j, b) in itertools.product(enumerate(streams), repeat=2):
        assert (a == b) == (i == j)
        assert (a != b) == (i != j)
    assert len({*streams, *(Stream(seed, *path) for seed, path in PATHS)}) == len(PATHS)
    assert Stream(0) != 0
    assert Stream(0) != Generator(0)


@pytest.mark.parametrize(("seed", "path"), PATHS)
@pytest.mark.parametrize(
    "through",
    [*range(pickle.HIGHEST_PROTOCOL + 1), copy.copy, copy.deepcopy],
    ids=lambda it: getattr(it, "__name__", str(it)),
)
def test_copies_equal_the_original(seed: int, path: tuple[str | int, ...], through: Any) -> None:
    stream = Stream(seed, *path)
    twin = through(stream) if callable(through) else pickle.loads(pickle.dumps(stream, through))
    assert (twin, twin.key, hash(twin)) == (stream, stream.key, hash(stream))


@pytest.mark.parametrize(("seed", "path"), PATHS)
def test_repr_makes_an_equal_stream(seed: int, path: tuple[str | int, ...]) -> None:
    if seed < 10**300:  # Python prints and parses no more than 4300 digits, and nobody reads so many
        assert eval(repr(Stream(seed, *path))) == Stream(seed, *path)


@pytest.mark.parametrize("name", ["seed", "path", "key", "spawn_key", "new"])
def test_streams_are_immutable(name: str) -> None:
    stream = Stream(0, "a")
    with pytest.raises(AttributeError):
        setattr(stream, name, 1)
    with pytest.raises(AttributeError):
        delattr(stream, name)
    with pytest.raises(AttributeError, match="immutable"):
        stream.__init__(1, "b")  # type: ignore[misc]
    assert (stream, stream.key) == (Stream(0, "a"), ref.key_of(0, ("a",)))


def test_a_part_that_is_no_text_is_refused_at_once() -> None:
    """Not when its key is needed: by then a plan may have filled other parameters."""
    for make in (lambda: Stream(0, "\ud800"), lambda: Stream(0) / "\ud800"):
        with pytest.raises(ValueError, match=r"must be text that UTF-8 can hold, not '\\ud800'"):
            make()
    a, b = np.zeros(3), np.zeros(3)
    with pytest.raises(initcore.models.PlanError, match="UTF-8"):
        initcore.Plan([initcore.Rule("normal", match="*")]).fill({"a": a, "\ud800": b})
    assert not a.any()


class Indexed:
    def __repr__(self) -> str:
        return "Indexed()"

    def __index__(self) -> int:
        return 2**70


@pytest.mark.parametrize(
    ("rng", "seed"),
    [
        (0, 0),
        (2**100, 2**100),
        (np.int64(7), 7),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.array(7), 7),
        (Indexed(), 2**70),
    ],
    ids=repr,
)
def test_an_int_stands_for_its_stream(rng: Any, seed: int) -> None:
    """NumPy's integers and whatever has __index__ count as ints, and every call gives the same numbers."""
    words = initcore.bits(100, rng=Stream(seed))
    np.testing.assert_array_equal(initcore.bits(100, rng=rng), words)
    np.testing.assert_array_equal(initcore.bits(100, rng=rng), words)
    assert Stream(rng) == Stream(seed)


def test_a_stream_has_no_state() -> None:
    stream = Stream(3, "a")
    first = initcore.normal(100, rng=stream)
    np.testing.assert_array_equal(initcore.normal(100, rng=stream), first)


def test_the_next_word_of_numpys_generator_is_a_seed() -> None:
    """Each fill takes one, and one that raises takes none."""
    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    for _ in range(3):
        again = initcore.normal((3, 4), rng=int(theirs.integers(2**63)))
        np.testing.assert_array_equal(initcore.normal((3, 4), rng=ours), again)
    for wrong in (lambda: initcore.normal(3, std=-1, rng=ours), lambda: initcore.orthogonal(3, rng=ours)):
        with pytest.raises(ValueError, match=r"std|dimensions"):
            wrong()
    with pytest.raises(ValueError, match="sparsity"):
        initcore.sparse((3, 3), 2.0, rng=ours)
    assert ours.bit_generator.state == theirs.bit_generator.state
    sparse = initcore.sparse((8, 3), 0.5, rng=ours)
    np.testing.assert_array_equal(sparse, initcore.sparse((8, 3), 0.5, rng=int(theirs.integers(2**63))))


BAD_RNGS: list[tuple[Any, type[Exception], str]] = [
    (-1, ValueError, "-1"),
    (np.int32(-5), ValueError, "-5"),
    (1.0, TypeError, "1.0"),
    (float("nan"), TypeError, "nan"),
    (np.float64(2.5), TypeError, "2.5"),
    ("0", TypeError, "'0'"),
    (b"0", TypeError, "bytes"),
    (True, TypeError, "True"),
    (np.True_, TypeError, "bool"),
    (1j, TypeError, "1j"),
    ((1, 2), TypeError, "tuple"),
    ([1], TypeError, "list"),
    (np.arange(2), TypeError, "array|scalar|integer"),
    (np.random.RandomState(0), TypeError, "numpy.random"),
    (np.random.SeedSequence(0), TypeError, "SeedSequence"),
    (Stream, TypeError, "type"),
]


@pytest.mark.parametrize(("rng", "error", "message"), BAD_RNGS, ids=lambda value: None)
def test_bad_rng_is_refused_and_nothing_written(rng: Any, error: type[Exception], message: str) -> None:
    out = np.full((4, 4), 7.0)
    with pytest.raises(error, match=message):
        initcore.normal_(out, rng=rng)
    assert (out == 7).all()


def test_bad_rng_says_what_is_taken() -> None:
    taken = ("int >= 0", "initcore.Stream", "initcore.Generator", "numpy.random.Generator", "None")
    with pytest.raises(TypeError, match=".*".join(map(re.escape, taken))):
        initcore.normal(3, rng="0")  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [Stream, Generator, initcore.manual_seed], ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    ("seed", "error"),
    [(-1, ValueError), (1.0, TypeError), ("a", TypeError), (True, TypeError), (None, TypeError), ((1,), TypeError)],
)
def test_bad_seed_is_refused(make: Any, seed: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="seed"):
        make(seed)


@pytest.mark.parametrize("part", [1.0, None, True, b"a", ("a",), np.float32(1)], ids=repr)
def test_bad_part_of_a_path_is_refused(part: Any) -> None:
    with pytest.raises(TypeError, match="path"):
        Stream(0, part)
    with pytest.raises(TypeError, match="path"):
        Stream(0) / part
