"""S. What is no fault: other ways to compute the same, which no property may accuse."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_gru.faults._again import gates
from gradassay_lstm.faults._around import Request, instead
from gradassay_lstm.faults._at_marks import Where, at, seen


def _by_difference(tape: Any, h: Any, where: Where) -> Any:
    """n + z * (h - n), as torch and Equinox have it."""
    n = seen(tape, "candidate", where)
    return n + seen(tape, "update", where) * (seen(tape, "h_before", where) - n)


def _backwards(r: Request) -> None:
    r.make(r.model.summing("reversed"))


benign = (
    Fault("by-the-difference", "h' = n + z * (h - n)", "none known", edits=at("h", _by_difference)),
    Fault(
        "two-products",
        "W x and U h of the gates are products of their own, and the biases are added afterwards",
        "none known",
        edits=at("gates", lambda t, v, w: gates(t, w)),
    ),
    Fault("sums-from-the-last", "sums run from the last term to the first", "none known", wrap=instead(_backwards)),
)
