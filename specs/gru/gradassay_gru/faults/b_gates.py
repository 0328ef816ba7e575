"""B. Gradients of and through the gates and the state that they keep: the outputs are right."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_gru.faults._again import bias, exchanged, from_h
from gradassay_lstm.faults._at_marks import Where, at, derivative, seen, stop


def _without_z(tape: Any, kept: Any, where: Where) -> Any:
    """What has the derivative 1 by h, where z * h has z."""
    h = seen(tape, "h_before", where)
    return seen(tape, "update", where) * tape.stop(h) + h


def _kept_detached(tape: Any, kept: Any, where: Where) -> Any:
    return seen(tape, "update", where) * tape.stop(seen(tape, "h_before", where))


def _h_detached(tape: Any, recurrent: Any, where: Where) -> Any:
    """U stop(h) + b: what the candidate reads of the state is a constant."""
    return from_h(tape, where, tape.stop(seen(tape, "h_before", where))) + bias(tape, where, "hh")


def _fresh_without_z(tape: Any, fresh: Any, where: Where) -> Any:
    """(1 - z) n with z a constant: the update gate hears of the kept state alone."""
    return (1.0 - tape.stop(seen(tape, "update", where))) * seen(tape, "candidate", where)


faults = (
    Fault(
        "reset-gate-without-gradient",
        "the reset gate is a constant to the derivative",
        "none known",
        ("weight_ih_l0", "x"),
        edits=at("reset", stop),
    ),
    Fault(
        "update-gate-without-gradient",
        "the update gate is a constant to the derivative",
        "none known",
        ("weight_ih_l0", "x"),
        edits=at("update", stop),
    ),
    Fault(
        "gate-gradients-exchanged",
        "the outputs are right, but the gradients of the reset and the update gate are exchanged",
        "keras-team/keras#8720",
        ("weight_ih_l0", "x"),
        edits=at("gates", derivative(lambda t, v, w: t.concatenate(exchanged(v), axis=-1))),
    ),
    Fault(
        "update-derivative-missing",
        "the gradient of the update gate lacks its factor z (1 - z)",
        "none known",
        ("weight_ih_l0", "x"),
        edits=at("update", derivative(lambda t, v, w: (g := seen(t, "gates", w))[:, g.shape[-1] // 2 :])),
    ),
    Fault(
        "h-detached-in-the-candidate",
        "no gradient comes through U h of the candidate to the state",
        "none known",
        ("h0",),
        edits=at("recurrent", derivative(_h_detached)),
    ),
    Fault(
        "kept-state-detached",
        "no gradient comes through z * h to the state: only through gates and candidate",
        "none known",
        ("h0",),
        edits=at("kept", derivative(_kept_detached)),
    ),
    Fault(
        "kept-state-without-z",
        "the gradient of the state that is kept is not multiplied by z",
        "none known",
        ("h0",),
        edits=at("kept", derivative(_without_z)),
    ),
    Fault(
        "update-gate-hears-one-term",
        "the gradient of z comes through z * h alone, and not through (1 - z) * n",
        "none known",
        ("weight_ih_l0",),
        edits=at("fresh", derivative(_fresh_without_z)),
    ),
)
