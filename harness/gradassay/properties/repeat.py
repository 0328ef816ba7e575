"""The same question gets the same answer, also after another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gradassay._case import Case, build
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property, between, compare, compare_again
from gradassay._subject import Subject


def _others(subject: Subject, case: Case) -> Iterator[tuple[str, Case]]:
    """Calls in between, with the parameters that the model has: other data, and where it costs little another shape."""
    calls = {"other data": case.call}
    if not subject.mode.compiled:  # another shape would be compiled anew
        calls["another shape"] = case.spec.vary(case.config, case.call)
    for what, call in calls.items():
        template = replace(case.template, name=f"{case.template.name}-varied", call=call, seed=case.template.seed + 1)
        drawn = build(case.spec, case.suite, template, case.dtype)
        yield what, replace(drawn, tensors=dict(drawn.tensors) | dict(case.parameters))


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
    second = subject.vjp(fresh=True)
    references = between(first.outputs, scales, "") | between(first.gradients, scales, "d ")
    outputs = tuple(n for n in case.outputs if n in references)
    pulled = tuple(n for n in case.differentiable if f"d {n}" in references)
    for name in (*case.outputs, *case.differentiable):
        if name not in outputs + pulled:
            yield Finding(name, fault="the first answer has no array of its shape, so that there is nothing to repeat")
    yield from compare(second.outputs, references, outputs, case)
    yield from compare(second.gradients, references, pulled, case, prefix="d ")
    again = between(forward.outputs, scales, "")
    known = {name: forward.outputs[name] for name in case.outputs if name in again}
    yield from compare_again(subject.forward(fresh=True).outputs, known, again, case, "forward")


repeat = Property(
    name="repeat",
    claim="Calls with other data and of another shape are right, and the first call then gives its answer again.",
    equation="f(v), f(w), f(v): |f(w) - f*(w)| <= limit * sigma, |first - last| <= limit * sqrt(2) sigma",
    needs=frozenset({"vjp"}),
    check=_check,
    thorough=True,
)
