"""initcore.jax: names, values, scales, dtypes and errors, against JAX itself and the formulas of its documentation."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import Run, dtype_of, need

import initcore
from initcore import Stream

Array = np.ndarray[Any, Any]

NAMES = [
    "constant",
    "delta_orthogonal",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]
#: The stream of jax.random.key(7)
STREAM = Stream(0, "jax", "threefry2x32", 0, 7)
CORRECTION = 0.8796256610342398


@pytest.fixture(scope="module")
def jax() -> Any:
    return need("jax")


@pytest.fixture(scope="module")
def ours(jax: Any) -> Any:
    import initcore.jax

    return initcore.jax


def factory(module: Any, name: str) -> Callable[..., Any]:
    """A factory with what it needs given."""
    made = getattr(module, name)
    return {
        "zeros": lambda **_: module.zeros,
        "ones": lambda **_: module.ones,
        "constant": lambda **kwargs: module.constant(3.0, **kwargs),
        "variance_scaling": lambda **kwargs: module.variance_scaling(1.0, "fan_geo_avg", "normal", **kwargs),
    }.get(name, made)  # type: ignore[no-any-return]


def right_shape(name: str) -> tuple[int, ...]:
    return (3, 2, 4, 6) if name == "delta_orthogonal" else (4, 6)


def same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_every_name_of_jax(jax: Any, ours: Any) -> None:
    theirs = {name for name in vars(jax.nn.initializers) if not name.startswith("_")} - {"annotations"}
    assert theirs == {*NAMES, "Initializer"} == set(ours.__all__)
    assert ours.xavier_normal is ours.glorot_normal
    assert ours.xavier_uniform is ours.glorot_uniform
    assert ours.kaiming_normal is ours.he_normal
    assert ours.kaiming_uniform is ours.he_uniform


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_those_of_jax(name: str, jax: Any, ours: Any) -> None:
    theirs = getattr(jax.nn.initializers, name)
    assert parameters(getattr(ours, name)) == parameters(theirs)
    for module in (ours, jax.nn.initializers):
        init = factory(module, name)()
        assert [p[0] for p in parameters(init)] == ["key", "shape", "dtype", "out_sharding"]
        assert isinstance(init, jax.nn.initializers.Initializer)
        assert [p[2] for p in parameters(init)][2:] == [None, None]


@pytest.mark.parametrize("name", NAMES)
def test_dtype_is_that_of_the_call_or_of_the_factory_or_the_default(name: str, jax: Any, ours: Any) -> None:
    make, shape, key = factory(ours, name), right_shape(name), jax.random.key(0)
    assert make()(key, shape).dtype == np.float32
    assert make()(key, shape, "float16").dtype == np.float16
    if name not in ("zeros", "ones"):
        assert make(dtype="float16")(key, shape).dtype == np.float16
        assert make(dtype="float16")(key, shape, np.float32).dtype == np.float32
    assert isinstance(make()(key, shape), jax.Array)


#: What is drawn, said with initcore's own functions; a shape is (in, out) here, (out, in) there
TWINS: dict[str, tuple[Callable[[Any], Any], Callable[..., Array]]] = {
    "uniform": (lambda m: m.uniform(), lambda s, **k: initcore.uniform(s, 0.0, 0.01, **k)),
    "uniform 3": (lambda m: m.uniform(3.0), lambda s, **k: initcore.uniform(s, 0.0, 3.0, **k)),
    "uniform -3": (lambda m: m.uniform(-3.0), lambda s, **k: -initcore.uniform(s, 0.0, 3.0, **k)),
    "uniform 0": (lambda m: m.uniform(0), lambda s, **k: initcore.zeros(s, dtype=k["dtype"])),
    "normal": (lambda m: m.normal(), lambda s, **k: initcore.normal(s, 0.0, 0.01, **k)),
    "normal -2": (lambda m: m.normal(-2), lambda s, **k: -initcore.normal(s, 0.0, 2.0, **k)),
    "truncated_normal": (
        lambda m: m.truncated_normal(),
        lambda s, **k: initcore.trunc_normal(s, 0.0, 0.01, -0.02, 0.02, **k),
    ),
    "truncated_normal bounds": (
        lambda m: m.truncated_normal(0.5, None, -1, 3),
        lambda s, **k: initcore.trunc_normal(s, 0.0, 0.5, -0.5, 1.5, **k),
    ),
    "truncated_normal -0.5": (
        lambda m: m.truncated_normal(-0.5, None, -1, 3),
        lambda s, **k: -initcore.trunc_normal(s, 0.0, 0.5, -0.5, 1.5, **k),
    ),
    "orthogonal": (lambda m: m.orthogonal(), lambda s, **k: initcore.orthogonal(s[::-1], **k).T),
    "orthogonal -2": (lambda m: m.orthogonal(-2.0), lambda s, **k: initcore.orthogonal(s[::-1], -2.0, **k).T),
    "orthogonal column 0": (lambda m: m.orthogonal(1.0, 0), lambda s, **k: initcore.orthogonal(s, **k)),
    "constant": (lambda m: m.constant(0.1), lambda s, **k: initcore.constant(s, 0.1, dtype=k["dtype"])),
    "zeros": (lambda m: m.zeros, lambda s, **k: initcore.zeros(s, dtype=k["dtype"])),
    "ones": (lambda m: m.ones, lambda s, **k: initcore.ones(s, dtype=k["dtype"])),
}


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("shape", [(5, 5), (7, 130), (130, 7)], ids=str)
def test_values_are_initcores(name: str, shape: tuple[int, int], dtype: np.dtype[Any], jax: Any, ours: Any) -> None:
    make, twin = TWINS[name]
    with jax.enable_x64(dtype == np.float64):
        got = make(ours)(jax.random.key(7), shape, dtype)
        assert same(got, twin(shape, dtype=dtype, rng=STREAM))


#: name, keywords, shape, and by hand: variance = scale / fan, and whether uniform, truncated or normal
SCALED: list[tuple[str, dict[str, Any], tuple[int, ...], float, str]] = [
    ("lecun_uniform", {}, (3, 5), 1 / 3, "uniform"),
    ("lecun_normal", {}, (3, 5), 1 / 3, "truncated"),
    ("he_uniform", {}, (3, 5), 2 / 3, "uniform"),
    ("he_normal", {}, (3, 5), 2 / 3, "truncated"),
    ("kaiming_normal", {}, (3, 5), 2 / 3, "truncated"),
    ("glorot_uniform", {}, (3, 5), 1 / 4, "uniform"),
    ("glorot_normal", {}, (3, 5), 1 / 4, "truncated"),
    ("xavier_normal", {}, (3, 5), 1 / 4, "truncated"),
    ("he_normal", {}, (3, 3, 4, 8), 2 / 36, "truncated"),
    ("glorot_uniform", {}, (3, 3, 4, 8), 1 / 54, "uniform"),
    ("lecun_normal", {"in_axis": -1, "out_axis": -2}, (3, 5), 1 / 5, "truncated"),
    ("lecun_normal", {"in_axis": (0, 1), "out_axis": (2,)}, (3, 5, 7), 1 / 15, "truncated"),
    ("lecun_normal", {"batch_axis": 0}, (9, 3, 5), 1 / 3, "truncated"),
    ("lecun_normal", {"batch_axis": (0, 1)}, (9, 2, 3, 5), 1 / 3, "truncated"),
    ("lecun_normal", {"in_axis": 0, "out_axis": ()}, (6,), 1 / 6, "truncated"),
    ("lecun_normal", {"in_axis": (), "out_axis": 0}, (6,), 1 / 1, "truncated"),
    ("he_uniform", {"in_axis": [0], "out_axis": [1, 2]}, (4, 3, 5), 2 / 4, "uniform"),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_in", "distribution": "normal"}, (3, 5), 3 / 3, "normal"),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_out", "distribution": "normal"}, (3, 5), 3 / 5, "normal"),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_avg", "distribution": "uniform"}, (3, 5), 3 / 4, "uniform"),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_geo_avg", "distribution": "normal"}, (2, 8), 3 / 4, "normal"),
    ("variance_scaling", {"scale": 0.0, "mode": "fan_in", "distribution": "truncated_normal"}, (3, 5), 0, "normal"),
    # no lower bound of 1 on a fan, which axes that are both can bring below it
    (
        "variance_scaling",
        {"scale": 1.0, "mode": "fan_in", "distribution": "normal", "out_axis": 1, "batch_axis": 1},
        (1, 4),
        4.0,
        "normal",
    ),
]


@pytest.mark.parametrize(("name", "keywords", "shape", "variance", "kind"), SCALED, ids=lambda x: str(x)[:60])
def test_scale(
    name: str, keywords: dict[str, Any], shape: tuple[int, ...], variance: float, kind: str, jax: Any, ours: Any
) -> None:
    """To the last bit: what initcore draws with the std or bound that the formula has."""
    got = getattr(ours, name)(**keywords)(jax.random.key(7), shape)
    std, bound = math.sqrt(variance), math.sqrt(3.0) * math.sqrt(variance)
    wide = std / CORRECTION
    expected = {
        "uniform": lambda: initcore.uniform(shape, -bound, bound, rng=STREAM),
        "normal": lambda: initcore.normal(shape, 0.0, std, rng=STREAM),
        "truncated": lambda: initcore.trunc_normal(shape, 0.0, wide, -2 * wide, 2 * wide, rng=STREAM),
    }[kind]()
    np.testing.assert_array_max_ulp(np.asarray(got), expected, 2)


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n.rpartition("_")[2] in ("normal", "uniform") or n == "orthogonal"]
)
def test_moments_are_those_of_jax(name: str, jax: Any, ours: Any) -> None:
    """Of 160 000 values a std deviates by 0.2 % at most, so 1 % is over five sigmas, for ours and for JAX's."""
    shape, key = (200, 800), jax.random.key(1)
    got, theirs = (np.asarray(getattr(m, name)()(key, shape), np.float64) for m in (ours, jax.nn.initializers))
    assert got.std() == pytest.approx(theirs.std(), rel=0.01)
    assert abs(got.mean() - theirs.mean()) < 0.02 * theirs.std()
    if name != "normal":
        assert abs(got).max() == pytest.approx(abs(theirs).max(), rel=0.2 if name == "orthogonal" else 0.01)


