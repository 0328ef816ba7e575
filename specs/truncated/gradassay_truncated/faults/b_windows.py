"""B. Where windows begin and end, and what they begin with."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_lstm.faults._around import Request, gradients, instead
from gradassay_lstm.faults._at_marks import Where, nothing
from gradassay_truncated._windows import windows
from gradassay_truncated.faults._windowed import CUT, OVERLAP, entering, with_windows


def _as(k1: Any, k2: Any) -> Any:
    """Make the call with other windows, which are functions of the right ones."""

    def call(r: Request) -> None:
        c = r.config
        r.make(with_windows(r, k1(c.k1, c.k2), k2(c.k1, c.k2)))

    return instead(call)


def _left_by_the_last(state: str) -> Any:
    """Begin in the state that the window before has ended in, which is later than where this one starts."""

    def planted(tape: Any, value: Any, where: Where) -> Any:
        before = tape.marks[f"{state}_leaving"][(("window", where["window"] - 1),)]
        return tape.stop(before)

    return planted


def _earlier_blocks(tape: Any, value: Any, where: Where) -> Any:
    """Cut off every block but the first: its gradient is lost when the next one's is computed."""
    return tape.stop(value) if where["window"] == 0 else value


def _count(r: Request) -> int:
    return len(windows(r.config.k1, r.config.k2, r.steps))


faults = (
    Fault(
        "one-step-too-far",
        "a loss is pulled back through k2 + 1 steps",
        "none known",
        wrap=_as(lambda k1, k2: k1, lambda k1, k2: k2 + 1),
        needs=CUT,
    ),
    Fault(
        "detached-every-k2-steps",
        "k1 and k2 are exchanged: there is a loss every k2 steps, and windows do not overlap",
        "none known",
        wrap=_as(lambda k1, k2: k2, lambda k1, k2: k2),
        needs=OVERLAP,
    ),
    Fault(
        "pulled-back-through-k1-steps",
        "a loss is pulled back through its own k1 steps, and not through k2",
        "none known",
        wrap=_as(lambda k1, k2: k1, lambda k1, k2: k1),
        needs=OVERLAP,
    ),
    Fault(
        "detached-twice-as-often",
        "windows are half as long as they should be",
        "none known",
        wrap=_as(lambda k1, k2: max(1, k1 // 2), lambda k1, k2: max(1, k2 // 2)),
        minimum={"step": 2},
    ),
    Fault(
        "states-set-to-zero",
        "a window begins in zeros, and not in the state that was carried",
        "none known",
        ("y",),
        edits=entering(h0=nothing, c0=nothing),
        needs=CUT,
    ),
    Fault(
        "begun-where-the-last-window-ended",
        "an overlapping window begins in the state that the one before has ended in",
        "none known",
        ("y",),
        edits=entering(h0=_left_by_the_last("h0"), c0=_left_by_the_last("c0")),
        needs=OVERLAP,
    ),
    Fault(
        "first-block-lost",
        "the gradient of the first block is lost when that of the next is computed",
        "none known",
        ("weight_hh_l0",),
        edits=lambda u: {"block": _earlier_blocks},
        needs=CUT,
    ),
    Fault(
        "mean-over-windows",
        "parameter gradients are means over the windows where they should be sums",
        "none known",
        ("weight_hh_l0",),
        wrap=gradients(lambda g, r: g / _count(r), "weight bias"),
        needs=CUT,
    ),
)
