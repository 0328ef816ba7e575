"""Clipping knows no sign: of the opposite it gives the opposite, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_clip.properties._told import numbers
from gradassay_lstm._relations import unchanged
from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    other = made(case, "negated", {name: -array for name, array in case.tensors.items()})
    first, second = subject.forward().outputs, subject.of(other).forward().outputs
    for number in numbers(case):
        name = f"clipped_g{number}"
        tensor, negated = case.table[name], second.get(name)
        back = None if negated is None else -negated
        yield unchanged(f"{name} of the opposite", first.get(name), back, np.ones(tensor.shape, dtype=np.bool_), tensor)
    if case.config.by == "norm":
        norm = case.table["norm"]
        yield unchanged("norm of the opposite", first.get("norm"), second.get("norm"), np.ones((), np.bool_), norm)


odd = Property(
    name="odd",
    claim="Of the opposite tensors it gives the opposite, bit for bit, and the same norm.",
    equation="clip(-g) = -clip(g), |-g| = |g|",
    needs=frozenset({"forward"}),
    check=_check,
    applies=lambda case: not case.call.zero,
    thorough=True,
)
