"""How NVIDIA's runtime compiler is loaded, with libraries that are none."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from initcore.device import nvrtc

pytestmark = pytest.mark.any_isa


@pytest.mark.parametrize("broken", [False, True])
def test_builtins_are_loaded_before_the_library_beside_them(
    broken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA 13.0's library opens them by name, and does not look in its own folder; another's may be none of its own."""
    library, builtins = tmp_path / "libnvrtc.so.13", tmp_path / "libnvrtc-builtins.so.13.0"
    for path in (library, builtins):
        path.touch()
    loaded: list[str] = []

    def load(name: str) -> str:
        loaded.append(name)
        if broken and name == str(builtins):
            raise OSError(name)
        return name

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert str(nvrtc._load(str(library))) == str(library)
    assert loaded == [str(builtins), str(library)]
    loaded.clear()
    nvrtc._load("libnvrtc.so.13")  # which the system finds, with what belongs to it
    assert loaded == ["libnvrtc.so.13"]
