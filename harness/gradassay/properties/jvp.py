"""Forward-mode derivatives are right."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property, compare, compare_again
from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    answer = subject.jvp()
    yield from compare(answer.tangents, oracle.ask(case, Query("jvp", tangents=case.tangents)), case.outputs, case)
    primal = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    known = {name: array for name, array in subject.forward().outputs.items() if name in case.outputs}
    yield from compare_again(answer.outputs, known, primal, case, "jvp")


jvp = Property(
    name="jvp",
    claim="The tangent of every output is the exact JVP to within rounding noise, and the output with it is right.",
    equation="|J u - (J u)*| <= limit * sigma",
    needs=frozenset({"jvp"}),
    check=_check,
    thorough=True,
    compiles=True,
)
