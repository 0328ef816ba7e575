"""Gradients accumulated over micro-batches are those of the whole batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay_lstm._relations import added, truth
from gradassay_lstm._variations import rows

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

MOST = 8  # rows that are micro-batches of their own


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    batch = case.call.batch
    # A mode that compiles does so for each shape: there a few rows are micro-batches of one, as `rows` has them.
    alone = subject.mode.compiled and batch <= MOST
    cuts = list(range(batch + 1)) if alone else [0, batch // 2, batch]
    batches = [rows(case, range(start, stop), f"rows-{start}-{stop}") for start, stop in pairwise(cuts)]
    parts = [subject.of(few).vjp().gradients for few in batches]
    references = [truth(oracle, few) for few in batches]
    whole, scales = subject.vjp().gradients, truth(oracle, case)
    yield from added(whole, parts, scales, references, case.parameters, case, f"{len(parts)} micro-batches, summed")


accumulation = Property(
    name="accumulation",
    claim="The gradients of parameters, summed over micro-batches, are those of the whole batch.",
    equation="|sum_k dL_k/dW - dL/dW| <= limit * sqrt(sum_k sigma_k^2 + sigma^2)",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.batch > 1,
    thorough=True,
    compiles=True,
)
