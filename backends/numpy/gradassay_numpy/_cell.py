"""One direction of one layer, forward, over time-major arrays; keeps what its derivatives need."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradassay._spec import Array, Tensors


@dataclass(frozen=True)
class Weights:
    """The parameters of one direction, or their tangents, or (with leading lanes) their gradients.

    Shapes: `ih` (4H, N), `hh` (4H, S), the biases (4H) or None, `hr` (P, H) or None; S is the width
    of h: P with a projection, else H. The gates stand in the order i, f, g, o.
    """

    ih: Array
    hh: Array
    bias_ih: Array | None
    bias_hh: Array | None
    hr: Array | None

    @classmethod
    def named(cls, tensors: Tensors, suffix: str) -> Weights:
        """Pick the parameters of the direction `suffix` ("_l0", "_l1_reverse") out of all."""
        return cls(
            tensors["weight_ih" + suffix],
            tensors["weight_hh" + suffix],
            tensors.get("bias_ih" + suffix),
            tensors.get("bias_hh" + suffix),
            tensors.get("weight_hr" + suffix),
        )

    def names(self, suffix: str) -> dict[str, Array]:
        """Invert `named`."""
        every = {
            "weight_ih": self.ih,
            "weight_hh": self.hh,
            "bias_ih": self.bias_ih,
            "bias_hh": self.bias_hh,
            "weight_hr": self.hr,
        }
        return {stem + suffix: array for stem, array in every.items() if array is not None}


@dataclass(frozen=True)
class Trace:
    """What a forward pass leaves behind, or (from `_tangent`) the tangents of the same.

    Shapes: x (T,B,N), h_prev (T,B,S), c_prev (T,B,H), gates (4,T,B,H) after their activations,
    squashed = tanh(c) and exposed = o·tanh(c), before the projection, (T,B,H); y (T,B,S), h_n (B,S), c_n (B,H).
    """

    x: Array
    h_prev: Array
    c_prev: Array
    gates: Array
    squashed: Array
    exposed: Array
    y: Array
    h_n: Array
    c_n: Array

    @classmethod
    def empty(cls, x: Array, h0: Array, c0: Array) -> Trace:
        """Return a trace of the right shapes, to be filled step by step; its last states are the first ones."""
        steps, batch, hidden = x.shape[0], x.shape[1], c0.shape[-1]
        gates = np.empty((4, steps, batch, hidden), x.dtype)
        h_prev, y = np.empty((2, steps, *h0.shape), x.dtype)
        c_prev, squashed, exposed = np.empty((3, steps, batch, hidden), x.dtype)
        return cls(x, h_prev, c_prev, gates, squashed, exposed, y, h0, c0)


def sigmoid(a: Array) -> Array:
    """Return 1/(1 + e^-a) without overflow, to a few roundings relative at either end."""
    small = np.exp(-np.abs(a))
    return np.asarray(np.where(a >= 0, 1, small) / (1 + small))


def forward(w: Weights, x: Array, h0: Array, c0: Array, live: Array) -> Trace:
    """Run the recurrence over x (T,B,N) from h0 (B,S) and c0 (B,H).

    `live` (T,B,1) is False on the padding: there y is 0 and the state stays as it is. The padding of x
    is replaced by zeros first, so that nothing standing there, however large, can reach a result.
    """
    x = np.where(live, x, 0)
    trace = Trace.empty(x, h0, c0)
    h, c = h0, c0
    driven = x @ w.ih.T  # (T,B,4H), the input's share of all steps at once
    for t in range(x.shape[0]):
        trace.h_prev[t], trace.c_prev[t] = h, c
        before = driven[t] + h @ w.hh.T
        if w.bias_ih is not None and w.bias_hh is not None:
            before = before + (w.bias_ih + w.bias_hh)
        at_i, at_f, at_g, at_o = np.split(before, 4, axis=-1)
        i, f, g, o = sigmoid(at_i), sigmoid(at_f), np.tanh(at_g), sigmoid(at_o)
        c_new = f * c + i * g
        squashed = np.tanh(c_new)
        exposed = o * squashed
        h_new = exposed if w.hr is None else exposed @ w.hr.T
        for slot, gate in enumerate((i, f, g, o)):
            trace.gates[slot, t] = gate
        trace.squashed[t], trace.exposed[t] = squashed, exposed
        trace.y[t] = np.where(live[t], h_new, 0)
        h, c = np.where(live[t], h_new, h), np.where(live[t], c_new, c)
    return replace(trace, h_n=h, c_n=c)
