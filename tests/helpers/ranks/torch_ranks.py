"""What each process of test_torch_distributed.py does: it fills its parts of models that are laid out in every way."""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from plans import PLAN, SEED, SHAPES, dtype_name
from processes import dist, torch
from support import dtype_of
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import _StridedShard
from torch.testing._internal.distributed.fake_pg import FakeStore

import initcore
import initcore.torch
from initcore import Plan, Rule


class Zoo(nn.Module):
    """The parameters of tests/helpers/plans.py."""

    def __init__(self, dtype: Any = None) -> None:
        super().__init__()
        self.low = nn.Module()
        for name, shape in SHAPES.items():
            owner, _, last = name.rpartition(".")
            kind = dtype or getattr(torch, dtype_name(name))
            self.get_submodule(owner).register_parameter(last, nn.Parameter(torch.empty(shape, dtype=kind)))


class Net(nn.Module):
    """Layers as torch resets them; the head tied to the embedding, a frozen scale, uneven sizes."""

    def __init__(self, dtype: Any = None) -> None:
        super().__init__()
        self.embedding = nn.Embedding(13, 12, dtype=dtype)
        self.up = nn.Linear(12, 27, dtype=dtype)
        self.down = nn.Linear(27, 12, dtype=dtype)
        self.norm = nn.BatchNorm1d(12, dtype=dtype)
        self.direct = Direct(dtype)
        self.head = nn.Linear(12, 13, bias=False, dtype=dtype)
        self.head.weight = self.embedding.weight
        self.norm.weight.requires_grad_(False)


class Direct(nn.Module):
    """Draws by methods, through data, into other tensors, and by parts."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        for name in ("method", "twice", "data", "copied", "parts", "far"):
            self.register_parameter(name, nn.Parameter(torch.empty(6, 4, dtype=dtype)))

    def reset_parameters(self) -> None:
        self.method.data.normal_(std=0.5)
        with torch.no_grad():
            self.twice.uniform_(-1, 1)
            self.twice.uniform_(-1, 1)
            other = torch.empty_like(self.copied)
            self.copied.copy_(other.normal_())
        nn.init.xavier_uniform_(self.data.data)
        for part in self.parts.detach().chunk(2, dim=1):
            nn.init.normal_(part)
        nn.init.trunc_normal_(self.far, std=0.01, a=-0.02, b=0.02)


NET_PLAN = Plan(
    [
        Rule("kaiming_normal", match="*.weight", where={"rank": 2}, settings={"nonlinearity": "relu"}),
        Rule("orthogonal", match="direct.*"),
        Rule("zeros", match="*.num_batches_tracked"),
        Rule("ones", match="norm.*"),
        Rule("uniform", match="*", settings={"a": -0.1, "b": 0.1}),
    ],
    seed=SEED,
)

Lay = Callable[[nn.Module, DeviceMesh], object]


def by_placements(*placements: Any) -> Lay:
    """Distribute each parameter; one of fewer axes along its last one."""

    def lay(model: nn.Module, mesh: DeviceMesh) -> None:
        for module in model.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                last = parameter.ndim - 1
                mine = [
                    type(p)(
                        min(p.dim, last), **({"split_factor": p.split_factor} if hasattr(p, "split_factor") else {})
                    )
                    if hasattr(p, "dim")
                    else p
                    for p in placements
                ]
                whole = parameter.detach()
                shared = distribute_tensor(whole, mesh, mine, src_data_rank=None)
                setattr(module, name, nn.Parameter(shared, requires_grad=parameter.requires_grad))

    return lay


def fsdp(model: nn.Module, mesh: DeviceMesh) -> None:
    for module in model.children():
        if not isinstance(module, (nn.Embedding, nn.BatchNorm1d)) and getattr(model, "head", None) is not module:
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)


def fsdp_by_columns(model: nn.Module, mesh: DeviceMesh) -> None:
    fully_shard(model, mesh=mesh, shard_placement_fn=lambda p: Shard(1) if p.ndim > 1 and p.shape[1] % 3 == 0 else None)


def tensor_parallel(model: nn.Module, mesh: DeviceMesh) -> None:
    plan = {
        "embedding": RowwiseParallel(input_layouts=Replicate()),
        "up": ColwiseParallel(),
        "down": RowwiseParallel(),
    }
    parallelize_module(model, mesh, plan, src_data_rank=None)  # all have the whole
    model.head.weight = model.embedding.weight


def fsdp_over_tensor_parallel(model: nn.Module, mesh: DeviceMesh) -> None:
    tensor_parallel(model, mesh["tp"])
    fully_shard(model, mesh=mesh["dp"])


S0, S1, R = Shard(0), Shard(1), Replicate()
ONE_AXIS: dict[str, tuple[tuple[int, ...], Lay]] = {
    "rows": ((-1,), by_placements(S0)),
    "columns": ((-1,), by_placements(S1)),
    "replicated": ((-1,), by_placements(R)),
    "fsdp": ((-1,), fsdp),
}
TWO_AXES = {
    f"{a}, {b}": ((2, 2), by_placements(a, b))
    for a, b in [
        (S0, S0),
        (S0, S1),
        (S1, S0),
        (S1, S1),
        (R, S0),
        (S1, R),
        (_StridedShard(0, split_factor=2), S0),
        (_StridedShard(0, split_factor=3), R),
        (S1, _StridedShard(1, split_factor=2)),
    ]
}
#: By the number of processes: the mesh, and how models are laid out over it
ZOO: dict[int, dict[str, tuple[tuple[int, ...], Lay]]] = {
    1: ONE_AXIS,
    2: ONE_AXIS,
    3: {**ONE_AXIS, "fsdp by columns": ((3,), fsdp_by_columns)},
    4: {**ONE_AXIS, **TWO_AXES, "hsdp": ((2, 2), fsdp), "4 x 1": ((4, 1), by_placements(S0, S1))},
}
NETS: dict[int, dict[str, tuple[tuple[int, ...], Lay]]] = {
    1: {"fsdp": ((1,), fsdp), "tensor parallel": ((1,), tensor_parallel)},
    2: {"fsdp": ((2,), fsdp), "tensor parallel": ((2,), tensor_parallel)},
    3: {"fsdp": ((3,), fsdp), "tensor parallel": ((3,), tensor_parallel)},
    4: {
        "fsdp": ((4,), fsdp),
        "hsdp": ((2, 2), fsdp),
        "fsdp over tensor parallel": ((2, 2), fsdp_over_tensor_parallel),
    },
}


def numbered(build: Callable[[Any], nn.Module]) -> nn.Module:
    """Return a model whose parameters are the numbers of their elements, which torch will distribute with them."""
    model = build(torch.float64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.arange(parameter.numel()).view(parameter.shape))
    return model


def parts(model: nn.Module) -> dict[str, Any]:
    """What this process holds of each parameter and buffer."""
    return {name: initcore.torch.layouts.inner_of(t).detach().clone() for name, t in model.state_dict().items()}


def in_numpy(tensor: Any) -> Any:
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(dtype_of("bfloat16"))
    return tensor.numpy()


def mesh_of(shape: tuple[int, ...]) -> DeviceMesh:
    sizes = tuple(dist.get_world_size() if size == -1 else size for size in shape)
    return init_device_mesh("cpu", sizes, mesh_dim_names=("dp", "tp")[: len(sizes)])


def models(world: int) -> dict[str, tuple[nn.Module, Any, dict[str, Any]]]:
    """Every model, laid out, with what fills it, and the numbers of the elements that are here."""
    made = {}
    for layouts, build in ((ZOO, Zoo), (NETS, Net)):
        for layout, (shape, lay) in layouts[world].items():
            mesh, twin = mesh_of(shape), numbered(build)
            lay(twin, mesh)
            for source in (PLAN,) if build is Zoo else (NET_PLAN, SEED):
                if build is Net:
                    with torch.device("meta"):
                        model = build()
                    lay(model, mesh)
                    model.to_empty(device="cpu")
                else:
                    model = build()
                    lay(model, mesh)
                made[f"{build.__name__}, {layout}, {type(source).__name__}"] = model, source, parts(twin)
    return made


def anonymous(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(field))


def peak_of_a_large_one(world: int) -> tuple[int, int]:
    """How much memory a fill of a large model takes, and how much of that is this process's part."""
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4096, 4096, bias=False), nn.Linear(4096, 1000 * world))
    fully_shard(model, mesh=mesh_of((-1,)))
    model.to_empty(device="cpu")
    mine = sum(p.to_local().nbytes for p in model.parameters())
    initcore.set_num_threads(1)
    plan = Plan([Rule("zeros", match="*bias"), Rule("trunc_normal", match="*", settings={"std": 0.02})])
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark is what is now in use
    before = anonymous("VmRSS")
    initcore.torch.initialize(model, plan)
    initcore.torch.initialize(model, SEED)
    return anonymous("VmHWM") - before, mine


