"""What is refused: with which error, which words, and nothing written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ref import Array
from support import dtype_of, need
from tables import ALL, RANDOM, SCALED, SENTINEL, right

import initcore
from initcore import Shard

pytestmark = pytest.mark.any_isa

Fill = Callable[..., Any]


def refuses(error: type[Exception], words: str | None, out: Any, fill: Fill, *args: Any, **kwargs: Any) -> None:
    """Assert that a fill raises, says these words, and leaves the array alone."""
    before = out.tobytes() if isinstance(out, np.ndarray) else None
    with pytest.raises(error, match=words):
        fill(out, *args, **kwargs)
    if before is not None:
        assert out.tobytes() == before


def test_the_tables_have_every_public_function() -> None:
    assert {*ALL} == {name for name in initcore.__all__ if name.endswith("_") and not name.endswith("__")}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "out",
    [[1.0, 2.0], (1.0,), None, 1.0, "w", memoryview(b"abcd"), np.float32(1), range(3)],
    ids=lambda out: type(out).__name__,
)
def test_no_array(name: str, out: Any) -> None:
    kind = type(out)
    words = re.escape(f"numpy.ndarray, not {kind.__module__}.{kind.__qualname__}")
    refuses(TypeError, words, out, getattr(initcore, name), **ALL[name])


@pytest.mark.parametrize("name", ALL)
def test_torch_tensors_are_sent_to_their_facade(name: str) -> None:
    tensor = need("torch").full((4, 4), float(SENTINEL))
    refuses(TypeError, r"torch\.Tensor.*initcore\.torch", tensor, getattr(initcore, name), **ALL[name])
    assert bool((tensor == SENTINEL).all())


NO_FLOATS = ["bool", "int8", "int32", "uint32", "int64", "complex64", "object", "U3", "S4", "M8[s]", "V4", "f4,f4"]


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", [*NO_FLOATS, "longdouble"])
def test_dtype_that_no_float_is_drawn_in(name: str, dtype: str) -> None:
    if dtype == "longdouble" and np.dtype(dtype).itemsize == 8:
        pytest.skip("long double is double here")
    out = np.zeros(right(name).shape, dtype)
    refuses(TypeError, re.escape(str(out.dtype)), out, getattr(initcore, name), **RANDOM[name])


@pytest.mark.parametrize("name", RANDOM)
def test_an_empty_array_is_refused_as_others_are(name: str) -> None:
    """Of a dtype that no float is drawn in; of floats it takes a draw, as others do."""
    empty = right(name)[:, :0]
    generator = initcore.Generator(0)
    with pytest.raises(TypeError, match="complex64"):
        getattr(initcore, name)(empty.astype("complex64"), **RANDOM[name], rng=generator)
    assert generator.draw == 0
    getattr(initcore, name)(empty, **RANDOM[name], rng=generator)
    assert generator.draw == 1


def test_dtypes_of_ml_dtypes_but_bfloat16() -> None:
    ml_dtypes = need("ml_dtypes")
    for kind in (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4):
        out = np.zeros((4, 4), kind)
        refuses(TypeError, re.escape(str(out.dtype)), out, initcore.normal_)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64", "float32", "float64", "bool", "object"])
def test_dtype_of_bits(dtype: str) -> None:
    refuses(TypeError, f"uint32.*{dtype}", np.full((4, 4), SENTINEL, dtype), initcore.bits_)


@pytest.mark.parametrize("name", ALL)
def test_read_only(name: str) -> None:
    out = right(name)
    out.flags.writeable = False
    refuses(ValueError, "read-only", out, getattr(initcore, name), **ALL[name])
    refuses(ValueError, "read-only", np.broadcast_to(out[0], out.shape), getattr(initcore, name), **ALL[name])


def overlapping(memory: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    items = tuple(stride * memory.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(memory, shape, items)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("strides", [(0, 1), (1, 0), (0, 0), (1, 1), (3, 1), (-1, 1), (2, 3)], ids=str)
def test_overlapping(name: str, strides: tuple[int, int]) -> None:
    """Two elements share memory; a negative stride, and strides of which neither divides the other, too."""
    memory = right(name).ravel()
    shape = (4, 4, *right(name).shape[2:])
    out = overlapping(memory[-min(strides) * 3 if min(strides) < 0 else 0 :], shape, (*strides, 16)[: len(shape)])
    before = memory.copy()
    with pytest.raises(ValueError, match=r"overlaps itself.*\(4, 4"):
        getattr(initcore, name)(out, **ALL[name])
    np.testing.assert_array_equal(memory, before)


def test_overlapping_by_a_part_of_an_element() -> None:
    memory = np.full(100, SENTINEL, np.uint8)
    out: Array = np.ndarray((4, 4), np.float32, memory.data, 0, (15, 4))
    refuses(ValueError, "overlaps itself", out, initcore.normal_)


def test_overlapping_arrays_too_large_to_look_at() -> None:
    """Of more than 2**24 elements that interleave, which no array in practice has, none is taken on trust."""
    memory = np.zeros(3 * 2**24 + 10, np.uint8)
    out: Array = np.ndarray((2, 2**24), np.float16, memory.data, 0, (4, 3))
    refuses(ValueError, "overlaps itself", out, initcore.normal_)
    assert not memory.any()


INF, NAN = float("inf"), float("nan")


#: function, its arguments, dtype, and what the message shows
PARAMETERS: list[Any] = [
    ("uniform_", {"a": 2.0, "b": 1.0}, "float32", "1.0"),
    ("uniform_", {"a": NAN}, "float32", "nan"),
    ("uniform_", {"b": NAN}, "float32", "nan"),
    ("uniform_", {"a": -INF}, "float32", "inf"),
    ("uniform_", {"b": INF}, "float64", "inf"),
    ("uniform_", {"a": -3e38, "b": 3e38}, "float32", r"3e\+38"),
    ("uniform_", {"a": -3e38, "b": 3e38}, "bfloat16", r"3e\+38"),
    ("uniform_", {"a": -1e308, "b": 1e308}, "float64", r"1e\+308"),
    ("uniform_", {"b": 65520.0}, "float16", "65520"),
    ("uniform_", {"a": -6e4, "b": 6e4}, "float16", "60000"),
    ("uniform_", {"b": 1e39}, "float32", r"1e\+39"),
    ("uniform_", {"a": -1e39}, "bfloat16", r"-1e\+39"),
    ("uniform_", {"a": 1.003, "b": 1.004}, "bfloat16", r"no value of the dtype .* \[a, b\) \(bfloat16\): b=1\.004"),
    ("uniform_", {"a": 65504.0, "b": 65519.0}, "bfloat16", "no value"),
    ("uniform_", {"a": 65505.0, "b": 65519.0}, "float16", "no value"),
    ("uniform_", {"a": -65519.0, "b": -65504.0}, "float16", "no value"),
    ("uniform_", {"a": 1e-9, "b": 2.0**-24}, "float16", "no value"),
    ("uniform_", {"a": -5e-8, "b": -1e-9}, "float16", "no value"),
    ("normal_", {"std": -1.0}, "float32", "-1.0"),
    ("normal_", {"std": NAN}, "float64", "nan"),
    ("normal_", {"std": INF}, "float64", "inf"),
    ("normal_", {"mean": NAN}, "float32", "nan"),
    ("normal_", {"mean": INF}, "float16", "inf"),
    ("normal_", {"mean": 1e39}, "float32", r"1e\+39"),
    ("normal_", {"mean": 65000.0, "std": 100.0}, "float16", "100.0"),
    ("normal_", {"std": 1e38}, "float32", r"1e\+38"),
    ("normal_", {"std": 1e308}, "float64", r"1e\+308"),
    ("xavier_uniform_", {"gain": -1.0}, "float32", "-1.0"),
    ("xavier_uniform_", {"gain": NAN}, "float32", "nan"),
    ("xavier_normal_", {"gain": INF}, "float32", "inf"),
    ("xavier_normal_", {"gain": 1e39}, "float32", r"e\+38"),
    ("kaiming_uniform_", {"a": NAN}, "float32", "nan"),
    ("kaiming_normal_", {"a": INF}, "float32", "inf"),
    ("kaiming_normal_", {"a": "0.1"}, "float32", "0.1"),
    ("variance_scaling_", {"scale": -1.0, "distribution": "uniform"}, "float32", "-1.0"),
    ("variance_scaling_", {"scale": NAN, "distribution": "uniform"}, "float32", "nan"),
    ("sparse_", {"sparsity": -0.1}, "float32", "-0.1"),
    ("sparse_", {"sparsity": 1.1}, "float32", "1.1"),
    ("sparse_", {"sparsity": NAN}, "float32", "nan"),
    ("sparse_", {"sparsity": 0.5, "std": -2.0}, "float32", "-2.0"),
    ("hadamard_", {"gain": NAN}, "float32", "nan"),
    ("hadamard_", {"gain": -INF}, "float32", "-inf"),
    ("hadamard_", {"gain": 1e39}, "float32", r"5e\+38"),
    ("hadamard_", {"gain": 1.0}, "int32", "0.5"),
    ("hadamard_", {"gain": 2.0}, "uint8", "-1.0"),
    ("constant_", {"val": 1e39}, "float32", r"1e\+39"),
    ("constant_", {"val": 65520.0}, "float16", "65520"),
    ("constant_", {"val": 1.5}, "int32", "1.5"),
    ("constant_", {"val": -1}, "uint8", "-1"),
    ("constant_", {"val": 300}, "uint8", "300"),
    ("constant_", {"val": NAN}, "int64", "nan"),
    ("constant_", {"val": 1 + 2j}, "float32", r"\(1\+2j\)"),
    *((name, {"fans": fans}, "float32", re.escape(repr(fans))) for name in SCALED for fans in [(0, 1), (1, -2)]),
    *(
        ("he_uniform_", {"fans": fans}, "float32", re.escape(repr(fans)))
        for fans in [3, (1,), (1, 2, 3), (1, INF), "ab"]
    ),
    *(("he_uniform_", {"fans": fans}, "float32", re.escape(repr(fans))) for fans in [(NAN, 1), (True, 2), (None, 1)]),
]


@pytest.mark.parametrize(("name", "arguments", "dtype", "words"), PARAMETERS)
def test_parameters(name: str, arguments: dict[str, Any], dtype: str, words: str) -> None:
    out = np.full((4, 4), SENTINEL, dtype_of(dtype))
    refuses(ValueError, words, out, getattr(initcore, name), **arguments)
    with pytest.raises(ValueError, match=words):
        getattr(initcore, name[:-1])((4, 4), **arguments, dtype=dtype)


@pytest.mark.parametrize("name", ["uniform_", "normal_"])
@pytest.mark.parametrize("argument", ["1", None, [1.0], 1j])
def test_parameters_that_are_no_numbers(name: str, argument: Any) -> None:
    refuses(TypeError, None, right(name), getattr(initcore, name), argument)
    refuses(TypeError, None, right(name), getattr(initcore, name), 0.0, argument)


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("shape", [(), (5,)], ids=str)
def test_too_few_dimensions_for_fans(name: str, shape: tuple[int, ...]) -> None:
    """In torch's words."""
    words = "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
    refuses(ValueError, f"^{words}$", np.full(shape, SENTINEL, np.float32), getattr(initcore, name), **RANDOM[name])
    torch = need("torch")
    with pytest.raises(ValueError, match=f"^{words}$"):
        torch.nn.init.xavier_uniform_(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("eye_", (4,), "Only tensors with 2 dimensions are supported"),
        ("eye_", (4, 4, 4), "Only tensors with 2 dimensions are supported"),
        ("sparse_", (4, 4, 4), "Only tensors with 2 dimensions are supported"),
        ("dirac_", (4, 4), "Only tensors with 3, 4, or 5 dimensions are supported"),
        ("dirac_", (1,) * 6, "Only tensors with 3, 4, or 5 dimensions are supported"),
    ],
)
def test_wrong_number_of_dimensions(name: str, shape: tuple[int, ...], words: str) -> None:
    """In torch's words, with the shape."""
    out = np.full(shape, SENTINEL, np.float32)
    refuses(ValueError, f"{words}.*{re.escape(str(shape))}", out, getattr(initcore, name), **ALL[name])
    torch = need("torch")
    with pytest.raises(ValueError, match=words):
        getattr(torch.nn.init, name)(torch.zeros(shape), **ALL[name])


