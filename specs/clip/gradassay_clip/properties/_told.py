"""What the properties share: tensors beside what came of them, and references that say where a number should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradassay._case import Case
from gradassay._spec import Array

if TYPE_CHECKING:
    from gradassay._oracle import Oracle, Reference
    from gradassay._subject import Subject

Floats = Array


def truth(oracle: Oracle, case: Case) -> dict[str, Reference]:
    """Return the certified outputs with their noise."""
    from gradassay._oracle import Query  # the arithmetics: whoever only plans needs none of them

    return oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))


def numbers(case: Case) -> list[int]:
    """Return the numbers of the tensors that are there."""
    return [int(tensor.where["tensor"]) for tensor in case.table.values() if tensor.role == "input"]


def pairs(subject: Subject, case: Case) -> Iterator[tuple[int, Floats, Floats | None]]:
    """Yield (number, tensor, what came of it), wide; None where nothing of its shape came: `contract` says so."""
    outputs = subject.forward().outputs
    for number in numbers(case):
        g, clipped = case.tensors[f"g{number}"], outputs.get(f"clipped_g{number}")
        there = clipped is not None and clipped.shape == g.shape
        yield number, g.astype(np.float64), clipped.astype(np.float64) if clipped is not None and there else None


def should_be(scale: Reference, value: Floats, sigma: Floats) -> Reference:
    """Return the reference that says `value`, within `sigma`; blind where `scale` is."""
    value, nothing = np.asarray(value, dtype=np.float64), np.zeros(np.shape(value))
    tiny = np.finfo(np.float64).tiny
    return replace(
        scale,
        high=value,
        low=nothing,
        radius=nothing,
        zero=np.zeros(value.shape, dtype=np.bool_),
        sigma=np.maximum(np.broadcast_to(np.asarray(sigma, dtype=np.float64), value.shape), tiny),
    )


def norm_of(arrays: list[Floats]) -> float:
    """Return the Euclidean norm of all elements together, neither overflowing nor underflowing."""
    flat = np.concatenate([array.ravel() for array in arrays])
    peak = float(np.max(np.abs(flat), initial=0.0))
    return peak * float(np.sqrt(np.sum(np.square(flat / peak)))) if peak > 0 else 0.0
