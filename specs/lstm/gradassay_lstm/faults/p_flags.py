"""P. What is differentiated: subsets of inputs, states and parameters, and a second backward pass."""

from __future__ import annotations

from gradassay import Fault
from gradassay_lstm.faults._around import Request, gradients, instead, raises


def _parameters(r: Request) -> bool:
    return any(name in r.model.parameters() for name in r.wrt)


def _all_gradients(r: Request) -> None:
    """Return the gradients of all parameters, where any is asked for."""
    if r.wrt and not _parameters(r):
        r.wrt = (*r.wrt, *r.model.parameters())
    r.make()


faults = (
    Fault(
        "gradients-of-frozen-weights",
        "gradients of weights come back though they are frozen and nobody asked",
        "pytorch/pytorch#776",
        wrap=instead(_all_gradients, "vjp"),
    ),
    Fault(
        "second-backward-raises",
        "a second backward pass raises",
        "pytorch/pytorch#777",
        wrap=raises(lambda r: r.number > 1, "vjp"),
    ),
    Fault(
        "inputs-alone-have-no-gradient",
        "the gradient of x is None where no parameter is differentiated",
        "PaddlePaddle/Paddle#58158",
        wrap=gradients(lambda g, r: None, "x", lambda r: not _parameters(r)),
    ),
    Fault(
        "frozen-weights-zero-dx",
        "the gradient of x is zero where the weights are frozen",
        "none known",
        wrap=gradients(lambda g, r: g * 0, "x", lambda r: not any(name.startswith("weight") for name in r.wrt)),
    ),
    Fault(
        "dh0-zero-without-dc0",
        "the gradient of h0 is zero where that of c0 is not asked for",
        "none known",
        wrap=gradients(lambda g, r: g * 0, "h0", lambda r: "c0" in r.inputs and "c0" not in r.wrt),
    ),
    Fault(
        "parameters-alone-are-halved",
        "parameter gradients are halved where x is not differentiated",
        "none known",
        wrap=gradients(lambda g, r: g * 0.5, "weight bias", lambda r: "x" not in r.wrt),
    ),
)
