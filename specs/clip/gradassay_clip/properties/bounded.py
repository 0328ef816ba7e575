"""What comes out is within the limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay._spec import Array
from gradassay_clip.properties._told import norm_of, pairs, should_be, truth

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle, Reference
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    limit, by = case.config.limit, case.config.by
    scales = truth(oracle, case)
    clipped = {number: got for number, _, got in pairs(subject, case) if got is not None}
    if by == "value":
        for number, got in clipped.items():
            if beyond := int(np.sum(np.abs(got) > limit)):
                fault = f"{beyond} elements are beyond {limit}, the largest at {np.max(np.abs(got)):.9g}"
                yield Finding(f"largest of clipped_g{number}", fault=fault)
            else:
                yield Finding(f"largest of clipped_g{number}")
        return
    groups = {"all tensors": list(clipped)} if by == "norm" else {f"clipped_g{n}": [n] for n in clipped}
    for what, members in groups.items():
        if members:
            yield _within(
                f"norm of {what}", [clipped[n] for n in members], [scales[f"clipped_g{n}"] for n in members], limit
            )


def _within(name: str, arrays: list[Array], scales: list[Reference], limit: float) -> Finding:
    """Set the norm beside the limit, if it is larger: a norm below it is as it should be.

    Errors of the elements may all point one way, since they share a factor: their shares add up.
    """
    norm = norm_of(arrays)
    unit = 1.0 / norm if norm > 0 else 0.0
    sigma = sum(float(np.sum(np.abs(a) * unit * scale.sigma)) for a, scale in zip(arrays, scales, strict=True))
    blind = next((scale for scale in scales if scale.blind), scales[0])
    return Finding(name, np.asarray(max(norm, limit)), should_be(blind, np.asarray(limit), np.asarray(sigma)))


bounded = Property(
    name="bounded",
    claim="What was clipped is within the limit: the norm of all, of each, or every element.",
    equation="|clip(g)| <= limit",
    needs=frozenset({"forward"}),
    check=_check,
)
