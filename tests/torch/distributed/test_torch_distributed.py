"""Distributed models are filled by each process for itself, with the bytes of one process."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import plans
import pytest
import torch_ranks
from processes import torch
from support import HELPERS, Run, need
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import _StridedShard
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch_ranks import NET_PLAN, NETS, SEED, ZOO, Net, assembled, results_of

from initcore import Plan, Rule

pytestmark = pytest.mark.any_isa

init, layouts = need("initcore.torch"), need("initcore.torch.layouts")
WORLDS = (1, 2, 3, 4)


@cache
def plain(case: str) -> dict[str, Any]:
    """What NumPy arrays get from the plan, or one process from the seed."""
    if case.startswith("Zoo"):
        return plans.filled()
    model = Net()
    if case.endswith("Plan"):
        arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items() if name != "head.weight"}
        NET_PLAN.fill(arrays)
        arrays["head.weight"] = arrays["embedding.weight"]
    else:
        init.initialize(model, SEED)
    return {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}


CASES = [
    (world, f"{kind}, {layout}, {source}")
    for kind, layouts, sources in (("Zoo", ZOO, ["Plan"]), ("Net", NETS, ["Plan", "int"]))
    for world in WORLDS
    for layout in layouts[world]
    for source in sources
]


@pytest.mark.parametrize(("world", "case"), CASES, ids=str)
def test_bytes_are_those_of_one_process(world: int, case: str) -> None:
    """Of a plan on NumPy arrays, of modules' resets in one process; whatever the layout."""
    expected, got = plain(case), {}
    for name, value in expected.items():
        parts = [result[case][name] for result in results_of(world)]
        if name.startswith("norm.") and name not in ("norm.weight", "norm.bias"):  # buffers, whole everywhere
            parts = [(np.arange(values.size).reshape(values.shape), values) for _, values in parts]
        got[name] = assembled(parts, value.shape, value.dtype)
        np.testing.assert_array_equal(got[name], value, err_msg=name)
    assert plans.sha256(got) == plans.sha256(expected)


@pytest.mark.parametrize("world", WORLDS)
def test_no_process_allocates_more_than_its_part(world: int) -> None:
    whole = (4096 * 4096 + 1000 * world * 4097) * 4
    for result in results_of(world):
        peak, mine = result["peak"]
        assert mine <= whole / world + 4097 * 4
        assert peak <= mine + (2 << 20)


def test_what_fsdp_cuts_unevenly_after_tensor_parallelism(run_python: Run, tmp_path: Path) -> None:
    """27 rows: where torch's placements, read from left to right, are not what FSDP2 has made, or do not add up."""
    script = "import sys; import torch_ranks; torch_ranks.play_all(sys.argv[1])"
    run_python(script, str(tmp_path), PYTHONPATH=HELPERS)
    for shape in torch_ranks.LARGE:
        ranks = range(math.prod(shape))
        results = [pickle.loads((tmp_path / f"{shape}-{rank}.pickle").read_bytes()) for rank in ranks]
        for name, value in plain("Net, Plan").items():
            if not name.startswith("norm."):
                parts = [result[name] for result in results]
                np.testing.assert_array_equal(assembled(parts, value.shape, value.dtype), value, err_msg=name)


