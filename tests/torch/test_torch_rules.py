"""initialize() of other packages' models: by the rules of their authors, with memory or without, and as plans."""

from __future__ import annotations

import pytest
from rule_models import BUILDERS, TIMM_BUILT, timm_model, transformers_model
from support import need

pytestmark = pytest.mark.any_isa

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
init = need("initcore.torch")
if True:  # which import torch
    from same_rules import differences, same, tensors_of

from initcore import Plan  # noqa: E402


@pytest.mark.parametrize("which", BUILDERS)
@pytest.mark.filterwarnings("ignore")
def test_models_get_the_distributions_of_their_authors(which: str) -> None:
    """Constants, norms, ties and buffers are the same, draws of one distribution; without memory, the same bytes."""
    build, name = BUILDERS[which]
    torch.manual_seed(1)
    native, again = build(name), build(name)
    ours = init.initialize(build(name), 0)
    assert differences(native, again, ours) == []
    with torch.device("meta"):
        absent = build(name)
    init.initialize(absent, 0, device="cpu")
    others = tensors_of(absent)
    assert [key for key, tensor in tensors_of(ours).items() if not same(tensor, others[key])] == []


@pytest.mark.parametrize("name", TIMM_BUILT)
@pytest.mark.filterwarnings("ignore")
def test_models_that_keep_too_little_are_refused_and_built(name: str) -> None:
    torch.manual_seed(1)
    native, again, refused = timm_model(name), timm_model(name), timm_model(name)
    before = {key: tensor.clone() for key, tensor in tensors_of(refused).items()}
    with pytest.raises(RuntimeError, match="initialize\\(lambda: the call that builds"):
        init.initialize(refused, 0)
    assert all(torch.equal(tensor, before[key]) for key, tensor in tensors_of(refused).items())
    assert differences(native, again, init.initialize(lambda: timm_model(name), 0)) == []


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5", "gemma2", "mixtral", "mamba", "whisper"])
@pytest.mark.filterwarnings("ignore")
def test_plans_of_models_are_their_rules(kind: str) -> None:
    with torch.device("meta"):
        absent = transformers_model(kind)
    keep = {"mamba": ["*.A_log", "*.dt_proj.bias"], "whisper": ["encoder.embed_positions.weight"]}.get(kind, [])
    plan = Plan.of(absent, 3, keep=keep)
    assert len(plan.rules) < 20
    ours, planned = init.initialize(transformers_model(kind), 3), transformers_model(kind)
    init.initialize(planned, plan, keep=keep)
    kept = [name for name in tensors_of(ours) if any(name.endswith(part.strip("*")) for part in keep)]
    others = tensors_of(planned)
    wrong = [name for name, tensor in tensors_of(ours).items() if not same(tensor, others[name]) and name not in kept]
    assert wrong == []


@pytest.mark.filterwarnings("ignore")
def test_models_within_others_are_initialised_by_their_own_rules() -> None:
    torch.manual_seed(1)
    native, again = transformers_model("bert"), transformers_model("bert")
    outer = torch.nn.ModuleDict({"body": transformers_model("bert"), "head": torch.nn.Linear(64, 3)})
    assert differences(native, again, init.initialize(outer, 4)["body"]) == []
