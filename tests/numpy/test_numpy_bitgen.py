"""initcore.numpy.Philox4x32 as a source: its words, and what NumPy makes of them. See test_numpy_state.py too."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import ref
from numpy.random import Generator, RandomState, SeedSequence
from philox_words import BUFFER, KEY, ROWS, hexadecimal, words_at
from support import ROOT, Run, need

import initcore
from initcore import Stream
from initcore.numpy import Philox4x32

# Words

SEEDS: list[Any] = [0, 1, 2**32, 10**40, np.int64(7), np.array(7), Stream(3), Stream(2**70, "layers", 3, "weight")]
ENTROPIES: list[Any] = [
    SeedSequence(5),
    SeedSequence(5).spawn(2)[1],
    [1, 2, 3],
    (4,),
    np.arange(9),
    range(3),
    [2**80, 1],
]


@pytest.mark.parametrize("seed", SEEDS, ids=repr)
def test_words_are_those_of_bits(seed: Any) -> None:
    stream = seed if isinstance(seed, Stream) else Stream(seed)
    words = Philox4x32(seed).random_raw(3 * BUFFER + 5)
    assert words.dtype == np.uint64
    np.testing.assert_array_equal(words, initcore.bits(words.size, rng=seed))
    np.testing.assert_array_equal(words, words_at(ref.key_of(stream.seed, stream.path), 0, words.size))


@pytest.mark.parametrize("seed", ENTROPIES, ids=repr)
def test_other_seeds_are_numpys(seed: Any) -> None:
    sequence = seed if isinstance(seed, SeedSequence) else SeedSequence(seed)
    first, second = sequence.generate_state(2).tolist()
    generator = Philox4x32(seed)
    assert generator.state["state"]["key"].tolist() == [first, second]
    assert (generator.seed_seq is seed) == isinstance(seed, SeedSequence)
    np.testing.assert_array_equal(generator.random_raw(99), words_at((first, second), 0, 99))


def test_no_seed_is_another_each_time() -> None:
    assert len({tuple(Philox4x32(seed).random_raw(2)) for seed in [*[None] * 20, 0]}) == 21
    assert len({tuple(Philox4x32().random_raw(2)) for _ in range(20)}) == 20


@pytest.mark.parametrize("draw", [0, 1, 2**31, 2**32 - 1])
def test_draws_are_the_fills_of_a_generator(draw: int) -> None:
    generator = initcore.Generator(6)
    generator.state = {**generator.state, "draw": draw}
    np.testing.assert_array_equal(Philox4x32(6, draw=draw).random_raw(99), initcore.bits(99, rng=generator))


@pytest.mark.parametrize("row", [row for row in ROWS if row[1] == "10"], ids=lambda row: row[2])
def test_known_answers(row: list[str], isa: str) -> None:
    """Of Random123, through counter and key, as words and as ints of the low word first."""
    words = hexadecimal(row[2:])
    counter, key = (sum(word << 32 * i for i, word in enumerate(part)) for part in (words[:4], words[4:6]))
    for generator in (Philox4x32(counter=words[:4], key=words[4:6]), Philox4x32(None, counter, key)):
        assert generator.random_raw(4).tolist() == words[6:]
        assert generator.seed_seq is None


POSITIONS = [0, 5, 2**34 - 4, 2**34 - 47, 2**35 - BUFFER - 1, 2**65, 2**66 - 4, 2**66 - 2 * BUFFER - 3, 2**66 - 101]


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize(("plane", "draw"), [(0, 0), (0x60000003, 9)])
def test_words_anywhere(position: int, plane: int, draw: int, isa: str) -> None:
    """Where the low word of the block number wraps, and where the 2**66 words of a draw begin again."""
    block, word = divmod(position, 4)
    generator = Philox4x32(0, counter=[block & 0xFFFFFFFF, block >> 32, plane, draw])
    assert generator.random_raw(word, output=False) is None
    count = 3 * BUFFER
    np.testing.assert_array_equal(generator.random_raw(count), words_at(KEY, position, count, plane, draw))


@pytest.mark.parametrize("sizes", [(1,) * 9, (BUFFER - 1, 2, 1), (BUFFER, 1), (7, 10**5, 3), ((3, 4), (0,), (2, 1, 5))])
def test_sizes_cut_one_sequence(sizes: tuple[Any, ...], isa: str) -> None:
    generator = Philox4x32(0)
    parts = [generator.random_raw(size) for size in sizes]
    assert [part.shape for part in parts] == [np.empty(size).shape for size in sizes]
    whole = np.concatenate([part.reshape(-1) for part in parts])
    np.testing.assert_array_equal(whole, initcore.bits(whole.size, rng=0))


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"seed": -1}, ValueError, "-1"),
    ({"seed": [1, -1]}, ValueError, "non-negative"),
    ({"seed": []}, ValueError, "empty"),
    ({"seed": np.zeros((0, 3), int)}, ValueError, "empty"),
    ({"seed": 1.5}, TypeError, "1.5"),
    ({"seed": [1.5]}, TypeError, "1.5|integer"),
    ({"seed": np.array([0.5])}, TypeError, "0.5|integer"),
    ({"seed": "0"}, TypeError, "'0'"),
    ({"seed": True}, TypeError, "True"),
    ({"seed": [None]}, TypeError, "None"),
    ({"seed": initcore.Generator(0)}, TypeError, "Generator"),
    ({"seed": np.random.default_rng(0)}, TypeError, "Generator"),
    ({"seed": 1, "key": 1}, ValueError, "seed and key"),
    ({"counter": 1, "draw": 0}, ValueError, "counter and draw"),
    ({"key": 2**64}, ValueError, r"key.*2\*\*64"),
    ({"key": -1}, ValueError, "key.*-1"),
    ({"key": [1, 2, 3]}, ValueError, "key.*2 words"),
    ({"key": [[1, 2]]}, ValueError, "key.*2 words"),
    ({"key": [1, 2**32]}, ValueError, "key.*4294967296"),
    ({"key": [1, 2.0]}, TypeError, "key.*2.0"),
    ({"key": "1"}, TypeError, "key.*'1'"),
    ({"counter": 2**128}, ValueError, r"counter.*2\*\*128"),
    ({"counter": [0, 0, 0]}, ValueError, "counter.*4 words"),
    ({"counter": [0, 0, 0, -1]}, ValueError, "counter.*-1"),
    ({"counter": 0.0}, TypeError, "counter.*0.0"),
    ({"draw": 2**32}, ValueError, r"draw.*4294967296"),
    ({"draw": -1}, ValueError, "draw.*-1"),
    ({"draw": 0.0}, TypeError, "draw.*0.0"),
]


@pytest.mark.parametrize(
    ("arguments", "error", "message"), BAD, ids=lambda value: re.sub(" at 0x.*", "", repr(value))[:40]
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Philox4x32(**arguments)


# NumPy's conversions


def call(generator: Philox4x32, name: str) -> Any:
    interface = generator.ctypes
    with generator.lock:
        return getattr(interface, name)(interface.state)


@pytest.mark.parametrize("start", [0, 1, BUFFER - 1, BUFFER])
def test_c_functions(start: int) -> None:
    """A word; two, the low one first; the top 53 bits of two: also where the two lie in two buffers."""
    w = [int(word) for word in words_at(KEY, start, 8)]
    generator = Philox4x32(0).advance(start)
    assert call(generator, "next_uint64") == w[0] | w[1] << 32
    assert call(generator, "next_uint32") == w[2]
    assert call(generator, "next_double") == ((w[3] | w[4] << 32) >> 11) * 2.0**-53
    assert generator.random_raw() == w[5]
    assert call(generator, "next_uint64") == w[6] | w[7] << 32
    later = Philox4x32(0).advance(start)
    later.random_raw()
    assert call(later, "next_uint64") == w[1] | w[2] << 32


def test_floats_and_doubles() -> None:
    words = words_at(KEY, 0, 4 * BUFFER).astype(np.uint64)
    pairs = words[0::2] | words[1::2] << np.uint64(32)
    doubles, floats = (
        Generator(Philox4x32(0)).random(pairs.size),
        Generator(Philox4x32(0)).random(words.size, np.float32),
    )
    np.testing.assert_array_equal(doubles, (pairs >> np.uint64(11)).astype(float) * 2.0**-53)
    np.testing.assert_array_equal(floats, (words >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24))
    np.testing.assert_array_equal(Generator(Philox4x32(0)).integers(0, 2**64, pairs.size, np.uint64), pairs)
    np.testing.assert_array_equal(Generator(Philox4x32(0)).integers(0, 2**32, words.size, np.uint32), words)


def test_legacy_normals_are_the_polar_method() -> None:
    doubles = iter(2 * Generator(Philox4x32(3)).random(1000) - 1)
    expected: list[float] = []
    for x in doubles:
        y = next(doubles)
        if 0 < (square := x * x + y * y) < 1:
            factor = np.sqrt(-2 * np.log(square) / square)
            expected += [factor * y, factor * x]
    got = RandomState(Philox4x32(3)).standard_normal(len(expected))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


WORD64, WORD32, DOUBLE = (
    ctypes.CFUNCTYPE(kind, ctypes.c_void_p) for kind in (ctypes.c_uint64, ctypes.c_uint32, ctypes.c_double)
)


class Interface(ctypes.Structure):
    """NumPy's bitgen_t."""

    _fields_ = (
        ("state", ctypes.c_void_p),
        ("next_uint64", WORD64),
        ("next_uint32", WORD32),
        ("next_double", DOUBLE),
        ("next_raw", WORD64),
    )


