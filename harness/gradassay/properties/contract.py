"""What comes back is what was asked for: names, shapes, dtypes, and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gradassay._case import Case
from gradassay._oracle import Oracle, Query, Reference
from gradassay._property import Finding, Property
from gradassay._session import Answer
from gradassay._spec import Array
from gradassay._subject import Subject
from gradassay._target import numpy_dtype

LIVE = "here"  # where `gradassay.check` finds a layer


def _wrong(name: str, got: Mapping[str, Array | None], case: Case) -> str:
    """Say how one tensor breaks the contract, its numbers apart, or nothing."""
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
    return ""


def _finite(array: Array) -> bool:
    return bool(np.isfinite(array if array.dtype == np.float64 else array.astype(np.float64)).all())


def _not_finite(name: str, array: Array | None, truth: Reference | None) -> str:
    """Say that numbers are not finite, unless the dtype's range is left: what comes back then is not specified."""
    if array is None or _finite(array) or (truth is not None and truth.overflow):
        return ""
    strange = np.argwhere(~np.isfinite(array.astype(np.float64)))
    return f"{name} has {len(strange)} elements that are not finite, the first at {strange[0].tolist()}"


def _findings(
    what: str, names: tuple[str, ...], got: Mapping[str, Array | None], case: Case, truth: Mapping[str, Reference]
) -> Iterator[Finding]:
    wrong = {
        name: fault
        for name in names
        if (fault := _wrong(name, got, case) or _not_finite(name, got[name], truth.get(name)))
    }
    if extra := sorted(set(got) - set(names)):
        wrong[what] = f"{', '.join(extra)} came back, though nobody asked; should be {', '.join(names)} alone"
    for name, fault in wrong.items():
        yield Finding(name, fault=fault)
    if not wrong:
        yield Finding(what)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    answers = {"forward": subject.forward()}
    outputs = {"outputs of forward": answers["forward"].outputs}
    gradients: Mapping[str, Array | None] = {}
    if "vjp" in subject.operators:
        answers["vjp"] = subject.vjp()
        outputs["outputs"], gradients = answers["vjp"].outputs, answers["vjp"].gradients
    truth: Mapping[str, Reference] = {}
    given = [*gradients.values(), *(array for found in outputs.values() for array in found.values())]
    if not all(array is None or _finite(array) for array in given):
        truth = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    if "vjp" in answers:
        pulled = {name.removeprefix("d "): r for name, r in truth.items() if name.startswith("d ")}
        yield from _findings("gradients", case.differentiable, gradients, case, pulled)
    found = [f for what, got in outputs.items() for f in _findings(what, case.outputs, got, case, truth)]
    yield from [finding for finding in found if finding.fault] or [Finding("outputs")]
    yield from _elsewhere(subject, answers)


def _elsewhere(subject: Subject, answers: Mapping[str, Answer]) -> Iterator[Finding]:
    """Say that an answer came from another device; a live layer is wherever it is, and not every model says where."""
    wanted = subject.target.device
    for request, answer in answers.items():
        said = answer.ran.get("device", wanted)
        if wanted not in (said, LIVE):
            yield Finding("device", fault=f"{request} ran on {said}; should have run on {wanted}")


contract = Property(
    name="contract",
    claim="What comes back has the names, shapes and dtype of the spec, is finite, and no gradient is None.",
    equation="shape(dL/dv) = shape(v), dtype(f(v)) = dtype(v)",
    needs=frozenset({"forward"}),
    check=_check,
)
