"""initcore.numpy.Philox4x32 as a place in its sequence: state, advance, jumped, spawn and copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import ref
from numpy.random import Generator, RandomState, SeedSequence
from numpy.random.bit_generator import ISeedSequence
from philox_words import BUFFER, KEY, words_at

import initcore
from initcore import Stream
from initcore.numpy import Philox4x32

PERIOD = 2**66
PLACES = [0, 1, 2, 3, 4, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER - 2]


class Named(Philox4x32):
    """A subclass, which copies keep."""


def position(generator: Philox4x32) -> int:
    state = generator.state
    low, high, _, _ = state["state"]["counter"].tolist()
    return 4 * (low | high << 32) + int(state["word"])


# State


@pytest.mark.parametrize("place", PLACES)
def test_state_names_the_next_word(place: int) -> None:
    generator = Philox4x32(0)
    generator.random_raw(place)
    state = generator.state
    assert state["bit_generator"] == "Philox4x32"
    assert state["state"]["key"].tolist() == list(KEY)
    assert state["state"]["counter"].tolist() == [place // 4, 0, 0, 0]
    assert state["word"] == place % 4
    assert (state["state"]["key"].dtype, state["state"]["counter"].dtype) == (np.uint32, np.uint32)


@pytest.mark.parametrize("place", PLACES)
def test_state_restores_the_words(place: int) -> None:
    generator = Philox4x32(0)
    generator.random_raw(place)
    state = generator.state
    plain = {**state, "state": {name: words.tolist() for name, words in state["state"].items()}}
    after = generator.random_raw(2 * BUFFER)
    np.testing.assert_array_equal(after, words_at(KEY, place, after.size))
    for saved in (state, plain):
        other = Philox4x32(99)
        other.state = saved
        np.testing.assert_array_equal(other.random_raw(after.size), after)
    generator.state = state
    np.testing.assert_array_equal(generator.random_raw(after.size), after)


def test_half_of_a_pair_of_words_is_not_kept() -> None:
    """A uint32 leaves the stream between two pairs; doubles then take the words that follow."""
    generator = Generator(Philox4x32(0))
    generator.integers(0, 2**32, 3, np.uint32)
    state = generator.bit_generator.state
    doubles = generator.random(BUFFER)
    generator.bit_generator.state = state
    np.testing.assert_array_equal(generator.random(BUFFER), doubles)
    w = words_at(KEY, 3, 2).tolist()
    assert doubles[0] == ((w[0] | w[1] << 32) >> 11) * 2.0**-53


def test_counter_and_key_make_the_same_state() -> None:
    """NumPy's test_set_key; and changing a state that was read changes nothing."""
    for seed, draw in ((0, 0), (Stream(2**80, "a"), 7)):
        first = Philox4x32(seed, draw=draw)
        state = first.state
        keyed = Philox4x32(counter=state["state"]["counter"], key=state["state"]["key"])
        np.testing.assert_equal(keyed.state, state)
        state["state"]["counter"][:] = 5
        np.testing.assert_equal(keyed.state, first.state)


def changed(state: dict[str, Any], **changes: Any) -> dict[str, Any]:
    inner = {**state["state"], **{name: changes.pop(name) for name in ("key", "counter") if name in changes}}
    return {**state, "state": inner, **changes}


BAD_STATES: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"bit_generator": "Philox"}, ValueError),
    ({"bit_generator": None}, ValueError),
    ({"state": None}, TypeError),
    ({"word": 4}, ValueError),
    ({"word": -1}, ValueError),
    ({"word": 1.0}, TypeError),
    ({"key": [1]}, ValueError),
    ({"key": [1, 2.5]}, TypeError),
    ({"key": 2**64}, ValueError),
    ({"counter": [1, 2, 3]}, ValueError),
    ({"counter": [1, 2, 3, 2**32]}, ValueError),
    ({"counter": [-1, 2, 3, 4]}, ValueError),
    ({"counter": None}, TypeError),
]


@pytest.mark.parametrize(("change", "error"), BAD_STATES, ids=repr)
def test_bad_state_is_refused_and_changes_nothing(change: dict[str, Any], error: type[Exception]) -> None:
    generator = Philox4x32(0).advance(5)
    with pytest.raises(error):
        generator.state = changed(generator.state, **change)
    np.testing.assert_array_equal(generator.random_raw(9), words_at(KEY, 5, 9))