def test_truncated_normal_is_not_corrected_and_normal_of_variance_scaling_not_truncated(jax: Any, ours: Any) -> None:
    key, shape = jax.random.key(0), (300, 1000)
    cut = np.asarray(ours.truncated_normal(1.0)(key, shape))
    assert cut.std() == pytest.approx(CORRECTION, rel=0.005)
    assert abs(cut).max() <= 2
    plain = np.asarray(ours.variance_scaling(300.0, "fan_in", "normal")(key, shape))
    assert plain.std() == pytest.approx(1, rel=0.005)
    assert abs(plain).max() > 4
    assert np.asarray(ours.uniform(1.0)(key, shape)).min() >= 0


@pytest.mark.parametrize("shape", [(8, 8), (6, 20), (20, 6), (2, 3, 5, 7), (4, 9, 3)], ids=str)
@pytest.mark.parametrize("column_axis", [-1, 0, 1, -2])
def test_orthogonal(shape: tuple[int, ...], column_axis: int, jax: Any, ours: Any) -> None:
    w = np.asarray(ours.orthogonal(2.0, column_axis)(jax.random.key(0), shape), np.float64)
    matrix = np.moveaxis(w, column_axis, -1).reshape(-1, shape[column_axis])
    small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)
    flat = ours.orthogonal(2.0)(jax.random.key(0), matrix.shape)
    np.testing.assert_array_equal(matrix, np.asarray(flat, np.float64))  # more axes are a reshape


