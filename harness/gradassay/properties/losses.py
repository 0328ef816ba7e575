"""A loss need not see every output: the gradients of one that sees only some are right too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property, compare
from gradassay._stacked import stacked
from gradassay._subject import Subject

FEW = 5  # outputs, up to which pairs are asked too: of more there would be too many


def subsets(outputs: Sequence[str], compiled: bool = False) -> list[tuple[str, ...]]:
    """Return what a loss may see beside everything, which `gradients` asks: one output, any two of few, all but one.

    Of up to four outputs these are all subsets. A mode that compiles makes a graph of each: there, one output.
    """
    n = len(outputs)
    sizes = {1} if compiled else {1, 2, n - 1} if n <= FEW else {1, n - 1}
    return [subset for size in sorted(sizes) if 0 < size < n for subset in combinations(outputs, size)]


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    found: dict[str, list[Finding]] = {}
    for seen in subsets(tuple(case.cotangents), subject.mode.compiled):
        part = {name: case.cotangents[name] for name in seen}
        truth = oracle.ask(case, Query("vjp", cotangents=part, wrt=case.differentiable))
        gradients = subject.vjp(cotangents=part).gradients
        found[" and ".join(seen)] = list(compare(gradients, truth, case.differentiable, case, prefix="d "))
    yield from stacked(found, "loss", "sees")


losses = Property(
    name="losses",
    claim="The gradients are right also when the loss sees only some outputs, and 0 for what it does not depend on.",
    equation="|J_S'v_S - (J_S'v_S)*| <= limit * sigma for subsets S of the outputs",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: len(case.outputs) > 1 and "cotangents" not in case.template.ask,
    thorough=True,
    compiles=True,
)
