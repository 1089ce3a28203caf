"""Plans of frameworks, models and papers: functions whose plans ``to_toml()`` shows to anyone.

Each takes `seed` and `dtype`, as :class:`initcore.Plan` does. Where a model has parameters that a preset does not know,
:meth:`initcore.Plan.resolve` names them; ``Plan([*my_rules, *preset.rules])`` puts rules before those of a preset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initcore.choices import about_attribute
from initcore.models.presets.convolutional import fixup, vit
from initcore.models.presets.decoders import gpt2, llama
from initcore.models.presets.encoders import bert, t5
from initcore.models.presets.frameworks import keras_defaults, torch_defaults
from initcore.models.presets.mup import mup
from initcore.models.presets.residual import deepnorm, t_fixup
from initcore.models.presets.siren import siren
from initcore.models.presets.zero import zero as zero

__all__ = [
    "bert",
    "deepnorm",
    "fixup",
    "gpt2",
    "keras_defaults",
    "llama",
    "mup",
    "siren",
    "t5",
    "t_fixup",
    "torch_defaults",
    "vit",
    "zero",
]

if not TYPE_CHECKING:  # with it, mypy would take any name for one of this module

    def __getattr__(name: str) -> Any:
        if name == "transformers_defaults":
            raise AttributeError(
                "there is no transformers_defaults: names and shapes do not tell what a model of transformers draws; "
                "initcore.Plan.of(model) records the model's own rules instead"
            )
        raise about_attribute(__name__, name, __all__)
