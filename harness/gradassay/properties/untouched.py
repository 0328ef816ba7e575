"""Nothing that was handed over is changed, byte for byte."""

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
    damage = {request: answer.touched for request, answer in subject.asked.items() if answer.touched}
    for request, names in damage.items():
        for name in names:
            yield Finding(
                name, fault=f"changed during {request}; inputs, cotangents and parameters should stay as given"
            )
    if not damage:
        yield Finding("all")


untouched = Property(
    name="untouched",
    claim="Inputs, cotangents, tangents and parameters are the same bytes after every call as before it.",
    equation="v before = v after",
    needs=frozenset({"forward"}),
    check=_check,
)
