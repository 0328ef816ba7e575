"""What comes back is what was asked for: names, shapes, dtypes, and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gradassay._case import Case
from gradassay._oracle import Oracle
from gradassay._property import Finding, Property
from gradassay._spec import Array
from gradassay._subject import Subject
from gradassay._target import numpy_dtype


def _wrong(name: str, got: Mapping[str, Array | None], case: Case) -> str:
    """Say how one tensor breaks the contract, or nothing."""
    shape = case.table[name].shape
    if name not in got:
        return f"{name} is missing; should be there with shape {shape}"
    array = got[name]
    if array is None:
        return f"{name} has no gradient (None); should be an array of shape {shape}"
    if array.shape != shape:
        return f"{name} has shape {array.shape}; should be {shape}"
    if array.dtype != numpy_dtype(case.dtype):
        return f"{name} has dtype {array.dtype}; should be {case.dtype}"
    if not np.all(np.isfinite(array.astype(np.float64))):
        strange = np.argwhere(~np.isfinite(array.astype(np.float64)))
        return f"{name} has {len(strange)} elements that are not finite, the first at {strange[0].tolist()}"
    return ""


def _findings(what: str, names: tuple[str, ...], got: Mapping[str, Array | None], case: Case) -> Iterator[Finding]:
    wrong = {name: fault for name in names if (fault := _wrong(name, got, case))}
    extra = sorted(set(got) - set(names))
    if extra:
        wrong[what] = f"{', '.join(extra)} came back, though nobody asked; should be {', '.join(names)} alone"
    for name, fault in wrong.items():
        yield Finding(name, fault=fault)
    if not wrong:
        yield Finding(what)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    if "vjp" in subject.operators:
        answer = subject.vjp()
        yield from _findings("gradients", case.differentiable, answer.gradients, case)
    else:
        answer = subject.forward()
    yield from _findings("outputs", case.outputs, answer.outputs, case)


contract = Property(
    name="contract",
    claim="What comes back has the names, shapes and dtype of the spec, is finite, and no gradient is None.",
    equation="shape(dL/dv) = shape(v), dtype(f(v)) = dtype(v)",
    needs=frozenset({"forward"}),
    check=_check,
)