@pytest.mark.parametrize("shape", [(), (4,), (1,) * 6], ids=str)
def test_hadamard_wants_two_to_five_dimensions(shape: tuple[int, ...]) -> None:
    words = f"Only tensors with 2 to 5 dimensions.*{re.escape(str(shape))}"
    refuses(ValueError, words, np.full(shape, SENTINEL, np.float32), initcore.hadamard_)


@pytest.mark.parametrize("groups", [2, 3, 5, 0, -1, True])
def test_groups_that_do_not_divide(groups: int) -> None:
    out = np.full((7, 2, 3), SENTINEL, np.float32)
    refuses(ValueError, f"dim 0 must be divisible by groups.*{groups}", out, initcore.dirac_, groups)


@pytest.mark.parametrize("name", ["kaiming_uniform_", "kaiming_normal_", "variance_scaling_"])
@pytest.mark.parametrize("mode", ["fan", "", "FANIN", None, 3, ("fan_in",)])
def test_unknown_mode_lists_the_known(name: str, mode: Any) -> None:
    words = re.escape(str(mode)) + ".*fan_in.*fan_out"
    refuses(ValueError, words, right(name), getattr(initcore, name), mode=mode)


@pytest.mark.parametrize("nonlinearity", ["Relu", "", "swiglu", None, 3])
def test_unknown_nonlinearity_lists_the_known(nonlinearity: Any) -> None:
    words = re.escape(str(nonlinearity)) + ".*linear.*tanh.*leaky_relu.*gelu"
    for name in ("kaiming_uniform_", "kaiming_normal_"):
        refuses(ValueError, words, right(name), getattr(initcore, name), nonlinearity=nonlinearity)
    with pytest.raises(ValueError, match=words):
        initcore.calculate_gain(nonlinearity)


