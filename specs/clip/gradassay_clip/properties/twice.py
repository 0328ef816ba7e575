"""What was clipped once is within the limit, so that clipping it again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_clip.properties._told import numbers, should_be, truth
from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    first = subject.forward().outputs
    there = {f"g{number}": first.get(f"clipped_g{number}") for number in numbers(case)}
    given = {n: a for n, a in there.items() if a is not None and a.shape == case.table[n].shape}
    if len(given) < len(there) or not all(np.all(np.isfinite(a.astype(np.float64))) for a in given.values()):
        return  # `contract` tells what is missing, or not finite
    again = made(case, "clipped-again", given)
    subject.require(again, "forward")
    second, scales = subject.of(again).forward().outputs, truth(oracle, case)
    for number in numbers(case):
        name, got = f"clipped_g{number}", second.get(f"clipped_g{number}")
        if got is None or got.shape != case.table[name].shape:
            yield Finding(f"{name} clipped again", fault=f"got no array of shape {case.table[name].shape}")
            continue
        once, scale = given[f"g{number}"].astype(np.float64), scales[name]
        # The second time another norm is rounded, and another factor: as much noise as the first time, and its own.
        reference = should_be(scale, once, np.sqrt(2.0) * scale.sigma)
        yield Finding(f"{name} clipped again", got.astype(np.float64), reference, (case.table[name],))


twice = Property(
    name="twice",
    claim="Clipping what was clipped changes nothing, if no epsilon is added to the norm.",
    equation="clip(clip(g)) = clip(g)",
    needs=frozenset({"forward"}),
    check=_check,
    applies=lambda case: not case.config.epsilon and not case.call.zero,
    thorough=True,
)
