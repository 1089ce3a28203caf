"""Random calls with an argument whose methods do what they can to the target, or to the process, while it is read.

Whatever they do, the process lives, and writes to no memory that has ceased to be the target's: memory that is given
back is gone at once, since each allocation above a page is a mapping of its own (ENVIRONMENT). An error that such an
argument raises finds nothing written. One that only looks on changes no byte of the result.
"""

from __future__ import annotations

import gc
import inspect
import os
import random
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from fuzz_cases import FIXED, WEIGHTS, draw_shape, right_arguments
from hostile import Key, Number, Seed, Target, Text, Unbegun, Unmade, Window, full_number
from numpy.typing import NDArray

import initcore
from initcore import Generator, Shard, Stream

__all__ = ["AT_ONCE", "ENVIRONMENT", "draw_case", "kind_of", "run_case"]

AT_ONCE = 500  # cases for each process
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "4096", "MALLOC_PERTURB_": "165"}
MOST_ELEMENTS = 60_000
DTYPES = ("float64", "float32", "float16")

#: What is done to the target, or beside it, and whether it is then other than it was
WRITES = {
    **dict.fromkeys(("nothing", "read-only", "give up", "settings", "collect", "fork", "draw", "forget"), False),
    **dict.fromkeys(("shrink", "grow", "reshape", "retype", "restride", "refill", "re-enter", "recurse"), True),
    **dict.fromkeys(("thread", "begin again"), True),
}
RAISED = (
    ValueError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RecursionError,
    KeyboardInterrupt,
    SystemExit,
    IndexError,
)
SOURCES = ("key", "seed", "generator of a seed", "generator of a key", "unmade", "never made", "unbegun", "stream")
SHARDS = ("right", "short", "long", "lists", "numbers", "negative", "huge", "none", "words", "another shape")


class Case(NamedTuple):
    """A call."""

    name: str
    arguments: dict[str, Any]
    dtype: str
    shape: tuple[int, ...]
    place: str  # the parameter that is hostile
    form: str  # of what stands there
    act: str
    at: int  # how many times it is asked before it acts
    always: bool  # and whether it acts each time from then on
    choice: int
    threads: int
    isa: str


class Raised(Exception):  # noqa: N818, no error of the code's
    """What no other code raises."""


def draw_case(seed: int, number: int) -> Case:
    """Return the case of that number, always the same."""
    random_ = random.Random(f"{seed}/{number}")
    name = random_.choice(list(WEIGHTS))
    dtype = "uint32" if name == "bits_" else random_.choice(DTYPES)
    shape = draw_shape(random_, name)
    while int(np.prod(shape)) > MOST_ELEMENTS:
        shape = draw_shape(random_, name)
    place = random_.choice([it for it in inspect.signature(getattr(initcore, name)).parameters if it != "unknown"])
    forms = {"rng": SOURCES, "shard": SHARDS}.get(place, ("few", "full", "text", "sequence"))
    return Case(
        name=name,
        arguments=dict(random_.choice(right_arguments(random_, dtype, shape).get(name, [{}]))),
        dtype=dtype,
        shape=shape,
        place=place,
        form=random_.choice(forms),
        act=random_.choice([it for it in WRITES if it != "fork"] * 4 + ["fork"]),
        at=random_.choice([0, 0, 0, 1, 1, 2, 3, 5, 9]),
        always=random_.random() < 0.3,
        choice=random_.getrandbits(20),
        threads=random_.choice([1, 2, 3]),
        isa=random_.choice(initcore.isas()),
    )


def kind_of(case: Case) -> str:
    """What a case is counted as."""
    return f"{case.act} by {case.place if case.place in ('out', 'rng', 'shard', 'progress') else 'a parameter'}"


