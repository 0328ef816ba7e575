"""What comes back is what was asked for: names, shapes, dtypes, and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gradassay._case import Case
from gradassay._oracle import Oracle, Query, Reference
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


def _findings(
    what: str, names: tuple[str, ...], got: Mapping[str, Array | None], case: Case, references: Mapping[str, Reference]
) -> Iterator[Finding]:
    wrong = {name: fault for name in names if (fault := _wrong(name, got, case))}
    for name in [name for name in wrong if _not_finite(got.get(name)) and references[name].blind]:
        del wrong[name]  # the dtype's range is left on the way: what comes back then is not specified
    if extra := sorted(set(got) - set(names)):
        wrong[what] = f"{', '.join(extra)} came back, though nobody asked; should be {', '.join(names)} alone"
    for name, fault in wrong.items():
        yield Finding(name, fault=fault)
    if not wrong:
        yield Finding(what)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    answer = subject.vjp() if "vjp" in subject.operators else subject.forward()
    given = [*answer.outputs.values(), *answer.gradients.values()]
    references: dict[str, Reference] = {}
    if any(_not_finite(array) for array in given):  # only then does it matter what the truth is
        references = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    if "vjp" in subject.operators:
        pulled = {name.removeprefix("d "): r for name, r in references.items() if name.startswith("d ")}
        yield from _findings("gradients", case.differentiable, answer.gradients, case, pulled)
    yield from _findings("outputs", case.outputs, answer.outputs, case, references)


def _not_finite(array: Array | None) -> bool:
    return array is not None and not np.all(np.isfinite(array.astype(np.float64)))


contract = Property(
    name="contract",
    claim="What comes back has the names, shapes and dtype of the spec, is finite, and no gradient is None.",
    equation="shape(dL/dv) = shape(v), dtype(f(v)) = dtype(v)",
    needs=frozenset({"forward"}),
    check=_check,
)
