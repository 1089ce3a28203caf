"""The benchmark of CUDA devices, where there may be none: what it runs, but for the device's clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
gpu = pytest.importorskip("gpu")


def test_it_says_that_there_is_no_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--json", str(tmp_path / "gpu.json")]) == 2
    assert "no CUDA device" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_it_writes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With a device made of the CPU."""
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *shape, device="cpu", **more: empty(*shape, **more))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a device")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(gpu.devices, "launcher_of", lambda device: print)
    monkeypatch.setattr(gpu, "CHECKED", 1000)
    monkeypatch.setattr(gpu, "seconds", lambda work: (work(), 1e-6)[1])
    assert gpu.main(["--json", str(tmp_path / "gpu.json"), "--elements", "1000"]) == 0
    written: dict[str, Any] = json.loads((tmp_path / "gpu.json").read_text())
    assert {(row["law"], row["who"]) for row in written["rows"]} >= {
        (law, who) for law in gpu.LAWS for who in ("initcore", "torch")
    }
    assert all(row["ns_an_element"] == pytest.approx(1.0) for row in written["rows"])
    assert "normal_        float32   initcore   1.0000 ns an element 100.0% of memset" in capsys.readouterr().out