class Scene:
    """A target, and what its hostile argument does to it."""

    def __init__(self, case: Case) -> None:
        self.case, self.asked, self.acted, self.inside = case, 0, False, False
        self.out: NDArray[Any] = np.full(case.shape, 7, case.dtype)
        if case.place == "out":
            self.out = self.out.view(Target).copy()
            self.out.act = self.act
        self.generator = Generator(case.choice)
        self.call: Callable[[], object] = lambda: None

    def act(self, *_: object) -> None:
        """Do it when it is its time."""
        self.asked += 1
        if self.inside or not (self.asked > self.case.at if self.case.always else self.asked == self.case.at + 1):
            return
        self.inside = self.case.act != "recurse"
        self.acted = True
        try:
            getattr(self, self.case.act.replace(" ", "_").replace("-", "_"))()
        finally:
            self.inside = False

    def nothing(self) -> None:
        """Look on."""

    def read_only(self) -> None:
        self.out.flags.writeable = False

    def give_up(self) -> None:
        raise (*RAISED, Raised)[self.case.choice % (len(RAISED) + 1)]("here")

    def settings(self) -> None:
        initcore.use_isa(initcore.isas()[self.case.choice % len(initcore.isas())])
        initcore.set_num_threads(1 + self.case.choice % 4)

    def collect(self) -> None:
        gc.collect()

    def fork(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python dislikes forks beside threads
            child = os.fork()
        if child == 0:
            initcore.normal(20_000, rng=self.case.choice)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, "a child of that moment could not fill"

    def draw(self) -> None:
        initcore.normal(9, rng=self.generator)

    def forget(self) -> None:
        self.call = lambda: None
        gc.collect()

    def _resize(self, size: int) -> None:
        self.out.resize(size, refcheck=False)
        self.memory = [np.full(n, 3, np.uint8) for n in (1 << 12, 1 << 16, 1 << 18)]  # where the old one was, perhaps

    def shrink(self) -> None:
        self._resize((0, 1, self.out.size // 2)[self.case.choice % 3])

    def grow(self) -> None:
        # However often it is called, to 16 MiB and no more
        self._resize(min(4 * self.out.size, 1 << 22) + 100_000)

    def reshape(self) -> None:
        self._change("shape", (-1,) if self.case.choice % 2 else (1, *self.out.shape[::-1]))

    def retype(self) -> None:
        self._change(
            "dtype", (f"V{self.out.itemsize}", self.out.dtype.newbyteorder(), "u1", "f4")[self.case.choice % 4]
        )

    def restride(self) -> None:
        self._change("strides", (0,) * self.out.ndim)

    def _change(self, attribute: str, value: Any) -> None:
        with warnings.catch_warnings(), suppress(ValueError, TypeError, AttributeError):
            warnings.simplefilter("ignore")  # NumPy dislikes it too
            setattr(self.out, attribute, value)

    def refill(self) -> None:
        self.out.fill(9)

    def re_enter(self) -> None:
        initcore.zeros_(self.out)
        self.call()

    def recurse(self) -> None:
        self.call()

    def thread(self) -> None:
        thread = threading.Thread(target=lambda: initcore.zeros_(self.out))
        thread.start()
        thread.join()

    def begin_again(self) -> None:
        Generator.__init__(self.generator, 5)
        self.generator.state = {"seed": 1, "path": ("a",), "draw": 2**32 - 1}


def source_of(scene: Scene, form: str) -> Any:
    """Return what stands for `rng`."""
    act = scene.act
    return {
        "key": lambda: Key(act),
        "seed": lambda: Seed(act),
        "generator of a seed": lambda: Generator(Seed(act)),  # type: ignore[arg-type]
        "generator of a key": lambda: _generator_of(Key(act)),
        "unmade": Unmade,
        "never made": lambda: Generator.__new__(Generator),
        "unbegun": Unbegun,
        "stream": lambda: Stream.__new__(Stream),
    }[form]()


def _generator_of(key: Key) -> Generator:
    generator = Generator(0)
    generator._begin(key, 0)
    return generator


def shard_of(scene: Scene, form: str) -> Window | Shard:
    """Return what stands for `shard`: of the target's shape, or nearly."""
    case, act = scene.case, scene.act
    at, kind = case.choice >> 4, case.choice % 4
    whole: dict[str, Any] = {"global_shape": case.shape, "shape": case.shape, "offset": (0,) * len(case.shape)}
    name = ("global_shape", "offset", "offset", "shape")[at % 4]
    right = whole[name]
    whole[name] = {
        "right": right,
        "short": right[:-1],
        "long": (*right, 5),
        "lists": list(right)[: len(right) - kind % 2],
        "numbers": tuple(full_number(n, act) for n in right),
        "negative": tuple(-n - 1 for n in right),
        "huge": (2**63,) * len(right) if kind % 2 else (2**62,) * len(right),
        "none": None,
        "words": tuple(map(str, right)),
        "another shape": tuple(n + 3 for n in right),
    }[form]
    return forged(**whole) if is_forged(case) else Window((None, name)[kind % 2], act, **whole)


def is_forged(case: Case) -> bool:
    """Whether its shard is one, but not as its __init__ would have left it."""
    return case.place == "shard" and case.choice % 4 > 1


def forged(**attributes: Any) -> Shard:
    """Return a Shard whose attributes nobody has checked."""
    shard = Shard.__new__(Shard)
    for name, value in attributes.items():
        object.__setattr__(shard, name, value)
    return shard


def parameter_of(scene: Scene, plain: Any) -> Any:
    """Return what stands for another parameter, of a plain value."""
    case = scene.case
    if case.place == "progress":
        return scene.act
    value = plain if isinstance(plain, (int, float)) else 1
    make = Number if case.form == "few" else full_number
    if case.form == "text" or isinstance(plain, str):
        word = Text(plain if isinstance(plain, str) else value)
        word.act = scene.act
        return word
    if case.form == "sequence" or case.place == "fans":
        return [make(value, scene.act), make(value, scene.act)]
    return make(value, scene.act)


def run_case(case: Case) -> None:
    """Make the call, and raise AssertionError if it did other than it must."""
    initcore.set_num_threads(case.threads)
    initcore.use_isa(case.isa)
    scene = Scene(case)
    parameters = inspect.signature(getattr(initcore, case.name)).parameters
    given = {"val": 1, "sparsity": 0.5, **case.arguments}
    arguments = {name: value for name, value in given.items() if name in parameters}
    plain = dict(arguments) if case.name in FIXED else {**arguments, "rng": scene.generator}
    arguments = dict(plain)
    if case.place == "shard":
        arguments["shard"] = shard_of(scene, case.form)
    elif case.place not in ("out", "rng"):
        default = arguments.get(case.place, parameters[case.place].default)
        arguments[case.place] = parameter_of(scene, default)
    before = scene.out.tobytes()
    scene.asked = 0

    def call() -> object:
        source = {"rng": source_of(scene, case.form)} if case.place == "rng" else {}
        return getattr(initcore, case.name)(scene.out, **{**arguments, **source})

    scene.call = call
    raised = raised_by(scene)
    np.zeros(1 << 16).fill(1.0)  # an allocator that was written over says so here at the latest
    late = case.place in ("progress", "out") or is_forged(case)  # which are asked when a fill has begun
    if raised is not None and not late and not (scene.acted and WRITES[case.act]):
        assert scene.out.tobytes() == before, f"written before {raised!r}"
    numeric = case.form in ("few", "full") and case.place not in ("rng", "shard", "out", "fans", "correct_std")
    if raised is None and numeric and case.act in ("nothing", "collect"):
        expected = np.full(case.shape, 7, case.dtype)
        getattr(initcore, case.name)(expected, **{**plain, **({"rng": case.choice} if "rng" in plain else {})})
        assert scene.out.tobytes() == expected.tobytes(), "a number that only looks like one gives other values"


def raised_by(scene: Scene) -> BaseException | None:
    """Make the call; return the error, if it is one that may be."""
    try:
        scene.call()
    except (SystemError, AssertionError):  # the interpreter's own complaint, or that of a child
        raise
    except (Exception, *RAISED) as error:
        return error
    return None
