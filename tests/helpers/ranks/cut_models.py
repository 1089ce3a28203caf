"""A model that processes hold parts of, what it must be filled with, and processes that tests run once."""

from __future__ import annotations

import datetime
import hashlib
import importlib
import os
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from processes import dist, torch
from support import wanted
from torch import nn
from torch_ranks import in_numpy

import initcore.torch as init
from initcore import Plan, Rule

#: orthogonal is not drawn element by element, kaiming_normal depends on the shape of the whole
PLAN = Plan(
    [
        Rule("orthogonal", match="*up.weight", optional=True),
        Rule("kaiming_normal", match="*weight", where={"rank": 2}, optional=True),
        Rule("ones", match="*norm*.weight", optional=True),
        Rule("uniform", match="*", settings={"a": -0.1, "b": 0.1}, optional=True),
    ],
    seed=7,
)


class Model(nn.Module):
    """Sizes that nothing divides, three axes, a head that is tied to the embedding, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(13, 12)
        self.up = nn.Linear(12, 27)
        self.down = nn.Linear(27, 12)
        self.conv = nn.Conv1d(12, 12, 3, padding=1)
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 13, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("shift", torch.zeros(5))

    def forward(self, numbers: Any) -> Any:
        x = self.embedding(numbers)
        x = x + self.down(torch.relu(self.up(x)))
        x = x + self.conv(x.transpose(1, 2)).transpose(1, 2)
        return self.head(self.norm(x))


NUMBERS = torch.arange(10).view(2, 5)


def hashed(value: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()


def filled(shapes: dict[str, tuple[int, ...]], dtype: Any = torch.float32) -> dict[str, str]:
    """The sha256 of what the plan fills arrays with, of the parameters of a model that nobody has cut."""
    tensors = {name: torch.zeros(shape, dtype=dtype) for name, shape in shapes.items()}
    PLAN.fill({name: in_numpy(tensor) for name, tensor in tensors.items()})
    return {name: hashed(in_numpy(tensor)) for name, tensor in tensors.items()}


@cache
def plain(dtype: Any = torch.float32) -> dict[str, str]:
    """Of Model, whose head is its embedding."""
    shapes = {name: tuple(tensor.shape) for name, tensor in Model().state_dict().items() if name != "head.weight"}
    return filled(shapes, dtype)


def held(model: nn.Module) -> list[bytes]:
    """The bytes that a process holds, wherever they are."""
    found = []
    for tensor in (*model.parameters(), *model.buffers()):
        for one in (tensor, getattr(tensor, "ds_tensor", None)):
            if one is not None:
                found.append(in_numpy(one.detach().clone()).tobytes())
    return found


def in_turn(act: Callable[[], object]) -> None:
    """Let one process act after the other: what asks another one waits for ever."""
    for rank in range(dist.get_world_size()):
        if rank == dist.get_rank():
            act()
        dist.barrier()


def refused(model: nn.Module, **parts: Any) -> str:
    """What ``initialize`` says before it has written anything, or nothing if it has not refused."""
    before, message = held(model), ""
    try:
        init.initialize(model, PLAN, **parts)
    except ValueError as error:
        message = str(error)
        assert held(model) == before
    return message


def message_of(act: Callable[[], object]) -> str:
    try:
        act()
    except ValueError as error:
        return str(error)
    return ""


def run(rank: int, world: int, act: Callable[[int, int], dict[str, Any]], folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    store, limit = f"file://{folder}/store", datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world, timeout=limit)
    Path(folder, f"{rank}.pickle").write_bytes(pickle.dumps(act(rank, world)))
    dist.barrier()
    dist.destroy_process_group()


@cache
def results_of(act: Callable[[int, int], dict[str, Any]], world: int) -> list[dict[str, Any]]:
    """What each of so many processes found; they run once."""
    with TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(run, (world, act, folder), nprocs=world)
        return [pickle.loads(Path(folder, f"{rank}.pickle").read_bytes()) for rank in range(world)]


def there(package: str) -> None:
    """Skip where a package is missing that is imported in other processes only, as it looks for a GPU and warns."""
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # of the package that it is in
        found = None
    if found is None:
        wanted(package)
