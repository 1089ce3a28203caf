"""What NVIDIA's compilers make of the kernels of devices: exact operations alone, and no spills."""

from __future__ import annotations

import re

import ptx
import pytest
from golden import DTYPES
from support import need

from initcore import _core

pytestmark = pytest.mark.any_isa

SUFFIXES = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "uint32": "u32"}
KERNELS = {f"ic_{name}_{SUFFIXES[dtype]}" for name, dtypes in DTYPES.items() for dtype in dtypes}


@pytest.fixture(autouse=True)
def _packages() -> None:
    need("nvidia.cu13")
    for name in ("ptxas", "nvdisasm"):
        if ptx.tool(name) is None:
            need(f"nvidia.{name}")


@pytest.mark.parametrize("major", [13, 12])
@pytest.mark.parametrize("architecture", ptx.ARCHITECTURES)
def test_every_operation_is_exact(architecture: int, major: int) -> None:
    need("nvidia.cu13" if major == 13 else "nvidia.cuda_nvrtc")
    text = ptx.ptx_of(architecture, major)
    kernels = ptx.kernels_in(text)
    assert set(kernels) == KERNELS
    assert not ptx.problems_in(text)
    for name, opcodes in kernels.items():
        assert ("fma.rn.f32" in opcodes or "fma.rn.f64" in opcodes) == (name != "ic_bits_u32")
        assert "mul.wide.u32" in opcodes


def test_the_argument_has_the_size_that_the_host_gives_it() -> None:
    sizes: list[int] = []
    memory = _core.DeviceMemory(
        0, (3,), (4,), _core.DEVICE_KINDS["float32"], lambda *launch: sizes.append(len(launch[3]))
    )
    _core.fill(memory, _core.DISTS["normal"][0], (0.0, 1.0), 0)
    assert set(re.findall(r"_param_0\[(\d+)\]", ptx.ptx_of(90))) == {str(size) for size in sizes}


@pytest.mark.parametrize("architecture", ptx.ARCHITECTURES)
def test_no_kernel_spills(architecture: int) -> None:
    said, _ = ptx.assembled(architecture)
    assert set(said) == KERNELS
    for name, it in sorted(said.items()):
        print(f"sm_{architecture} {name}: {it.registers} registers, {it.spilled} bytes spilled")
    assert not any(it.spilled or it.stack for it in said.values())
    assert all(it.registers * 256 <= 65536 for it in said.values())


def test_what_bounds_the_kernels() -> None:
    """By the count of instructions: memory, or no more than half as long again for float32 normals."""
    times = {line.split()[0]: float(line.split()[-1]) for line in ptx.limits().splitlines()[1:]}
    assert set(times) == KERNELS
    assert times["ic_bits_u32"] < 1
    assert times["ic_uniform_f32"] < 1
    assert times["ic_normal_f32"] < 1.5


@pytest.mark.parametrize(
    "wrong",
    [
        "out[0] = __expf(out[0]);",
        "out[0] = __fdividef(out[0], 3.0f);",
        "out[0] = __fmaf_rd(out[0], 3.0f, 1.0f);",
        "out[0] = rsqrtf(out[0]);",
        "out[0] = __fadd_rz(out[0], 3.0f);",
        "out[0] = __fmul_rn(out[0], out[0]) + __saturatef(out[0]);",
    ],
)
def test_the_reader_notices_what_is_not_exact(wrong: str) -> None:
    code = 'extern "C" __global__ void it(float *out) { %s }'
    assert not ptx.problems_in(ptx.ptx_of(90, code=code % "out[0] = __fmaf_rn(out[0], 3.0f, sqrtf(out[0]));"))
    assert ptx.problems_in(ptx.ptx_of(90, code=code % wrong))


def test_contraction_would_be_noticed() -> None:
    """Without --fmad=false, products that are added become one operation, which the marks on them tell."""
    code = 'extern "C" __global__ void it(float *out) { out[0] = out[1] * out[2] + out[3]; }'
    options = [option for option in ptx.nvrtc.OPTIONS if not option.startswith("--fmad")]
    loose = ptx.nvrtc.compiler(13).compile(code, "compute_90", [*options, "--fmad=true"]).decode()
    assert "fma.rn.f32" in loose
    assert "fma" not in ptx.ptx_of(90, code=code)
