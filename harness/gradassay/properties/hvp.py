"""Second derivatives are right."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property, compare
from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    query = Query("hvp", cotangents=case.cotangents, tangents=case.tangents, wrt=case.differentiable)
    yield from compare(subject.hvp().gradients, oracle.ask(case, query), case.differentiable, case, prefix="d ")


hvp = Property(
    name="hvp",
    claim="The derivative of the gradient in a random direction is the exact one to within rounding noise.",
    equation="|d/de J(v + e u)' w - its exact value| <= limit * sigma",
    needs=frozenset({"hvp"}),
    check=_check,
    thorough=True,
    compiles=True,
)
