"""torchvision, also where its compiled operators do not load beside a torch of another build: no model needs them."""

from __future__ import annotations

import torch

try:
    import torchvision
except RuntimeError:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d"):
        for _each in (_name, f"_{_name}_backward", f"q{_name}"):
            library.define(f"{_each}(...) -> ...")
    import torchvision

__all__ = ["torchvision"]
