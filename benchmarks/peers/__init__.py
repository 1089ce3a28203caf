"""Whom benchmarks measure: one file a package, all behind one callable."""

from __future__ import annotations

from peers import initcore, jax, keras, mkl, numba, numpy, randomgen, scipy, torch
from peers.peer import Peer, Run

__all__ = ["PEERS", "Peer", "Run"]

_MODULES = (initcore, numpy, torch, jax, keras, scipy, randomgen, numba, mkl)

#: In the order to show
PEERS: dict[str, Peer] = {peer.name: peer for module in _MODULES for peer in module.PEERS}
