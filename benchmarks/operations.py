"""What is measured: operations, the shapes they fill, and whole models, all made smaller together for a quick run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """One initializer and its settings.

    Attributes
    ----------
    name : str
        initcore's, without underscore.
    settings : mapping
        initcore's parameters by name.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


DTYPES = ("float64", "float32", "float16", "bfloat16")

UNIFORM = Operation("uniform")
NORMAL = Operation("normal")
TRUNC_NORMAL = Operation("trunc_normal", {"a": -2.0, "b": 2.0})
DISTRIBUTIONS = (UNIFORM, NORMAL, TRUNC_NORMAL)
#: Far from the mean, where other ways of drawing are used than near it
TAIL = Operation("trunc_normal", {"a": 4.0, "b": 5.0})

#: In settings that all who have them take
PATTERNS = (
    *(Operation(name) for name in ("zeros", "ones", "eye", "dirac", "hadamard")),
    Operation("constant", {"val": 0.5}),
    Operation("sparse", {"sparsity": 0.5}),
)

#: Those whose scale comes from the fans; variance_scaling as its defaults have it
SCALED = tuple(
    Operation(name)
    for name in (
        "xavier_uniform",
        "xavier_normal",
        "kaiming_uniform",
        "kaiming_normal",
        "lecun_uniform",
        "lecun_normal",
        "glorot_uniform",
        "glorot_normal",
        "he_uniform",
        "he_normal",
        "variance_scaling",
    )
)

ORTHOGONAL = Operation("orthogonal")
ORTHOGONAL_STACK = Operation("orthogonal", {"batch_axis": 0})
#: Operation, shape, dtype; the last is a stack of attention heads
ORTHOGONALS: tuple[tuple[Operation, Shape, str], ...] = (
    *((ORTHOGONAL, (side, side), "float32") for side in (64, 256, 1024, 2048)),
    (ORTHOGONAL, (1024, 1024), "float64"),
    (ORTHOGONAL, (4096, 512), "float32"),
    (ORTHOGONAL, (8192, 1024), "float32"),
    (ORTHOGONAL_STACK, (256, 64, 64), "float32"),
    (ORTHOGONAL_STACK, (1024, 64, 64), "float32"),
)

SMALL = (1, 16, 64, 256, 1024, 4096, 16384, 65536)

#: What `--elements` is unless it is given
ELEMENTS = 1 << 24


