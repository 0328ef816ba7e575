"""A. What is carried from step to step, and back: of any layer with one state."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_lstm.faults._around import gradients
from gradassay_lstm.faults._at_marks import Where, at, derivative, first, started, stop


def _first_state(tape: Any, h: Any, where: Where) -> Any:
    """Begin every step in the state of the first one."""
    return first(tape, "h_before", where) if started(tape, "h_before", where) else h


faults = (
    Fault(
        "carry-missing",
        "no gradient comes through the state from one step to the one before",
        "ooples/AiDotNet#722",
        ("x",),
        edits=at("h_before", stop, step=lambda t: t > 0, direction="forward"),
        minimum={"step": 2},
    ),
    Fault(
        "carry-detached-at-16",
        "h is a constant to the derivative when it enters step 16",
        "NX-AI/mlstm_kernels#16",
        edits=at("h_before", stop, step=16),
        minimum={"step": 17},
    ),
    Fault(
        "h0-at-every-step",
        "every step begins in h0, in value and in gradient: the state is never updated",
        "tracel-ai/burn#2701",
        ("y",),
        edits=at("h_before", _first_state),
        minimum={"step": 2},
    ),
    Fault(
        "h_n-cotangent-dropped",
        "the gradient that arrives at h_n is not passed on",
        "none known",
        ("h0",),
        edits=at("h_n", stop),
    ),
    Fault(
        "state-gradient-zero",
        "the gradient of h0 is zero",
        "keras-team/keras#16151",
        ("h0",),
        wrap=gradients(lambda g, r: g * 0, "h0"),
    ),
    Fault(
        "mean-for-sum",
        "parameter gradients are means over the batch where they should be sums",
        "none known",
        ("weight_hh_l0",),
        wrap=gradients(lambda g, r: g / r.rows, "weight bias"),
        minimum={"row": 2},
    ),
    Fault(
        "scaled-by-1-plus-50u",
        "the gradient of weight_hh is too large by a factor of 1 + 50 unit roundoffs",
        "none known",
        ("weight_hh_l0",),
        edits=lambda u: at("weight_hh", derivative(lambda t, v, w: v * (1.0 + 50 * u)))(u),
    ),
)