def chunks(indices: Any, count: int) -> list[Any]:
    """As torch.chunk cuts, and empty ones after them."""
    size = -(-len(indices) // count)
    return [indices[i * size : (i + 1) * size] for i in range(count)]


def test_placements_from_left_to_right() -> None:
    """Any three, over any mesh, of any sizes: what torch's own placements take of the numbers of all elements."""
    rng = np.random.default_rng(0)
    kinds = [
        lambda d: Shard(d),
        lambda d: _StridedShard(d, split_factor=int(rng.integers(1, 5))),
        lambda d: Replicate(),
    ]
    for _ in range(400):
        shape = [int(n) for n in rng.integers(0 if rng.random() < 0.1 else 1, 10, rng.integers(1, 4))]
        sizes = [int(n) for n in rng.integers(1, 5, rng.integers(1, 4))]
        placements = [kinds[rng.integers(3)](int(rng.integers(len(shape)))) for _ in sizes]
        place = [int(rng.integers(size)) for size in sizes]
        numbers = expected = torch.arange(math.prod(shape)).view(shape)
        cuts = []
        for axis, placement in enumerate(placements):
            if not placement.is_replicate():
                expected = placement._split_tensor(expected, sizes[axis], with_padding=False)[0][place[axis]]
                cuts.append(layouts.Cut(axis, sizes[axis], placement.dim, getattr(placement, "split_factor", 1)))
        got = numbers.numpy()[np.ix_(*map(indices, layouts.indices_at(shape, place, cuts)))]
        assert got.size == expected.numel(), (shape, sizes, place, placements)
        assert got.reshape(-1).tolist() == expected.reshape(-1).tolist(), (shape, sizes, place, placements)


def indices(runs: Any) -> Any:
    return np.array([i for begin, end in runs for i in range(begin, end)], np.int64)


@pytest.mark.parametrize(("tensor", "data"), [(2, 2), (2, 3), (3, 2), (4, 3), (6, 3), (4, 6), (8, 8)])
def test_strided_shards_are_cut_from_right_to_left(tensor: int, data: int) -> None:
    """As FSDP2 makes them: chunks of the chunks of tensor parallelism, of any number of rows."""
    cuts = layouts._as_successive([layouts.Cut(0, data, 0, tensor), layouts.Cut(1, tensor, 0)])
    for rows in range(60):
        for i in range(data):
            for j in range(tensor):
                expected = chunks(chunks(np.arange(rows), tensor)[j], data)[i]
                assert indices(layouts.indices_at([rows], [i, j], cuts)[0]).tolist() == expected.tolist()


@pytest.fixture
def mesh_of_two() -> Iterator[Any]:
    torch.distributed.init_process_group("fake", store=FakeStore(), rank=1, world_size=2)
    yield init_device_mesh("cpu", (2,))
    torch.distributed.destroy_process_group()


def test_what_cannot_be_placed_is_refused(mesh_of_two: Any) -> None:
    """Before anything is written: sums of which each process has a part, and local tensors of other shapes."""

    def model(local: Any, placement: Any) -> Any:
        module = torch.nn.Linear(4, 4)
        whole = torch.Size((4, 4))
        made = DTensor.from_local(local, mesh_of_two, [placement], run_check=False, shape=whole, stride=(4, 1))
        module.weight = torch.nn.Parameter(made)
        return module

    for local, placement, words in (
        (torch.zeros(4, 4), Partial(), r"^weight: .*Partial.* gives no element a position"),
        (
            torch.zeros(3, 4),
            Shard(0),
            r"^weight: the local tensor has shape \(3, 4\), but .* gives this process \(2, 4\)",
        ),
    ):
        refused = model(local, placement)
        before = refused.bias.clone()
        for source in (SEED, Plan([Rule("normal", match="*")])):
            with pytest.raises(ValueError, match=words):
                init.initialize(refused, source)
        assert torch.equal(refused.bias, before)
        assert not refused.weight.to_local().any()
        with pytest.raises(RuntimeError):  # torch's own words, and then ours
            init.normal_(refused.weight)


@pytest.mark.parametrize("name", ["uniform_", "normal_", "trunc_normal_", "xavier_normal_", "kaiming_uniform_"])
def test_functions_fill_dtensors(name: str, mesh_of_two: Any) -> None:
    """Of any float dtype, and leave the generator where a plain tensor's fill leaves it; also without elements here."""
    for rows, dtype in ((5, torch.float32), (5, torch.bfloat16), (1, torch.float32)):
        whole, generator, other = torch.zeros(rows, 6, dtype=dtype), torch.Generator(), torch.Generator()
        shared = distribute_tensor(whole, mesh_of_two, [Shard(0)], src_data_rank=None)
        expected = getattr(init, name)(torch.zeros(rows, 6, dtype=dtype), generator=generator.manual_seed(4))
        assert getattr(init, name)(shared, generator=other.manual_seed(4)) is shared
        assert torch.equal(shared.to_local(), expected[(rows + 1) // 2 :])
        assert torch.equal(generator.get_state(), other.get_state())
        assert shared._version == 1


@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_far_windows_of_dtensors_are_drawn_here_too(mesh_of_two: Any) -> None:
    settings: dict[str, Any] = {"mean": 0.0, "std": 1.0, "a": 3.0, "b": 4.0, "generator": 2}
    shared = distribute_tensor(torch.zeros(5, 6), mesh_of_two, [Shard(0)], src_data_rank=None)
    expected = init.trunc_normal_(torch.zeros(5, 6), **settings)
    assert torch.equal(init.trunc_normal_(shared, **settings).to_local(), expected[3:])


class Parts(torch.nn.Module):
    def __init__(self, reset: Any) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(6, 4))
        self.reset = reset

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.reset(self.weight)


def local(tensor: Any) -> Any:
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def test_what_would_depend_on_the_layout_is_refused(mesh_of_two: Any) -> None:
    """Methods that are not drawn here, and parts that do not say where they are; plain tensors are left to torch."""
    for reset, words in (
        (lambda w: w.bernoulli_(0.5), "bernoulli_.* depend on how it is distributed"),
        (lambda w: w.exponential_(), "exponential_.* depend on how it is distributed"),
        (lambda w: torch.nn.init.normal_(w.T[1:3]), "a part of a transposed or reshaped view of it would depend"),
        (lambda w: torch.nn.init.normal_(local(w)), "weight is distributed, and .* its local tensor would depend"),
        (lambda w: local(w).copy_(torch.randn(local(w).shape)), "copy_.* writes to its local tensor would depend"),
    ):
        model = Parts(reset)
        init.initialize(model, SEED)
        model.weight = torch.nn.Parameter(
            distribute_tensor(torch.zeros(6, 4), mesh_of_two, [Shard(0)], src_data_rank=None)
        )
        with pytest.raises(RuntimeError, match=words):
            init.initialize(model, SEED)


@pytest.mark.parametrize(
    "reset",
    [
        lambda w: w.copy_(torch.randn_like(w)),
        lambda w: w.copy_(torch.rand(6, 4).log_()),
        lambda w: (torch.nn.init.normal_(w), w[1].zero_(), w[:, 2].fill_(3.0), w[4:, 1:3].copy_(torch.ones(2, 2))),
        lambda w: (torch.nn.init.zeros_(w), torch.nn.init.xavier_normal_(w[2:6]), torch.nn.init.normal_(w[0])),
        lambda w: [torch.nn.init.kaiming_uniform_(part) for part in w.chunk(3, 1)] + [w[5].uniform_(1, 2)],
        lambda w: [torch.nn.init.trunc_normal_(part, std=1.0) for part in w.split([1, 5])],
    ],
)
@pytest.mark.parametrize("axis", [0, 1])
def test_parts_of_a_distributed_parameter_are_written_through(mesh_of_two: Any, reset: Any, axis: int) -> None:
    """Though torch gives gathered copies of them, in which what is written is lost."""
    plain_model = init.initialize(Parts(reset), SEED)
    model = Parts(reset)
    model.weight = torch.nn.Parameter(
        distribute_tensor(torch.zeros(6, 4), mesh_of_two, [Shard(axis)], src_data_rank=None)
    )
    init.initialize(model, SEED)
    held = plain_model.weight.detach().chunk(2, axis)[mesh_of_two.get_local_rank()]
    np.testing.assert_array_equal(model.weight.to_local().detach().numpy(), held.numpy())


@pytest.mark.parametrize("reshard", [None, False])
def test_what_a_forward_has_gathered_is_resharded_first(reshard: bool | None) -> None:
    """What is written to gathered parameters is lost when they are let go."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        model = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.Linear(6, 6))
        expected = [parameter.detach().clone() for parameter in init.initialize(copy.deepcopy(model), 3).parameters()]
        for layer in model:
            fully_shard(layer, mesh=mesh, reshard_after_forward=reshard)
        fully_shard(model, mesh=mesh, reshard_after_forward=reshard)
        model(torch.ones(2, 6))
        init.initialize(model, 3)
        for layer in (*model, model):
            layer.reshard()
        for parameter, whole in zip(model.parameters(), expected, strict=True):
            assert torch.equal(parameter.full_tensor(), whole)
    finally:
        torch.distributed.destroy_process_group()


class TiedHead(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(8, 4)
        self.head = torch.nn.Linear(4, 8, bias=False)
        self.head.weight = self.embedding.weight


def test_parameters_that_parallelize_module_takes_apart_are_tied_again(mesh_of_two: Any) -> None:
    with torch.device("meta"):
        model = TiedHead()
    styles = {"embedding": RowwiseParallel(input_layouts=Replicate()), "head": ColwiseParallel()}
    parallelize_module(model, mesh_of_two, styles)
    assert model.head.weight is not model.embedding.weight
    init.initialize(model, SEED, device="cpu")
    assert model.head.weight is model.embedding.weight
    whole = init.initialize(TiedHead(), SEED).embedding.weight
    assert torch.equal(model.head.weight.to_local(), whole[4:])


def test_parts_that_torch_gathers_are_refused_without_names(mesh_of_two: Any) -> None:
    whole = torch.nn.Parameter(distribute_tensor(torch.zeros(6, 4), mesh_of_two, [Shard(0)], src_data_rank=None))
    with torch.no_grad():
        for part in (whole[:5], whole[1], whole.data[2:], whole.chunk(2)[0]):
            with pytest.raises(RuntimeError, match="is a gathered copy, and what is written to it would be lost"):
                init.normal_(part)
            with pytest.raises(RuntimeError, match="is a gathered copy"), init.patch():
                torch.nn.init.kaiming_uniform_(part.unsqueeze(0) if part.ndim < 2 else part)
        for part in (whole.T, whole[:, 1:3], whole.view(24)):
            init.normal_(part, generator=3)
    assert whole.to_local().all()


def test_stages_of_a_pipeline_are_filled_as_parts_of_the_model() -> None:
    whole = Net()
    shapes = {name: tensor for name, tensor in whole.state_dict().items() if name != "head.weight"}
    stage = torch.nn.Module()
    stage.down, stage.norm = Net().down, Net().norm
    with pytest.raises(ValueError, match="matches no parameter"):
        init.initialize(stage, NET_PLAN)
    init.initialize(stage, NET_PLAN, shapes=shapes)
    for name, tensor in stage.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), plain("Net, Plan")[name])
    with pytest.raises(ValueError, match=r"down\.weight: the model has the shape"):
        init.initialize(stage, NET_PLAN, shapes={**shapes, "down.weight": (12, 28)})
    with pytest.raises(TypeError, match="for plans"):
        init.initialize(stage, SEED, shapes=shapes)


def test_a_plan_fills_frozen_and_tied_parameters_and_buffers_or_says_so() -> None:
    model = Net()
    version = model.embedding.weight._version
    init.initialize(model, NET_PLAN)
    assert model.embedding.weight._version == version + 1
    assert model.head.weight is model.embedding.weight
    for name, value in plain("Net, Plan").items():
        np.testing.assert_array_equal(model.state_dict()[name].numpy(), value, err_msg=name)
    model.norm.running_mean.fill_(7)
    kept = Plan(NET_PLAN.rules, seed=SEED + 1)
    init.initialize(model, kept, keep=["*.running_mean"])
    assert (model.norm.running_mean == 7).all()
    some = Plan([Rule("normal", match="*.weight"), Rule("zeros", match="*.bias"), Rule("ones", match="direct.*")])
    with pytest.raises(ValueError, match=r"norm\.running_mean: no rule matches"):
        init.initialize(model, some)
    init.initialize(model, some, keep=["norm.running_*", "norm.num_*"])
    with pytest.raises(ValueError, match="keep='other' matches none of"):
        init.initialize(model, some, keep=["other"])
    with torch.device("meta"):
        absent = Net()
    init.initialize(absent, NET_PLAN)
    assert absent.head.weight is absent.embedding.weight
    for name, tensor in absent.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), plain("Net, Plan")[name.replace("head", "embedding")])
