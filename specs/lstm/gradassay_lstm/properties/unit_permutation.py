"""Hidden units have no order, nor have features: in another order throughout, they give the same in that order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay_lstm._relations import placed, same, truth
from gradassay_lstm._variations import Orders, made, moved, taking

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

MOVED = ("unit", "projected unit", "feature")


def _orders(case: Case) -> tuple[Orders, Orders]:
    """Return where each unit, projected unit and feature comes from, and the way back: every axis moves on by one."""
    every = [axis for tensor in case.table.values() for group in tensor.axes for axis in group]
    sizes = {axis.name: axis.size for axis in every if axis.name.removeprefix("from ") in MOVED}
    there = {name: [(i + 1) % size for i in range(size)] for name, size in sizes.items()}
    return there, {name: [order.index(i) for i in range(len(order))] for name, order in there.items()}


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    there, back = _orders(case)
    move = taking(case, there)
    other = made(case, "units-moved", moved(case, case.tensors, move), moved(case, case.cotangents, move))
    second = placed(subject.of(other).vjp(), other, taking(other, back))
    yield from same(subject.vjp(), second, truth(oracle, case), case, "units in another order")


unit_permutation = Property(
    name="unit_permutation",
    claim="Units and features in another order throughout give the same in that order.",
    equation="f(P x, P W P') = P f(x, W) for permutations P of units, of projected units and of features",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: max(case.config.hidden_size, case.config.input_size) > 1,
    thorough=True,
    compiles=True,
)
