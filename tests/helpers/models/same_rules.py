"""Whether two models were initialised by the same rules, parameter by parameter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

P = 1e-7  # of each parameter of each model, with fixed seeds
#: Of a ratio of stds, in standard errors of either; a truncated normal of timm has values of 100 std now and then
MOST = 8.0


def tensors_of(model: Any) -> dict[str, Any]:
    """Return parameters and buffers, tied ones under each of their names."""
    named = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    return {name: tensor.detach() for name, tensor in named}


def ties_of(model: Any) -> set[frozenset[str]]:
    names: dict[int, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), set()).add(name)
    return {frozenset(group) for group in names.values() if len(group) > 1}


def same(one: Any, other: Any) -> bool:
    """Whether two tensors are the same, NaN too."""
    return bool(one.shape == other.shape and torch.equal(torch.nan_to_num(one * 1.0), torch.nan_to_num(other * 1.0)))


def ks(one: Any, other: Any) -> float:
    """Return the p-value of two samples by Kolmogorov and Smirnov, as it is for many elements."""
    one, other = np.sort(one), np.sort(other)
    places = np.concatenate([one, other])
    first = np.searchsorted(one, places, side="right") / one.size
    second = np.searchsorted(other, places, side="right") / other.size
    count = one.size * other.size / (one.size + other.size)
    distance = (math.sqrt(count) + 0.12 + 0.11 / math.sqrt(count)) * float(np.abs(first - second).max())
    return 2 * math.exp(-2 * distance * distance)


def differences(native: Any, again: Any, ours: Any) -> list[str]:
    """Return what differs between the rules by which a library has made two models, and those of ours."""
    first, second, mine = tensors_of(native), tensors_of(again), tensors_of(ours)
    found = [f"{name}: in one model only" for name in first.keys() ^ mine.keys()]
    if ties_of(native) != ties_of(ours):
        found.append(f"ties: {ties_of(native) ^ ties_of(ours)}")
    for name in first.keys() & mine.keys():
        one, other = first[name], mine[name]
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            found.append(f"{name}: {one.dtype} {tuple(one.shape)}, not {other.dtype} {tuple(other.shape)}")
        elif one.numel() and same(one, second[name]):
            if not same(one, other):
                found.append(f"{name}: other constants")
        elif one.numel() >= 40:
            if one.ndim > 1 and not torch.equal(one.flatten(1).any(1), other.flatten(1).any(1)):
                found.append(f"{name}: other rows are zero")
            found += _drawn(name, one.double().flatten().numpy(), other.double().flatten().numpy())
        elif one.numel() and not (torch.isfinite(other).all() and 0 < other.abs().max() < 20 * one.abs().max() + 1e-6):
            found.append(f"{name}: {other.tolist()}, where the library has {one.tolist()}")
    return found


def _drawn(name: str, theirs: Any, mine: Any) -> list[str]:
    found = []
    ratio = math.log((mine.std() + 1e-30) / (theirs.std() + 1e-30))
    if abs(ratio) > MOST / math.sqrt(theirs.size) + 0.03 * bool(np.abs(theirs).max() > 50 * theirs.std()):
        found.append(f"{name}: the std is {mine.std():.6g}, not {theirs.std():.6g}")
    if ks(theirs[:100_000], mine[:100_000]) < P:
        found.append(f"{name}: another distribution")
    if theirs.size > 5000 and np.abs(mine).max() > 1.6 * np.abs(theirs).max():
        found.append(f"{name}: values up to {np.abs(mine).max():.6g}, not {np.abs(theirs).max():.6g}")
    return found
