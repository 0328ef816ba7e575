"""An answer depends on what is asked, and on nothing that the process has lived through."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay._again import again
from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property
from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    scales = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    here = subject.vjp()
    yield from again(here, subject.anew().vjp(), scales, case)


process = Property(
    name="process",
    claim="A process that has just started gives the same answer as one that has answered before.",
    equation="|f(v) here - f(v) in another process| <= limit * sqrt(2) sigma, the gradients likewise",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: bool(case.template.ask.get("process")),  # it costs an import of the framework
)
