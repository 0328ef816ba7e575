"""Clipping by a norm keeps the direction: one factor for all tensors, or one for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay._spec import Array
from gradassay_clip.properties._told import norm_of, pairs, should_be, truth

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

Pair = tuple[Array, Array]


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    scales = truth(oracle, case)
    found = {number: (g, got) for number, g, got in pairs(subject, case) if got is not None}
    groups = [list(found)] if case.config.by == "norm" else [[number] for number in found]
    for members in groups:
        factor = _factor([found[number] for number in members])
        if not np.isfinite(factor):  # `contract` and `values` tell what is not finite
            continue
        for number in members:
            g, got = found[number]
            scale = scales[f"clipped_g{number}"]
            # The factor is a mean over elements of like relative error: it has no more noise than they have.
            relative = np.max(scale.sigma[g != 0] / np.abs(scale.high[g != 0]), initial=0.0)
            sigma = np.hypot(scale.sigma, np.abs(factor * g) * relative)
            reference = should_be(scale, factor * g, sigma)
            yield Finding(f"direction of clipped_g{number}", got, reference, (case.table[f"clipped_g{number}"],))


def _factor(group: list[Pair]) -> float:
    """Return the s for which |clipped - s g| is least."""
    whole, unit = norm_of([g for g, _ in group]), 0.0
    if whole > 0:
        unit = sum(float(np.sum((g / whole) * (got / whole))) for g, got in group)
    return unit


one_scale = Property(
    name="one_scale",
    claim="By a norm every tensor keeps its direction, and all have one factor (or each has its own).",
    equation="clip(g)_i = s g_i, with s = <clip(g), g> / <g, g> over all tensors",
    needs=frozenset({"forward"}),
    check=_check,
    applies=lambda case: case.config.by != "value" and not case.call.zero,
)
