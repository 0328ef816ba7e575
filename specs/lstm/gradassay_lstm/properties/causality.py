"""No output depends on what comes later; of the reverse direction, none on what comes earlier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradassay._property import Finding, Property, compare
from gradassay._spec import Array, Tensor
from gradassay_lstm._relations import exactly_zero, named, truth, unchanged
from gradassay_lstm._variations import made, otherwise, where

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

JACOBIAN = 2048  # entries of dy/dx up to which all of them are looked at
DIRECTIONS = ("forward", "reverse")


def _applies(case: Case) -> bool:
    """Where a half of y is of one direction alone: a second layer reads both."""
    return (
        case.call.steps > 1 and case.call.batch > 0 and (case.config.num_layers == 1 or not case.config.bidirectional)
    )


def _half(case: Case, direction: int, tensor: Tensor) -> Array:
    """Return the mask of what belongs to one direction of y."""
    return where(tensor, lambda at: at == direction, "direction")


def _beyond(tensor: Tensor, direction: int, t: int) -> Array:
    """Return the mask of the steps that come after step t, the way a direction runs."""
    return where(tensor, lambda step: step < t if direction else step > t, "step")


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    middle = (case.call.steps - 1) // 2
    x, y = case.table["x"], case.table["y"]
    for direction in range(case.config.directions):
        t = middle + direction  # in reverse there is always something before it
        which = DIRECTIONS[direction]
        later = _beyond(x, direction, t)
        changed = made(
            case, f"{which}-changed-beyond-{t}", dict(case.tensors) | {"x": otherwise(case.tensors["x"], later)}
        )
        first, second = subject.forward().outputs.get("y"), subject.of(changed).forward().outputs.get("y")
        seen = _half(case, direction, y) & ~_beyond(y, direction, t)
        what = (
            f"{which} y up to step {t}, x changed beyond it"
            if not direction
            else f"{which} y from step {t} on, x changed before it"
        )
        yield unchanged(what, first, second, seen, y)
        if "vjp" in subject.operators:
            yield from _from_one_step(subject, case, oracle, direction, t)
    size = int(np.prod(x.shape) * np.prod(y.shape))
    if "jacobian" in subject.operators and size <= JACOBIAN and not subject.mode.compiled:
        yield _whole(subject, case, oracle)


def _from_one_step(subject: Subject, case: Case, oracle: Oracle, direction: int, t: int) -> Iterator[Finding]:
    """Pull a cotangent of one step and direction back to x: exactly 0 beyond the step, and right up to it."""
    y = case.table["y"]
    at_t = _half(case, direction, y) & where(y, lambda step: step == t, "step")
    # The other outputs are in the loss, by nothing: a mode that compiles has compiled this already.
    cotangents = {name: np.zeros_like(array) for name, array in case.cotangents.items()}
    if "y" not in cotangents:
        return
    cotangents["y"] = np.where(at_t, case.cotangents["y"], cotangents["y"]).astype(cotangents["y"].dtype)
    if not np.any(cotangents["y"]):  # a loss of the last output sees no other
        return
    what = f"{DIRECTIONS[direction]} y at step {t}"
    references = truth(oracle, made(case, what.replace(" ", "-"), case.tensors, cotangents), ("x",))
    gradients = subject.vjp(cotangents=cotangents).gradients
    yield from named(compare(gradients, references, ("x",), case, "d "), what)


def _whole(subject: Subject, case: Case, oracle: Oracle) -> Finding:
    """Look at every entry of dy/dx that has to be 0."""
    x, y = case.table["x"], case.table["y"]
    name = "dy_t/dx_s against the direction"
    got = subject.jacobian("y", "x")
    if got is None or got.shape != y.shape + x.shape:
        shape = "nothing" if got is None else f"shape {got.shape}"
        return Finding(name, fault=f"got {shape}; should be of shape {y.shape + x.shape}")
    against = np.zeros(got.shape, dtype=np.bool_)
    for direction in range(case.config.directions):
        for t in range(case.call.steps):
            of = _half(case, direction, y) & where(y, lambda step, t=t: step == t, "step")
            against |= np.multiply.outer(of, _beyond(x, direction, t))
    return exactly_zero(name, got, against, (y, x), _overflow(oracle, case))


def _overflow(oracle: Oracle, case: Case) -> str:
    reference: Any = truth(oracle, case)["d x"]
    return reference.blind if reference.overflow else ""


causality = Property(
    name="causality",
    claim="No output depends on a later input; in the reverse direction, none on an earlier one.",
    equation="dy_t/dx_s = 0 for s > t (reverse: s < t), and y_t is the same bits whatever x_s is",
    needs=frozenset({"forward"}),
    check=_check,
    applies=_applies,
    thorough=True,
)
