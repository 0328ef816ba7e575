"""The sum of squares is linear in the weights: they are dealt out to two losses, and these add up."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import truth
from gradassay_lstm._variations import made
from gradassay_weighted_loss._mixed import Part, divisor, mixed

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    weights = case.tensors["weights"]
    # Neighbours among the weights that count go to different parts, so that neither part has none.
    turn = np.cumsum(weights.reshape(-1) != 0).reshape(weights.shape) % 2
    parts: list[Part] = []
    for number in range(2):
        dealt = np.where(turn == number, weights, 0).astype(weights.dtype)
        part = made(case, f"dealt-{number}", dict(case.tensors) | {"weights": dealt})
        parts.append((divisor(part) / divisor(case), subject.of(part).vjp(), truth(oracle, part)))
    # Of the weights themselves the gradient of a part is its own: they are not the same variable.
    names = [name for name in case.differentiable if name != "weights"]
    yield from mixed(case, subject.vjp(), truth(oracle, case), parts, names, "weights dealt out to two, summed")


linear = Property(
    name="linear",
    claim="Before it is divided, the loss is linear in the weights, and so are its gradients.",
    equation="D(w + w') L(w + w') = D(w) L(w) + D(w') L(w'), with D what a loss is divided by",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: prod(case.table["weights"].shape) > 1,  # one weight cannot be dealt out to two
    thorough=True,
)
