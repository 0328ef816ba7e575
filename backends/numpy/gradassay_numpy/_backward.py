"""Reverse mode of `_cell.forward`, by hand, in pieces small enough to be got wrong one at a time.

Cotangents may carry leading lanes (stacked cotangents): the arrays of the trace broadcast against them.
`bar_` before a name is its cotangent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradassay._spec import Array
from gradassay_numpy._cell import Trace, Weights
from gradassay_numpy._time import reverse


@dataclass(frozen=True)
class Adjoint:
    """What a backward pass finds, with leading lanes `...`; the first four are kept for `_second`.

    Shapes: bar_h (..., T,B,S) on h before it splits into y and the carry; bar_exposed and bar_c (..., T,B,H);
    delta (..., T,B,4H) on the gates before their activations; bar_x (..., T,B,N); bar_h0 (..., B,S);
    bar_c0 (..., B,H).
    """

    bar_h: Array
    bar_exposed: Array
    bar_c: Array
    delta: Array
    bar_x: Array
    bar_h0: Array
    bar_c0: Array


def rows(a: Array) -> Array:
    """Lay (..., T,B,n) out as (..., T·B,n): a weight gradient is one contraction over all of these rows."""
    return a.reshape(*a.shape[:-3], a.shape[-3] * a.shape[-2], a.shape[-1])


def outer(left: Array, right: Array) -> Array:
    """Contract (..., T,B,m) with (T,B,n) over steps and batch into (..., m,n)."""
    return np.swapaxes(rows(left), -1, -2) @ rows(right)


class Backward:
    """The reverse rules. The planted faults of `_faults` override one method each."""

    def from_c_n(self, bar_c_n: Array) -> Array:
        """The cotangent with which the last c enters the loop."""
        return bar_c_n

    def through_projection(self, bar_h: Array, hr: Array | None) -> Array:
        """(..., B,S) -> (..., B,H): the transpose of h = exposed @ hr.T."""
        return bar_h if hr is None else bar_h @ hr

    def cell(self, from_carry: Array, from_h: Array) -> Array:
        """c_t feeds both c_{t+1} and h_t: its cotangents add."""
        return from_carry + from_h

    def gates(self, gates: Array, c_prev: Array, squashed: Array, bar_c: Array, bar_exposed: Array) -> list[Array]:
        """Cotangents of the four gates before their activations, each (..., B,H)."""
        i, f, g, o = gates
        return [
            bar_c * g * (i * (1 - i)),
            bar_c * c_prev * (f * (1 - f)),
            bar_c * i * (1 - g * g),
            bar_exposed * squashed * (o * (1 - o)),
        ]

    def restore(self, bar_x: Array, order: Array) -> Array:
        """Put the cotangents of a reverse direction's input back in the order of time."""
        return reverse(bar_x, order)

    def through_mask(self, bar_y: Array, mask: Array) -> Array:
        """The transpose of the dropout mask on a layer's output."""
        return bar_y * mask

    def direction(self, w: Weights, trace: Trace, bar_y: Array, bar_h_n: Array, bar_c_n: Array, live: Array) -> Adjoint:
        """Run the loop backwards: bar_y (..., T,B,S), bar_h_n (..., B,S), bar_c_n (..., B,H), live (T,B,1)."""
        hidden = trace.c_prev.shape[-1]
        lanes_steps_batch = bar_y.shape[:-1]
        all_h = np.empty_like(bar_y)
        all_exposed, all_c = np.empty((2, *lanes_steps_batch, hidden), bar_y.dtype)
        delta = np.empty((*lanes_steps_batch, 4 * hidden), bar_y.dtype)
        carry_h, carry_c = bar_h_n, self.from_c_n(bar_c_n)
        for t in reversed(range(trace.x.shape[0])):
            o, squashed = trace.gates[3, t], trace.squashed[t]
            bar_h = np.where(live[t], carry_h + bar_y[..., t, :, :], 0)
            bar_exposed = self.through_projection(bar_h, w.hr)
            bar_c = self.cell(np.where(live[t], carry_c, 0), bar_exposed * o * (1 - squashed * squashed))
            gates = self.gates(trace.gates[:, t], trace.c_prev[t], squashed, bar_c, bar_exposed)
            delta[..., t, :, :] = np.concatenate(gates, axis=-1)
            all_h[..., t, :, :], all_exposed[..., t, :, :], all_c[..., t, :, :] = bar_h, bar_exposed, bar_c
            # On the padding the state went through unchanged, and so do its cotangents.
            carry_h = np.where(live[t], delta[..., t, :, :] @ w.hh, carry_h)
            carry_c = np.where(live[t], bar_c * trace.gates[1, t], carry_c)
        return Adjoint(all_h, all_exposed, all_c, delta, delta @ w.ih, carry_h, carry_c)

    def weight_hh(self, delta: Array, trace: Trace) -> Array:
        return outer(delta, trace.h_prev)

    def biases(self, delta: Array) -> tuple[Array, Array]:
        """Gradients of bias_ih and bias_hh, each (..., 4H): equal, since only their sum enters."""
        total = rows(delta).sum(axis=-2)
        return total, total.copy()

    def weights(self, w: Weights, trace: Trace, adjoint: Adjoint) -> Weights:
        """Return the gradients of the weights, with leading lanes."""
        delta = adjoint.delta
        bias_ih, bias_hh = self.biases(delta) if w.bias_ih is not None else (None, None)
        hr = None if w.hr is None else outer(adjoint.bar_h, trace.exposed)
        return Weights(outer(delta, trace.x), self.weight_hh(delta, trace), bias_ih, bias_hh, hr)
