"""C. Parameters and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, after, gradients
from gradassay_lstm.faults._at_marks import Where, at, derivative, seen, stop


def affine(tape: Any, where: Where, x: Any, h: Any, bias: Any, bias_hh: Any) -> Any:
    """Return W x + b_ih + U h + b_hh again, of what was marked, changed by a function for each term."""
    place = {key: where[key] for key in ("layer", "direction")}
    total = x(seen(tape, "x", where) @ seen(tape, "weight_ih", place).T)
    total = total + h(seen(tape, "h_before", where) @ seen(tape, "weight_hh", place).T)
    if "bias_ih" in tape.marks:
        total = total + bias(seen(tape, "bias_ih", place)) + bias_hh(seen(tape, "bias_hh", place))
    return total


def _inputs_alone(tape: Any, value: Any, where: Where) -> Any:
    """The pre-activation with all parameters constant to the derivative."""
    place = {key: where[key] for key in ("layer", "direction")}
    total = seen(tape, "x", where) @ tape.stop(seen(tape, "weight_ih", place)).T
    return total + seen(tape, "h_before", where) @ tape.stop(seen(tape, "weight_hh", place)).T


def _doubled(r: Request) -> None:
    """Hand out one array for the two biases, to which both uses were added."""
    for name in [name for name in r.gradients if name.startswith("bias")]:
        r.gradients[name] = (2 * r.gradients[name]).astype(r.gradients[name].dtype)


faults = (
    Fault(
        "last-visit-alone-in-the-weights",
        "the gradients of the parameters are overwritten at each step, where they should be added up",
        "tensorflow/swift-apis#518",
        ("weight_ih_l0", "weight_hh_l0"),
        edits=at("drive", derivative(_inputs_alone), step=lambda t: t > 0, direction="forward"),
        minimum={"step": 2},
    ),
    Fault(
        "weight_hh-transposed",
        "the recurrent weights are transposed, in value and in gradient",
        "none known",
        ("y",),
        edits=at("weight_hh", lambda t, v, w: v.T),
        minimum={"unit": 2},
    ),
    Fault(
        "second-bias-without-gradient",
        "one bias stands for both: its gradient is right, and that of bias_hh zero",
        "none known",
        ("bias_hh_l0",),
        edits=at("bias_hh", stop),
    ),
    Fault(
        "bias-gradients-doubled",
        "the two biases are held in one array, whose gradient counts both uses",
        "none known",
        ("bias_ih_l0", "bias_hh_l0"),
        wrap=after(_doubled),
    ),
    Fault(
        "bias-gradient-of-one-step",
        "the gradient of a bias counts the rows of the batch, but only one of the steps",
        "none known",
        ("bias_ih_l0",),
        wrap=gradients(lambda g, r: np.asarray(g) / r.steps, "bias"),
        minimum={"step": 2},
    ),
)
