"""Windows change derivatives alone: the outputs are those of the LSTM run through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property, between, compare
from gradassay_lstm._relations import named, truth
from gradassay_truncated.properties._windows_of import is_cut, plain

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    first = subject.forward().outputs
    through = subject.of(plain(case)).forward().outputs
    references = between({name: first[name] for name in case.outputs if name in first}, truth(oracle, case))
    for name in case.outputs:
        if name in references:
            yield from named(compare(through, references, (name,), case), "the LSTM run through")
        else:
            yield Finding(f"{name} of the LSTM run through", fault="the first answer has no array of its shape")


same_values = Property(
    name="same_values",
    claim="The outputs are those of the LSTM run through: windows are seen in derivatives alone.",
    equation="f_(k1,k2)(x) = f(x)",
    needs=frozenset({"forward"}),
    check=_check,
    applies=is_cut,
    thorough=True,
    compiles=True,
)
