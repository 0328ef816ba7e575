"""S. What is no fault: other ways to compute the same, which no property may accuse."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_lstm.faults._around import Request, instead
from gradassay_lstm.faults._at_marks import Where
from gradassay_truncated.faults._windowed import entering


def _times_zero(tape: Any, value: Any, where: Where) -> Any:
    """Detached by arithmetic: the difference of a value and itself is added, with a derivative of exactly zero."""
    return tape.stop(value) + value * 0.0


def _reversed(r: Request) -> None:
    r.make(r.model.summing("reversed"))


benign = (
    Fault(
        "detached-twice",
        "what enters a window is detached again, and a zero added",
        "none known",
        edits=entering(h0=_times_zero, c0=_times_zero),
    ),
    Fault("sums-from-the-last", "sums run from the last term to the first", "none known", wrap=instead(_reversed)),
)
