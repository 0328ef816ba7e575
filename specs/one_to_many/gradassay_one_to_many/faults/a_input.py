"""A. The one vector: at which steps it goes in, and which steps its gradient comes from."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, gradients, instead
from gradassay_lstm.faults._at_marks import Where, at, derivative, nothing, seen, stop

STEPS = {"step": 2}


def _repeated(r: Request) -> bool:
    return not r.config.feedback


def _last_alone(r: Request) -> None:
    """Let the derivative pass at the last of the repeats alone."""
    last = r.config.steps - 1
    edits = at("given", stop, step=lambda t: t != last) if _repeated(r) else at("given", lambda t, v, w: v)
    r.make(r.model.planted(edits(r.roundoff)))


def _mean(r: Request) -> None:
    """Take the mean over repeats, in the derivative, for their sum."""
    share = 1.0 / r.config.steps if _repeated(r) else 1.0
    r.make(r.model.planted(at("given", derivative(lambda tape, v, w: v * share))(r.roundoff)))


def _first_output(tape: Any, value: Any, where: Where) -> Any:
    """Repeat what the LSTM made of one step, where it should have been run for all of them."""
    return tape.stack([value[:, 0]] * value.shape[1], axis=-2)


def _sum_over_rows(gradient: Any, r: Request) -> Any:
    """Give every row the gradient of all."""
    return np.broadcast_to(gradient.sum(axis=0, keepdims=True), gradient.shape)


faults = (
    Fault(
        "given-at-first-step-alone",
        "the vector goes in at the first step, and zeros at all others",
        "none known",
        ("y", "x"),
        edits=at("given", nothing, step=lambda t: t > 0),
        minimum=STEPS,
    ),
    Fault(
        "gradient-of-last-repeat-alone",
        "the gradient of the vector is that of its last repeat",
        "none known",
        ("x",),
        wrap=instead(_last_alone),
        minimum=STEPS,
    ),
    Fault(
        "mean-over-repeats",
        "the gradient of the vector is the mean over its repeats",
        "none known",
        ("x",),
        wrap=instead(_mean),
        minimum=STEPS,
    ),
    Fault(
        "output-repeated",
        "the LSTM is run for one step and its output repeated, where its input should be",
        "none known",
        ("y",),
        edits=at("sequence", _first_output),
        minimum=STEPS,
    ),
    Fault(
        "rows-mixed",
        "the gradient of every row's vector is that of all rows: the repeats were made along the batch",
        "none known",
        ("x",),
        wrap=gradients(_sum_over_rows, "x"),
        minimum={"row": 2},
    ),
    Fault(
        "linear-reads-the-step-before",
        "the linear layer reads the output of the step before",
        "none known",
        ("y",),
        edits=at("hidden", lambda tape, v, where: seen(tape, "hidden", where, step=where["step"] - 1),
                 step=lambda t: t > 0),
        minimum=STEPS,
    ),
)  # fmt: skip
