"""From a plan and a model to a checkpoint on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

from initcore.checkpoint.files import atomic_write
from initcore.checkpoint.layout import SHARD_BYTES, Layout, npy_folder, safetensors_file, safetensors_folder
from initcore.checkpoint.writer import Written, write_checkpoint
from initcore.errors import CheckpointError, not_taken
from initcore.formats.paths import as_path
from initcore.keywords import answering
from initcore.models.architectures.shapes_like import ModelShapes, shapes_like
from initcore.models.plan.plan import Plan
from initcore.models.plan.resolve import Resolved

__all__ = ["layout_for", "save_checkpoint", "write"]

Format = Literal["safetensors", "npy"]


@answering
def save_checkpoint(
    plan: Plan,
    like: Any,
    out: str | os.PathLike[str],
    *,
    dtype: str | None = None,
    format: Format = "safetensors",
    shard_bytes: int | None = None,
    part: tuple[int, int] = (0, 1),
    resume: bool = False,
    force: bool = False,
) -> Written:
    r"""Initialise a model, which need not fit in memory, straight into the files of a checkpoint.

    Parameters
    ----------
    plan : Plan
        What the parameters are filled with.
    like : path, str or torch.nn.Module
        Where names and shapes are: a safetensors file, the index of several, a ``config.json`` of Hugging Face, TOML, a
        folder with one of these, ``"hf:PATH"``, ``"module:package.function"``, or a module, which may be on the meta
        device: all that `shapes_like` takes.
    out : path
        A folder, or, if it ends in ``.safetensors``, one file. A folder has ``model.safetensors``, or files of about
        a size and their index, as transformers loads them, and, if `like` is a ``config.json``, it and the
        ``generation_config.json`` beside it; or .npy files and their list ``index.json``.
    dtype : str, optional
        Of all parameters; if not given, what `like` says, or else the plan.
    format : {"safetensors", "npy"}
        Of the files in a folder.
    shard_bytes : int, optional
        Of a safetensors file in a folder at most, but for a parameter that is larger: 5e9 if not given.
    part : tuple of int
        ``(i, n)``: write the i-th of n parts, counted from 0. The last that is written completes the checkpoint.
    resume : bool
        Whether to continue what was interrupted.
    force : bool
        Whether to replace what is there.

    Returns
    -------
    Written
        With the names of ``files`` that were written, their ``nbytes``, and the names of those still ``missing``.

    Raises
    ------
    TypeError
        If an argument is of a type that is not taken.
    PlanError
        If plan and model do not fit each other.
    CheckpointError
        If `like` is not what it should be, if there is no such `part`, if something is there and neither `resume` nor
        `force`, or if it is of another plan, seed or model.
    OSError
        If the disk is full: what was written is removed.

    Examples
    --------
    >>> import initcore, pathlib, tempfile
    >>> from initcore.models import save_checkpoint
    >>> plan = initcore.Plan([initcore.Rule("normal", match="*", settings={"std": 0.02})])
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = pathlib.Path(name)
    ...     _ = (folder / "shapes.toml").write_text('[shapes]\n"mlp.weight" = [64, 32]\n')
    ...     save_checkpoint(plan, folder / "shapes.toml", folder / "model.safetensors").files
    ('model.safetensors',)
    """
    path = _checked(plan, out, shard_bytes, part)
    source = shapes_like(like)
    layout, folder = layout_for(source.resolve(plan, dtype), path, format, shard_bytes)
    return write(source, layout, folder, dtype, part=part, resume=resume, force=force)


def _checked(plan: Any, out: Any, shard_bytes: Any, part: Any) -> Path:
    """Return the path of a checkpoint, or raise an error that names the argument that is not what it should be."""
    if not isinstance(plan, Plan):
        raise not_taken("plan", "an initcore.Plan", plan)
    path = as_path(out, "out")
    if shard_bytes is not None and not _is_int(shard_bytes):
        raise not_taken("shard_bytes", "an int or None", shard_bytes)
    if shard_bytes is not None and shard_bytes < 1:
        raise CheckpointError(f"shard_bytes must be at least 1, got {shard_bytes}")
    if not (isinstance(part, (tuple, list)) and len(part) == 2 and all(map(_is_int, part))):
        raise not_taken("part", "two ints, as (0, 3), (1, 3) and (2, 3) are the parts of three", part)
    if not 0 <= part[0] < part[1]:
        raise CheckpointError(f"the parts of three are (0, 3), (1, 3) and (2, 3): there is no part {tuple(part)}")
    return path


def _is_int(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def write(
    source: ModelShapes,
    layout: Layout,
    folder: Path,
    dtype: str | None,
    *,
    part: tuple[int, int],
    resume: bool,
    force: bool,
    total: Callable[[int], object] = lambda _: None,
    advance: Callable[[int], object] = lambda _: None,
) -> Written:
    """Write the parameters of a model, and then its configurations; tell how many bytes there are and were written."""
    written = write_checkpoint(layout, folder, part=part, resume=resume, force=force, total=total, advance=advance)
    _put_configs(source, layout, folder, dtype, force=force)
    return written


def layout_for(model: Resolved, out: Path, format: Format, shard_bytes: int | None) -> tuple[Layout, Path]:
    """Return the files of a checkpoint, and the folder they go into.

    Raises
    ------
    CheckpointError
        If there cannot be such a checkpoint there.
    """
    path = out.resolve()
    one_file = path.suffix == ".safetensors"
    if format not in ("safetensors", "npy"):
        raise CheckpointError(f"a format is safetensors or npy, not {format!r}")
    if shard_bytes is not None and (one_file or format == "npy"):
        raise CheckpointError("a size is of the safetensors files in a folder")
    if one_file and format == "npy":
        raise CheckpointError(f"{out} is a safetensors file: .npy files need a folder")
    if path.exists() and path.is_dir() is one_file:
        raise CheckpointError(f"{out} exists and is {'a' if one_file else 'no'} folder")
    if not path.parent.is_dir():
        raise CheckpointError(f"{path.parent} is no directory")
    if one_file:
        return safetensors_file(model, path.name), path.parent
    return npy_folder(model) if format == "npy" else safetensors_folder(model, shard_bytes or SHARD_BYTES), path


def _put_configs(source: ModelShapes, layout: Layout, folder: Path, dtype: str | None, *, force: bool) -> None:
    """Have the model's configurations beside the parameters of a folder that transformers loads.

    That of the model says the dtype, if one is given, and the class, if the source knows it. That of generation is
    copied if it is beside it.
    """
    if not source.config or not layout.names:
        return
    content = source.config.read_bytes()
    table = json.loads(content)
    said: dict[str, Any] = {"dtype": dtype, "torch_dtype": dtype} if dtype else {}
    if source.architecture and (table.get("architectures") or [None])[0] != source.architecture:
        said["architectures"] = [source.architecture]
    if said:
        content = (json.dumps({**table, **said}, indent=2) + "\n").encode()
    _put(folder / "config.json", source.config, content, force)
    beside = source.config.parent / "generation_config.json"
    if beside.is_file():
        _put(folder / beside.name, beside, beside.read_bytes(), force)


def _put(target: Path, origin: Path, content: bytes, force: bool) -> None:
    if target != origin and (force or not target.exists()):
        with atomic_write(target) as path:
            path.write_bytes(content)
