"""The batch has no order: rows in another order give the same, in that order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay_lstm._relations import placed, same, truth
from gradassay_lstm._variations import made, moved, taking

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    batch = case.call.batch
    order = [(row + 1) % batch for row in range(batch)]  # no row stays where it was
    move = taking(case, {"row": order})
    other = made(case, "rows-moved", moved(case, case.tensors, move), moved(case, case.cotangents, move))
    second = placed(subject.of(other).vjp(), other, taking(other, {"row": [order.index(row) for row in range(batch)]}))
    yield from same(subject.vjp(), second, truth(oracle, case), case, "rows in another order")


row_permutation = Property(
    name="row_permutation",
    claim="Rows in another order give the same in that order, and the same gradients of parameters.",
    equation="f(P x) = P f(x), J(P x)' P v = P J(x)'v",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.batch > 1,
    thorough=True,
)
