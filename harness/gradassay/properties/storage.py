"""A number is the same wherever it lies: strides, the order of axes and read-only memory are no part of a question."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay._again import again
from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property
from gradassay._session import BackendError, Handed
from gradassay._stacked import stacked
from gradassay._subject import Subject

WAYS: tuple[Handed, ...] = ("read-only", "strided", "transposed")


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    scales = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    first = subject.vjp()
    found: dict[str, list[Finding]] = {}
    # A mode that compiles may compile for strides too: there, one of the two ways to have them.
    for handed in WAYS[:2] if subject.mode.compiled else WAYS:
        try:
            answer = subject.vjp(handed=handed)
        except BackendError as error:
            if error.kind != "exception":
                raise
            # It gave an answer to the same numbers.
            found[handed] = [Finding("", fault=f"raised {error}; the same arrays, handed over plainly, have an answer")]
        else:
            # Within noise, not bit for bit: memory that is aligned otherwise may be added up in another order.
            found[handed] = list(again(first, answer, scales, case))
    yield from stacked(found, "arrays", "are")


storage = Property(
    name="storage",
    claim="Arrays that are read-only, strided among NaNs, or transposed in memory get the same answer.",
    equation="|f(v as it lies) - f(v)| <= limit * sqrt(2) sigma, the gradients likewise",
    needs=frozenset({"vjp"}),
    check=_check,
    thorough=True,
)