@dataclass(frozen=True)
class Scale:
    """The one rule by which a quick run is smaller than a full one.

    Matrices have `elements`. Everything else has the size it is named after, or, where `elements` are fewer than
    2^24, as many times fewer elements: the sides of models and orthogonal matrices shrink by the root of that.
    """

    elements: int = ELEMENTS

    @property
    def matrix(self) -> Shape:
        """About square."""
        side = math.isqrt(self.elements)
        return self.elements // side, side

    @property
    def shrink(self) -> int:
        """By how much sides are divided."""
        return max(1, math.isqrt(ELEMENTS // self.elements))

    def sides(self, shape: Shape) -> Shape:
        """Return a shape with its sides divided."""
        return tuple(max(1, size // self.shrink) for size in shape)

    def count(self, full: int) -> int:
        """Return a number of elements or bytes, divided."""
        return max(1, full // self.shrink**2)


@dataclass(frozen=True)
class Parameter:
    """An array of a model, and how it is initialised."""

    name: str
    shape: Shape
    operation: Operation


@dataclass(frozen=True)
class Model:
    """A model's arrays, in the order in which it makes them.

    Attributes
    ----------
    draws : Operation
        What nearly all elements take.
    """

    name: str
    dtype: str
    draws: Operation
    parameters: tuple[Parameter, ...]

    @property
    def elements(self) -> int:
        """Of all arrays together."""
        return sum(math.prod(parameter.shape) for parameter in self.parameters)


ZEROS, ONES = Operation("zeros"), Operation("ones")


def _linear(name: str, shape: Shape, outputs: int, weight: Operation) -> Iterator[Parameter]:
    yield Parameter(f"{name}.weight", shape, weight)
    yield Parameter(f"{name}.bias", (outputs,), ZEROS)


def _layer_norm(name: str, width: int) -> Iterator[Parameter]:
    yield Parameter(f"{name}.weight", (width,), ONES)
    yield Parameter(f"{name}.bias", (width,), ZEROS)


def gpt2_small(shrink: int = 1, *, depth: int = 12) -> Model:
    """GPT-2 of 124 million parameters, its output tied to its embedding; matrices are (in, out), as it stores them.

    A. Radford et al., "Language models are unsupervised multitask learners", 2019: N(0, 0.02^2), what is added to the
    residual stream scaled by 1 / sqrt(2 depth).
    """
    width, vocabulary, context = (size // shrink for size in (768, 50257, 1024))
    draws = Operation("normal", {"mean": 0.0, "std": 0.02})
    residual = Operation("normal", {"mean": 0.0, "std": 0.02 / math.sqrt(2 * depth)})

    def block(name: str) -> Iterator[Parameter]:
        yield from _layer_norm(f"{name}.ln_1", width)
        yield from _linear(f"{name}.attn.c_attn", (width, 3 * width), 3 * width, draws)
        yield from _linear(f"{name}.attn.c_proj", (width, width), width, residual)
        yield from _layer_norm(f"{name}.ln_2", width)
        yield from _linear(f"{name}.mlp.c_fc", (width, 4 * width), 4 * width, draws)
        yield from _linear(f"{name}.mlp.c_proj", (4 * width, width), width, residual)

    parameters = (
        Parameter("wte", (vocabulary, width), draws),
        Parameter("wpe", (context, width), draws),
        *(parameter for layer in range(depth) for parameter in block(f"h.{layer}")),
        *_layer_norm("ln_f", width),
    )
    return Model("GPT-2 small", "float32", draws, parameters)


def vit_b16(shrink: int = 1, *, depth: int = 12, image: int = 224, patch: int = 16) -> Model:
    """ViT-B/16 of 86 million parameters, with its classifier of 1000 classes; matrices are (out, in).

    A. Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021; initialised as in timm: normal of deviation 0.02,
    truncated at -2 and 2, which are a hundred deviations.
    """
    width, classes = 768 // shrink, max(1, 1000 // shrink)
    draws = Operation("trunc_normal", {"mean": 0.0, "std": 0.02, "a": -2.0, "b": 2.0})

    def block(name: str) -> Iterator[Parameter]:
        yield from _layer_norm(f"{name}.norm1", width)
        yield from _linear(f"{name}.attn.qkv", (3 * width, width), 3 * width, draws)
        yield from _linear(f"{name}.attn.proj", (width, width), width, draws)
        yield from _layer_norm(f"{name}.norm2", width)
        yield from _linear(f"{name}.mlp.fc1", (4 * width, width), 4 * width, draws)
        yield from _linear(f"{name}.mlp.fc2", (width, 4 * width), width, draws)

    parameters = (
        Parameter("cls_token", (1, 1, width), draws),
        Parameter("pos_embed", (1, 1 + (image // patch) ** 2, width), draws),
        *_linear("patch_embed.proj", (width, 3, patch, patch), width, draws),
        *(parameter for layer in range(depth) for parameter in block(f"blocks.{layer}")),
        *_layer_norm("norm", width),
        *_linear("head", (classes, width), classes, draws),
    )
    return Model("ViT-B/16", "float32", draws, parameters)


def llama3_8b(shrink: int = 1) -> Model:
    """The four shapes that Llama-3-8B is made of, once each; matrices are (out, in).

    A. Grattafiori et al., "The Llama 3 herd of models", 2024. Its reference code makes the hidden layer 1.3 times two
    thirds of four widths, rounded up to a multiple of 1024.
    """
    width, vocabulary = 4096, 128256
    hidden = -(-int(1.3 * (2 * 4 * width // 3)) // 1024) * 1024
    draws = Operation("normal", {"mean": 0.0, "std": 0.02})
    shapes = {
        "tok_embeddings": (vocabulary, width),
        "feed_forward.w1": (hidden, width),
        "feed_forward.w2": (width, hidden),
        "attention.wq": (width, width),
    }
    parameters = tuple(
        Parameter(name, (rows // shrink, columns // shrink), draws) for name, (rows, columns) in shapes.items()
    )
    return Model("Llama-3-8B, largest layers", "bfloat16", draws, parameters)


MODELS = (gpt2_small, vit_b16, llama3_8b)