@pytest.mark.parametrize("missing", ["bit_generator", "state", "word", "key", "counter"])
def test_state_without_an_entry_is_refused(missing: str) -> None:
    generator = Philox4x32(0)
    state = generator.state
    del (state if missing in state else state["state"])[missing]
    with pytest.raises(KeyError, match=missing):
        generator.state = state


@pytest.mark.parametrize("state", [{"1"}, None, 5, (1, 2), "Philox4x32"], ids=repr)
def test_state_must_be_a_dict(state: Any) -> None:
    with pytest.raises(TypeError, match="dict"):
        Philox4x32(0).state = state


# Advance

DELTAS = [0, 1, 2, 3, 4, 5, BUFFER - 1, BUFFER, 10**5, 2**34 + 1, 2**63 + 2**31 + 2**15 + 1, PERIOD - 1, PERIOD, -1, -5]


@pytest.mark.parametrize("delta", [*DELTAS, -(2**65), 3 * PERIOD + 2, -(10**30)])
@pytest.mark.parametrize("place", [0, 3, BUFFER - 1])
def test_advance_skips_words(delta: int, place: int, isa: str) -> None:
    generator = Philox4x32(0)
    generator.random_raw(place)
    assert generator.advance(delta) is generator
    there = (place + delta) % PERIOD
    assert position(generator) == there
    np.testing.assert_array_equal(generator.random_raw(99), words_at(KEY, there, 99))


def test_advance_equals_drawing() -> None:
    for count in (1, 6, 2 * BUFFER + 3):
        drawn, skipped = Philox4x32(1), Philox4x32(1)
        drawn.random_raw(count)
        np.testing.assert_array_equal(skipped.advance(count).random_raw(9), drawn.random_raw(9))
        doubles, skipped = Generator(Philox4x32(1)), Philox4x32(1)
        doubles.random(count)
        assert skipped.advance(2 * count).random_raw() == doubles.bit_generator.random_raw()


def test_advance_keeps_plane_and_draw() -> None:
    generator = Philox4x32(0, counter=[2**32 - 1, 2**32 - 1, 5, 6]).advance(9)
    assert generator.state["state"]["counter"].tolist() == [1, 0, 5, 6]
    assert generator.advance(-9).state["state"]["counter"].tolist() == [2**32 - 1, 2**32 - 1, 5, 6]


def test_advance_takes_ints_alone() -> None:
    generator = Philox4x32(0)
    assert position(generator.advance(np.int64(7))) == 7  # type: ignore[arg-type]
    for delta in (1.0, "1", None):
        with pytest.raises(TypeError, match="integer"):
            generator.advance(delta)  # type: ignore[arg-type]
    assert position(generator) == 7


# Jumps and children


@pytest.mark.parametrize("jumps", [0, 1, 2, 5, 2**32 - 1])
def test_jumps_lead_to_later_draws(jumps: int) -> None:
    for place in (0, 7):
        generator = Named(0)
        generator.random_raw(place)
        jumped = generator.jumped(jumps)
        assert type(jumped) is Named
        assert jumped.seed_seq is generator.seed_seq
        assert position(generator) == place
        np.testing.assert_array_equal(jumped.random_raw(99), words_at(KEY, place, 99, draw=jumps))
        np.testing.assert_array_equal(
            Philox4x32(0, draw=jumps).advance(place).random_raw(9), words_at(KEY, place, 9, draw=jumps)
        )
        assert generator.random_raw() == words_at(KEY, place, 1)[0]


def test_jumps_are_one_by_default_and_add_up() -> None:
    generator = Philox4x32(0)
    assert generator.jumped().jumped(3).jumped(-2).state["state"]["counter"].tolist() == [0, 0, 0, 2]


@pytest.mark.parametrize(("draw", "jumps"), [(0, -1), (0, 2**32), (2**32 - 1, 1), (5, -6), (1, 10**30)])
def test_jumps_beyond_the_draws_are_refused(draw: int, jumps: int) -> None:
    with pytest.raises(OverflowError, match=r"2\*\*32"):
        Philox4x32(0, draw=draw).jumped(jumps)


