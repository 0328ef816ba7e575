"""Integers have no derivative: who asks for one is refused, and gets neither zeros nor None."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay._session import BackendError

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

REFUSALS = ("unsupported", "exception")  # a crash is none, nor is what cannot be read


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    for name in ("tokens", "targets"):
        try:
            got = subject.vjp(wrt=(name,)).gradients.get(name)
        except BackendError as error:
            if error.kind not in REFUSALS:
                raise
            yield Finding(name)
        else:
            what = "None" if got is None else f"an array of {got.dtype}"
            yield Finding(name, fault=f"got {what} for the gradient of integers; should be refused: there is none")


refused = Property(
    name="refused",
    claim="A gradient with respect to tokens or targets is refused, since integers have none: it is no zero, nor None.",
    equation="dL/dtokens does not exist",
    needs=frozenset({"vjp"}),
    check=_check,
)
