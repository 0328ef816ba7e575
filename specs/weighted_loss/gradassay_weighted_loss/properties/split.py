"""A batch is its rows: their losses are added up, averaged, or averaged by the weights that each of them has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay_lstm._relations import truth
from gradassay_lstm._variations import rows
from gradassay_weighted_loss._mixed import Part, divisor, mixed

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

MOST = 4  # rows up to which every one is run alone


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    parts: list[Part] = []
    for row in range(case.call.batch):
        one = rows(case, [row], f"row-{row}")
        if share := divisor(one) / divisor(case):  # a row whose weights are all 0 has no weighted mean, and no share
            parts.append((share, subject.of(one).vjp(), truth(oracle, one)))
    what = "the rows alone, by their shares"
    yield from mixed(case, subject.vjp(), truth(oracle, case), parts, list(case.parameters), what)


split = Property(
    name="split",
    claim="The loss of a batch, and its parameters' gradients, are those of its rows by their shares of the divisor.",
    equation="D L = sum_b D_b L_b, D dL/dW = sum_b D_b dL_b/dW, with D what a loss is divided by",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: 1 < case.call.batch <= MOST,
    thorough=True,
    compiles=True,
)
