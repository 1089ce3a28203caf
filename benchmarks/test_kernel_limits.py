"""The functions whose operations are counted are those of the library."""

from __future__ import annotations

import math
import shutil

import kernel_limits
import pytest

from initcore import _core, isas
from initcore.dtypes import as_dtype


@pytest.fixture(scope="module")
def functions() -> dict[str, list[list[kernel_limits.Instruction]]]:
    """The library's, by name."""
    if not shutil.which("objdump"):
        pytest.skip("needs objdump")
    found = kernel_limits.disassembled(_core.__file__)
    if "ic_work_run" not in found:  # which is not exported
        pytest.skip("the library was stripped of its functions' names")
    return found


@pytest.mark.parametrize("isa", sorted(kernel_limits.VECTORS))
@pytest.mark.parametrize(("name", "dtype", "function"), kernel_limits.KERNELS)
def test_each_kernel_is_counted(
    name: str, dtype: str, function: str, isa: str, functions: dict[str, list[list[kernel_limits.Instruction]]]
) -> None:
    """Philox alone takes 57 vector operations of AVX-512 for 32 words, and more of AVX2."""
    if isa not in isas():
        pytest.skip(f"this processor has no {isa}")
    bodies = kernel_limits.bodies_of(function, functions)
    operations = 32 * kernel_limits.operations_per_element(bodies, isa, as_dtype(dtype).itemsize)
    assert (math.isnan(operations) and name == "trunc_normal") or 50 < operations < 1000
