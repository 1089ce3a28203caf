"""Generators: what is drawn after what, by whom, and how it is saved. Keys and bad seeds are in test_streams.py."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import threading
from typing import Any

import numpy as np
import pytest
import ref
from support import Run

import initcore
from initcore import Generator, Shard, Stream

LAST = 2**32 - 1


def at(draw: int, seed: int = 0) -> Generator:
    generator = Generator(seed)
    generator.state = {**generator.state, "draw": draw}
    return generator


def test_first_fill_is_that_of_the_stream() -> None:
    for seed in (5, Stream(5, "a")):
        np.testing.assert_array_equal(initcore.normal(99, rng=Generator(seed)), initcore.normal(99, rng=seed))


def test_each_fill_takes_the_next_draw() -> None:
    generator = Generator(5)
    for draw in range(5):
        assert generator.draw == draw
        words = initcore.bits(99, rng=generator)
        np.testing.assert_array_equal(words, ref.words(ref.key_of(5), np.arange(99), draw))


@pytest.mark.parametrize("draw", [1, 2**31 - 1, 2**31, LAST])
def test_draw_is_the_fourth_counter_word(draw: int, isa: str) -> None:
    words = initcore.bits(99, rng=at(draw, 6))
    np.testing.assert_array_equal(words, ref.words(ref.key_of(6), np.arange(99), draw))


def test_draws_have_numbers_of_their_own() -> None:
    generator = Generator(0)
    fills = [initcore.bits(64, rng=generator).tobytes() for _ in range(100)]
    assert len(set(fills)) == 100


FILLS: dict[str, Any] = {
    "bits_": lambda out, rng: initcore.bits_(out.view(np.uint32), rng=rng),
    "uniform_": lambda out, rng: initcore.uniform_(out, rng=rng),
    "normal_": lambda out, rng: initcore.normal_(out, rng=rng),
    "xavier_uniform_": lambda out, rng: initcore.xavier_uniform_(out, rng=rng),
    "kaiming_normal_": lambda out, rng: initcore.kaiming_normal_(out, rng=rng),
    "sparse_": lambda out, rng: initcore.sparse_(out, 0.5, rng=rng),
    "shard": lambda out, rng: initcore.normal_(out, rng=rng, shard=Shard((100, 100), np.s_[:8, :8])),
    "empty": lambda out, rng: initcore.normal_(out[:0], rng=rng),
}


@pytest.mark.parametrize("name", FILLS)
def test_a_fill_takes_one_draw(name: str) -> None:
    """Whatever it needs and however large it is, so that ranks with other shards stay in step."""
    generator = Generator(0)
    FILLS[name](np.empty((8, 8), np.float32), generator)
    assert generator.draw == 1


def test_a_refused_fill_takes_no_draw() -> None:
    generator = Generator(0)
    with pytest.raises(ValueError, match="std"):
        initcore.normal(3, std=-1, rng=generator)
    with pytest.raises(TypeError, match="int32"):
        initcore.normal(3, dtype=np.int32, rng=generator)
    assert generator.draw == 0


def test_last_draw_and_then_overflow() -> None:
    generator = at(LAST)
    initcore.normal(3, rng=generator)
    out = np.full(3, 7.0)
    for _ in range(3):
        assert generator.draw == 2**32
        with pytest.raises(OverflowError, match=r"2\*\*32"):
            initcore.normal_(out, rng=generator)
    assert (out == 7).all()


def test_state_is_plain_and_restores_the_numbers() -> None:
    generator = Generator(Stream(3, "a", -4))
    initcore.normal(3, rng=generator)
    state = generator.state
    assert state == {"seed": 3, "path": ("a", -4), "draw": 1}
    after = initcore.normal(9, rng=generator)
    other = Generator(99)
    other.state = state
    np.testing.assert_array_equal(initcore.normal(9, rng=other), after)
    generator.state = state
    np.testing.assert_array_equal(initcore.normal(9, rng=generator), after)


def test_state_of_the_past_does_not_change() -> None:
    generator = Generator(3)
    state = generator.state
    initcore.normal(3, rng=generator)
    assert state["draw"] == 0


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"draw": -1}, ValueError),
        ({"draw": 2**32 + 1}, ValueError),
        ({"draw": 1.0}, TypeError),
        ({"draw": True}, TypeError),
        ({"seed": -1}, ValueError),
        ({"seed": "a"}, TypeError),
        ({"path": (1.5,)}, TypeError),
    ],
    ids=repr,
)
def test_bad_state_is_refused_and_changes_nothing(change: dict[str, Any], error: type[Exception]) -> None:
    generator = at(2, 3)
    with pytest.raises(error):
        generator.state = {**generator.state, **change}
    assert generator.state == {"seed": 3, "path": (), "draw": 2}


@pytest.mark.parametrize("draw", [0, 1, LAST, 2**32])
@pytest.mark.parametrize(
    "through",
    [*range(pickle.HIGHEST_PROTOCOL + 1), copy.copy, copy.deepcopy],
    ids=lambda it: getattr(it, "__name__", str(it)),
)
def test_copies_go_on_alone(through: Any, draw: int) -> None:
    generator = Generator(Stream(2**70, "a", 3))
    generator.state = {**generator.state, "draw": draw}
    twin = through(generator) if callable(through) else pickle.loads(pickle.dumps(generator, through))
    assert twin.state == generator.state
    assert twin.stream == generator.stream
    if draw < LAST:
        np.testing.assert_array_equal(initcore.normal(5, rng=twin), initcore.normal(5, rng=generator))
        initcore.normal(5, rng=twin)
        assert (twin.draw, generator.draw) == (draw + 2, draw + 1)


def test_threads_that_share_a_generator_get_draws_of_their_own() -> None:
    """Eight threads, switched as often as Python can: all the draws up to the last, each once."""
    generator, fills_each, got = Generator(1), 300, []
    start = threading.Barrier(8)

    def fill() -> None:
        start.wait()
        mine = [initcore.bits(4, rng=generator).tobytes() for _ in range(fills_each)]
        got.extend(mine)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=fill) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    draws = 8 * fills_each
    assert generator.draw == draws
    assert sorted(got) == sorted(ref.words(ref.key_of(1), np.arange(4), draw).tobytes() for draw in range(draws))


def test_manual_seed_seeds_what_none_stands_for() -> None:
    for seed in (0, 2**80):
        generator = initcore.manual_seed(seed)
        expected = Generator(seed)
        for _ in range(3):
            np.testing.assert_array_equal(initcore.normal(9), initcore.normal(9, rng=expected))
        assert generator.draw == 3


def test_none_without_a_seed_varies(run_python: Run) -> None:
    """Within a process, and between processes."""
    script = "import initcore\nfor _ in range(2): print(initcore.bits(4).tolist())"
    lines = [line for _ in range(3) for line in run_python(script).stdout.splitlines()]
    assert len(lines) == len(set(lines)) == 6


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")  # Python dislikes forks
import initcore

if sys.argv[1] == "manual_seed":
    initcore.manual_seed(1)
elif sys.argv[1] == "drawn":
    initcore.bits(4)
generator = initcore.Generator(2)
children = 3
for _ in range(children):
    sys.stdout.flush()
    if (child := os.fork()) == 0:
        print("default", initcore.bits(4).tolist())
        print("own", initcore.bits(4, rng=generator).tolist())
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print("default", initcore.bits(4).tolist())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize(("how", "distinct"), [("drawn", 4), ("untouched", 4), ("manual_seed", 1)])
def test_fork_reseeds_only_what_the_system_seeded(how: str, distinct: int, run_python: Run) -> None:
    """Children of one parent draw numbers of their own by default; a seed that was asked for stays."""
    lines = run_python(FORK, how).stdout.splitlines()
    assert len(lines) == 7
    assert len({line for line in lines if line.startswith("default")}) == distinct
    assert len({line for line in lines if line.startswith("own")}) == 1