def run(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ["LOCAL_RANK"] = str(rank)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
    peak = peak_of_a_large_one(world)
    made = models(world)
    dist.destroy_process_group()  # whoever asked another process now, would fail
    results: dict[str, Any] = {"peak": peak}
    for name, (model, source, numbers) in made.items():
        initcore.torch.initialize(model, source)
        mine = parts(model)
        results[name] = {key: (np.asarray(numbers[key], np.int64), in_numpy(part)) for key, part in mine.items()}
    Path(folder, f"{rank}.pickle").write_bytes(pickle.dumps(results))


LARGE = [(3, 4)]


def play_all(folder: str) -> None:
    """Be each process of large meshes for a moment: as none asks another, one after the other will do.

    Each is forked from this one, since torch keeps meshes of the process that it was.
    """
    torch.set_num_threads(1)
    initcore.set_num_threads(1)
    for shape in LARGE:
        for rank in range(math.prod(shape)):
            child = os.fork()
            if not child:
                _play(rank, shape, Path(folder, f"{shape}-{rank}.pickle"))
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0, (shape, rank)


def _play(rank: int, shape: tuple[int, ...], path: Path) -> None:
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=math.prod(shape))
    mesh, twin, model = mesh_of(shape), numbered(Net), Net()
    fsdp_over_tensor_parallel(twin, mesh)
    fsdp_over_tensor_parallel(model, mesh)
    initcore.torch.initialize(model, NET_PLAN)
    numbers, mine = parts(twin), parts(model)
    path.write_bytes(
        pickle.dumps({name: (np.asarray(numbers[name], np.int64), in_numpy(part)) for name, part in mine.items()})
    )


@cache
def results_of(world: int) -> list[dict[str, Any]]:
    """What each of so many processes found; they run once."""
    with TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(run, (world, folder), nprocs=world)
        return [pickle.loads(Path(folder, f"{rank}.pickle").read_bytes()) for rank in range(world)]


def assembled(parts: list[tuple[Any, Any]], shape: tuple[int, ...], dtype: Any) -> Any:
    """The whole, of which every element is held by someone, and the same by all who hold it."""
    whole, known = np.zeros(math.prod(shape), dtype), np.zeros(math.prod(shape), bool)
    for numbers, values in parts:
        assert values.shape == numbers.shape
        again = known[numbers]
        np.testing.assert_array_equal(whole[numbers][again], values[again])
        whole[numbers], known[numbers] = values, True
    assert known.all()
    return whole.reshape(shape)