class Reference:
    """What numpy.random.Generator needs of a bit generator, in Python, over the words of the reference."""

    def __init__(self, words: ref.Words) -> None:
        source = map(int, words)

        def next64(_: Any) -> int:
            low = next(source)
            return low | next(source) << 32

        self.interface = Interface(
            None,
            WORD64(next64),
            WORD32(lambda _: next(source)),
            DOUBLE(lambda _: (next64(None) >> 11) * 2.0**-53),
            WORD64(lambda _: next(source)),
        )
        new = ctypes.pythonapi.PyCapsule_New
        new.argtypes, new.restype = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p), ctypes.py_object
        self.capsule = new(ctypes.addressof(self.interface), b"BitGenerator", None)
        self.lock = threading.Lock()


DISTRIBUTIONS: dict[str, Callable[[Generator], Any]] = {
    "standard_normal": lambda g: g.standard_normal(999),
    "standard_normal float32": lambda g: g.standard_normal(999, np.float32),
    "standard_exponential": lambda g: g.standard_exponential(999),
    "standard_exponential float32": lambda g: g.standard_exponential(999, np.float32),
    "standard_gamma": lambda g: g.standard_gamma(0.5, 99),
    "integers uint8": lambda g: g.integers(0, 200, 99, np.uint8),
    "integers int16": lambda g: g.integers(-3, 3000, 99, np.int16),
    "integers bool": lambda g: g.integers(0, 2, 99, np.bool_),
    "integers int64": lambda g: g.integers(-(2**62), 2**40, 99),
    "uniform": lambda g: g.uniform(-1, 3, 99),
    "binomial": lambda g: g.binomial(100, 0.3, 99),
    "poisson": lambda g: g.poisson(20.0, 99),
    "beta": lambda g: g.beta(0.5, 2.0, 99),
    "permutation": lambda g: g.permutation(99),
    "choice": lambda g: g.choice(99, 50, replace=False),
    "bytes": lambda g: np.frombuffer(g.bytes(99), np.uint8),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions_take_the_words_as_numpy_does(name: str) -> None:
    """From a bit generator that is written in Python the same numbers come."""
    expected = DISTRIBUTIONS[name](Generator(Reference(words_at(KEY, 0, 6000))))  # type: ignore[arg-type]
    np.testing.assert_array_equal(DISTRIBUTIONS[name](Generator(Philox4x32(0))), expected)


def test_normals_have_the_moments_of_normals() -> None:
    """Each within five standard errors: wrong once in a million seeds."""
    z = Generator(Philox4x32(0)).standard_normal(2**18)
    for power, mean, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs((z**power).mean() - mean) < 5 * (variance / z.size) ** 0.5


def test_cffi() -> None:
    need("cffi")
    generator = Philox4x32(0)
    interface = generator.cffi
    assert interface is generator.cffi
    assert interface.next_uint32(interface.state) == words_at(KEY, 0, 1)[0]


def test_benchmark_takes_its_words() -> None:
    """NumPy's own timing door."""
    generator = Philox4x32(0)
    generator._benchmark(2)
    generator._benchmark(3, "double")
    assert generator.random_raw() == words_at(KEY, 10, 1)[0]
    with pytest.raises(ValueError, match="method"):
        generator._benchmark(1, "int32")


# Threads and processes


def test_threads_that_share_one_get_words_of_their_own() -> None:
    """Each takes pieces of the one sequence, no word twice and none left out."""
    generator, each, size, got = Philox4x32(0), 200, 7, []
    start = threading.Barrier(4)

    def take() -> None:
        start.wait()
        mine = [generator.random_raw(size).astype(np.uint32).tobytes() for _ in range(each)]
        got.extend(mine)

    run_together([take] * 4)
    words = words_at(KEY, 0, 4 * each * size).reshape(-1, size)
    assert sorted(got) == sorted(row.tobytes() for row in words)


def test_advance_and_state_wait_for_whoever_draws() -> None:
    """No skip is lost, and nobody sees a draw that is half made."""
    generator, start, stop = Philox4x32(0), threading.Barrier(3), threading.Event()
    skips, seen = [], set()

    def draw() -> None:
        start.wait()
        for _ in range(100):
            generator.random_raw(50_000)
        stop.set()

    def skip() -> None:
        start.wait()
        while not stop.is_set():
            skips.append(generator.advance(50_000))

    def look() -> None:
        start.wait()
        looking = True
        while looking:
            looking = not stop.is_set()
            state = generator.state
            low, high, _, _ = state["state"]["counter"].tolist()
            seen.add((4 * (low | high << 32) + state["word"]) % 50_000)

    run_together([draw, skip, look])
    assert seen == {0}
    assert generator.random_raw() == words_at(KEY, 50_000 * (100 + len(skips)), 1)[0]


def run_together(targets: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


FORK = """
import os, warnings
warnings.simplefilter("ignore")  # Python dislikes forks
from initcore.numpy import Philox4x32
generator = Philox4x32(0)
generator.random_raw(5)
if (child := os.fork()) == 0:
    print(generator.random_raw(2000)[-1], flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(generator.random_raw(2000)[-1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_goes_on_from_where_its_parent_was(run_python: Run) -> None:
    assert run_python(FORK).stdout.split() == [str(words_at(KEY, 2004, 1)[0])] * 2


def test_the_guide_does_what_it_shows() -> None:
    guide = ROOT / "docs" / "frameworks.md"
    section = re.split(r"^## ", guide.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (numpys,) = (text for text in section if text.startswith("NumPy\n"))
    examples = re.findall(r"^```python\n(.*?)^```$", numpys, re.DOTALL | re.MULTILINE)
    assert examples
    for example in examples:
        exec(example, {})
