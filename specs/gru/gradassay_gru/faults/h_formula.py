"""H. The formula and its conventions: wrong alike in value and in gradient."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_gru.faults._again import after, before, bias, exchanged, from_h, from_x
from gradassay_lstm.faults._at_marks import Where, at, seen


def _before_for_after(tape: Any, drive: Any, where: Where) -> Any:
    return before(tape, where) if "recurrent" in tape.marks else drive


def _after_for_before(tape: Any, drive: Any, where: Where) -> Any:
    return after(tape, where) if "recurrent" not in tape.marks else drive


def _bias_outside(tape: Any, drive: Any, where: Where) -> Any:
    """W x + b_ih + r * (U h) + b_hh."""
    if "recurrent" not in tape.marks or "bias_hh" not in tape.marks:
        return drive
    gated = seen(tape, "reset", where) * from_h(tape, where)
    return from_x(tape, where) + bias(tape, where, "ih") + gated + bias(tape, where, "hh")


def _both_inside(tape: Any, drive: Any, where: Where) -> Any:
    """W x + r * (U h + b_ih + b_hh)."""
    if "recurrent" not in tape.marks or "bias_hh" not in tape.marks:
        return drive
    inside = from_h(tape, where) + bias(tape, where, "ih") + bias(tape, where, "hh")
    return from_x(tape, where) + seen(tape, "reset", where) * inside


faults = (
    Fault(
        "reset-before-for-after",
        "the reset gate acts on h before the product, where it should act after it",
        "tracel-ai/burn#2704",
        ("y",),
        edits=at("drive", _before_for_after),
    ),
    Fault(
        "reset-after-for-before",
        "the reset gate acts on U h + b after the product, where it should act before it",
        "ooples/AiDotNet#722",
        ("y",),
        edits=at("drive", _after_for_before),
        needs=frozenset({"reset_before"}),
    ),
    Fault(
        "candidate-bias-outside-the-reset",
        "b_hh of the candidate is not multiplied by the reset gate",
        "pytorch/pytorch#529",
        ("y", "bias_hh_l0"),
        edits=at("drive", _bias_outside),
    ),
    Fault(
        "candidate-biases-inside-the-reset",
        "both biases of the candidate are multiplied by the reset gate",
        "none known",
        ("y", "bias_ih_l0"),
        edits=at("drive", _both_inside),
    ),
    Fault(
        "r-and-z-exchanged",
        "the reset and the update gate are exchanged: the order z, r, n is taken for r, z, n",
        "keras-team/keras#15915",
        ("y", "weight_ih_l0"),
        edits=at("gates", lambda t, v, w: t.concatenate(exchanged(v), axis=-1)),
    ),
    Fault(
        "z-for-1-minus-z",
        "h' = z n + (1 - z) h, the other convention, with the parameters of this one",
        "keras-team/keras#14649",
        ("y", "weight_ih_l0"),
        edits=at("update", lambda t, v, w: 1.0 - v),
    ),
    Fault(
        "reset-gate-ignored",
        "the reset gate is 1",
        "none known",
        ("y", "weight_ih_l0"),
        edits=at("reset", lambda t, v, w: v * 0.0 + 1.0),
    ),
)
