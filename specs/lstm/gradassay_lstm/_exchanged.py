"""Models that take things for one another: states, time and batch, directions, layers. Each exchange undoes itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradassay import Fault, Tensors
from gradassay._spec import Array
from gradassay_lstm._config import LSTM

Turn = Callable[[Array], Array]


@dataclass(frozen=True)
class Exchange:
    """What is renamed and what is turned, going in or coming out; both are their own inverse, and so their adjoint.

    Args:
        names: pairs of tensors that change places.
        turns: what is done to an array, by tensor.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    turns: Mapping[str, Turn] = field(default_factory=dict)

    def name(self, name: str) -> str:
        return self.names.get(name, name)

    def __call__(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        return {self.name(n): a if a is None or n not in self.turns else self.turns[n](a) for n, a in tensors.items()}


class Exchanged:
    """A model with an exchange around it."""

    def __init__(self, model: Any, exchange: Exchange) -> None:
        self._swap = exchange
        parameters = exchange(model.parameters())
        changed = any(parameters[name] is not array for name, array in model.parameters().items())
        self.model = model.planted(model._edits, parameters) if changed else model
        self._given = model.parameters()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def parameters(self) -> Tensors:
        held: Tensors = self._given
        return held

    def _wrt(self, wrt: Sequence[str]) -> list[str]:
        return [self._swap.name(name) for name in wrt]

    def forward(self, inputs: Tensors) -> Tensors:
        return self._swap(self.model.forward(self._swap(inputs)))

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[Tensors, Mapping[str, Array | None]]:
        outputs, gradients = self.model.vjp(self._swap(inputs), self._swap(cotangents), self._wrt(wrt))
        return self._swap(outputs), self._swap(gradients)

    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
        outputs, pushed = self.model.jvp(self._swap(inputs), self._swap(tangents))
        return self._swap(outputs), self._swap(pushed)

    def hvp(
        self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]
    ) -> Mapping[str, Array | None]:
        swap = self._swap
        return swap(self.model.hvp(swap(inputs), swap(cotangents), swap(tangents), self._wrt(wrt)))

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Array:
        whole = self.model.jacobian(self._swap(inputs), self._swap.name(of), self._swap.name(wrt))
        for at, name in ((0, of), (1, wrt)):
            if turn := self._swap.turns.get(name):
                whole = _turned(whole, turn, at, np.ndim(inputs[wrt]) if wrt in inputs else np.ndim(self._given[wrt]))
        return np.asarray(whole)


def _turned(whole: Array, turn: Turn, at: int, rank: int) -> Array:
    """Turn the dimensions of a Jacobian that are the output's (at 0), or the `rank` of what it is differentiated by."""
    split = whole.ndim - rank
    rows = whole.reshape(int(np.prod(whole.shape[:split])), *whole.shape[split:])
    if at == 1:
        return np.stack([turn(row) for row in rows]).reshape(whole.shape)
    columns = np.moveaxis(whole.reshape(*whole.shape[:split], -1), -1, 0)
    return np.moveaxis(np.stack([turn(column) for column in columns]), 0, -1).reshape(whole.shape)


