"""Forward-mode derivatives are right."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property, compare
from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    references = oracle.ask(case, Query("jvp", tangents=case.tangents))
    yield from compare(subject.jvp().tangents, references, case.outputs, case)


jvp = Property(
    name="jvp",
    claim="The tangent of every output is the exact JVP to within rounding noise.",
    equation="|J u - (J u)*| <= limit * sigma",
    needs=frozenset({"jvp"}),
    check=_check,
    applies=lambda case: bool(case.template.ask.get("hvp")),
)
