"""A. The backward pass as a whole: what a comparison with any independent reference shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay._tape import Var
from gradassay_lstm.faults._around import Request, after, gradients, planted
from gradassay_lstm.faults._at_marks import STATES, Where, affine, at, blocks, derivative, gate, seen, stop


def _forward_order(tape: Any, carry: Any, where: Where) -> Any:
    """Going back through step t, multiply by the forget gate of step T-1-t."""
    n, c, f = tape.numbers, seen(tape, "c_before", where), seen(tape, "forget", where)

    def to_c(g: Any, into: Any) -> None:
        place = {key: where[key] for key in ("layer", "direction")}
        steps = sum(place.items() <= dict(at).items() for at in tape.marks["forget"])
        into.whole.append(n.multiply(g, seen(tape, "forget", {**place, "step": steps - 1 - where["step"]}).value))

    return Var(tape, carry.value, [(c, to_c), (f, lambda g, into: into.whole.append(n.multiply(g, c.value)))])


def _stale(r: Request) -> None:
    """Add dW_hh to a buffer that is cleared only when the next call has the same shape."""
    name = "weight_hh_l0"
    if name in r.gradients:
        fresh, shape, left = r.gradients[name], r.memory.get("shape", r.shape), r.memory.get("left")
        r.gradients[name] = fresh if shape == r.shape else (fresh + left).astype(fresh.dtype)
        r.memory.update(shape=r.shape, left=fresh)


def _dh0_for_dc0(r: Request) -> None:
    if {"h0", "c0"} <= r.gradients.keys() and not r.config.projection:
        r.gradients.update(h0=r.gradients["c0"], c0=r.gradients["h0"])


faults = (
    Fault(
        "step-jacobians-in-forward-order",
        "the Jacobians of the carry are multiplied in the order of time, each with another step's forget gate",
        "elixir-nx/axon#646",
        ("c0",),
        edits=at("carry", _forward_order),
        minimum={"step": 2},
    ),
    Fault(
        "gates-g-o-gradient-swapped",
        "the outputs are right, but the gradients of the candidate and the output gate are exchanged",
        "tensorflow/tensorflow#36701",
        ("weight_ih_l0",),
        edits=at("gates", derivative(blocks("ifog"))),
    ),
    Fault(
        "stale-buffer",
        "dW_hh is added to what an earlier call of another shape left in its buffer",
        "Element-Research/rnn#204",
        ("weight_hh_l0",),
        wrap=after(_stale),
        seen_by=frozenset({"repeat"}),
    ),
    Fault(
        "weight-gradients-zero",
        "the gradients of all weights are exactly zero, and training goes on",
        "lmnt-com/haste#31",
        ("weight_ih_l0", "weight_hh_l0"),
        edits=at("weight_ih weight_hh", stop),
    ),
    Fault(
        "no-recurrent-gradient",
        "dh is set to zero at each step, so that none comes through the recurrent weights",
        "ooples/AiDotNet#722",
        ("x",),
        edits=at("h_before", stop, step=lambda t: t > 0, direction="forward"),
        minimum={"step": 2},
    ),
    Fault(
        "forget-derivative-missing",
        "the gradient of the forget gate lacks its factor f (1 - f)",
        "CaptainE/RNN-LSTM-in-numpy#1",
        ("weight_ih_l0", "x"),
        edits=at("forget", derivative(lambda t, v, w: gate(seen(t, "gates", w), "f"))),
    ),
    Fault(
        "carry-assigned-not-added",
        "dc is overwritten by what comes from h_t, where it is to be added to what comes from c_t+1",
        "apache/mxnet#4057",
        ("c0",),
        edits=at("carry", derivative(lambda t, v, w: seen(t, "forget", w) * t.stop(seen(t, "c_before", w)))),
    ),
    Fault(
        "carry-cotangent-zero-without-dh0",
        "the carry's cotangent is zero when nobody asks for the gradient of h0",
        "pytorch/pytorch#184528",
        wrap=planted(at(STATES, stop), lambda r: "h0" in r.inputs and "h0" not in r.wrt, "vjp"),
        minimum={"step": 2},
    ),
    Fault(
        "carry-lost-below-the-last-layer",
        "no gradient comes through time in any layer but the last",
        "pytorch/pytorch#153679",
        ("x",),
        wrap=planted(at(STATES, stop, layer=0), lambda r: r.config.num_layers > 1, "vjp"),
        needs=frozenset({"layers"}),
        minimum={"step": 2},
    ),
    Fault(
        "dx-shifted-by-one-step",
        "the gradient of each input stands one step too late",
        "pymc-devs/pytensor#2217",
        ("x",),
        wrap=gradients(lambda g, r: np.roll(g, 1, axis=1), "x"),
        minimum={"step": 2},
    ),
    Fault(
        "dx-reversed-in-time",
        "the gradient of the inputs stands in reversed order",
        "Theano/Theano#166",
        ("x",),
        wrap=gradients(lambda g, r: g[:, ::-1], "x"),
        minimum={"step": 2},
    ),
    Fault(
        "times-the-number-of-visits",
        "the gradient of a recurrent weight is multiplied by how often it was used",
        "microsoft/CNTK#3136",
        ("weight_hh_l0",),
        wrap=gradients(lambda g, r: g * r.steps, "weight_hh"),
        minimum={"step": 2},
    ),
    Fault(
        "one-step-of-the-sum-dropped",
        "the first step does not count in the gradients of the weights",
        "FluxML/Flux.jl#1168",
        ("weight_ih_l0",),
        edits=at("gates", derivative(lambda t, v, w: affine(t, w, keep="inputs")), step=0),
    ),
    Fault(
        "dh0-and-dc0-exchanged",
        "the gradients of the two initial states are returned in each other's place",
        "FluxML/Flux.jl#2185",
        ("h0", "c0"),
        wrap=after(_dh0_for_dc0),
    ),
    Fault(
        "carry-detached-at-16",
        "h and c are constants to the derivative when they enter step 16",
        "NX-AI/mlstm_kernels#16",
        ("x",),  # and h0 and c0, but only where gradients live through sixteen steps
        edits=at(STATES, stop, step=16),
        minimum={"step": 17},
    ),
    Fault(
        "scaled-by-1-plus-50u",
        "the gradient of weight_hh is too large by a factor of 1 + 50 unit roundoffs",
        "none known",
        ("weight_hh_l0",),
        edits=lambda u: at("weight_hh", derivative(lambda t, v, w: v * (1.0 + 50 * u)))(u),
    ),
    Fault(
        "mean-for-sum",
        "parameter gradients are means over the batch where they should be sums",
        "none known",
        ("weight_hh_l0",),
        wrap=gradients(lambda g, r: g / r.rows, "weight bias"),
        minimum={"row": 2},
    ),
)
