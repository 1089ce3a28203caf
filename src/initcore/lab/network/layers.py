"""The linear parts of layers, forward and backward, on activations of shape (batch, units) or (batch, y, x, units)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from initcore.lab.activations import Array

__all__ = ["Conv", "Dense", "Linear"]


@dataclass(frozen=True)
class Dense:
    """Weights of shape (out, in), as torch's."""

    def weight_shape(self, fan_in: int, fan_out: int) -> tuple[int, ...]:
        return fan_out, fan_in

    def forward(self, x: Array, w: Array) -> Array:
        return x @ w.T

    def backward(self, g: Array, w: Array) -> Array:
        return g @ w

    def weight_gradient_square(self, x: Array, g: Array) -> Array:
        """Return the mean square, over the weights, of each example's gradient."""
        found: Array = np.square(x).mean(axis=1, dtype=np.float64) * np.square(g).mean(axis=1, dtype=np.float64)
        return found


@dataclass(frozen=True)
class Conv:
    """Weights of shape (out, in, kernel, kernel), as torch's; circular padding gives outputs of the input's size."""

    kernel: int

    def weight_shape(self, fan_in: int, fan_out: int) -> tuple[int, ...]:
        return fan_out, fan_in, self.kernel, self.kernel

    def _taps(self) -> Iterator[tuple[int, int, tuple[int, int]]]:
        for i in range(self.kernel):
            for j in range(self.kernel):
                yield i, j, (self.kernel // 2 - i, self.kernel // 2 - j)

    def forward(self, x: Array, w: Array) -> Array:
        total = np.zeros((*x.shape[:3], w.shape[0]), x.dtype)
        for i, j, shift in self._taps():
            total += np.roll(x, shift, (1, 2)) @ w[:, :, i, j].T
        return total

    def backward(self, g: Array, w: Array) -> Array:
        total = np.zeros((*g.shape[:3], w.shape[1]), g.dtype)
        for i, j, (down, right) in self._taps():
            total += np.roll(g @ w[:, :, i, j], (-down, -right), (1, 2))
        return total

    def weight_gradient_square(self, x: Array, g: Array) -> Array:
        """Return the mean square, over the weights, of each example's gradient.

        A tap's gradient is the sum over places of g times the shifted x. So the sum of its squares is that of the
        elementwise product of two Gram matrices between places, and the gradient itself is not computed.
        """
        count, height, width = x.shape[:3]
        total = np.zeros(count)
        for example in range(count):
            gram = x[example].reshape(height * width, -1)
            gram = (gram @ gram.T).reshape(height, width, height, width)
            back = g[example].reshape(height * width, -1)
            back = back @ back.T
            for _, _, shift in self._taps():
                shifted = np.roll(gram, (*shift, *shift), (0, 1, 2, 3)).reshape(back.shape)
                total[example] += np.einsum("ij,ij->", shifted, back, dtype=np.float64)
        found: Array = total / (self.kernel**2 * x.shape[3] * g.shape[3])
        return found


Linear = Dense | Conv