@pytest.mark.parametrize("name", ALL)
def test_shard_of_another_shape_shows_both(name: str) -> None:
    for shard in (Shard((8, 8), np.s_[:4, :5]), Shard(16), Shard((4, 4, 3, 1))):
        out = right(name)
        words = re.escape(str(out.shape)) + ".*" + re.escape(repr(shard)) + ".*" + re.escape(str(shard.shape))
        refuses(ValueError, words, out, getattr(initcore, name), **ALL[name], shard=shard)


@pytest.mark.parametrize(
    "arguments", [{"sparsity": 0.5, "std": -1.0}, {"sparsity": 0.5, "std": math.inf}, {"sparsity": 2}]
)
def test_a_sparse_matrix_that_is_refused_takes_no_draw(arguments: dict[str, float]) -> None:
    generator = initcore.Generator(0)
    refuses(ValueError, "std|sparsity", right("sparse_"), initcore.sparse_, **arguments, rng=generator)
    assert generator.draw == 0


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shard", [(4, 4), np.s_[:4], "all", 3], ids=repr)
def test_shard_that_is_none(name: str, shard: Any) -> None:
    refuses(TypeError, re.escape(repr(shard)), right(name), getattr(initcore, name), **ALL[name], shard=shard)


@pytest.mark.parametrize(
    ("shape", "error", "words"),
    [
        ((-1, 3), ValueError, r"\(-1, 3\)"),
        (2.5, TypeError, "2.5"),
        ((2, 2.5), TypeError, "2.5"),
        ("34", TypeError, "'34'"),
        (None, TypeError, "None"),
        ((2**40, 2**40), ValueError, "1099511627776"),
    ],
)
@pytest.mark.parametrize("name", ["bits", "uniform", "normal", "zeros", "he_uniform"])
def test_bad_shape_of_a_new_array(name: str, shape: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        getattr(initcore, name)(shape)


def test_bad_dtype_of_a_new_array() -> None:
    for dtype in ("int32", "bool", "complex64", "object"):
        with pytest.raises(TypeError, match=dtype):
            initcore.normal((2, 2), dtype=dtype)
    with pytest.raises(TypeError, match="float33"):
        initcore.normal((2, 2), dtype="float33")