def exchanges(config: LSTM) -> Iterator[Fault]:
    """Return what may be taken for one another in a configuration."""

    def fault(name: str, sentence: str, exchange: Exchange, **needs: Any) -> Fault:
        return Fault(name, sentence, "none known", (), wrap=lambda dtype, model: Exchanged(model, exchange), **needs)

    back: Turn = lambda a: a[:, ::-1]  # noqa: E731  # one turn of many
    if not config.projection:
        yield fault("h0-c0-exchanged", "h0 and c0 are taken for each other", Exchange({"h0": "c0", "c0": "h0"}))
        both = {"h_n": "c_n", "c_n": "h_n"}
        yield fault("h_n-c_n-exchanged", "h_n and c_n are taken for each other", Exchange(both))
        states = {"h0": "c0", "c0": "h0"} | both
        yield fault("states-exchanged", "h and c are taken for each other, at both ends", Exchange(states))
    long = {"minimum": {"step": 2}}
    yield fault("time-reversed", "time runs backwards, in x and in y", Exchange({}, {"x": back, "y": back}), **long)
    yield fault("x-reversed", "x is read backwards in time", Exchange({}, {"x": back}), **long)
    yield fault("y-reversed", "y is written backwards in time", Exchange({}, {"y": back}), **long)
    flat: Turn = lambda a: np.swapaxes(a, 0, 1)  # noqa: E731  # as above
    sides = "x is taken for (step, row, feature): batch and time are exchanged"
    yield fault("batch-for-time", sides, Exchange({}, {"x": flat, "y": flat}), minimum={"step": 2})
    yield fault("batch-for-time-in-x", f"{sides}, in x alone", Exchange({}, {"x": flat}), minimum={"step": 2})
    if config.bidirectional:
        yield from _directions(config, fault)
    if config.num_layers > 1:
        yield from _layers(config, fault)


def _directions(config: LSTM, fault: Callable[..., Fault]) -> Iterator[Fault]:
    names = {name + suffix: name + other for name, suffix, other in _suffixes(config)}
    yield fault("directions-exchanged", "the parameters of the two directions are exchanged", Exchange(names))
    halves: Turn = lambda y: np.concatenate(np.split(y, 2, axis=-1)[::-1], axis=-1)  # noqa: E731  # as above
    yield fault("halves-exchanged", "the reverse direction comes first in y", Exchange({}, {"y": halves}))
    pairs: Turn = lambda s: s.reshape(-1, 2, *s.shape[1:])[:, ::-1].reshape(s.shape)  # noqa: E731  # as above
    ends = {"h_n": pairs, "c_n": pairs}
    yield fault("final-directions-exchanged", "the reverse direction comes first in h_n and c_n", Exchange({}, ends))
    starts = {"h0": pairs, "c0": pairs}
    yield fault("initial-directions-exchanged", "the reverse direction comes first in h0 and c0", Exchange({}, starts))
    if config.num_layers == 2:  # (layer, direction) against (direction, layer) undoes itself
        order: Turn = lambda s: s[[0, 2, 1, 3]]  # noqa: E731  # as above
        every = dict.fromkeys(("h0", "c0", "h_n", "c_n"), order)
        yield fault("states-by-direction", "states are stacked by direction first, then layer", Exchange({}, every))


def _suffixes(config: LSTM) -> Iterator[tuple[str, str, str]]:
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"):
        for layer in range(config.num_layers):
            yield name, f"_l{layer}", f"_l{layer}_reverse"
            yield name, f"_l{layer}_reverse", f"_l{layer}"


def _layers(config: LSTM, fault: Callable[..., Fault]) -> Iterator[Fault]:
    def flipped(state: Array) -> Array:
        return state.reshape(config.num_layers, -1, *state.shape[1:])[::-1].reshape(state.shape)

    ends, starts = ({a: flipped, b: flipped} for a, b in (("h_n", "c_n"), ("h0", "c0")))
    yield fault("layers-flipped", "the last layer comes first in h0, c0, h_n and c_n", Exchange({}, ends | starts))
    yield fault("final-layers-flipped", "the last layer comes first in h_n and c_n", Exchange({}, ends))
    yield fault("initial-layers-flipped", "the last layer comes first in h0 and c0", Exchange({}, starts))
    low, high = ("1", "2") if config.num_layers > 2 else ("", "")
    if config.input_size == config.output_size:
        low, high = "0", str(config.num_layers - 1)
    if low:
        names: dict[str, str] = {}
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"):
            for way in ("", "_reverse"):
                a, b = f"{name}_l{low}{way}", f"{name}_l{high}{way}"
                names |= {a: b, b: a}
        yield fault("layers-exchanged", f"the parameters of layers {low} and {high} are exchanged", Exchange(names))
