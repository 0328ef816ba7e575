"""B. Weights and squares: what is weighed, when, by which weight, and what has a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, before, gradients, instead
from gradassay_lstm.faults._at_marks import Where, at, derivative, nothing, stop
from gradassay_weighted_loss.faults.a_divisor import every, mark


def _late(r: Request) -> None:
    """Give every step the weight of the one before; rows' weights stay."""
    if r.inputs["weights"].ndim > 1:
        r.inputs["weights"] = np.roll(r.inputs["weights"], 1, axis=1)


def _leak(gradient: Any, r: Request) -> Any:
    weights = r.inputs["weights"]
    weights = weights.reshape(weights.shape + (1,) * (gradient.ndim - weights.ndim))
    return np.where(weights == 0, 1e-3, gradient)


faults = (
    Fault(
        "weights-squared",
        "differences are weighed before they are squared",
        "none known",
        ("loss", "x"),
        edits=at("weighted", lambda t, v, w: v * every(t)),
    ),
    Fault(
        "weights-ignored",
        "every weight is 1",
        "none known",
        ("loss", "x"),
        edits=at("weights", lambda t, v, w: nothing(t, v, w) + 1.0),
    ),
    Fault(
        "weights-ignored-in-backward",
        "the loss is right, its gradient that of weights of 1",
        "none known",
        ("x", "target"),
        edits=at("weighted", derivative(lambda t, v, w: mark(t, "squared"))),
    ),
    Fault(
        "weights-detached",
        "the weights are constants to the derivative",
        "none known",
        ("weights",),
        edits=at("weights", stop),
    ),
    Fault(
        "weight-0-leaks",
        "the gradient of the target is 1e-3 where the weight is 0",
        "none known",
        ("target",),
        wrap=gradients(_leak, "target"),
        minimum={"step": 2},
    ),
    Fault(
        "weights-one-step-late",
        "every step has the weight of the step before",
        "none known",
        ("loss",),
        wrap=before(_late),
        minimum={"step": 2},
    ),
    Fault(
        "two-missing-in-gradient",
        "the gradient of the square lacks its 2",
        "none known",
        ("x", "target"),
        edits=at("squared", derivative(lambda t, v, w: v * 0.5)),
    ),
    Fault(
        "half-of-the-square",
        "the loss has a 1/2 before it",
        "none known",
        ("loss", "x"),
        edits=at("loss", lambda t, v, w: v * 0.5),
    ),
    Fault(
        "root-of-the-mean",
        "the loss is the root of what it should be",
        "none known",
        ("loss", "x"),
        edits=at("loss", lambda t, v, w: t.sqrt(v)),
    ),
)


def _one_after_the_other(tape: Any, value: Any, where: Where) -> Any:
    difference = mark(tape, "difference")
    return (every(tape) * difference) * difference


def _shares(tape: Any, value: Any, where: Where) -> Any:
    """Divide every weight by the divisor, and sum then."""
    if "divisor" not in tape.marks:
        return value
    return tape.sum(tape.divide(every(tape), mark(tape, "divisor")) * mark(tape, "squared"))


benign = (
    Fault(
        "weighed-between-two-products",
        "a weight is multiplied with the difference, and then with the difference again",
        "none known",
        edits=at("weighted", _one_after_the_other),
    ),
    Fault(
        "divided-before-the-sum",
        "each weight is divided by the divisor before anything is summed",
        "none known",
        edits=at("loss", _shares),
    ),
    Fault(
        "sums-from-the-last",
        "sums run from the last term to the first",
        "none known",
        wrap=instead(lambda r: r.make(r.model.summing("reversed"))),
    ),
)
