"""torch: `torch.nn.init` on a tensor that shares the array's memory."""

from __future__ import annotations

import numpy as np
from operations import Operation

from initcore.cli.benchmark.peers import tensor_of, torch_peer
from peers.peer import Array, Package, Run


class Torch(Package):
    """Its default generator, which goes on from call to call, and its own threads."""

    def run(self, operation: Operation, out: Array, threads: int) -> Run | None:
        """Return torch.nn.init's function, or what it has elsewhere."""
        if min(out.strides, default=0) < 0 or (operation.name == "bits") != (out.dtype == np.uint32):
            return None  # tensors have no negative strides
        if operation.name == "bits":
            words = tensor_of(out.view(np.int32), threads)
            return lambda: words.random_(-(1 << 31), 1 << 31)
        if "batch_axis" in operation.settings:
            return _stack(out, threads, **operation.settings)
        return torch_peer(operation.name, out, operation.settings, threads)


def _stack(out: Array, threads: int, batch_axis: int, gain: float = 1.0) -> Run:
    """The steps of orthogonal_ on all matrices of a stack: its QR takes stacks, though orthogonal_ does not."""
    import torch

    stack = tensor_of(out, threads).movedim(batch_axis, 0)
    batch, rows = stack.shape[:2]
    columns = stack[0, 0].numel()
    dtype = torch.float64 if stack.dtype == torch.float64 else torch.float32

    def run() -> object:
        q, r = torch.linalg.qr(torch.randn(batch, max(rows, columns), min(rows, columns), dtype=dtype))
        q *= gain * r.diagonal(dim1=1, dim2=2).sign().unsqueeze(1)
        return stack.copy_((q if rows >= columns else q.mT).reshape(stack.shape))

    return run


PEERS = [Torch("torch", "torch")]
