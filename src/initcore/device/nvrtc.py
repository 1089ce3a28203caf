"""NVIDIA's runtime compiler, by ctypes: the library that torch or another package carries."""

from __future__ import annotations

import ctypes
import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["OPTIONS", "Compiler", "compiler", "digest", "source"]

#: No contraction, no flush to zero, no estimates: what the stream contract asks of every instruction set. Functions
#: without a mark, such as those of the headers that the processor's kernels are made of, are the device's
OPTIONS = (
    "--std=c++20",
    "--fmad=false",
    "--ftz=false",
    "--prec-div=true",
    "--prec-sqrt=true",
    "--device-as-default-execution-space",
    "--diag-suppress=177,20044",
)


@cache
def source() -> str:
    """Return the kernels, one file that the build has made of ``csrc``."""
    return (Path(__file__).parents[1] / "kernels.cu").read_text(encoding="utf-8")


@cache
def digest() -> str:
    """Return a hash of all that the compiler is given."""
    return hashlib.sha256("\0".join([source(), *OPTIONS]).encode()).hexdigest()


class Compiler:
    """One library of the runtime compiler.

    Parameters
    ----------
    library : ctypes.CDLL
        The library, of CUDA 12 or later.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._check(library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
        self.version = (major.value, minor.value)

    def _check(self, result: int) -> None:
        if result != 0:
            self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
            raise RuntimeError(f"NVRTC: {self._library.nvrtcGetErrorString(result).decode()}")

    @property
    def architectures(self) -> tuple[int, ...]:
        """The compute capabilities that it compiles for, such as 90, in increasing order."""
        count = ctypes.c_int()
        self._check(self._library.nvrtcGetNumSupportedArchs(ctypes.byref(count)))
        found = (ctypes.c_int * count.value)()
        self._check(self._library.nvrtcGetSupportedArchs(found))
        return tuple(found)

    def target_of(self, capability: int) -> str:
        """Return the architecture for a device: its own, or the latest before it, which its driver then compiles."""
        known = self.architectures
        if capability in known:
            return f"sm_{capability}"
        before = [architecture for architecture in known if architecture < capability]
        if not before:
            raise RuntimeError(f"NVRTC {self.version} compiles for {known}, not for {capability}")
        return f"compute_{before[-1]}"

    def compile(self, code: str, target: str, options: Sequence[str] = OPTIONS) -> bytes:
        """Return a program for ``sm_90`` and the like as machine code, and for ``compute_90`` and the like as PTX.

        Raises
        ------
        RuntimeError
            If the compiler refuses the program; the message has what it says.
        """
        library, program = self._library, ctypes.c_void_p()
        arguments = [f"--gpu-architecture={target}".encode(), *(option.encode() for option in options)]
        made = library.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None)
        self._check(made)
        try:
            result = library.nvrtcCompileProgram(
                program, len(arguments), (ctypes.c_char_p * len(arguments))(*arguments)
            )
            if result != 0:
                log = self._text(program, "ProgramLog").decode(errors="replace")
                raise RuntimeError(f"NVRTC {self.version} does not compile the kernels for {target}: {log[:2000]}")
            return self._text(program, "CUBIN" if target.startswith("sm_") else "PTX")
        finally:
            library.nvrtcDestroyProgram(ctypes.byref(program))

    def _text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(getattr(self._library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        text = ctypes.create_string_buffer(size.value)
        self._check(getattr(self._library, f"nvrtcGet{what}")(program, text))
        return text.raw


def _libraries(major: int) -> Iterator[str]:
    """Yield what the library of a version may be called: by its name alone, then in NVIDIA's own packages."""
    windows = sys.platform == "win32"
    names = [f"nvrtc64_{major}0_0.dll"] if windows else [f"libnvrtc.so.{major}", "libnvrtc.so"]
    yield from names
    spec = find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        for place in (f"cu{major}", "cuda_nvrtc"):
            for name in names:
                yield str(Path(folder, place, "bin" if windows else "lib", name))


def _load(name: str) -> ctypes.CDLL:
    """Load a library, and before it the builtins beside it, which it opens by name without knowing its own folder."""
    if Path(name).is_file():
        for builtins in sorted(Path(name).parent.glob("*nvrtc-builtins*")):
            with suppress(OSError):  # what the library does need, it asks for itself
                ctypes.CDLL(str(builtins))
    return ctypes.CDLL(name)


@cache
def compiler(major: int) -> Compiler:
    """Return the runtime compiler of a major version of CUDA.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    for name in _libraries(major):
        try:
            found = Compiler(_load(name))
        except OSError:
            continue
        if found.version[0] == major:
            return found
    raise RuntimeError(f"there is no NVRTC of CUDA {major}; pip install nvidia-cuda-nvrtc brings one")
