"""B. What is fed: which output, of which step, and whether the derivative comes back through it."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_lstm.faults._at_marks import Edit, Edits, Where, at, derivative, nothing, seen, stop

FEEDBACK = frozenset({"feedback"})
STEPS = {"step": 2}


def _fed(edit: Edit) -> Edits:
    return at("fed", edit)


def _hidden(tape: Any, value: Any, where: Where) -> Any:
    """Feed the LSTM's output, where the linear layer's should be; only where both are of one width."""
    before = seen(tape, "hidden", where, step=where["step"] - 1)
    return before if before.shape == value.shape else value


def _earlier(tape: Any, value: Any, where: Where) -> Any:
    step = where["step"]
    return seen(tape, "y_t", where, step=step - 2) if step > 1 else value


faults = (
    Fault(
        "feedback-detached",
        "what is fed back is a constant to the derivative",
        "none known",
        ("x", "bias_out"),
        edits=_fed(stop),
        needs=FEEDBACK,
        minimum={"step": 2},
    ),
    Fault(
        "zeros-fed",
        "zeros go in at every step after the first, as in teacher forcing without a teacher",
        "none known",
        ("y",),
        edits=_fed(nothing),
        needs=FEEDBACK,
        minimum=STEPS,
    ),
    Fault(
        "vector-fed-again",
        "the vector is repeated, where the output should be fed back",
        "none known",
        ("y", "x"),
        edits=_fed(lambda tape, value, where: seen(tape, "given", where, step=0)),
        needs=FEEDBACK,
        minimum=STEPS,
    ),
    Fault(
        "fed-before-the-linear-layer",
        "the LSTM's output is fed back, where that of the linear layer should be",
        "none known",
        edits=_fed(_hidden),
        needs=FEEDBACK,
        minimum=STEPS,
    ),
    Fault(
        "fed-without-bias",
        "what is fed back lacks the bias of the linear layer",
        "none known",
        ("y", "bias_out"),
        edits=_fed(lambda tape, value, where: value - seen(tape, "bias_out", {})),
        needs=FEEDBACK,
        minimum=STEPS,
    ),
    Fault(
        "fed-one-step-late",
        "the output before the last is fed back",
        "none known",
        ("y",),
        edits=_fed(_earlier),
        needs=FEEDBACK,
        minimum={"step": 3},
    ),
    Fault(
        "feedback-counted-twice",
        "the gradient that comes back through what was fed is counted twice",
        "none known",
        ("x",),
        edits=_fed(derivative(lambda tape, value, where: value * 2.0)),
        needs=FEEDBACK,
        minimum=STEPS,
    ),
    Fault(
        "states-not-carried",
        "the states are zeros at every step: a cell that is called without them",
        "none known",
        ("y",),
        edits=lambda u: {f"carried {name}": nothing for name in ("h0", "c0")},
        needs=FEEDBACK,
        minimum=STEPS,
    ),
    Fault(
        "carried-states-detached",
        "the states are constants to the derivative from one step to the next",
        "none known",
        ("h0", "c0"),
        edits=lambda u: {f"carried {name}": stop for name in ("h0", "c0")},
        needs=FEEDBACK,
        minimum=STEPS,
    ),
)
