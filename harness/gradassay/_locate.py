"""Where a tensor leaves the noise: the labels between which every element beyond it lies, and the first of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gradassay._judge import noise_units
from gradassay._limits import max_limit
from gradassay._property import Finding
from gradassay._spec import Axis, Tensor

TIME, BATCH = "step", "row"  # axes by which the first element beyond the noise is the first
LISTED = 4  # labels of one axis that are named one by one

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Place:
    """Where a tensor leaves the noise.

    Attributes:
        tensor: its name.
        words: "layer 1, direction reverse, gate f, rows 2 and 3, from step 16 on"; "all of it".
        first: "row 2, step 16", the first such element by step and row; empty if there is neither axis.
        beyond, elements: how many elements are beyond the noise, of how many.
    """

    tensor: str
    words: str
    first: str
    beyond: int
    elements: int

    def __str__(self) -> str:
        count = f"{self.beyond:,} of {self.elements:,} elements"
        return f"{self.words} ({'; '.join(filter(None, [count, self.first and f'the first at {self.first}']))})"


def locate(finding: Finding) -> Place | None:
    """Return where a finding leaves the noise; None where it does not, or holds no array.

    An element leaves it that is not finite, is an exact zero that is not 0, or is beyond the limit on |z|. Where none
    does, and the root mean square alone is too large, it is spread over all.
    """
    if finding.got is None or finding.reference is None or not finding.got.size:
        return None
    z = noise_units(finding.got, finding.reference)
    beyond = ~(np.abs(z) <= max_limit(max(int((~finding.reference.zero).sum()), 1)))
    fixed = [f"{key} {value}" for tensor in finding.labels for key, value in tensor.where.items()]
    if not beyond.any():
        return Place(finding.tensor, "spread over all of it, no element alone", "", 0, z.size)
    axes = named_axes(finding.labels, z.shape)
    mask = beyond.reshape([axis.size for axis in axes])
    words = [said for number, axis in enumerate(axes) if (said := _labels(axis, _held(mask, number)))]
    return Place(
        finding.tensor, ", ".join([*fixed, *(words or ["all of it"])]), _first(axes, mask), int(beyond.sum()), z.size
    )


def named_axes(labels: tuple[Tensor, ...], shape: tuple[int, ...]) -> list[Axis]:
    """Return every labelled axis, those that share a dimension one after the other; unnamed where labels do not fit."""
    axes = [axis for tensor in labels for group in tensor.axes for axis in group]
    if tuple(size for tensor in labels for size in tensor.shape) != shape:
        return [Axis(f"index {number} =", size) for number, size in enumerate(shape)]
    if len(labels) > 1:
        return [
            Axis(f"{t.name} {axis.name}", axis.size, axis.labels) for t in labels for group in t.axes for axis in group
        ]
    return axes


def _held(mask: Mask, axis: int) -> list[int]:
    """Positions on one axis at which there is anything."""
    others = tuple(other for other in range(mask.ndim) if other != axis)
    return [int(position) for position in np.flatnonzero(mask.any(axis=others))]


def _labels(axis: Axis, held: list[int]) -> str:
    """`gate f`, `rows 2 and 3`, `from step 16 on`, `9 of 33 units`; nothing when it is all of them."""
    if len(held) == axis.size:
        return ""
    if len(held) == 1:
        return f"{axis.name} {axis.label(held[0])}"
    gapless = all(b == a + 1 for a, b in pairwise(held))
    if gapless and not axis.labels and held[-1] == axis.size - 1:
        return f"from {axis.name} {held[0]} on"
    if gapless and not axis.labels and held[0] == 0:
        return f"up to {axis.name} {held[-1]}"
    if len(held) > LISTED:
        return f"{len(held):,} of {axis.size:,} {axis.name}s"
    *most, last = [axis.label(position) for position in held]
    return f"{axis.name}s {', '.join(most)} and {last}"


def _first(axes: list[Axis], mask: Mask) -> str:
    """Name the first element there is, by step and then by row."""
    found: Any = np.argwhere(mask)
    order = [number for name in (TIME, BATCH) for number, axis in enumerate(axes) if axis.name == name]
    if not order:
        return ""
    first = min(found.tolist(), key=lambda index: [index[number] for number in order])
    return ", ".join(f"{axes[number].name} {axes[number].label(first[number])}" for number in sorted(order))
