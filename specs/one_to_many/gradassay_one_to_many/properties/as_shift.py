"""A vector that goes in as a shift, step by step, beside a vector of zeros, is the vector that goes in."""

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
    x, shift = case.tensors["x"], np.zeros_like(case.tensors["shift"])
    shift[:, : 1 if case.config.feedback else None] = x[:, None]
    other = made(case, "x-as-shift", dict(case.tensors) | {"x": np.zeros_like(x), "shift": shift})
    yield from same(subject.vjp(), subject.of(other).vjp(), truth(oracle, case), case, "the vector given as a shift")


as_shift = Property(
    name="as_shift",
    claim="The vector given as a shift of every step that it goes in at, beside zeros, gives the same.",
    equation="f(x, 0) = f(0, (x, .., x)); with feedback f(x, 0) = f(0, (x, 0, .., 0)); gradients likewise",
    needs=frozenset({"vjp"}),
    check=_check,
    # Beside another shift the sum of both would be rounded before anything is computed with it.
    applies=lambda case: case.call.shift and case.template.regime != "shifted",
    thorough=True,
)
