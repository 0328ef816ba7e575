"""Forward mode of `_cell.forward`, by hand: d_ before a name is its tangent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradassay._spec import Array
from gradassay_numpy._cell import Trace, Weights


def tangent(w: Weights, d_w: Weights, trace: Trace, d_x: Array, d_h0: Array, d_c0: Array, live: Array) -> Trace:
    """Return the tangents of everything in `trace`, for tangents of the weights, the input and the states.

    Shapes are those of `_cell.forward`.
    """
    d_x = np.where(live, d_x, 0)
    d_trace = Trace.empty(d_x, d_h0, d_c0)
    d_h, d_c = d_h0, d_c0
    d_driven = d_x @ w.ih.T + trace.x @ d_w.ih.T
    for t in range(d_x.shape[0]):
        d_trace.h_prev[t], d_trace.c_prev[t] = d_h, d_c
        d_before = d_driven[t] + d_h @ w.hh.T + trace.h_prev[t] @ d_w.hh.T
        if d_w.bias_ih is not None and d_w.bias_hh is not None:
            d_before = d_before + (d_w.bias_ih + d_w.bias_hh)
        i, f, g, o = trace.gates[:, t]
        at_i, at_f, at_g, at_o = np.split(d_before, 4, axis=-1)
        d_i, d_f, d_g, d_o = i * (1 - i) * at_i, f * (1 - f) * at_f, (1 - g * g) * at_g, o * (1 - o) * at_o
        d_c_new = d_f * trace.c_prev[t] + f * d_c + d_i * g + i * d_g
        squashed, exposed = trace.squashed[t], trace.exposed[t]
        d_squashed = (1 - squashed * squashed) * d_c_new
        d_exposed = d_o * squashed + o * d_squashed
        d_h_new = d_exposed
        if w.hr is not None and d_w.hr is not None:
            d_h_new = d_exposed @ w.hr.T + exposed @ d_w.hr.T
        for slot, d_gate in enumerate((d_i, d_f, d_g, d_o)):
            d_trace.gates[slot, t] = d_gate
        d_trace.squashed[t], d_trace.exposed[t] = d_squashed, d_exposed
        d_trace.y[t] = np.where(live[t], d_h_new, 0)
        d_h, d_c = np.where(live[t], d_h_new, d_h), np.where(live[t], d_c_new, d_c)
    return replace(d_trace, h_n=d_h, c_n=d_c)