@pytest.mark.parametrize("kernel", [(1,), (4,), (3, 2), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("column_axis", [-1, -2, 0, 1])
@pytest.mark.parametrize("channels", [(3, 5), (4, 4)], ids=str)
def test_delta_orthogonal(kernel: tuple[int, ...], column_axis: int, channels: Any, jax: Any, ours: Any) -> None:
    """The tap, left of the middle of an even size, is what `orthogonal` gives; JAX's is at the same place."""
    key, shape = jax.random.key(3), (*kernel, *channels)
    w = np.asarray(ours.delta_orthogonal(0.5, column_axis)(key, shape))
    theirs = np.asarray(jax.nn.initializers.delta_orthogonal(0.5, column_axis)(key, shape))
    np.testing.assert_array_equal(w != 0, theirs != 0)
    tap = w[tuple((size - 1) // 2 for size in kernel)]
    assert same(tap, ours.orthogonal(0.5, column_axis)(key, channels))


KEYS: dict[str, Callable[[Any], Any]] = {
    "typed": lambda jax: jax.random.key(7),
    "raw": lambda jax: jax.random.PRNGKey(7),
    "raw numpy": lambda jax: np.array([0, 7], np.uint32),
    "stream": lambda jax: STREAM,
}


@pytest.mark.parametrize("kind", KEYS)
def test_one_key_in_all_its_forms(kind: str, jax: Any, ours: Any) -> None:
    assert same(ours.normal()(KEYS[kind](jax), (3, 4)), initcore.normal((3, 4), 0, 0.01, rng=STREAM))


@pytest.mark.parametrize("seed", [0, 2**70, np.int64(5)], ids=repr)
def test_an_int_is_what_it_is_to_initcore(seed: Any, ours: Any) -> None:
    assert same(ours.normal(1.0)(seed, (3, 4)), initcore.normal((3, 4), rng=seed))


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg", "philox4x32", "philox2x32", "threefry4x32"])
def test_every_implementation_of_keys(impl: str, jax: Any, ours: Any) -> None:
    try:
        key = jax.random.key(7, impl=impl)
    except ValueError:
        pytest.skip(f"this JAX has no {impl}")
    words = np.asarray(jax.random.key_data(key)).tolist()
    expected = initcore.normal((3, 4), rng=Stream(0, "jax", impl, *words))
    assert same(ours.normal(1.0)(key, (3, 4)), expected)
    assert same(jax.jit(lambda key: ours.normal(1.0)(key, (3, 4)))(key), expected)


def test_keys_made_from_a_key_are_streams_of_their_own(jax: Any, ours: Any) -> None:
    key = jax.random.key(0)
    impls = [jax.random.key(0, impl=impl) for impl in ("rbg", "unsafe_rbg")]  # which have the same words
    keys = [
        key,
        jax.random.key(1),
        *jax.random.split(key, 3),
        *(jax.random.fold_in(key, i) for i in range(3, 6)),
        *impls,
    ]
    first = {np.asarray(ours.normal()(key, (8,))).tobytes() for key in keys}
    assert len(first) == len(keys)


def outcome(call: Callable[[], Any]) -> tuple[type[Exception], str] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return type(error), str(error)
    return None


#: What JAX refuses when an initializer is called, and whether in the same words
REFUSED: dict[str, tuple[Callable[[Any, Any], Any], bool]] = {
    "mode": (lambda m, key: m.variance_scaling(1.0, "fan", "normal")(key, (2, 2)), True),
    "mode, in capitals": (lambda m, key: m.variance_scaling(1.0, "FAN_IN", "normal")(key, (2, 2)), True),
    "distribution": (lambda m, key: m.variance_scaling(1.0, "fan_in", "gamma")(key, (2, 2)), True),
    "untruncated_normal": (lambda m, key: m.variance_scaling(1.0, "fan_in", "untruncated_normal")(key, (2, 2)), True),
    "fans of one dimension": (lambda m, key: m.he_normal()(key, (5,)), True),
    "fans of none": (lambda m, key: m.he_normal()(key, ()), True),
    "no such in_axis": (lambda m, key: m.he_normal(in_axis=3)(key, (2, 2)), True),
    "no fan": (lambda m, key: m.he_normal()(key, (0, 3)), True),
    "no kernel": (lambda m, key: m.glorot_uniform()(key, (0, 2, 3)), True),
    "orthogonal vector": (lambda m, key: m.orthogonal()(key, (5,)), True),
    "orthogonal column_axis": (lambda m, key: m.orthogonal(column_axis=2)(key, (2, 2)), False),
    "delta of two dimensions": (lambda m, key: m.delta_orthogonal()(key, (3, 3)), True),
    "delta of six": (lambda m, key: m.delta_orthogonal()(key, (1, 1, 1, 1, 3, 3)), True),
    "delta of more inputs": (lambda m, key: m.delta_orthogonal()(key, (3, 4, 3)), True),
    "int uniform": (lambda m, key: m.uniform()(key, (2, 2), int), True),
    "int normal": (lambda m, key: m.normal()(key, (2, 2), "int8"), True),
    "bool truncated_normal": (lambda m, key: m.truncated_normal(dtype=bool)(key, (2, 2)), True),
    "complex uniform": (lambda m, key: m.uniform()(key, (2, 2), "complex64"), True),
    "complex truncated_normal": (lambda m, key: m.truncated_normal()(key, (2, 2), "complex64"), True),
    "int he_normal": (lambda m, key: m.he_normal()(key, (2, 2), int), False),
    "int orthogonal": (lambda m, key: m.orthogonal()(key, (2, 2), int), False),
    "object": (lambda m, key: m.normal()(key, (2, 2), object), False),
    "nonsense": (lambda m, key: m.normal()(key, (2, 2), "nonsense"), True),
    "byte-swapped": (lambda m, key: m.normal()(key, (2, 2), ">f4"), False),
    "float4": (lambda m, key: m.normal()(key, (2, 2), "float4_e2m1fn"), False),
    "shape of floats": (lambda m, key: m.normal()(key, (2.5,)), False),
    "shape of letters": (lambda m, key: m.normal()(key, "ab"), False),
    "negative shape of zeros": (lambda m, key: m.zeros(key, (2, 2.5)), False),
    "out_sharding": (lambda m, key: m.normal()(key, (2, 2), None, "x"), True),
    "no mesh": (lambda m, key: m.normal()(key, (2, 2), None, need("jax").sharding.PartitionSpec("x")), True),
    "list": (lambda m, key: m.normal()([0, 7], (2, 2)), True),
    "None": (lambda m, key: m.normal()(None, (2, 2)), True),
    "a bool": (lambda m, key: m.normal()(True, (2, 2)), True),
    "a generator": (lambda m, key: m.normal()(initcore.Generator(0), (2, 2)), True),
    "a float array": (lambda m, key: m.normal()(np.zeros(2, np.float32), (2, 2)), True),
    "an int array": (lambda m, key: m.normal()(need("jax").numpy.int32(3), (2, 2)), True),
    "words of another implementation": (lambda m, key: m.normal()(np.zeros(4, np.uint32), (2, 2)), True),
    "keys": (lambda m, key: m.normal()(need("jax").random.split(key, 3), (2, 2)), True),
    "raw keys": (lambda m, key: m.normal()(np.zeros((3, 2), np.uint32), (2, 2)), True),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_as_jax_does(case: str, jax: Any, ours: Any) -> None:
    call, same_words = REFUSED[case]
    key = jax.random.key(0)
    theirs, got = (outcome(lambda m=m: call(m, key)) for m in (jax.nn.initializers, ours))
    assert theirs is not None
    assert got is not None
    assert got[0] is theirs[0]
    if same_words:
        assert got[1] == theirs[1]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.variance_scaling(-1.0, "fan_in", "normal")(0, (2, 2)), ValueError, r"negative.*-1\.0"),
        (lambda m: m.variance_scaling(math.nan, "fan_in", "normal")(0, (2, 2)), ValueError, "nan"),
        (lambda m: m.variance_scaling(math.inf, "fan_in", "uniform")(0, (2, 2)), ValueError, "inf"),
        (lambda m: m.normal(math.nan)(0, (2, 2)), ValueError, "nan"),
        (lambda m: m.normal(1e39)(0, (2, 2)), ValueError, "1e.39"),
        (lambda m: m.uniform(7e4)(0, (2, 2), "float16"), ValueError, "float16"),
        (lambda m: m.truncated_normal(1.0, None, 2, -2)(0, (2, 2)), ValueError, "b"),
        (lambda m: m.orthogonal(math.inf)(0, (2, 2)), ValueError, "gain"),
        (lambda m: m.orthogonal()(0, (2, 2), "complex64"), NotImplementedError, "real matrices"),
        (lambda m: m.delta_orthogonal()(0, (1, 2, 2), "complex64"), NotImplementedError, "real matrices"),
        (lambda m: m.normal(400.0)(0, (2, 2), "float8_e4m3fn"), ValueError, "overflow"),
        (lambda m: m.normal()(0, (2, 2), "float8_e8m0fnu"), TypeError, "sign"),
        (lambda m: m.normal()(-1, (2, 2)), ValueError, "-1"),
        (lambda m: m.normal()(0, (-1, 2)), ValueError, "negative"),
    ],
)
def test_refused_where_jax_gives_nonsense_or_has_more(call: Any, error: Any, words: str, jax: Any, ours: Any) -> None:
    with pytest.raises(error, match=words):
        call(ours)
    with pytest.raises(error, match=words):
        jax.jit(lambda: call(ours))()


def test_wide_dtypes_are_narrowed_with_the_warning_of_jax(jax: Any, ours: Any) -> None:
    for wide, narrow in (("float64", "float32"), ("complex128", "complex64")):
        with pytest.warns(UserWarning, match=f"requested dtype {wide}.*truncated to dtype {narrow}"):
            assert ours.normal()(jax.random.key(0), (2, 2), wide).dtype == narrow
    with jax.enable_x64(True):
        assert ours.normal()(jax.random.key(0), (2, 2)).dtype == np.float64
        assert ours.he_normal()(jax.random.key(0), (2, 2), complex).dtype == np.complex128
    assert ours.normal()(jax.random.key(0), (2, 2), float).dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0, 3)], ids=str)
