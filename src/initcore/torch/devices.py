"""Fill CUDA tensors where they lie, by the kernels of :mod:`initcore.device` (experimental).

A device is prepared when the first of its tensors is filled: the kernels are compiled for it, once for all processes of
a user, and a trial compares a few thousand of their values with the processor's, bit by bit. Where anything fails, a
warning says so once, and the device's tensors are drawn on the CPU and copied.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import initcore
from initcore import _core
from initcore.device import files, nvrtc
from initcore.device.driver import Module, driver
from initcore.device.reports import keep, kept, mode
from initcore.device.trial import differences

__all__ = ["Launch", "launcher_of", "memory_on"]

Launch = Callable[[str, tuple[int, int], tuple[int, int], bytes], object]

_KINDS = {getattr(torch, name): kind for name, kind in _core.DEVICE_KINDS.items() if name != "uint32"}
_lock = threading.Lock()
#: By the number of a device: what launches its kernels, or why nothing does
_prepared: dict[int, Launch | str] = {}


def launcher_of(device: torch.device) -> Launch | None:
    """Return what launches initcore's kernels on a device; None if its tensors are to be drawn on the CPU.

    Raises
    ------
    RuntimeError
        If the device is first used while its stream is captured in a graph; if ``INITCORE_CUDA`` is ``always``, and the
        device cannot be used.
    """
    if device.type != "cuda" or torch.version.hip:  # AMD's devices call themselves so, too
        return None
    wanted = mode()
    if wanted == "never":
        return None
    index = torch.cuda.current_device() if device.index is None else device.index
    found = _prepared.get(index)
    if found is None:
        with _lock:
            found = _prepared.get(index)
            if found is None:
                found = _prepared[index] = _prepare(index)
                if isinstance(found, str) and wanted == "auto":
                    warnings.warn(f"{found}; its tensors are drawn on the CPU and copied", RuntimeWarning, stacklevel=2)
    if isinstance(found, str):
        if wanted == "always":
            raise RuntimeError(f"{found}, and INITCORE_CUDA is 'always'")
        return None
    return found


def _prepare(index: int) -> Launch | str:
    """Return what launches kernels on a device that has passed the trial, or why nothing can."""
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError(
            f"initcore has not prepared cuda:{index} yet, which it cannot do while a graph is captured: "
            "fill a tensor of that device once before"
        )
    try:
        with torch.cuda.device(index):
            return _tried(index)
    except Exception as error:  # whatever is missing, or is not as expected, the CPU's way is left
        return f"initcore cannot use cuda:{index}: {error}"


def _tried(index: int) -> Launch:
    if torch.version.cuda is None:
        raise RuntimeError("this torch is not built for CUDA")
    properties = torch.cuda.get_device_properties(index)
    compiler, here = nvrtc.compiler(int(torch.version.cuda.split(".")[0])), driver()
    target = compiler.target_of(10 * properties.major + properties.minor)
    key = (nvrtc.digest(), compiler.version, target)
    program = files.read("programs", *key)
    if program is None:
        program = compiler.compile(nvrtc.source(), target)
        files.write(program, "programs", *key)
    torch.cuda.synchronize(index)  # makes the context
    launch = _launching(index, here.load(program))
    tried = (*key, properties.name, here.version, initcore.__version__)
    wrong = kept(*tried)
    if wrong is None:
        wrong = differences(_Buffer, launch)
        report = {
            "device": properties.name,
            "driver": here.version,
            "nvrtc": compiler.version,
            "initcore": initcore.__version__,
            "differences": wrong,
        }
        keep(report, *tried)
    if wrong:
        raise RuntimeError(f"{properties.name} does not give the processor's bytes: {wrong[0]} ({len(wrong)} in all)")
    return launch


def _launching(index: int, module: Module) -> Launch:
    def launch(kernel: str, groups: tuple[int, int], threads: tuple[int, int], argument: bytes) -> None:
        stream = torch.cuda.current_stream(index).cuda_stream
        if torch.cuda.current_device() == index:  # to enter the device takes longer than the launch
            module.launch(stream, kernel, groups, threads, argument)
        else:
            with torch.cuda.device(index):
                module.launch(stream, kernel, groups, threads, argument)

    return launch


class _Buffer:
    """Zeroed memory of the current device."""

    def __init__(self, size: int) -> None:
        self._tensor = torch.zeros(size, dtype=torch.uint8, device="cuda")
        self.address = self._tensor.data_ptr()

    def read(self) -> bytes:
        return bytes(self._tensor.cpu().numpy())


def memory_on(tensor: Tensor) -> _core.DeviceMemory | None:
    """Return what a fill takes for a tensor of a device; None if the tensor is to be drawn on the CPU.

    The tensor is one that initcore may write to, of a dtype that it draws. It is filled on the current stream, and need
    not be when the fill returns.
    """
    launch = launcher_of(tensor.device)
    if launch is None or _may_overlap(tensor):
        return None
    try:
        address = tensor.data_ptr()
    except RuntimeError:  # the tensor is sparse, or has no storage for another reason
        return None
    itemsize = tensor.element_size()
    strides = tuple(stride * itemsize for stride in tensor.stride())
    return _core.DeviceMemory(address, tuple(tensor.shape), strides, _KINDS[tensor.dtype], launch)


def _may_overlap(tensor: Tensor) -> bool:
    """Whether elements may share memory: whether an axis does not stride over all that the axes below it span."""
    span: Any = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1 and stride < span:
            return True
        span += stride * (size - 1) if size > 1 else 0
    return False
