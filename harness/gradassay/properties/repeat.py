"""The same question gets the same answer, also after another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gradassay._again import again
from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property, between, compare, compare_again
from gradassay._session import BackendError
from gradassay._subject import Subject
from gradassay._variation import another_shape, other_data


def _others(subject: Subject, case: Case) -> Iterator[tuple[str, Case]]:
    """Calls in between, with the parameters that the model has: other data, and where it costs little more."""
    yield "other data", other_data(case)
    if not subject.mode.compiled:  # another shape or another loss would be compiled anew
        if len(case.cotangents) > 1:  # what the last loss sent into the others must be forgotten
            name, cotangent = next(iter(case.cotangents.items()))
            yield "another loss", replace(case, cotangents={name: cotangent})
        yield "another shape", another_shape(case)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    scales = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    first, forward = subject.vjp(), subject.forward()
    for what, other in _others(subject, case):
        answer = subject.of(other).vjp(fresh=True)
        truth = oracle.ask(other, Query("vjp", cotangents=other.cotangents, wrt=other.differentiable))
        found = [
            *compare(answer.outputs, truth, other.outputs, other),
            *compare(answer.gradients, truth, other.differentiable, other, prefix="d "),
        ]
        yield from (replace(finding, tensor=f"{finding.tensor} of {what}") for finding in found)
        known = {name: answer.outputs[name] for name in other.outputs if name in answer.outputs}
        alone = subject.of(other).forward(fresh=True).outputs
        yield from compare_again(alone, known, truth, other, f"forward of {what}")
    yield from again(first, subject.vjp(fresh=True), scales, case)
    known = {name: a for name, a in forward.outputs.items() if name in case.outputs}
    references = between(known, scales)
    known = {name: a for name, a in known.items() if name in references}
    for _ in range(2):  # some frameworks take another path from the third call on
        yield from compare_again(subject.forward(fresh=True).outputs, known, references, case, "forward")
    if "hvp" in subject.operators:
        yield from _second_order(subject, case, oracle)


def _second_order(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    """Ask for the second derivative three times; what only the first time tells is for `hvp` to tell.

    It is the dearest call there is: of a suite's cases, those of the pool are asked.
    """
    if not case.template.pool and case.suite in case.spec.suites():
        return
    try:
        first = subject.hvp().gradients
    except BackendError:
        return
    query = Query("hvp", cotangents=case.cotangents, tangents=case.tangents, wrt=case.differentiable)
    scales = between(first, oracle.ask(case, query), "d ")
    references = {name.removeprefix("d "): reference for name, reference in scales.items()}
    known = {name: a for name in references if (a := first[name]) is not None}
    for _ in range(2):
        yield from compare_again(subject.hvp(fresh=True).gradients, known, references, case, "hvp")


repeat = Property(
    name="repeat",
    claim="Calls with other data, of another shape and for another loss are right, and the first call then gives its "
    "answer again.",
    equation="f(v), f(w), f(v): |f(w) - f*(w)| <= limit * sigma, |first - last| <= limit * sqrt(2) sigma",
    needs=frozenset({"vjp"}),
    check=_check,
    thorough=True,
)
