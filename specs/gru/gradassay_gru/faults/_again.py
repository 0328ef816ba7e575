"""The parts of a GRU computed again from its marks: for edits that put them together in another way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradassay_lstm.faults._at_marks import Where, seen

Change = Callable[[Any], Any]


def rows(value: Any, gate: str) -> Any:
    """Return one gate's H rows of a weight or a bias."""
    size, k = value.shape[0] // 3, "rzn".index(gate)
    return value[k * size : (k + 1) * size]


def place(where: Where) -> Where:
    return {key: where[key] for key in ("layer", "direction")}


def has_bias(tape: Any) -> bool:
    return "bias_ih" in tape.marks


def bias(tape: Any, where: Where, which: str) -> Any:
    """Return one bias of the candidate (H,), or 0."""
    return rows(seen(tape, f"bias_{which}", place(where)), "n") if has_bias(tape) else 0.0


def from_x(tape: Any, where: Where) -> Any:
    """W_n x (B,H)."""
    return seen(tape, "x", where) @ rows(seen(tape, "weight_ih", place(where)), "n").T


def from_h(tape: Any, where: Where, h: Any = None) -> Any:
    """U_n h (B,H), of the state before this step if no other is given."""
    return (seen(tape, "h_before", where) if h is None else h) @ rows(seen(tape, "weight_hh", place(where)), "n").T


def gates(tape: Any, where: Where) -> Any:
    """The pre-activations of r and z (B,2H): every product and every bias a term of its own."""
    size = 2 * seen(tape, "h_before", where).shape[-1]
    total = seen(tape, "x", where) @ seen(tape, "weight_ih", place(where))[:size].T
    total = total + seen(tape, "h_before", where) @ seen(tape, "weight_hh", place(where))[:size].T
    for name in ("bias_ih", "bias_hh") if has_bias(tape) else ():
        total = total + seen(tape, name, place(where))[:size]
    return total


def after(tape: Any, where: Where) -> Any:
    """W x + b_ih + r * (U h + b_hh)."""
    recurrent = from_h(tape, where) + bias(tape, where, "hh")
    return from_x(tape, where) + bias(tape, where, "ih") + seen(tape, "reset", where) * recurrent


def before(tape: Any, where: Where) -> Any:
    """W x + b_ih + U (r * h) + b_hh."""
    reset = seen(tape, "reset", where) * seen(tape, "h_before", where)
    return from_x(tape, where) + bias(tape, where, "ih") + from_h(tape, where, reset) + bias(tape, where, "hh")


def exchanged(value: Any) -> Any:
    """Return what is (B,2H), of r and z, with the two in each other's place."""
    return [value[:, value.shape[-1] // 2 :], value[:, : value.shape[-1] // 2]]
