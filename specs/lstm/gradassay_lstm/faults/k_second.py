"""K. Second derivatives, where gradients are right."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_lstm.faults._around import Request, before, instead, raises, seconds
from gradassay_lstm.faults._at_marks import Where, at, derivative, frozen, seen


def _gate_frozen(tape: Any, carry: Any, where: Where) -> Any:
    """Going back, multiply by a forget gate that does not change along the tangent."""
    f, c = seen(tape, "forget", where), seen(tape, "c_before", where)
    return frozen(tape, f) * c


def _slope_frozen(tape: Any, squashed: Any, where: Where) -> Any:
    """Take the slope of tanh(c) for a constant: 1 - tanh(c)^2 has no derivative of its own then."""
    return seen(tape, "c", where) * tape.stop(frozen(tape, 1.0 - squashed * squashed))


def _gradient_again(r: Request) -> None:
    """Return the gradient where its derivative is asked for."""
    r.gradients = dict(r.model.vjp(r.inputs, r.cotangents, r.wrt)[1])


def _without(*names: str) -> Any:
    return before(lambda r: [r.tangents.pop(n) for n in list(r.tangents) if n.startswith(names)], "hvp")


faults = (
    Fault(
        "second-order-raises",
        "second derivatives raise, though they are offered",
        "pytorch/pytorch#5261",
        wrap=raises(lambda r: True, "hvp"),
    ),
    Fault(
        "carry-gate-constant-at-second-order",
        "second derivatives miss how the forget gate's factor of the carry changes",
        "pymc-devs/pytensor#1975",
        edits=at("carry", derivative(_gate_frozen)),
    ),
    Fault(
        "curvature-of-tanh-missing",
        "second derivatives miss the curvature of tanh(c)",
        "none known",
        edits=at("squashed", derivative(_slope_frozen)),
    ),
    Fault(
        "second-derivatives-none",
        "second derivatives are None",
        "chainer/chainer#4017",
        wrap=seconds(lambda h, r: None),
    ),
    Fault(
        "second-derivatives-of-biases-zero",
        "second derivatives are right for everything but the biases, where they are zero",
        "none known",
        wrap=seconds(lambda h, r: h * 0, "bias"),
    ),
    Fault(
        "gradient-for-its-derivative",
        "the gradient comes back where its derivative was asked for",
        "none known",
        wrap=instead(_gradient_again, "hvp"),
    ),
    Fault(
        "second-order-ignores-the-states",
        "second derivatives in the direction of the initial states are missing",
        "none known",
        wrap=_without("h0", "c0"),
    ),
    Fault(
        "half-of-a-symmetric-matrix",
        "mixed second derivatives of weights and inputs are missing in one of the two orders",
        "none known",
        wrap=_without("x"),
    ),
)
