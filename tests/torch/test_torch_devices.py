"""The route of CUDA tensors, with a device that is none: its kernels run on the processor."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import device
import numpy as np
import pytest
from support import need

import initcore
from initcore.cli.info import environment
from initcore.device import files, nvrtc, trial

torch = need("torch")
init = need("initcore.torch")
devices = importlib.import_module("initcore.torch.devices")
filling = importlib.import_module("initcore.torch.filling")
memory = importlib.import_module("initcore.torch.memory")
layouts = importlib.import_module("initcore.torch.layouts")
kernels = importlib.import_module("initcore.torch.patching.kernels")
pytestmark = pytest.mark.any_isa

#: The initializers that draw element by element, and settings of theirs
FILLS: dict[str, dict[str, Any]] = {
    "uniform_": {"a": -1.0, "b": 2.0},
    "normal_": {"mean": 0.5, "std": 0.02},
    "trunc_normal_": {"std": 0.5, "a": -0.6, "b": 1.0},
    "xavier_uniform_": {},
    "xavier_normal_": {"gain": 2.0},
    "kaiming_uniform_": {"a": 2.0},
    "kaiming_normal_": {"nonlinearity": "relu"},
}
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> device.HostDevice:
    """Tensors of the CPU are taken for those of a device."""
    here = device.HostDevice()
    monkeypatch.setattr(filling, "PLAIN", SimpleNamespace(fill=lambda *args: False))
    monkeypatch.setattr(filling, "array_of", lambda tensor: None)
    monkeypatch.setattr(filling, "memory_of", lambda tensor: None)
    for module in (filling, memory):
        monkeypatch.setattr(module, "is_elsewhere", lambda tensor: True)
    monkeypatch.setattr(devices, "launcher_of", lambda of: here.launch)

    def staged(*_: Any) -> None:
        raise AssertionError("drawn on the CPU and copied")

    monkeypatch.setattr(memory, "_write_staged", staged)
    return here


def expected_of(name: str, dtype: Any, *shape: int) -> Any:
    with pytest.MonkeyPatch.context() as undone:
        undone.setattr(filling, "is_elsewhere", lambda tensor: False)
        undone.setattr(filling, "memory_of", memory.memory_of)
        return getattr(init, name)(torch.empty(*shape, dtype=dtype), **FILLS[name], generator=initcore.Generator(3))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", FILLS)
def test_tensors_and_views_are_filled_where_they_lie(name: str, dtype: Any, fake: device.HostDevice) -> None:
    expected = expected_of(name, dtype, 40, 30)
    whole = torch.zeros(50, 2, 40, dtype=dtype)
    for tensor in (
        torch.zeros(40, 30, dtype=dtype),
        torch.zeros(30, 40, dtype=dtype).T.requires_grad_(),
        whole[5:45, 1, 3:33],
        whole.permute(2, 1, 0)[:, 0, 11:41],
    ):
        version = tensor._version
        assert getattr(init, name)(tensor, **FILLS[name], generator=initcore.Generator(3)) is tensor
        assert torch.equal(tensor, expected)
        assert tensor._version == version + 1
    assert whole.count_nonzero() <= 2 * expected.numel()
    assert len(fake.launched) == 4


def test_a_generator_gives_one_word_and_errors_take_none(fake: device.HostDevice) -> None:
    first, second = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    init.normal_(torch.zeros(7, 3), generator=first)
    torch.empty((), dtype=torch.int64).random_(generator=second)
    assert torch.equal(first.get_state(), second.get_state())
    with pytest.raises(RuntimeError):
        init.normal_(torch.zeros(7, 3), std=-1.0, generator=first)
    assert torch.equal(first.get_state(), second.get_state())
    torch.manual_seed(8)
    one = init.normal_(torch.zeros(7, 3))
    torch.manual_seed(8)
    assert torch.equal(one, init.normal_(torch.zeros(7, 3)))


def test_what_overlaps_itself_is_not_launched(fake: device.HostDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(devices, "launcher_of", lambda of: fake.launch)
    for strides in [(0, 1), (1, 1), (2, 1), (1, 2)]:
        assert devices.memory_on(torch.zeros(100).as_strided((4, 3), strides)) is None
    for strides in [(3, 1), (1, 4), (10, 3), (3, 10)]:
        assert devices.memory_on(torch.zeros(100).as_strided((4, 3), strides)) is not None


def test_orthogonal_and_sparse_ones_are_drawn_on_the_cpu(fake: device.HostDevice) -> None:
    for name, more in (("orthogonal_", {}), ("sparse_", {"sparsity": 0.5})):
        with pytest.raises(AssertionError, match="drawn on the CPU"):
            getattr(init, name)(torch.zeros(8, 9), **more)
    assert not fake.launched


def test_shards(fake: device.HostDevice) -> None:
    """Each block of a local tensor is launched with its place in the whole."""
    expected = initcore.kaiming_normal((64, 30), rng=11, nonlinearity="relu")
    for rows in (slice(0, 16), slice(16, 61)):
        local = torch.zeros(rows.stop - rows.start, 30)
        runs = [[(rows.start, rows.stop)], [(0, 30)]]
        part = layouts.Local(local, runs, layouts._blocks((64, 30), runs))
        memory.fill_by_parts(initcore.kaiming_normal_, part, (0, "fan_in", "relu"), 11, memory.STAGED)
        assert np.array_equal(local.numpy(), expected[rows])
    assert len(fake.launched) == 2


@pytest.mark.parametrize("axis", [0, 1])
def test_dtensors(axis: int, fake: device.HostDevice) -> None:
    """What one of two processes holds, in one launch."""
    tensors, mesh_module = importlib.import_module("torch.distributed.tensor"), torch.distributed.device_mesh
    store = importlib.import_module("torch.testing._internal.distributed.fake_pg").FakeStore()
    torch.distributed.init_process_group("fake", store=store, rank=1, world_size=2)
    try:
        mesh = mesh_module.init_device_mesh("cpu", (2,))
        whole = torch.zeros(9, 6)
        shared = tensors.distribute_tensor(whole, mesh, [tensors.Shard(axis)], src_data_rank=None)
        init.xavier_uniform_(shared, generator=4)
        local = shared.to_local()
    finally:
        torch.distributed.destroy_process_group()
    expected = initcore.xavier_uniform((9, 6), rng=4)
    assert np.array_equal(local.numpy(), expected[5:] if axis == 0 else expected[:, 3:])
    assert len(fake.launched) == 1


def test_models_and_plans(fake: device.HostDevice) -> None:
    def build() -> Any:
        return torch.nn.Sequential(torch.nn.Linear(9, 17, bias=False), torch.nn.Embedding(5, 4))

    plan = initcore.Plan([initcore.Rule("trunc_normal", "*", settings={"std": 0.5})], seed=3)
    for source in (7, plan):
        before = len(fake.launched)
        here = init.initialize(build(), source)
        assert len(fake.launched) == before + 2
        with pytest.MonkeyPatch.context() as undone:
            undone.setattr(devices, "launcher_of", lambda of: None)
            undone.setattr(filling, "memory_of", memory.memory_of)
            undone.setattr(memory, "is_elsewhere", lambda tensor: False)
            undone.setattr(filling, "is_elsewhere", lambda tensor: False)
            there = init.initialize(build(), source)
        for one, other in zip(here.parameters(), there.parameters(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(("name", "args"), [("normal_", (0.5, 2.0)), ("uniform_", (-1.0, 1.0))])
def test_the_kernels_under_patch(
    name: str, args: tuple[float, float], fake: device.HostDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[Any] = []

    def original(tensor: Any, *given: Any, generator: Any) -> Any:
        left.append(given)
        return tensor

    dist = initcore._core.DISTS[name[:-1]][0]
    kernel = kernels.filling_on_device(dist, name, original)
    tensor = torch.zeros(40, 30, dtype=torch.bfloat16).T
    assert kernel(tensor, *args, generator=torch.Generator().manual_seed(2)) is tensor
    expected = getattr(torch.empty(30, 40, dtype=torch.bfloat16), name)
    with init.patch():
        assert torch.equal(tensor, expected(*args, generator=torch.Generator().manual_seed(2)))
    assert len(fake.launched) == 1
    assert not left
    kernel(torch.zeros(3, dtype=torch.complex64))
    kernel(torch.zeros(3), 0.0, -1.0) if name == "normal_" else kernel(torch.zeros(3), 1.0, 0.0)
    monkeypatch.setenv("INITCORE_CUDA", "never")
    kernel(torch.zeros(3))
    assert len(left) == 3
    assert len(fake.launched) == 1


def test_patch_registers_them_where_torch_has_cuda(fake: device.HostDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a torch that has none, the dispatcher is asked for them directly, and given tensors of the CPU."""
    privates, has = kernels.privates, kernels.privates.has_kernel
    original = kernels._original
    monkeypatch.setattr(privates, "has_kernel", lambda name, key: key == "CUDA" or has(name, key), raising=True)
    monkeypatch.setattr(kernels, "_original", lambda name, key: original(name, "CPU"))
    registered = kernels.Kernels()
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CUDA)
    registered.install()
    try:
        for name in ("normal_", "uniform_"):
            found = torch.library.get_kernel(f"aten::{name}", torch._C.DispatchKey.CUDA)
            tensor = torch.zeros(30)
            found.call_boxed(keys, tensor, 0.0, 1.0, generator=torch.Generator().manual_seed(2))
            expected = getattr(torch.empty(30), name)(generator=torch.Generator().manual_seed(2))
            assert torch.equal(tensor, expected)
    finally:
        registered.uninstall()
    assert fake.launched == ["ic_normal_f32", "ic_uniform_f32"]
    assert not has("aten::normal_", "CUDA") or torch.version.cuda


