"""What each process of test_torch_rules_ranks.py does: models of other packages, sharded, by their own rules."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from rule_models import BUILDERS
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import initcore.torch as init


def digests(model: Any) -> dict[str, str]:
    """Return the SHA-256 of each parameter and buffer, as a whole."""
    found = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        whole = tensor.detach().full_tensor() if hasattr(tensor, "full_tensor") else tensor.detach()
        values = whole.contiguous().flatten()
        found[name] = hashlib.sha256(values.view(torch.uint8).numpy().tobytes() if values.numel() else b"").hexdigest()
    return found


def absent(kind: str) -> Any:
    """Build one of the models of rule_models.py without memory."""
    build, name = BUILDERS[kind]
    with torch.device("meta"):
        return build(name)


def shard(model: Any, mesh: Any) -> Any:
    """Let FSDP2 shard each block, the innermost first, and the whole."""
    scalars = {parameter for parameter in model.parameters() if parameter.ndim == 0}
    for module in reversed(list(model.modules())):
        if type(module).__name__.endswith(("Layer", "Block")) and len(list(module.parameters())) > 2:
            fully_shard(module, mesh=mesh)
    return fully_shard(model, mesh=mesh, ignored_params=scalars)


def run(rank: int, shape: tuple[int, ...], kinds: list[str], folder: str) -> None:
    """Initialise models on a mesh, and write the digests down."""
    world = torch.Size(shape).numel()
    dist.init_process_group("gloo", init_method=f"file://{folder}/{world}", rank=rank, world_size=world)
    try:
        mesh = init_device_mesh("cpu", shape, mesh_dim_names=("replicated", "sharded")[-len(shape) :])
        found = {}
        for kind in kinds:
            model = shard(absent(kind), mesh)
            init.initialize(model, 0, device="cpu", check_ranks=True)
            found[kind] = digests(model)
        for refused in (lambda: init.initialize(torch.nn.Linear(3, 3), rank, check_ranks=True), lambda: entered(rank)):
            try:
                refused()
            except ValueError as error:
                found.setdefault("refused", []).append(str(error))
        if rank == world - 1:
            Path(folder, f"{world}.pickle").write_bytes(pickle.dumps(found))
    finally:
        dist.destroy_process_group()


def entered(rank: int) -> None:
    torch.manual_seed(rank)
    with init.patch(check_ranks=True):
        pass