def test_arrays_without_elements(name: str, shape: tuple[int, ...], jax: Any, ours: Any) -> None:
    theirs, got = (
        outcome(lambda m=m: factory(m, name)()(jax.random.key(0), shape)) for m in (jax.nn.initializers, ours)
    )
    assert (got and got[0]) == (theirs and theirs[0])
    if got is None:
        assert factory(ours, name)()(jax.random.key(0), shape).shape == shape


@pytest.mark.parametrize("shape", [(), 3, [2, 3], (np.int64(2), 3), np.array([2, 3])], ids=repr)
def test_kinds_of_shapes(shape: Any, jax: Any, ours: Any) -> None:
    for name in ("normal", "uniform", "zeros", "constant"):
        theirs = factory(jax.nn.initializers, name)()(jax.random.key(0), shape)
        assert factory(ours, name)()(jax.random.key(0), shape).shape == theirs.shape


def test_parameters_may_be_scalars_of_jax_and_do_not_widen(jax: Any, ours: Any) -> None:
    one = jax.numpy.array(1.0, np.float32)
    for make in (ours.uniform, ours.normal, ours.truncated_normal, ours.orthogonal):
        assert same(make(one, dtype="bfloat16")(0, (4, 4)), make(1.0, dtype="bfloat16")(0, (4, 4)))


