"""J. Execution modes and operators: Jacobians, tangents, caches and warm-up, and what a mode says of itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import (
    Request,
    after,
    before,
    gradients,
    instead,
    outputs,
    planted,
    pushed,
    raises,
    says,
)
from gradassay_lstm.faults._at_marks import STATES, at, stop


def _jacobian(change: Any) -> Any:
    def changed(r: Request) -> None:
        r.jacobian = np.asarray(change(np.array(r.jacobian), r)).astype(r.jacobian.dtype)

    return after(changed, "jacobian")


def _steps_exchanged(j: Any, r: Request) -> Any:
    """Exchange the steps of a Jacobian of y (B,T,.) by x (B,T,.)."""
    return np.swapaxes(j, 1, 4) if (r.of, r.by) == ("y", "x") else j


def _last_column(j: Any, r: Request) -> Any:
    j[..., -1:] *= 1.5
    return j


def _summed(j: Any, r: Request) -> Any:
    """Give every output the sum of all outputs' derivatives."""
    outputs = tuple(range(3))
    return j * 0 + j.sum(axis=outputs, keepdims=True)


def _mask_of_first_call(r: Request) -> None:
    for name in [name for name in r.inputs if name.startswith("dropout_mask")]:
        r.inputs[name] = r.memory.setdefault((name, r.inputs[name].shape), r.inputs[name].copy())


def _cached_by_shape(r: Request) -> None:
    """Return the answer to the first call of this shape."""
    key = tuple((name, array.shape) for name, array in r.inputs.items())
    if key not in r.memory:
        r.make()
        r.memory[key] = r.outputs
    r.outputs = r.memory[key]


def _unused_carry(r: Request) -> Any:
    return set(r.cotangents) == {"c_n"} or set(r.cotangents) == {"y"}


faults = (
    Fault(
        "jacobian-raises",
        "a Jacobian raises, where VJPs work",
        "tensorflow/tensorflow#41042",
        wrap=raises(lambda r: True, "jacobian"),
    ),
    Fault(
        "jacobian-with-steps-exchanged",
        "a Jacobian has the steps of the output where those of the input should be",
        "none known",
        wrap=_jacobian(_steps_exchanged),
    ),
    Fault(
        "jacobian-summed-over-outputs",
        "each row of a Jacobian is the sum of all rows: the VJP of ones",
        "none known",
        wrap=_jacobian(_summed),
    ),
    Fault(
        "jacobian-with-one-column-wrong",
        "the last column of a Jacobian is too large by a half, and VJPs are right",
        "tensorflow/tensorflow#41129",
        wrap=_jacobian(_last_column),
    ),
    Fault(
        "second-gradient-wrong",
        "every second backward pass reads a reserve space that the first one has used up",
        "tensorflow/tensorflow#26331",
        wrap=gradients(lambda g, r: g * 0.5, "weight", lambda r: r.number % 2 == 0),
    ),
    Fault(
        "third-call-takes-another-path",
        "after two calls a specialised path takes over, which cuts the recurrence",
        "pytorch/pytorch#49764",
        wrap=planted(at(STATES, stop, step=lambda t: t > 0), lambda r: r.number > 2, "vjp"),
        minimum={"step": 2},
    ),
    Fault(
        "answers-cached-by-shape",
        "a call with other data of the same shape gets the first call's outputs",
        "pytorch/pytorch#94754",
        wrap=instead(_cached_by_shape, "forward"),
    ),
    Fault(
        "raises-where-a-carry-is-unused",
        "a loss that leaves one part of the carry unused raises",
        "jax-ml/jax#1082",
        wrap=raises(_unused_carry, "vjp"),
    ),
    Fault(
        "tangents-dropped",
        "tangents are silently zero, and primal values right",
        "pytorch/pytorch#189644",
        wrap=pushed(lambda tangent, r: tangent * 0),
    ),
    Fault(
        "tangents-missing",
        "no tangent comes back",
        "pytorch/pytorch#187284",
        wrap=after(lambda r: r.pushed.clear(), "jvp"),
    ),
    Fault(
        "tangents-of-states-ignored",
        "the tangents of h0 and c0 do not count",
        "none known",
        wrap=before(lambda r: [r.tangents.pop(name, None) for name in ("h0", "c0")], "jvp"),
    ),
    Fault(
        "primal-of-a-jvp-wrong",
        "the output that comes with tangents is too large by a quarter",
        "none known",
        wrap=after(lambda r: r.outputs.update(y=r.outputs["y"] * r.outputs["y"].dtype.type(1.25)), "jvp"),
    ),
    Fault(
        "dropout-mask-cached",
        "the dropout mask of the first call is used again",
        "tensorflow/tensorflow#29391",
        wrap=before(_mask_of_first_call),
        needs=frozenset({"dropout"}),
    ),
    Fault(
        "another-kernel-without-gradients",
        "y is too large by an eighth when no gradient is asked for",
        "none known",
        ("y",),
        wrap=outputs(lambda y, r: y * y.dtype.type(1.125), "y", lambda r: r.operator == "forward"),
    ),
    Fault(
        "compiled-runs-eagerly",
        "a mode that should be compiled falls back silently",
        "pytorch/pytorch#141184",
        wrap=says(executed="eager"),
    ),
    Fault(
        "runs-on-another-device",
        "what should run on the device runs elsewhere",
        "none known",
        wrap=says(device="host"),
    ),
)
