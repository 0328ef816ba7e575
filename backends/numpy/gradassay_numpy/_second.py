"""The tangent of `_backward`, by hand (forward over reverse): the heart of a Hessian-vector product.

`d_` before a name is its tangent, `bar_` its cotangent, `d_bar_` the tangent of its cotangent.
"""

from __future__ import annotations

import numpy as np

from gradassay._spec import Array
from gradassay_numpy._backward import Adjoint, outer, rows
from gradassay_numpy._cell import Trace, Weights


def direction(
    w: Weights,
    d_w: Weights,
    trace: Trace,
    d_trace: Trace,
    adjoint: Adjoint,
    d_bar_y: Array,
    d_bar_h_n: Array,
    d_bar_c_n: Array,
    live: Array,
) -> Adjoint:
    """Return the tangents of everything in `adjoint`; shapes are those of `Backward.direction`, without lanes."""
    d_all_h = np.empty_like(d_bar_y)
    d_all_exposed, d_all_c, d_delta = (np.empty_like(a) for a in (adjoint.bar_exposed, adjoint.bar_c, adjoint.delta))
    d_carry_h, d_carry_c = d_bar_h_n, d_bar_c_n
    for t in reversed(range(trace.x.shape[0])):
        (i, f, g, o), (d_i, d_f, d_g, d_o) = trace.gates[:, t], d_trace.gates[:, t]
        squashed, d_squashed = trace.squashed[t], d_trace.squashed[t]
        c_prev, d_c_prev = trace.c_prev[t], d_trace.c_prev[t]
        bar_h, bar_exposed, bar_c = adjoint.bar_h[t], adjoint.bar_exposed[t], adjoint.bar_c[t]

        d_bar_h = np.where(live[t], d_carry_h + d_bar_y[t], 0)
        d_bar_exposed = d_bar_h
        if w.hr is not None and d_w.hr is not None:
            d_bar_exposed = d_bar_h @ w.hr + bar_h @ d_w.hr
        slope, d_slope = 1 - squashed * squashed, -2 * squashed * d_squashed
        d_bar_c = (
            np.where(live[t], d_carry_c, 0)
            + d_bar_exposed * o * slope
            + bar_exposed * d_o * slope
            + bar_exposed * o * d_slope
        )
        # Each delta is (cotangent of the gate) * (slope of its activation): the product rule, twice.
        d_delta[t] = np.concatenate(
            [
                (d_bar_c * g + bar_c * d_g) * (i * (1 - i)) + bar_c * g * ((1 - 2 * i) * d_i),
                (d_bar_c * c_prev + bar_c * d_c_prev) * (f * (1 - f)) + bar_c * c_prev * ((1 - 2 * f) * d_f),
                (d_bar_c * i + bar_c * d_i) * (1 - g * g) - bar_c * i * (2 * g * d_g),
                (d_bar_exposed * squashed + bar_exposed * d_squashed) * (o * (1 - o))
                + bar_exposed * squashed * ((1 - 2 * o) * d_o),
            ],
            axis=-1,
        )
        d_all_h[t], d_all_exposed[t], d_all_c[t] = d_bar_h, d_bar_exposed, d_bar_c
        d_carry_h = np.where(live[t], d_delta[t] @ w.hh + adjoint.delta[t] @ d_w.hh, d_carry_h)
        d_carry_c = np.where(live[t], d_bar_c * f + bar_c * d_f, d_carry_c)
    d_bar_x = d_delta @ w.ih + adjoint.delta @ d_w.ih
    return Adjoint(d_all_h, d_all_exposed, d_all_c, d_delta, d_bar_x, d_carry_h, d_carry_c)


def weights(w: Weights, trace: Trace, d_trace: Trace, adjoint: Adjoint, d_adjoint: Adjoint) -> Weights:
    """Return the tangents of `Backward.weights`."""
    delta, d_delta = adjoint.delta, d_adjoint.delta
    d_bias = rows(d_delta).sum(axis=-2)
    biased = w.bias_ih is not None
    d_hr = None
    if w.hr is not None:
        d_hr = outer(d_adjoint.bar_h, trace.exposed) + outer(adjoint.bar_h, d_trace.exposed)
    return Weights(
        outer(d_delta, trace.x) + outer(delta, d_trace.x),
        outer(d_delta, trace.h_prev) + outer(delta, d_trace.h_prev),
        d_bias if biased else None,
        d_bias.copy() if biased else None,
        d_hr,
    )
