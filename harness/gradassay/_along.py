"""Figures for whoever looks rather than reads: noise units along labelled axes, and Jacobians in blocks of steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gradassay._oracle import Reference
from gradassay._property import Finding
from gradassay._record import Along, Grid
from gradassay._spec import Tensor

STEP = "step"  # the axis of sequences
LONGEST = 64  # positions: a figure of more is no figure

Floats = npt.NDArray[np.float64]


def along(tensor: Tensor, z: Floats, ordinary: npt.NDArray[np.bool_], axes: frozenset[str] | None = None) -> Along:
    """Return the root mean square of z at each position along the labelled axes of a tensor.

    Args:
        tensor: whose axes they are.
        z: noise units, in the tensor's shape.
        ordinary: where the truth is not exactly zero; elsewhere only what is not 0 counts, as nothing finite.
        axes: names to select; every axis if not given. One of more than 64 positions is left out.

    Returns:
        By axis: the figures, None where an element is not finite or the truth is exactly zero everywhere.
    """
    sizes = [axis.size for group in tensor.axes for axis in group]
    names = [axis.name for group in tensor.axes for axis in group]
    chosen = [
        axis
        for axis, name in enumerate(names)
        if (axes is None or name in axes) and 1 < sizes[axis] <= LONGEST and names.count(name) == 1
    ]
    if not chosen:
        return {}
    shaped, counted = z.reshape(sizes), (ordinary | (z != 0.0)).reshape(sizes)
    found: Along = {}
    for axis in chosen:
        others = tuple(other for other in range(len(sizes)) if other != axis)
        found[names[axis]] = tuple(_short(figure) for figure in _rms(shaped, counted, others))
    return found


def grids(finding: Finding, z: Floats) -> tuple[Grid, Grid, Grid] | None:
    """Return the grids `truth`, `got` and `apart` of a map: of a Jacobian by steps that is not 0 everywhere."""
    if len(finding.labels) != 2 or finding.got is None or finding.reference is None:
        return None
    of, wrt = (_step(tensor) for tensor in finding.labels)
    if of is None or wrt is None or finding.got.shape != finding.labels[0].shape + finding.labels[1].shape:
        return None
    kept = of, len(finding.labels[0].axes) + wrt
    if not all(1 < finding.got.shape[axis] <= LONGEST for axis in kept):
        return None
    summed = tuple(axis for axis in range(finding.got.ndim) if axis not in kept)
    reference = finding.reference
    ordinary = ~reference.zero | (z != 0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        truth, got = (np.sqrt(np.square(a.astype(np.float64)).sum(axis=summed)) for a in (reference.high, finding.got))
    if not truth.any() and not got.any():
        return None
    return _grid(truth), _grid(got), _grid(_rms(z, ordinary, summed))


def _rms(z: Floats, counted: npt.NDArray[np.bool_], over: tuple[int, ...]) -> Floats:
    """Root mean squares of what is counted, whose squares may be beyond any float."""
    size = np.max(np.abs(z), axis=over, keepdims=True, where=np.isfinite(z), initial=1.0)
    with np.errstate(invalid="ignore"):
        means = np.where(counted, np.square(z / size), 0.0).sum(axis=over) / counted.sum(axis=over)
    return np.asarray(size.squeeze(over) * np.sqrt(means))


def shown(finding: Finding, z: Floats, reference: Reference, *, failed: bool) -> Along:
    """Return the figures along steps of what passed, and along every axis of what failed."""
    if len(finding.labels) != 1 or finding.labels[0].shape != z.shape:
        return {}
    return along(finding.labels[0], z, ~reference.zero, None if failed else frozenset({STEP}))


def labels(finding: Finding, figures: Along) -> dict[str, tuple[str, ...]]:
    """Return what positions along axes are called, where they have names beside their numbers."""
    named = (axis for tensor in finding.labels for group in tensor.axes for axis in group if axis.labels)
    return {axis.name: axis.labels for axis in named if axis.name in figures}


def _step(tensor: Tensor) -> int | None:
    """The dimension of an array that is steps, and nothing else."""
    found = (i for i, group in enumerate(tensor.axes) if [axis.name for axis in group] == [STEP])
    return next(found, None)


def _grid(figures: npt.NDArray[Any]) -> Grid:
    return tuple(tuple(_short(figure) for figure in row) for row in figures)


def _short(figure: float) -> float | None:
    """Three digits, which are enough to look at: a run has many of them."""
    return float(f"{figure:.3g}") if np.isfinite(figure) else None
