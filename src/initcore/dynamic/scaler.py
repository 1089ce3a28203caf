"""A controller of the scale of weights in the first steps of training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from initcore.dynamic.arguments import is_module
from initcore.dynamic.moments import Moments
from initcore.dynamic.passes import observe, scale_in_order
from initcore.dynamic.protocol import WatchedNet
from initcore.dynamic.report import SCALE_INVARIANT
from initcore.dynamic.scale_to_target import ScaleTarget
from initcore.dynamic.stacks.layers import LayerLike
from initcore.dynamic.stacks.watching import WatchedStack
from initcore.dynamic.state import Change, Settings, State
from initcore.keywords import answering_class
from initcore.streams import Stream

if TYPE_CHECKING:
    from torch import nn, optim

__all__ = ["DynamicScaler"]

#: How near to the target, relatively, a layer is brought that left the band, and in how many iterations at most
_TOLERANCE, _ITERATIONS = 0.1, 10
_VERSION = 1


@answering_class
class DynamicScaler:
    r"""Watch a net in its first steps of training, and rescale weights whose effect leaves the band that theory gives.

    Each layer's output, before any activation, is to have a second moment :math:`q = E[z^2]` near 1, and the layer is
    to multiply the norm of gradients by about its gain:

    .. math:: a \le \sqrt{q_l} / \text{target} \le b, \qquad
              a' \le \lVert \partial L / \partial x_l \rVert \,/\, \lVert \partial L / \partial z_l \rVert \le b'

    Parameters
    ----------
    layers : torch.nn.Module, or iterable of callables
        As :func:`lsuv_` takes them. Hooks watch a module whenever it is run in training mode. A stack over NumPy is
        run by calling the scaler with its input.
    target : float
        The root mean square to which a layer's output is brought, within a tenth, if it has left the band.
    band : tuple of float, optional
        The bounds `a` and `b`. By default they are 1/2 and 2, and wider by what chance does to a net of these widths at
        this depth: see the notes.
    gradient_band : tuple of float
        The bounds `a'` and `b'`.
    window : int
        The number of steps after which layers are judged, by the outputs and gradients of all these steps.
    patience : int
        It stops, and removes its hooks, after this number of windows in which there was nothing to change.
    max_steps : int
        It stops after this number of steps in any case.
    keep : iterable of str
        Names of weights to leave as they are, or patterns of names.
    embeddings : bool
        Whether tables are watched.
    optimizer : torch.optim.Optimizer, optional
        The optimizer whose state for all the module's parameters is dropped when weights are rescaled.

    Attributes
    ----------
    log : list of Change
        Which weights were multiplied with what, when and why; and which are left alone, and why.
    stable : bool
        Whether it stopped because there was nothing to change.
    active : bool
        Whether it still watches the net.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    The target is the fixed point :math:`q^* = 1` of the mean-field recursion
    :math:`q_{l+1} = \sigma_w^2 \, E[f(\sqrt{q_l} z)^2]`, z standard normal: B. Poole, S. Lahiri, M. Raghu,
    J. Sohl-Dickstein, S. Ganguli, "Exponential expressivity in deep neural networks through transient chaos", NIPS
    2016. There :math:`\sigma_w = 1 / \sqrt{E[f(z)^2]}`, which :func:`initcore.calculate_gain` gives: the condition of
    K. He et al., "Delving deep into rectifiers", ICCV 2015. Since outputs are measured, it is met for any activation,
    and the scaler need not know which one follows. Backwards, weights of variance
    :math:`\sigma_w^2 / \text{fan\_in}` multiply the norm of a gradient by :math:`\sigma_w`, whatever the widths;
    S. Schoenholz et al., "Deep information propagation", ICLR 2017.

    In a ReLU net drawn at random, log q varies by :math:`5 \sum 1 / n_k` over the widths of the layers before: B.
    Hanin, M. Nica, "Products of many large random matrices and gradients in deep neural networks", Comm. Math. Phys.
    376, 2020. The default band of a layer is a factor of :math:`2 \exp(\tfrac{3}{2} \sqrt{5 \sum 1 / n_k})` either way,
    which is a factor of 2 and three standard deviations, but at most a factor of 8. The default band of gradients is a
    factor of 2 about the gains of the activations that initcore knows, from 1 (linear) to 2.34 (softsign).

    If outputs are out of their band, the last batch is run again, without gradients, and each layer that is off by more
    than a factor of 2 is brought to its target before the next one is reached, as in LSUV. If only gradients are out of
    their band, the layer's weights are multiplied once, towards that band, as far as the output stays in its own.
    After a change all gradients belong to a net that is gone. They are dropped, so the optimizer's step does nothing.
    ``docs/dynamic.md`` has more.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> from initcore.dynamic import DynamicScaler
    >>> weights = [initcore.he_normal((100, 100), rng=i) * 0.1 for i in range(3)]
    >>> layers = [step for w in weights for step in ((w, lambda x, w: x @ w.T), lambda x: np.maximum(x, 0))]
    >>> scaler, x = DynamicScaler(layers, patience=2), initcore.normal((256, 100), rng=9)
    >>> while scaler.active:
    ...     y = scaler(x)
    ...     _ = scaler.step()
    >>> [(change.step, round(change.factor)) for change in scaler.log]
    [(1, 7), (1, 10), (1, 11)]
    >>> scaler.stable
    True
    """

    def __init__(
        self,
        layers: nn.Module | Iterable[LayerLike],
        *,
        target: float = 1.0,
        band: tuple[float, float] | None = None,
        gradient_band: tuple[float, float] = (0.5, 5.0),
        window: int = 1,
        patience: int = 5,
        max_steps: int = 100,
        keep: Iterable[str] = (),
        embeddings: bool = False,
        optimizer: optim.Optimizer | None = None,
    ) -> None:
        self._settings = Settings(target, band, gradient_band, window, patience, max_steps)
        self._net: WatchedNet
        if is_module(layers):
            from initcore.dynamic.modules.watching import WatchedModule

            self._net = WatchedModule(layers, keep, embeddings, optimizer)  # type: ignore[arg-type]
        else:
            self._net = WatchedStack(layers, keep)  # type: ignore[arg-type]
        self._state = State(left=dict(self._net.left))
        self._net.attach(self._record)

    @property
    def log(self) -> list[Change]:
        return self._state.log

    @property
    def stable(self) -> bool:
        return self._state.stable

    @property
    def active(self) -> bool:
        return self._state.active

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Run a stack over NumPy, and record its layers' outputs."""
        if not isinstance(self._net, WatchedStack):
            raise TypeError(
                "the scaler watches a module, which is called itself; only a stack over NumPy is run by the scaler"
            )
        return self._net(x)

    def gradients(self, name: str, output: NDArray[Any], inputs: NDArray[Any] | None = None) -> None:
        """Record the gradients of a layer of a stack over NumPy: with respect to its output, and to its input.

        Parameters
        ----------
        name : str
            The layer's name.
        output, inputs : ndarray
            The gradients with respect to the layer's output and to its input.
        """
        if name not in self._net.weights:
            raise ValueError(f"there is no layer {name!r}; the layers are {', '.join(self._net.weights)}")
        self._record(name, "output_gradients", Moments.of(output))
        if inputs is not None:
            self._record(name, "input_gradients", Moments.of(inputs))

    def step(self) -> bool:
        """Judge the outputs and gradients that were recorded: after the backward pass, before the optimizer's step.

        Returns
        -------
        bool
            Whether weights were rescaled, and gradients dropped.

        Raises
        ------
        RuntimeError
            If the net was not run in training mode since the last step.
        FloatingPointError
            If a layer's output is not finite although the layers before it are in their bands. Weights are restored.
        """
        state, settings = self._state, self._settings
        if not state.active:
            return False
        if not state.outputs:
            raise RuntimeError(self._unseen())
        state.steps += 1
        changed = False
        if state.steps % settings.window == 0:
            changed = self._judge()
            state.quiet = 0 if changed or self._outside() else state.quiet + 1
            state.forget()
            state.stable = state.quiet >= settings.patience
        if state.stable or state.steps >= settings.max_steps:
            self.close()
        return changed

    def close(self) -> None:
        """Stop watching: remove all hooks, and let go of the batch."""
        self._state.active = False
        self._state.forget()
        self._net.detach()

    def state_dict(self) -> dict[str, Any]:
        """Return the state after a :meth:`step`, in plain numbers, strings, lists and dicts.

        It does not hold the layers' weights, the optimizer's state or the order of the data.
        """
        return {
            "version": _VERSION,
            "names": list(self._net.weights),
            "settings": {**asdict(self._settings)},
            "state": self._state.saved(),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continue from the saved state of a scaler with layers of the same names and with the same settings.

        Parameters
        ----------
        saved : dict
            What :meth:`state_dict` returned.

        Raises
        ------
        ValueError
            If the names, the settings or the version of the saved state are not those of this scaler.
        """
        ours = self.state_dict()
        lacks = [key for key in ours if key not in saved]
        if lacks:
            raise ValueError(f"the saved state lacks {', '.join(lacks)}: it is not one of DynamicScaler.state_dict()")
        for key in ("version", "names", "settings"):
            if _plain(saved[key]) != _plain(ours[key]):
                raise ValueError(f"the {key} of the saved state are {saved[key]}, not {ours[key]}")
        self._state = State.from_saved(saved["state"])
        self._net.detach()
        if self._state.active:
            self._net.attach(self._record)

    def _record(self, name: str, what: str, moments: Moments) -> None:
        if self._state.active:
            seen: dict[str, Moments] = getattr(self._state, what)
            seen.setdefault(name, Moments()).merge(moments)

    def _unseen(self) -> str:
        """Return why nothing was recorded."""
        left = self._state.left
        if set(self._net.weights) <= left.keys():
            return f"there is no layer to watch: {', '.join(map(': '.join, left.items())) or 'the net has none'}"
        return (
            "nothing was run in training mode since the last step(), or only a compiled copy, which calls no hooks: "
            "give DynamicScaler what torch.compile returned"
        )

    def _judge(self) -> bool:
        state = self._state
        if self._outside() and not state.probed:
            state.probed = True
            with self._net.preserved(()):
                found = self._net.scale_invariant(Stream(0, "initcore.dynamic"))
            for name in sorted((found & self._net.weights.keys()) - state.left.keys()):
                self._leave(name, SCALE_INVARIANT)
        if self._outside():
            return self._rescale_by_outputs()
        nudged = [name for name in self._net.weights if self._rescale_by_gradient(name)]
        if nudged:
            self._rescale_by_outputs()
            self._net.forget_gradients()
        return bool(nudged)

    def _outside(self) -> list[str]:
        outputs, left, within = self._state.outputs, self._state.left, self._settings.within
        bands = self._settings.bands({name: self._net.widths[name] for name in outputs})
        return [name for name, seen in outputs.items() if name not in left and not within(seen, bands[name])]

    def _rescale_by_outputs(self) -> bool:
        """Bring each layer whose output is out of the band to the target, in order, on the batch that was seen last."""
        net, left = self._net, self._state.left
        target = ScaleTarget(self._settings.target, _TOLERANCE, _ITERATIONS, about_mean=False)
        within, band = self._settings.within, self._settings.narrow
        chosen = [name for name in net.weights if name not in left]
        with net.preserved(chosen):
            _, calls, _ = observe(net, chosen)
            outcomes = scale_in_order(net, chosen, calls, target, lambda moments: not within(moments, band))
        changed = False
        for name, outcome in outcomes.items():
            if outcome.factor != 1:
                self._note(name, outcome.factor, self._rms(name), "activations")
                changed = True
            if outcome.status != "ok":
                self._leave(name, outcome.status if outcome.factor == 1 else f"skipped: {outcome.status}")
        if changed:
            self._net.forget_gradients()
        return changed

    def _rescale_by_gradient(self, name: str) -> bool:
        """Multiply a layer's weights once towards the band of gradients, as far as its output stays in its own band."""
        gain = self._state.gradient_gain(name)
        low, high = self._settings.gradient_band
        if gain is None or not gain or low <= gain <= high or name in {*self._state.left, *self._state.nudged}:
            return False
        wanted = (low if gain < low else high) / gain
        least, most = (edge * self._settings.target / self._rms(name) for edge in self._settings.narrow)
        factor = min(max(wanted, least * (1 + _TOLERANCE)), most / (1 + _TOLERANCE))
        self._state.nudged.append(name)
        if abs(math.log(factor)) < math.log(1 + _TOLERANCE):
            return False
        weights = self._net.weights[name]
        weights.set_reference()
        if not weights.rescale(factor):
            weights.rescale(1.0)
            return False
        self._note(name, factor, gain, "gradients")
        return True

    def _rms(self, name: str) -> float:
        return self._state.outputs.get(name, Moments()).rms

    def _leave(self, name: str, reason: str) -> None:
        self._state.left[name] = reason
        self._note(name, 1.0, self._rms(name), reason)

    def _note(self, name: str, factor: float, before: float, reason: str) -> None:
        self._state.log.append(Change(self._state.steps, name, factor, before, reason))


def _plain(value: Any) -> Any:
    """Return a value with lists for tuples, as a file of JSON has them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
