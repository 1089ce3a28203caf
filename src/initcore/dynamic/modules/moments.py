"""The moments of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from initcore.dynamic.moments import Moments

__all__ = ["moments_of"]


def moments_of(tensor: Tensor) -> Moments:
    """Return the moments of a tensor's elements: sums in float64, of deviations from the mean as float32 has it."""
    values = tensor.detach()
    count = values.numel()
    if not count:
        return Moments()
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    shift = (values.sum(dtype=torch.float64) / count).to(values.dtype)
    centred = values - shift
    rest = float(centred.sum(dtype=torch.float64)) / count
    norm = float(torch.linalg.vector_norm(centred, dtype=torch.float64))
    return Moments(count, float(shift) + rest, max(0.0, norm * norm - count * rest * rest))
