"""The outputs are right."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property, compare, compare_again
from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    # Where there are gradients, one question of the oracle and one of the backend serve both properties.
    query = Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)
    forward, references = subject.forward().outputs, oracle.ask(case, query)
    yield from compare(forward, references, case.outputs, case)
    if "vjp" in subject.operators:
        known = {name: forward[name] for name in case.outputs if name in forward}
        yield from compare_again(subject.vjp().outputs, known, references, case, "vjp")


values = Property(
    name="values",
    claim="Every output is the exact value to within rounding noise, also where it comes with gradients.",
    equation="|f(v) - f*(v)| <= limit * sigma",
    needs=frozenset({"forward"}),
    check=_check,
)
