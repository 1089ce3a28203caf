"""Models of KerasHub under initcore.keras.patch(): CI installs it in a step of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import need, wanted
from test_keras import values

from initcore import keras as ours

pytestmark = [
    pytest.mark.any_isa,
    pytest.mark.filterwarnings("ignore"),  # KerasHub's own, and those of what it imports
]

TEXT = {"vocabulary_size": 100, "num_layers": 2, "hidden_dim": 16, "intermediate_dim": 32}
HEADS = {**TEXT, "num_heads": 2}
GROUPS = {**TEXT, "num_query_heads": 2, "num_key_value_heads": 1}
BACKBONES: dict[str, dict[str, Any]] = {
    "BertBackbone": {**HEADS, "max_sequence_length": 12},
    "GPT2Backbone": {**HEADS, "max_sequence_length": 12},
    "DebertaV3Backbone": {**HEADS, "max_sequence_length": 12, "bucket_size": 4},
    "BloomBackbone": {**HEADS, "max_sequence_length": 12},
    "T5Backbone": HEADS,
    "XLNetBackbone": HEADS,
    "LlamaBackbone": GROUPS,
    "MistralBackbone": GROUPS,
    "GemmaBackbone": {**GROUPS, "head_dim": 8},
    "ViTBackbone": {
        "image_shape": (32, 32, 3),
        "patch_size": 8,
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 16,
        "mlp_dim": 32,
    },
}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_weight_is_drawn_by_initcore(name: str) -> None:
    need("keras")
    models = wanted("keras_hub").models
    with ours.patch() as drawn:
        model = getattr(models, name)(**BACKBONES[name])
    arrays = [values(w.value) for w in model.weights]
    random = [array for array in arrays if array.dtype.kind == "f" and len(np.unique(array)) > 2]
    assert len(random) > 12
    assert drawn.elements >= sum(
        array.size for array in random
    )  # T5 is traced first, and its weights drawn for that too
    assert drawn.share == 1
    assert bool(drawn.repeated) == (name in ("XLNetBackbone", "LlamaBackbone", "MistralBackbone", "GemmaBackbone"))
