"""Models that other libraries build, on the meta device: from a configuration, or by a function of anyone's module.

``torch`` and ``transformers`` are imported when a model is asked for.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from initcore.errors import CheckpointError
from initcore.formats.json_files import MOST_BYTES
from initcore.models.architectures.configs import MOST_LAYERS, Config

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["FACTORY", "TRANSFORMERS", "OfConfig", "factory_model", "is_stored_in_out", "saved_tensors", "sizes_of"]
__all__ += ["transformers_model"]

#: How a source is written that is no path
TRANSFORMERS, FACTORY = "hf:", "module:"

#: What a configuration says of how a model is computed, which may ask for packages or for kernels from the Hub
_COMPUTED_BY = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")


class OfConfig(NamedTuple):
    """A model on the meta device, and the file that describes it."""

    model: nn.Module
    path: Path


def transformers_model(where: str) -> OfConfig:
    """Build the model of a ``config.json``, or of that in a folder, by the transformers that is installed.

    Its class is the first of the configuration's ``architectures``, or, if transformers has none of this name, that of
    ``AutoModel``. Nothing is fetched, and no code runs that is not transformers' own.

    Raises
    ------
    CheckpointError
        Naming the file, and what is wrong in it or missing here.
    """
    path = Path(where) / "config.json" if Path(where).is_dir() else Path(where)
    if not path.is_file():
        raise CheckpointError(
            f"{path}: there is no such file; {TRANSFORMERS} is followed by the path of a config.json or of a folder "
            "with one, and nothing is fetched from the Hub"
        )
    if path.stat().st_size > MOST_BYTES:
        raise CheckpointError(f"{path}: {path.stat().st_size} bytes, more than the {MOST_BYTES} that are read")
    asked = f"{TRANSFORMERS}{where}"
    torch = _needed("torch", "'initcore[torch]'", asked)
    with _quietly():
        transformers = _needed("transformers", "'initcore[torch]' transformers", asked)
        with _offline(transformers), _explained(f"{path}: transformers {transformers.__version__} cannot build this"):
            model = _build(torch, transformers, path)
            if misread := _misread(model, saved_tensors(model)):
                raise CheckpointError(
                    f"{path}: from_pretrained of transformers {transformers.__version__} would not load what is saved "
                    f"as {', '.join(misread[:3])}{', ...' * (len(misread) > 3)} into these parameters of "
                    f"{type(model).__name__}"
                )
    return OfConfig(model, path)


def _build(torch: Any, transformers: Any, path: Path) -> Any:
    table, _ = transformers.PretrainedConfig.get_config_dict(str(path), local_files_only=True)
    if not isinstance(table, dict):
        raise CheckpointError(f"{path}: no table of names, but a {type(table).__name__}")
    read = Config(path, _checked(path, table))
    kind, names = read.text("model_type"), read.texts("architectures")
    if read.has("quantization_config"):
        read.fail("models that are stored quantized are not known")
    if kind is None:
        read.fail("no model_type")
    if kind not in transformers.CONFIG_MAPPING:
        read.fail(f"transformers {transformers.__version__} knows no model_type {kind!r}")
    for key in ("num_hidden_layers", "n_layer", "num_layers"):
        if isinstance(table.get(key), int):
            read.size(key, most=MOST_LAYERS)
    config = transformers.CONFIG_MAPPING[kind].from_dict(deepcopy(table))
    model: Any = getattr(transformers, names[0], None) if names else None
    with torch.device("meta"):
        if isinstance(model, type) and issubclass(model, transformers.PreTrainedModel):
            return model._from_config(_config_for(model, config, read))  # type: ignore[attr-defined]
        return transformers.AutoModel.from_config(config, trust_remote_code=False)


def _checked(path: Path, table: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without what says how a model is computed, if it asks for no code of its own."""
    if table.get("auto_map"):
        raise CheckpointError(
            f"{path}: auto_map asks for Python code that comes with the model, which is not run: take auto_map out if "
            "transformers itself has this architecture, or give a function that builds the model, as "
            f"{FACTORY}package.function"
        )
    for key in _COMPUTED_BY:
        table.pop(key, None)
    for value in table.values():
        if isinstance(value, dict):
            _checked(path, value)
    return table


def _config_for(kind: Any, config: Any, read: Config) -> Any:
    """Return the configuration that a class takes: the whole, or the part of it that describes this class."""
    if kind.config_class is None or isinstance(config, kind.config_class):
        return config
    for name in getattr(config, "sub_configs", {}):
        part = getattr(config, name, None)
        if isinstance(part, kind.config_class):
            part.dtype = part.dtype or config.dtype
            return part
    if not _is_listed(config.model_type, kind.__name__):
        read.fail(f"{kind.__name__} is no architecture of model_type {config.model_type!r}")
    return config


def _is_listed(model_type: str, name: str) -> bool:
    """Return whether a class is one that transformers' auto classes build of such a configuration."""
    tables = vars(import_module("transformers.models.auto.modeling_auto"))
    lists = (table.get(model_type, ()) for key, table in tables.items() if key.endswith("_MAPPING_NAMES"))
    return any(name == one or (isinstance(one, (list, tuple)) and name in one) for one in lists)


def sizes_of(config: Any) -> dict[str, int]:
    """Return what presets may ask for, of a configuration of transformers."""
    found = {"n_layers": "num_hidden_layers", "d_model": "hidden_size"}
    sizes = {size: getattr(config, key, None) for size, key in found.items()}
    return {size: value for size, value in sizes.items() if type(value) is int and value > 0}


