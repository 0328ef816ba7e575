"""Windows as long as the sequence cut nothing: the gradients are those of the LSTM run through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay_lstm._relations import same, truth
from gradassay_truncated.properties._windows_of import plain, with_windows

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    through = plain(case)
    long = with_windows(case, case.config.k1, case.config.k1 + case.call.steps)
    subject.require(through)
    subject.require(long)
    one, many = subject.of(through).vjp(), subject.of(long).vjp()
    yield from same(one, many, truth(oracle, through), through, "windows as long as the sequence")


whole = Property(
    name="whole",
    claim="With k2 no shorter than the sequence, values and gradients are those of the LSTM run through.",
    equation="D f_(k1,k2) = D f for k2 >= T",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.config.k1 < case.call.steps,
    thorough=True,
    compiles=True,
)
