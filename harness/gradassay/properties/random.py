"""A computation without chance draws no random numbers: whoever has set a seed keeps what it stands for."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay._case import Case
from gradassay._oracle import Oracle
from gradassay._property import Finding, Property
from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    if "vjp" in subject.operators:
        subject.vjp()
    subject.forward()
    faults: dict[str, str] = {}
    for request, answer in subject.asked.items():
        for generator in answer.reseeded:
            faults.setdefault(
                generator, f"{generator}'s random state was changed by {request}; it should stay as it is"
            )
    yield from [Finding(generator, fault=fault) for generator, fault in faults.items()] or [Finding("all")]


random = Property(
    name="random",
    claim="The state of every random number generator of the process is the same after every call as before it.",
    equation="state before = state after",
    needs=frozenset({"forward"}),
    check=_check,
)