def test_constant_takes_arrays_and_every_dtype(jax: Any, ours: Any) -> None:
    key, row = jax.random.key(0), np.arange(3.0)
    for value, dtype in (
        (row, None),
        (row, "int8"),
        (-7, None),
        (True, bool),
        (1 + 2j, "complex64"),
        (0.1, "bfloat16"),
    ):
        theirs = jax.nn.initializers.constant(value)(key, (2, 3), dtype)
        assert same(ours.constant(value)(key, (2, 3), dtype), theirs)
        assert same(ours.constant(value, dtype)(None, (2, 3)), theirs)
    assert same(ours.zeros(None, (2,), "int32"), np.zeros(2, np.int32))


EIGHT_BITS = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float8_e4m3fnuz", "float8_e5m2fnuz"]


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_eight_bits_are_float32_rounded_once_and_within_bounds(name: str, jax: Any, ours: Any) -> None:
    dtype = np.dtype(getattr(need("ml_dtypes"), name))
    for init in (ours.normal(1.0), ours.he_normal(), ours.orthogonal()):
        assert same(init(0, (50, 50), dtype), np.asarray(init(0, (50, 50))).astype(dtype))
    for init, low, high in (
        (ours.uniform(1.0), 0, 1),
        (ours.he_uniform(), -math.sqrt(0.12), math.sqrt(0.12)),
        (ours.truncated_normal(1.0, None, -0.3, 0.7), -0.3, 0.7),
        (ours.uniform(-1.0), -1, 0),
    ):
        wide, got = (np.asarray(init(0, (50, 50), d), np.float32) for d in (None, dtype))
        assert low <= got.min()
        assert got.max() <= high
        step = np.spacing(np.abs(wide)) * 2.0 ** (23 - need("ml_dtypes").finfo(dtype).nmant)
        smallest = float(need("ml_dtypes").finfo(dtype).smallest_subnormal)
        assert (abs(got - wide) <= np.maximum(step, smallest)).all()


