"""The gradients are right: a VJP with independent random cotangents for every output that the loss sees."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property, compare
from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    query = Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)
    answer, references = subject.vjp(), oracle.ask(case, query)
    yield from compare(answer.gradients, references, case.differentiable, case, prefix="d ")


gradients = Property(
    name="gradients",
    claim="The gradient of every input, state and parameter is the exact VJP to within rounding noise.",
    equation="|J'v - (J'v)*| <= limit * sigma",
    needs=frozenset({"vjp"}),
    check=_check,
)
