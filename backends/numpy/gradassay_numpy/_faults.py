"""Faults planted in the hand-written backward pass, by name, one overridden rule each.

The threads in `seen` are public reports of the same kind of fault, made in earnest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradassay._spec import Array
from gradassay_numpy._backward import Backward, outer, rows
from gradassay_numpy._cell import Trace


class _ForgetSlopeMissing(Backward):
    def gates(self, gates: Array, c_prev: Array, squashed: Array, bar_c: Array, bar_exposed: Array) -> list[Array]:
        at_i, _, at_g, at_o = super().gates(gates, c_prev, squashed, bar_c, bar_exposed)
        return [at_i, bar_c * c_prev, at_g, at_o]


class _CarryAssigned(Backward):
    def cell(self, from_carry: Array, from_h: Array) -> Array:
        return from_h


class _BiasLastStepMissing(Backward):
    def biases(self, delta: Array) -> tuple[Array, Array]:
        return rows(delta[..., :-1, :, :]).sum(axis=-2), rows(delta).sum(axis=-2)


class _RecurrentWeightTooLate(Backward):
    def weight_hh(self, delta: Array, trace: Trace) -> Array:
        return outer(delta, np.concatenate([trace.h_prev[1:], trace.h_n[None]])[: len(trace.h_prev)])


class _ProjectionOmitted(Backward):
    def through_projection(self, bar_h: Array, hr: Array | None) -> Array:
        return bar_h if hr is None else bar_h @ np.eye(*hr.shape, dtype=hr.dtype)


class _ReverseNotReversedBack(Backward):
    def restore(self, bar_x: Array, order: Array) -> Array:
        return bar_x


class _BiasesFromForget(Backward):
    def biases(self, delta: Array) -> tuple[Array, Array]:
        _, at_f, at_g, _ = np.split(rows(delta).sum(axis=-2), 4, axis=-1)
        total = np.concatenate([at_f, at_f, at_g, at_f], axis=-1)
        return total, total.copy()


class _LastCellDropped(Backward):
    def from_c_n(self, bar_c_n: Array) -> Array:
        return np.zeros_like(bar_c_n)


class _MaskForgotten(Backward):
    def through_mask(self, bar_y: Array, mask: Array) -> Array:
        return bar_y


@dataclass(frozen=True)
class Planted:
    """A fault: its rule, where the like was `seen`, what it `needs` to show (features, steps), what it `spoils`.

    `spoils` are prefixes of tensor names: with one layer, at least one gradient among them goes wrong and no
    other does. In a deeper stack a wrong dx spoils every layer below.
    """

    name: str
    backward: Backward
    seen: str
    spoils: tuple[str, ...]
    needs: frozenset[str] = frozenset()
    steps: int = 1
    specs: tuple[str, ...] = ("lstm", "mse")


# What lies upstream of a cell's state: a fault in the loop reaches all of it.
_LOOP = ("x", "h0", "c0", "weight_", "bias_")

FAULTS = {
    planted.name: planted
    for planted in (
        Planted("forget-gate-slope-missing", _ForgetSlopeMissing(), "CaptainE/RNN-LSTM-in-numpy#1", _LOOP),
        Planted("dc-carry-assigned", _CarryAssigned(), "apache/mxnet#4057", _LOOP, steps=2),
        Planted("db-ih-misses-last-step", _BiasLastStepMissing(), "FluxML/Flux.jl#1168", ("bias_ih",)),
        Planted("dw-hh-from-h-t", _RecurrentWeightTooLate(), "pymc-devs/pytensor#2217", ("weight_hh",)),
        Planted("projection-omitted-in-dh", _ProjectionOmitted(), "", _LOOP, frozenset({"projection"})),
        Planted("reverse-dx-not-reversed-back", _ReverseNotReversedBack(), "", ("x",), frozenset({"bidirectional"}), 2),
        Planted("bias-i-and-o-from-delta-f", _BiasesFromForget(), "hanbt/learn_dl#53", ("bias_",)),
        Planted(
            "c-n-cotangent-dropped", _LastCellDropped(), "deeplearning4j/deeplearning4j#8838", _LOOP, specs=("lstm",)
        ),
        Planted("dropout-mask-forgotten", _MaskForgotten(), "", _LOOP, frozenset({"layers", "dropout"})),
    )
}
