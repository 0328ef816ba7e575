"""The gradient of a row is the sum of the embedded vectors' gradients at all its places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import combined, truth

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array
    from gradassay._subject import Subject


def summed(case: Case, vectors: Array) -> Array:
    """Add vectors (B,T,E) by token: (V,E) in float64, with nothing for the padding's row."""
    total = np.zeros(case.table["table"].shape)
    np.add.at(total, case.tensors["tokens"], vectors.astype(np.float64))
    if case.config.padding_index is not None:
        total[case.config.padding_index] = 0.0
    return total


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    gradients, scales = subject.vjp().gradients, truth(oracle, case)
    rows, vectors = gradients.get("table"), gradients.get("shift")
    for name, got in (("table", rows), ("shift", vectors)):
        if got is None or got.shape != case.table[name].shape:
            yield Finding(name, fault="got no gradient of its shape, so that there is no sum to compare")
    if rows is None or vectors is None or rows.shape + vectors.shape != _shapes(case):
        return
    # Rounding errors at several places are independent: their squares add up, scaled so that none underflows.
    sigma, peak = scales["d shift"].sigma, max(float(scales["d shift"].sigma.max()), np.finfo(np.float64).tiny)
    spread = peak * np.sqrt(summed(case, np.square(sigma / peak)))
    reference = combined(rows, scales["d table"], [replace(scales["d shift"], sigma=spread)])
    yield Finding("table as the sum over places", summed(case, vectors), reference, (case.table["table"],))


def _shapes(case: Case) -> tuple[int, ...]:
    return case.table["table"].shape + case.table["shift"].shape


places = Property(
    name="places",
    claim="The gradient of a row of the table is the sum of the embedded vectors' gradients at all its token's places.",
    equation="dL/dtable[v] = sum over b, t with tokens[b, t] = v of dL/dshift[b, t]",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.shift,
)
