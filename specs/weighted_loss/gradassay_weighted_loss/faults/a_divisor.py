"""A. What the sum of squares is divided by, and whether that has a derivative."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, instead
from gradassay_lstm.faults._at_marks import Where, at, stop
from gradassay_weighted_loss._equations import beside

SUM, MEAN, WEIGHTED = frozenset({"sum"}), frozenset({"mean"}), frozenset({"weighted_mean"})


def mark(tape: Any, name: str) -> Any:
    """Return what this mark had, which stands once."""
    return next(iter(tape.marks[name].values()))


def every(tape: Any) -> Any:
    """Return the weights (B, T, D*S), of every element its own."""
    shape = mark(tape, "squared").shape
    return beside(tape, mark(tape, "weights"), shape) * tape.constant(np.ones(shape))


def _count(tape: Any) -> float:
    return float(prod(mark(tape, "squared").shape))


def _rows(tape: Any, value: Any, where: Where) -> Any:
    return tape.constant(float(mark(tape, "squared").shape[0]))


def _valid(r: Request) -> None:
    """Divide by the count of the elements off the padding."""
    count = float(np.sum(~r.padding) * r.config.lstm.output_size)
    r.make(r.model.planted(at("divisor", lambda t, v, w: t.constant(count))(r.roundoff)))


def _mean_of_means(tape: Any, value: Any, where: Where) -> Any:
    means = tape.divide(tape.sum(mark(tape, "weighted"), axis=(-1, -2)), tape.sum(every(tape), axis=(-1, -2)))
    return tape.divide(tape.sum(means), tape.constant(float(means.shape[0])))


def _nonzero(tape: Any, value: Any, where: Where) -> Any:
    weights = every(tape).value
    return tape.constant(float(np.count_nonzero(weights.primal if hasattr(weights, "primal") else weights)))


def _normalised(tape: Any, value: Any, where: Where) -> Any:
    """Divide the weights by their mean before: a mean becomes a weighted mean."""
    return tape.divide(value, tape.divide(tape.sum(every(tape)), tape.constant(_count(tape))))


faults = (
    Fault(
        "divided-by-rows",
        "the mean is over the rows, not over the elements",
        "none known",
        ("loss",),
        edits=at("divisor", _rows),
        needs=MEAN,
        minimum={"step": 2},
    ),
    Fault(
        "divided-by-what-is-no-padding",
        "the padding does not count in what the mean is divided by, though it counts in the sum",
        "none known",
        ("loss",),
        wrap=instead(_valid),
        needs=MEAN | {"ragged"},
    ),
    Fault(
        "mean-of-means",
        "the weighted mean of each row is taken, and then the mean of these, however much each of them weighs",
        "none known",
        ("loss",),
        edits=at("loss", _mean_of_means),
        needs=WEIGHTED,
        minimum={"row": 2},
    ),
    Fault(
        "divisor-detached",
        "the sum of the weights is a constant to the derivative",
        "none known",
        ("weights",),
        edits=at("divisor", stop),
        needs=WEIGHTED,
    ),
    Fault(
        "divided-by-nonzero-weights",
        "the weighted mean is over the count of weights that are not 0",
        "none known",
        ("loss",),
        edits=at("divisor", _nonzero),
        needs=WEIGHTED,
    ),
    Fault(
        "weights-summed-before-they-are-repeated",
        "the weighted mean is over the sum of the steps' weights, though each of them stands for several units",
        "none known",
        ("loss",),
        edits=at("divisor", lambda t, v, w: t.sum(mark(t, "weights"))),
        needs=WEIGHTED | {"step_weights"},
        minimum={"unit": 2},
    ),
    Fault(
        "epsilon-in-the-divisor",
        "1e-7 is added to the sum of the weights",
        "none known",
        ("loss",),
        edits=at("divisor", lambda t, v, w: v + 1e-7),
        needs=WEIGHTED,
        dtypes=frozenset({"float64"}),  # nothing beside a sum of weights in the others
    ),
    Fault(
        "mean-for-sum",
        "the sum is divided by the count of elements",
        "none known",
        ("loss",),
        edits=at("loss", lambda t, v, w: t.divide(v, t.constant(_count(t)))),
        needs=SUM,
        minimum={"step": 2},
    ),
    Fault(
        "sum-for-mean",
        "the mean is not divided by anything",
        "none known",
        ("loss",),
        edits=at("divisor", lambda t, v, w: t.constant(1.0)),
        needs=MEAN,
        minimum={"step": 2},
    ),
    Fault(
        "weighted-mean-for-mean",
        "the weights are divided by their mean first, so that the mean is over their sum",
        "none known",
        ("loss",),
        edits=at("loss", _normalised),
        needs=MEAN,
    ),
)
