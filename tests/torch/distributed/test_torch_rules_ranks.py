"""Models of other packages under FSDP2 and HSDP: by their own rules, the bytes of one process."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from support import need, wanted

pytestmark = pytest.mark.any_isa

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
init = need("initcore.torch")

TRANSFORMERS = [
    *("llama", "gpt2", "gemma2", "mixtral", "mamba", "bert", "t5", "bart"),
    *("whisper", "wav2vec2", "vit", "clip"),
]
KINDS = [f"transformers {kind}" for kind in TRANSFORMERS] + ["timm vit_tiny_patch16_224", "timm resnet18"]


@pytest.mark.parametrize("shape", [(2,), (2, 2)])
@pytest.mark.filterwarnings("ignore")
def test_sharded_models_get_the_bytes_of_one_process(shape: tuple[int, ...], tmp_path: Path) -> None:
    wanted("torchvision_for_tests")
    wanted("transformers")
    wanted("timm")
    import rule_ranks

    expected: dict[str, Any] = {}
    for kind in KINDS:
        expected[kind] = rule_ranks.digests(init.initialize(rule_ranks.absent(kind), 0, device="cpu"))
    world = torch.Size(shape).numel()
    torch.multiprocessing.spawn(rule_ranks.run, (shape, KINDS, str(tmp_path)), nprocs=world)
    found = pickle.loads((tmp_path / f"{world}.pickle").read_bytes())
    for kind in KINDS:
        assert found[kind] == expected[kind], kind
    assert len(found["refused"]) == 2
    for words in found["refused"]:
        others = ", ".join(map(str, range(1, world)))
        assert f"must be the same in all processes, but on rank {others} it differs" in words
