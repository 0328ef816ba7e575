"""C. Element by element, and one way to clip for another."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_clip.faults._seen import floats, own_norm, seen, within
from gradassay_lstm.faults._at_marks import Where, at, derivative

VALUE = frozenset({"value"})


def _by_value(tape: Any, clipped: Any, where: Where) -> Any:
    return within(tape, seen(tape, "g", where), seen(tape, "limit", where))


def _by_norm(tape: Any, clipped: Any, where: Where) -> Any:
    limit = seen(tape, "limit", where)
    return seen(tape, "g", where) * tape.divide(limit, tape.maximum(own_norm(tape, where), limit))


def _from_above(tape: Any, clipped: Any, where: Where) -> Any:
    return -tape.maximum(-seen(tape, "g", where), -seen(tape, "limit", where))


def _zero_beyond(tape: Any, clipped: Any, where: Where) -> Any:
    g = seen(tape, "g", where)
    return tape.where(np.abs(floats(g)) <= floats(seen(tape, "limit", where)), g, 0.0)


faults = (
    Fault(
        "value-for-the-norm",
        "elements are clipped one by one where a norm was asked for",
        "none known",
        edits=at("clipped", _by_value),
        needs=frozenset({"global_norm"}),
    ),
    Fault(
        "norm-for-the-value",
        "each tensor is clipped by its norm where elements were to be clipped",
        "none known",
        edits=at("clipped", _by_norm),
        needs=VALUE,
    ),
    Fault(
        "only-from-above",
        "negative elements beyond the limit are left as they are",
        "none known",
        edits=at("clipped", _from_above),
        needs=VALUE,
    ),
    Fault(
        "zero-beyond-the-limit",
        "elements beyond the limit become zero, not the limit",
        "none known",
        edits=at("clipped", _zero_beyond),
        needs=VALUE,
    ),
    Fault(
        "straight-through",
        "the derivative is 1 where an element was clipped",
        "none known",
        edits=at("clipped", derivative(lambda t, v, w: seen(t, "g", w))),
        needs=VALUE,
    ),
)
