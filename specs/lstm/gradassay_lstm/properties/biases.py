"""Only the sum of the two biases can be told from outputs, so that both have the same gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property, between, compare
from gradassay_lstm._relations import named, truth

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    gradients, scales = subject.vjp().gradients, truth(oracle, case)
    for _, _, suffix in case.config.cells():
        one, other = f"bias_ih{suffix}", f"bias_hh{suffix}"
        references = between({other: gradients.get(one)}, {f"d {other}": scales[f"d {other}"]}, "d ")
        if references:
            yield from named(compare(gradients, references, (other,), case, "d "), f"the gradient of {one}")
        else:
            shape = case.table[one].shape
            yield Finding(one, fault=f"got no gradient of shape {shape}, so that there is nothing to compare")


biases = Property(
    name="biases",
    claim="The two biases of a cell have the same gradient.",
    equation="|dL/db_hh - dL/db_ih| <= limit * sqrt(2) sigma",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: bool(case.config.bias),
)
