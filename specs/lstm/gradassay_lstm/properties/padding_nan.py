"""Not a number on the padding changes nothing: a promise beyond the equations, for backends that make it.

A padded step that is computed and thrown away afterwards is safe forward, and poisons the gradient: 0 times NaN is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._variations import made, padding
from gradassay_lstm.properties.padding_huge import alike
from gradassay_lstm.properties.padding_zero import has_padding

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

PROMISE = "nan-safe padding"


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    x = case.tensors["x"]
    for value in (np.nan, np.inf):
        poisoned = np.where(padding(case, case.table["x"]), x.dtype.type(value), x).astype(x.dtype)
        other = subject.of(made(case, f"{value}-padding", dict(case.tensors) | {"x": poisoned}))
        what = f"{'NaN' if np.isnan(value) else 'infinity'} on the padding"
        if "vjp" in subject.operators:
            yield from alike(subject.vjp(), other.vjp(), case, what)
        else:
            yield from alike(subject.forward(), other.forward(), case, what)


padding_nan = Property(
    name="padding_nan",
    claim="NaN and infinity on the padding of x change nothing, bit for bit.",
    equation="f(x + p) = f(x) and J(x + p)'v = J(x)'v for p = NaN or inf on the padding, 0 off it",
    needs=frozenset({"forward"}),
    check=_check,
    applies=has_padding,
    thorough=True,
    promise=PROMISE,
)