def distance(sample: Array, cdf: Callable[[Array], Array]) -> float:
    """Kolmogorov's, times the root of the sample's size: over 2.2 once in 8 000 samples."""
    sorted_cdf, n = cdf(np.sort(sample.ravel())), sample.size
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - sorted_cdf).max(), (sorted_cdf - steps[:-1]).max()) * math.sqrt(n))


@pytest.mark.parametrize("kind", ["normal", "uniform", "truncated_normal"])
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex(kind: str, dtype: str, jax: Any, ours: Any) -> None:
    """Squared moduli and angles of 40 000, each by a test that fails a right sample once in 8 000."""
    with jax.enable_x64(dtype == "complex128"):
        w = np.asarray(ours.variance_scaling(2.0, "fan_in", kind)(jax.random.key(0), (200, 200), dtype))
    assert w.dtype == dtype
    z = w.astype(np.complex128) * 10  # of std 1
    squared = abs(z) ** 2
    cut = 4 / 0.9619618280082136**2
    cdf = {
        "normal": lambda s: 1 - np.exp(-s),
        "uniform": lambda s: s / 2,
        "truncated_normal": lambda s: (1 - np.exp(-s * 4 / cut)) / (1 - math.exp(-4)),
    }[kind]
    assert distance(squared, cdf) < 2.2
    assert distance(np.angle(z), lambda a: (a + math.pi) / (2 * math.pi)) < 2.2
    assert distance(z.real * np.sign(z.imag), lambda x: np.searchsorted(np.sort(z.real.ravel()), x) / z.size) < 3
    assert squared.mean() == pytest.approx(1, rel=0.03)
    most = {"normal": math.inf, "uniform": 2.0, "truncated_normal": cut}[kind]
    assert squared.max() <= most * (1 + 1e-6)
    assert not same(w.real, w.imag)