def test_jumps_are_ints() -> None:
    with pytest.raises(TypeError, match="integer"):
        Philox4x32(0).jumped(1.0)  # type: ignore[arg-type]


def test_jumped_with_a_key() -> None:
    jumped = Philox4x32(key=[1, 2]).jumped()
    assert jumped.seed_seq is None
    np.testing.assert_array_equal(jumped.random_raw(9), words_at((1, 2), 0, 9, draw=1))


@pytest.mark.parametrize("seed", [0, Stream(5, "a"), [1, 2]], ids=repr)
def test_spawned_ones_have_the_keys_of_their_seed_sequences(seed: Any) -> None:
    """And go on counting where an earlier spawn, of the bit generator or of its Generator, ended."""
    generator = Named(seed)
    children = generator.spawn(3) + [child.bit_generator for child in Generator(generator).spawn(2)]
    entropy, spawn_key = (seed.seed, seed.spawn_key) if isinstance(seed, Stream) else (seed, ())
    keys = [SeedSequence(entropy, spawn_key=(*spawn_key, i)).generate_state(2).tolist() for i in range(5)]
    assert [child.state["state"]["key"].tolist() for child in children] == keys
    assert all(type(child) is Named and position(child) == 0 for child in children)
    assert len({generator.random_raw(), *(child.random_raw() for child in children)}) == 6


def test_what_cannot_spawn_says_so() -> None:
    class Fixed(ISeedSequence):
        def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
            return np.arange(n_words, dtype=dtype)

    for generator in (Philox4x32(key=1), Philox4x32(Fixed())):  # type: ignore[abstract]
        with pytest.raises(TypeError, match="does not implement spawning"):
            generator.spawn(1)
    assert Philox4x32(Fixed()).state["state"]["key"].tolist() == [0, 1]  # type: ignore[abstract]


# Copies

THROUGH = [*range(pickle.HIGHEST_PROTOCOL + 1), copy.copy, copy.deepcopy]


def twin_of(value: Any, through: Any) -> Any:
    return through(value) if callable(through) else pickle.loads(pickle.dumps(value, through))


@pytest.mark.parametrize("through", THROUGH, ids=lambda it: getattr(it, "__name__", str(it)))
@pytest.mark.parametrize("place", [0, 5, BUFFER + 2])
def test_copies_go_on_alone(place: int, through: Any) -> None:
    generator = Named(Stream(2**70, "a", 3), draw=4)
    generator.spawn(2)
    generator.random_raw(place)
    twin = twin_of(generator, through)
    assert type(twin) is Named
    np.testing.assert_equal(twin.state, generator.state)
    assert twin.seed_seq.state == generator.seed_seq.state
    assert twin.seed_seq.n_children_spawned == 2
    expected = words_at(ref.key_of(2**70, ("a", 3)), place, 99, draw=4)
    for each in (twin, generator):
        np.testing.assert_array_equal(each.random_raw(99), expected)
    assert twin.lock is not generator.lock


@pytest.mark.parametrize("through", THROUGH, ids=lambda it: getattr(it, "__name__", str(it)))
def test_copies_with_a_key(through: Any) -> None:
    twin = twin_of(Philox4x32(key=[3, 4], counter=7), through)
    assert twin.seed_seq is None
    np.testing.assert_array_equal(twin.random_raw(9), words_at((3, 4), 28, 9))


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="pickles generators of NumPy's own alone")
@pytest.mark.parametrize("kind", [Generator, RandomState])
@pytest.mark.parametrize(
    "through", [*range(2, pickle.HIGHEST_PROTOCOL + 1), copy.deepcopy], ids=lambda it: getattr(it, "__name__", str(it))
)
def test_generators_are_copied_with_it(kind: Any, through: Any) -> None:
    generator = kind(Philox4x32(0))
    generator.standard_normal(7)
    twin = twin_of(generator, through)
    np.testing.assert_array_equal(twin.standard_normal(99), generator.standard_normal(99))


def test_default_rng_takes_it() -> None:
    assert np.random.default_rng(Philox4x32(0)).random() == Generator(Philox4x32(0)).random()
    with pytest.raises(TypeError, match="rng must be"):
        initcore.normal(3, rng=Philox4x32(0))  # type: ignore[arg-type]
