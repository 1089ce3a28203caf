"""Checkpoints as other writers make them: names of files, indices and dtypes that the safetensors library reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import HUNG, need

from initcore.errors import CheckpointError
from initcore.formats.reader import open_checkpoint
from initcore.models.architectures.shapes_like import shapes_like

pytestmark = pytest.mark.any_isa

NAMES = [
    ["shard-00001-model-00001-of-00002.safetensors", "shard-00002-model-00002-of-00002.safetensors"],
    ["shard-00001-model-00001-of-00001.safetensors", "shard-00002-model-00001-of-00001.safetensors"],
    ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
    ["one.safetensors", "two.safetensors"],
    ["adapter_model.safetensors"],
]
INDEX = {
    "none": None,
    "model.safetensors.index.json": {},
    "diffusion_pytorch_model.safetensors.index.json": {"metadata": {"total_size": 1}},
}


@pytest.mark.parametrize("files", NAMES, ids=lambda files: files[0])
@pytest.mark.parametrize("index", INDEX)
def test_names_of_files_and_indices(files: list[str], index: str, tmp_path: Path) -> None:
    """With their index, whatever it is called and with no metadata in it, and without any."""
    save = need("safetensors.numpy").save_file
    arrays = {f"w{i}": np.full((2, 3), i, np.float32) for i in range(len(files))}
    for file, name in zip(files, arrays, strict=True):
        save({name: arrays[name]}, tmp_path / file)
    extra: Any = INDEX[index]
    if extra is not None:
        (tmp_path / index).write_text(json.dumps({**extra, "weight_map": dict(zip(arrays, files, strict=True))}))
    found = open_checkpoint(tmp_path)
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    assert shapes_like(tmp_path).shapes == dict.fromkeys(arrays, ((2, 3), "float32"))


def test_what_a_folder_without_an_index_must_have(tmp_path: Path) -> None:
    save = need("safetensors.numpy").save_file
    save({"a": np.zeros(3)}, tmp_path / "shard-00001-model-00001-of-00003.safetensors")
    save({"b": np.zeros(3)}, tmp_path / "shard-00001-model-00003-of-00003.safetensors")
    for read in (open_checkpoint, shapes_like):
        with pytest.raises(CheckpointError, match="there is no index, and no file 2 of 3"):
            read(tmp_path)
    save({"b": np.zeros(3)}, tmp_path / "shard-00001-model-00002-of-00003.safetensors")
    for read in (open_checkpoint, shapes_like):
        with pytest.raises(CheckpointError, match=r"tensor 'b' is in .*00002-of.* and in .*00003-of.*: parts of one"):
            read(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors.index.json").write_text('{"weight_map": {}}')
    for read in (open_checkpoint, shapes_like):
        with pytest.raises(CheckpointError, match="several indices"):
            read(tmp_path)


KINDS = [
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "bfloat16", "float16"),
    *("float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    "complex64",
]


@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (4, 0, 2), (2, 3)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_every_dtype_and_shape(kind: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """FP8, integers, truth values, no elements, no dimensions: the bytes that the library wrote."""
    torch, save = need("torch"), need("safetensors.torch").save_file
    need("ml_dtypes")
    if not hasattr(torch, kind):
        pytest.skip(f"this torch has no {kind}")
    tensor = torch.ones(shape).to(getattr(torch, kind))
    save({"w": tensor, "v": torch.ones(1)}, tmp_path / "model.safetensors")
    found = open_checkpoint(tmp_path)["w"]
    assert (found.shape, found.dtype.name) == (shape, kind)
    assert found.tobytes() == tensor.contiguous().view(torch.uint8).numpy().tobytes() if shape else found == 1
    assert shapes_like(tmp_path).shapes["w"] == (shape, kind)


def test_small_floats_are_known_in_a_process_that_has_not_used_any(tmp_path: Path) -> None:
    """NumPy knows their names when somebody has imported ml_dtypes, which must not be left to chance."""
    torch, save = need("torch"), need("safetensors.torch").save_file
    need("ml_dtypes")
    save({"w": torch.ones(3).to(torch.float8_e4m3fn)}, tmp_path / "model.safetensors")
    script = (
        f"from initcore.formats.reader import open_checkpoint\nprint(open_checkpoint({str(tmp_path)!r})['w'].dtype)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=HUNG, check=True)
    assert done.stdout == "float8_e4m3fn\n"