class Prepared:
    """A machine with one device, whose driver, compiler and memory are made believe."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.here = device.HostDevice()
        self.compiled = self.loaded = 0
        self.broken: str | None = None
        self.capturing = False
        cuda = torch.cuda
        patch.setenv("INITCORE_CACHE", str(folder))
        patch.delenv("INITCORE_CUDA", raising=False)
        patch.setattr(devices, "_prepared", {})
        patch.setattr(torch.version, "cuda", "13.0")
        patch.setattr(cuda, "is_current_stream_capturing", lambda: self.capturing)
        patch.setattr(cuda, "device", lambda index: warnings.catch_warnings())
        patch.setattr(cuda, "current_device", lambda: 0)
        patch.setattr(cuda, "synchronize", lambda index: None)
        patch.setattr(cuda, "current_stream", lambda index: SimpleNamespace(cuda_stream=77))
        patch.setattr(cuda, "get_device_properties", lambda index: SimpleNamespace(name="a device", major=9, minor=0))
        patch.setattr(devices.nvrtc, "compiler", lambda major: self)
        patch.setattr(devices, "driver", lambda: SimpleNamespace(version=13000, load=self.load))
        patch.setattr(devices, "_Buffer", Buffer)

    # the compiler
    version: Any = (13, 0)

    def target_of(self, capability: int) -> str:
        return f"sm_{capability}"

    def compile(self, code: str, target: str) -> bytes:
        assert code == nvrtc.source()
        assert target == "sm_90"
        self.compiled += 1
        return b"program"

    # the driver
    def load(self, program: bytes) -> Any:
        assert program == b"program"
        self.loaded += 1
        return self

    # the module
    def launch(self, stream: int, kernel: str, *more: Any) -> None:
        assert stream == 77
        *grid, argument = more
        if kernel == self.broken:  # by one bit of the key of a round
            argument = argument[:160] + bytes([argument[160] ^ 4]) + argument[161:]
        self.here.launch(kernel, *grid, argument)


class Buffer:
    def __init__(self, size: int) -> None:
        self._array = np.zeros(size, np.uint8)
        self.address = self._array.ctypes.data

    def read(self) -> bytes:
        return self._array.tobytes()


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Prepared:
    return Prepared(monkeypatch, tmp_path / "cache")


CUDA = torch.device("cuda", 0)


def test_a_device_is_compiled_for_and_tried_once(prepared: Prepared) -> None:
    assert devices.launcher_of(CUDA) is devices.launcher_of(torch.device("cuda"))
    launched = len(prepared.here.launched)
    assert launched >= len(trial.CASES)
    devices._prepared.clear()  # another process
    assert devices.launcher_of(CUDA) is not None
    assert (prepared.compiled, prepared.loaded, len(prepared.here.launched)) == (1, 2, launched)
    (report,) = environment()["cuda_trials"]
    assert report.startswith("a device (driver 13000, NVRTC 13.0, initcore ")
    assert report.endswith(") gives the CPU's bytes")


@pytest.mark.parametrize("kernel", ["ic_normal_f32", "ic_uniform_bf16", "ic_trunc_normal_f64", "ic_bits_u32"])
def test_a_device_that_fails_the_trial_is_not_used(prepared: Prepared, kernel: str) -> None:
    prepared.broken = kernel
    with pytest.warns(RuntimeWarning, match="a device does not give the processor's bytes: .*drawn on the CPU"):
        assert devices.launcher_of(CUDA) is None
    assert devices.launcher_of(CUDA) is None  # without a warning
    devices._prepared.clear()
    prepared.broken = None  # what another process finds in the cache
    with pytest.warns(RuntimeWarning, match="does not give"):
        assert devices.launcher_of(CUDA) is None
    assert "differs: " in environment()["cuda_trials"][0]


def test_every_broken_kernel_is_noticed(prepared: Prepared) -> None:
    names = set()
    devices.launcher_of(CUDA)
    for kernel in sorted(set(prepared.here.launched)):
        prepared.broken = kernel
        assert trial.differences(Buffer, lambda *launch: prepared.launch(77, *launch)), kernel
        names.add(kernel)
    assert len(names) == 13


def test_the_trial_sees_what_follows_the_last_attempt(prepared: Prepared) -> None:
    """The number of attempts is after the parameters, 144 bytes, and the keys, 84."""

    def launch(*launch: Any) -> None:
        *grid, argument = launch
        assert argument[228:232] in (bytes([1, 0, 0, 0]), bytes([0, 1, 0, 0]))
        prepared.here.launch(*grid, argument[:228] + bytes([0, 1, 0, 0]) + argument[232:])

    assert trial.differences(Buffer, launch) == ["the quantile after the last attempt differs"]


def test_without_a_compiler_or_a_driver(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(major: int) -> Any:
        raise RuntimeError("there is no NVRTC")

    monkeypatch.setattr(devices.nvrtc, "compiler", missing)
    with pytest.warns(RuntimeWarning, match="initcore cannot use cuda:0: there is no NVRTC; its tensors are drawn"):
        assert devices.launcher_of(CUDA) is None


def test_the_switch(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INITCORE_CUDA", "never")
    assert devices.launcher_of(CUDA) is None
    assert not prepared.compiled
    prepared.broken = "ic_normal_f32"
    monkeypatch.setenv("INITCORE_CUDA", "always")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="INITCORE_CUDA is 'always'"):
            devices.launcher_of(CUDA)
    monkeypatch.setenv("INITCORE_CUDA", "sometimes")
    with pytest.raises(RuntimeError, match="must be one of auto, never, always, not 'sometimes'"):
        devices.launcher_of(CUDA)


def test_graphs(prepared: Prepared) -> None:
    """A device cannot be prepared while a graph is captured; once it is, launches are all that a fill does."""
    prepared.capturing = True
    with pytest.raises(RuntimeError, match="while a graph is captured"):
        devices.launcher_of(CUDA)
    prepared.capturing = False
    assert devices.launcher_of(CUDA) is not None
    prepared.capturing = True
    assert devices.launcher_of(CUDA) is not None


def test_other_devices_are_not_asked(prepared: Prepared) -> None:
    for name in ("cpu", "meta", "mps"):
        assert devices.launcher_of(torch.device(name)) is None
    assert not prepared.loaded


def test_a_damaged_file_is_made_again(prepared: Prepared) -> None:
    devices.launcher_of(CUDA)
    for kind in ("programs", "trials"):
        (path,) = (files.folder() / kind).iterdir()
        path.write_bytes(path.read_bytes()[:-1])
    devices._prepared.clear()
    devices.launcher_of(CUDA)
    assert prepared.compiled == 2


def test_no_folder_to_keep_files_in(prepared: Prepared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INITCORE_CACHE", str(tmp_path / "file"))
    assert devices.launcher_of(CUDA) is not None
