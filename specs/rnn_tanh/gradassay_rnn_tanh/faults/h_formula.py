"""H. The formula itself: wrong alike in value and in gradient, or in the derivative of tanh."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_lstm.faults._at_marks import Where, at, derivative, nothing, seen
from gradassay_rnn_tanh.faults.c_parameters import affine


def _same(value: Any) -> Any:
    return value


def _none(value: Any) -> Any:
    return value * 0.0


def _too_early(tape: Any, h: Any, where: Where) -> Any:
    """tanh(W x + b) + U h."""
    squashed = tape.tanh(affine(tape, where, _same, _none, _same, _same))
    return squashed + affine(tape, where, _none, _same, _none, _none)


def _product(tape: Any, h: Any, where: Where) -> Any:
    """tanh((W x + b) * (U h + b'))."""
    first = affine(tape, where, _same, _none, _same, _none)
    return tape.tanh(first * affine(tape, where, _none, _same, _none, _same))


def _of_its_input(tape: Any, h: Any, where: Where) -> Any:
    """What has the derivative 1 - a^2, where a is what tanh was taken of."""
    a = seen(tape, "drive", where)
    return a - a * a * a * (1.0 / 3.0)


faults = (
    Fault(
        "state-added-outside-tanh",
        "h' = tanh(W x + b) + U h, in value and in gradient",
        "lmjohns3/theanets#109",
        ("y",),
        edits=at("h", _too_early),
    ),
    Fault(
        "product-for-sum",
        "h' = tanh((W x + b) * (U h + b')), in value and in gradient",
        "keras-team/keras#1231",
        ("y",),
        edits=at("h", _product),
    ),
    Fault(
        "tanh-derivative-missing",
        "the gradient lacks the factor 1 - h^2",
        "none known",
        ("x", "weight_ih_l0"),
        edits=at("h", derivative(lambda t, v, w: seen(t, "drive", w))),
    ),
    Fault(
        "tanh-derivative-of-its-input",
        "the factor is 1 - a^2 of the pre-activation a, where it should be 1 - h^2",
        "none known",
        ("x", "weight_ih_l0"),
        edits=at("h", derivative(_of_its_input)),
    ),
    Fault(
        "one-bias-forgotten",
        "bias_hh is not added, in value and in gradient",
        "none known",
        ("y", "bias_hh_l0"),
        edits=at("bias_hh", nothing),
    ),
)
