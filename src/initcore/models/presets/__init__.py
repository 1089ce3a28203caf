"""Plans of frameworks, models and papers: functions whose plans ``to_toml()`` shows to anyone.

Each takes `seed` and `dtype`, as :class:`initcore.Plan` does. Where a model has parameters that a preset does not know,
:meth:`initcore.Plan.resolve` names them; ``Plan([*my_rules, *preset.rules])`` puts rules before those of a preset.
"""

from initcore.models.presets.convolutional import fixup, vit
from initcore.models.presets.decoders import gpt2, llama
from initcore.models.presets.encoders import bert, t5
from initcore.models.presets.fields import siren, zero
from initcore.models.presets.frameworks import keras_defaults, torch_defaults, transformers_defaults
from initcore.models.presets.residual import deepnorm, t_fixup
from initcore.models.presets.widths import mup

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
    "transformers_defaults",
    "vit",
    "zero",
]