def saved_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers as `named_tensors` does, but for a model of transformers as it saves them.

    A tied one has the name that ``save_pretrained`` keeps, and what the class leaves out on saving is not there.
    """
    from initcore.torch.modules.names import named_tensors

    left_out = set(getattr(model, "_keys_to_ignore_on_save", None) or ())
    return {name: tensor for name, tensor in named_tensors(model).items() if name not in left_out}


def is_stored_in_out(model: nn.Module) -> set[str]:
    """Return the names of the weights that are stored (in, out), not as torch's (out, in)."""
    from initcore.torch.modules.names import walk

    return {f"{name}.weight" for name, part in walk(model) if type(part).__qualname__ == "Conv1D"}


def _misread(model: Any, tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names under which ``from_pretrained`` finds another parameter, or another value.

    transformers 5 renames and converts what it loads. Names of its own modules pass through that as they are, but for a
    few: here it is tried, with tensors that have no memory.
    """
    try:
        loading: Any = import_module("transformers.core_model_loading")
        conversions: Any = import_module("transformers.conversion_mapping")
        transforms = conversions.get_model_conversion_mapping(model)
        renamings = [it for it in transforms if isinstance(it, loading.WeightRenaming)]
        converters = [it for it in transforms if isinstance(it, loading.WeightConverter)]
        in_order, rename = loading.dot_natural_key, loading.rename_source_key
    except (ImportError, AttributeError):
        return []  # transformers 4 renames what old checkpoints have, and nothing else
    known, prefix = model.state_dict(), model.base_model_prefix
    wrong = []
    for name in sorted(tensors, key=in_order):  # as it does: some renamings depend on what was before
        found, pattern = rename(name, renamings, converters, prefix, known)
        if found not in known and name in known:
            found, pattern = rename(name, [], [], prefix, known)
        if found != name or (pattern is not None and _is_changed(model, name, tensors[name], pattern, converters)):
            wrong.append(name)
    return wrong


def _is_changed(model: Any, name: str, tensor: Tensor, pattern: str, converters: list[Any]) -> bool:
    """Return whether a conversion makes anything but this tensor of it."""
    converter = deepcopy(next(it for it in converters if pattern in it.source_patterns))
    converter.add_tensor(name, name, pattern, tensor.detach())
    try:
        made = converter.convert(name, model=model, config=model.config)
    except Exception:
        return True
    if made.keys() != {name}:
        return True
    one = made[name][0] if isinstance(made[name], list) else made[name]
    return _place_of(one) != _place_of(tensor)


def _place_of(tensor: Tensor) -> tuple[Any, ...]:
    storage = tensor.untyped_storage()._cdata
    return storage, tensor.storage_offset(), tensor.dtype, tuple(tensor.shape), tuple(tensor.stride())


def factory_model(text: str) -> nn.Module:
    """Call ``package.module.function`` or ``package.module.Class`` without arguments, on the meta device.

    Modules in the current folder are found as well.

    Raises
    ------
    CheckpointError
        If it cannot be imported or called, or gives no ``torch.nn.Module``.
    """
    asked = f"{FACTORY}{text}"
    name, _, attribute = text.rpartition(".")
    if not name or not all(part.isidentifier() for part in text.split(".")):
        raise CheckpointError(f"{asked}: is written {FACTORY}package.function, with a module before the last dot")
    torch = _needed("torch", "'initcore[torch]'", asked)
    with _here():
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise CheckpointError(f"{asked}: importing {name} failed: {_said(error)}") from error
            raise CheckpointError(f"{asked}: there is no module {error.name}") from None
        except (Exception, SystemExit) as error:
            raise CheckpointError(f"{asked}: importing {name} failed: {_said(error)}") from error
        try:
            factory = getattr(module, attribute)
        except AttributeError:
            raise CheckpointError(f"{asked}: the module {name} has no {attribute}") from None
        if isinstance(factory, torch.nn.Module) or not callable(factory):
            raise CheckpointError(f"{asked}: must be a class or a function, and is a {type(factory).__name__}")
        try:
            with torch.device("meta"):
                model: Any = factory()
        except (Exception, SystemExit) as error:
            raise CheckpointError(f"{asked}: calling it without arguments failed: {_said(error)}") from error
    if not isinstance(model, torch.nn.Module):
        raise CheckpointError(f"{asked}: must give a torch.nn.Module, and gave a {type(model).__name__}")
    return model  # type: ignore[no-any-return]


def _needed(package: str, install: str, asked: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise CheckpointError(f"{asked}: needs {package}: pip install {install} ({error})") from None


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


@contextmanager
def _explained(before: str) -> Iterator[None]:
    """Have what transformers raises said in one line."""
    try:
        yield
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:
        raise CheckpointError(f"{before}: {_said(error)}") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Leave out what transformers would say of a model that is not used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _offline(transformers: Any) -> Iterator[None]:
    """Have nothing fetched from the Hub, and nothing logged."""
    constants: Any = import_module("huggingface_hub.constants")
    logs = transformers.utils.logging
    before = constants.HF_HUB_OFFLINE, logs.get_verbosity()
    constants.HF_HUB_OFFLINE = True
    logs.set_verbosity_error()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before[0]
        logs.set_verbosity(before[1])


@contextmanager
def _here() -> Iterator[None]:
    """Have the modules of the current folder found, as ``python -m`` does."""
    here = os.getcwd()
    if here in sys.path or "" in sys.path:
        yield
        return
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)
