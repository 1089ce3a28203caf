"""Names and shapes of a model's parameters, from wherever they can be had."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from initcore.errors import CheckpointError, PlanError
from initcore.formats import npy
from initcore.formats.json_files import read_json
from initcore.formats.paths import as_path
from initcore.formats.reader import checkpoint_in, headers_of, open_checkpoint
from initcore.models.architectures import frameworks
from initcore.models.architectures.configs import Config
from initcore.models.architectures.families import is_stored_in_out, parameters_of
from initcore.models.plan import toml
from initcore.models.plan.resolve import Resolved
from initcore.models.plan.rule import AXES

if TYPE_CHECKING:
    from initcore.models.plan.plan import Plan

__all__ = ["ModelShapes", "shapes_like"]


@dataclass(frozen=True)
class ModelShapes:
    """The parameters of a model.

    Attributes
    ----------
    shapes : dict
        From names to shapes and the names of dtypes, or None where nothing says the dtype; in the model's order.
    stored_in_out : frozenset of str
        Those that are stored (in, out), not as torch's (out, in).
    config : Path, optional
        The model's configuration.
    sizes : dict
        What the configuration says of the model that presets may ask for: ``n_layers`` and ``d_model``.
    architecture : str, optional
        The model's class in transformers, which the configuration need not say.
    """

    shapes: dict[str, tuple[tuple[int, ...], str | None]]
    stored_in_out: frozenset[str] = field(default_factory=frozenset)
    config: Path | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    architecture: str | None = None

    def resolve(self, plan: Plan, dtype: str | None = None) -> Resolved:
        """Return what a plan fills each parameter with; `dtype` is that of all, whatever is said elsewhere.

        Parameters
        ----------
        plan : Plan
            The plan.
        dtype : dtype, optional
            The dtype of all parameters, whatever is said elsewhere.

        Raises
        ------
        PlanError
            As ``plan.resolve``, or if a rule would take the fans of a parameter that is stored (in, out) the wrong way
            round.
        """
        model = plan.resolve({name: (shape, dtype or own) for name, (shape, own) in self.shapes.items()})
        wrong = [
            f"{name}: is stored (in, out), so that {it.init} would take its fans the wrong way round: "
            f"its rule ({it.rule.pattern}) needs in_axis = 0 and out_axis = 1"
            for name, it in model.items()
            if name in self.stored_in_out
            and it.fans is not None
            and it.shape[0] != it.shape[1]
            and not {"fans", *AXES} & set(it.rule.settings)
        ]
        if wrong:
            raise PlanError(wrong)
        return model


def shapes_like(source: Any) -> ModelShapes:
    """Return the names and shapes of a model's parameters.

    Parameters
    ----------
    source : path, str or torch.nn.Module
        A safetensors file or the index of several, of which the headers are read; a folder with either, with .npy files
        or with a ``config.json``; a ``config.json`` of Hugging Face's llama, mistral, qwen2, qwen3, gpt2, bert or vit
        models; ``"hf:PATH"``, where ``PATH`` is a ``config.json`` of any architecture that the installed transformers
        knows, or a folder with one; ``"module:package.function"``, a class or a function that gives a module when it is
        called without arguments; TOML; or a module, on the meta device or any other.

    Raises
    ------
    CheckpointError, PlanError
        Naming the file and what is wrong in it.
    OSError
        If it cannot be read.
    """
    if hasattr(source, "state_dict"):
        return _of_module(source)
    if isinstance(source, str) and source.startswith(frameworks.TRANSFORMERS):
        return _of_transformers(source.removeprefix(frameworks.TRANSFORMERS))
    if isinstance(source, str) and source.startswith(frameworks.FACTORY):
        return _of_module(frameworks.factory_model(source.removeprefix(frameworks.FACTORY)))
    path = as_path(source, "a model", "a path, a str such as 'hf:PATH' or a torch.nn.Module")
    if path.is_dir():
        path = _in_folder(path)
    if path.suffix == ".toml":
        return _of_toml(path)
    if path.suffix == ".json" and not path.name.endswith(".index.json") and path.name != npy.INDEX:
        table = read_json(path)
        if "weight_map" not in table:
            return _of_config(Config(path, table))
    if path.name == npy.INDEX:
        arrays = open_checkpoint(path.parent)
        return ModelShapes({name: (array.shape, array.dtype.name) for name, array in arrays.items()})
    tensors = [tensor for _, header in headers_of(path) for tensor in header.tensors.values()]
    return ModelShapes({tensor.name: (tensor.shape, tensor.dtype) for tensor in tensors})


def _in_folder(folder: Path) -> Path:
    others = (folder / name for name in (npy.INDEX, "config.json") if (folder / name).exists())
    found = checkpoint_in(folder) or next(others, None)
    if found is None:
        raise CheckpointError(f"{folder}: neither a checkpoint nor a config.json is in this folder")
    return found


def _of_config(config: Config) -> ModelShapes:
    dtype = config.text("dtype") or config.text("torch_dtype")
    shapes = {name: (shape, dtype) for name, shape in parameters_of(config)}
    in_out = frozenset(name for name in shapes if is_stored_in_out(config, name))
    keys = {"n_layers": ("num_hidden_layers", "n_layer"), "d_model": ("hidden_size", "n_embd")}
    sizes = {size: config.size(key) for size, names in keys.items() for key in names if config.has(key)}
    return ModelShapes(shapes, in_out, config.path.resolve(), sizes)


def _of_toml(path: Path) -> ModelShapes:
    """Read ``dtype = ...``, which may be missing, and a table ``[shapes]`` from names to shapes or tables with both."""
    table = toml.loads(toml.text_of(path), f"{path}: ")
    problems = [f"unknown key {key!r}; known are dtype and shapes" for key in table if key not in ("dtype", "shapes")]
    entries, default, shapes = table.get("shapes"), table.get("dtype"), {}
    if not isinstance(entries, dict):
        problems.append("there must be a table [shapes]")
        entries = {}
    for name, value in entries.items():
        entry = value if isinstance(value, dict) else {"shape": value}
        shape, dtype = entry.get("shape"), entry.get("dtype", default)
        if set(entry) - {"shape", "dtype"} or not isinstance(shape, list) or not all(map(_is_size, shape)):
            problems.append(
                f"{name}: must be a shape, as [4096, 1024], or {{ shape = [4096, 1024], dtype = 'float32' }}; "
                "a name with dots is written in quotes"
            )
        elif dtype is not None and not isinstance(dtype, str):
            problems.append(f"{name}: dtype must be a string, not {dtype!r}")
        else:
            shapes[name] = (tuple(shape), dtype)
    if problems:
        raise PlanError([f"{path}: {problem}" for problem in problems])
    return ModelShapes(shapes)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _of_transformers(where: str) -> ModelShapes:
    """Return what transformers saves of a configuration's model."""
    model, path = frameworks.transformers_model(where)
    config: Any = model.config

    import torch

    # without a dtype in the configuration the model has torch's default, which then nobody asked for
    unsaid = None if config.dtype else torch.get_default_dtype()
    shapes = {
        name: (tuple(tensor.shape), None if tensor.dtype == unsaid else _dtype_of(tensor))
        for name, tensor in frameworks.saved_tensors(model).items()
    }
    in_out = frozenset(shapes.keys() & frameworks.is_stored_in_out(model))
    return ModelShapes(shapes, in_out, path.resolve(), frameworks.sizes_of(config), type(model).__name__)


def _of_module(module: Any) -> ModelShapes:
    """Return a module's parameters and the buffers that it saves, tied ones once, under the first of their names."""
    from initcore.torch.modules.names import named_tensors

    shapes = {name: (tuple(tensor.shape), _dtype_of(tensor)) for name, tensor in named_tensors(module).items()}
    return ModelShapes(dict(shapes), frozenset(shapes.keys() & frameworks.is_stored_in_out(module)))


def _dtype_of(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")
