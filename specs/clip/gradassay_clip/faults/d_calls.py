"""D. What happens around the equations: in place, without a tensor, without a gradient."""

from __future__ import annotations

from gradassay import Fault
from gradassay_lstm.faults._around import Request, after, instead, raises


def _in_place(r: Request) -> None:
    """Write what was clipped over what was given, as a training loop wants it, and a function must not."""
    r.make()
    for name, array in r.inputs.items():
        if array.flags.writeable and f"clipped_{name}" in r.outputs:
            array[...] = r.outputs[f"clipped_{name}"]


def _no_gradient_for_the_last(r: Request) -> None:
    if r.gradients:
        r.gradients[list(r.gradients)[-1]] = None


faults = (
    Fault(
        "clipped-in-place",
        "the tensors that were given are overwritten with what was clipped",
        "none known",
        wrap=instead(_in_place, "forward vjp"),
    ),
    Fault(
        "raises-without-a-gradient",
        "a parameter without a gradient is an error, not passed over",
        "none known",
        wrap=raises(lambda r: len(r.inputs) < len(r.config.shapes), error=TypeError),
        needs=frozenset({"absent"}),
    ),
    Fault(
        "no-gradient-for-the-last-tensor",
        "the last tensor has no gradient (None)",
        "none known",
        wrap=after(_no_gradient_for_the_last),
    ),
)