def test_complex_normal_is_a_box_muller_pair(jax: Any, ours: Any) -> None:
    got = np.asarray(ours.normal(2.0)(jax.random.key(7), (3, 4), "complex64"))
    pairs = initcore.normal((3, 4, 2), 0.0, math.sqrt(2.0), rng=STREAM)
    np.testing.assert_allclose(got.view(np.float32).reshape(3, 4, 2), pairs, rtol=2e-7)
    assert same(ours.normal(-2.0)(jax.random.key(7), (3, 4), "complex64"), -got)
    assert ours.normal()(0, (), "complex64").shape == ()


def test_memory_is_handed_over_not_copied(jax: Any, ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from initcore.jax import arrays

    made: list[Array] = []
    empty = arrays._empty
    monkeypatch.setattr(arrays, "_empty", lambda *args: made.append(empty(*args)) or made[-1])
    for name in ("float32", "bfloat16"):
        w = ours.normal()(0, (100, 10), dtype_of(name))
        assert w.unsafe_buffer_pointer() == made[-1].ctypes.data
        assert not w.committed


def test_without_jax(run_python: Run) -> None:
    run_python(
        """
import sys
import initcore
assert "jax" not in sys.modules
sys.modules["jax"] = None
try:
    import initcore.jax
except ImportError as error:
    assert "pip install 'initcore[jax]'" in str(error) and error.name == "jax", error
else:
    raise AssertionError("imported")
"""
    )
