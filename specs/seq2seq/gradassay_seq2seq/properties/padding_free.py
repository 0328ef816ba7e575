"""Beyond a row's length, other tokens and other targets change nothing: what is there carries no loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import same, truth
from gradassay_lstm._variations import made, padding
from gradassay_lstm.properties.padding_zero import has_padding

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    sizes = {"tokens": case.config.vocabulary, "targets": case.config.classes}
    tensors = dict(case.tensors)
    for name, size in sizes.items():
        there = padding(case, case.table[name])
        tensors[name] = np.where(there, (np.maximum(tensors[name], 0) + 1) % size, tensors[name])
    other = made(case, "padding-changed", tensors)
    yield from same(
        subject.vjp(), subject.of(other).vjp(), truth(oracle, case), case, "other tokens and targets on the padding"
    )


padding_free = Property(
    name="padding_free",
    claim="Other tokens and other targets beyond a row's length change neither an output nor a gradient.",
    equation="f(tokens + p, targets + q) = f(tokens, targets) for p and q that are 0 off the padding",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=has_padding,
    thorough=True,
)
