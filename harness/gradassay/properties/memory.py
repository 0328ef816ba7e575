"""What a model returns is the caller's: nobody else writes there, and writing there changes nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay._case import Case
from gradassay._oracle import Oracle
from gradassay._property import Finding, Property
from gradassay._subject import Subject
from gradassay._variation import other_data


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    # Other data: a buffer that is filled with the same numbers again looks as if it had been left alone.
    other = subject.of(other_data(case))
    if "vjp" in subject.operators:
        subject.vjp(fresh=True)
        other.vjp(fresh=True)
    subject.forward(fresh=True)
    other.forward(fresh=True)
    faults: dict[str, str] = {}
    for request, answer in subject.asked.items():
        for pair in answer.aliases:
            faults.setdefault(pair, f"share memory after {request}; each should have its own")
        for name in answer.overwritten:
            faults.setdefault(name, f"of the call before was changed by {request}; what was returned should stay")
    yield from [Finding(what, fault=fault) for what, fault in faults.items()] or [Finding("all")]


memory = Property(
    name="memory",
    claim="Derivatives share memory with nothing, and no call changes what the one before has returned.",
    equation="memory(dL/dv) and memory(dL/dw) = disjoint",
    needs=frozenset({"forward"}),
    check=_check,
    thorough=True,
)
