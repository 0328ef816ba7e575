"""An embedding is a lookup: with the rows in the place of the vectors, and a table of zeros, all is the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import same, truth
from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    table = case.tensors["table"]
    vectors = {"shift": table[case.tensors["tokens"]], "table": np.zeros_like(table)}
    other = made(case, "looked-up", dict(case.tensors) | vectors)
    yield from same(subject.vjp(), subject.of(other).vjp(), truth(oracle, case), case, "rows given as vectors")


lookup = Property(
    name="lookup",
    claim="Rows that are looked up beforehand, and a table of zeros, give the same, the table's own gradient included.",
    equation="f(table, shift = 0) = f(0, shift = table[tokens]), and their gradients likewise",
    needs=frozenset({"vjp"}),
    check=_check,
    # Beside another shift the sum of both would be rounded before anything is computed with it.
    applies=lambda case: case.call.shift and case.template.regime != "shifted",
    thorough=True,
)
