"""Findings about two answers that are related: equal, sums of one another, exactly 0 somewhere, or the same bits.

Where several answers are compared, the noise unit of the difference is the root of the sum of their squared ones:
rounding errors of separate calls are independent. An answer that continues from another's result inherits its error,
which is no larger than that of the whole, and is counted as one more whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, between, compare
from gradassay._spec import Array, Tensor
from gradassay_lstm._variations import Move, axes, moved

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle, Reference
    from gradassay._session import Answer

Scales = Mapping[str, "Reference"]
Gradients = Mapping[str, Array | None]


def truth(oracle: Oracle, case: Case, wrt: Sequence[str] | None = None) -> dict[str, Reference]:
    """Return the certified outputs and gradients of a case, with their noise."""
    from gradassay._oracle import Query  # the arithmetics: whoever only plans needs none of them

    names = case.differentiable if wrt is None else tuple(wrt)
    return oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=names))


def right(answer: Answer, references: Scales, case: Case, what: str) -> Iterator[Finding]:
    """Set an answer beside the certified one of its own case."""
    found = [
        *compare(answer.outputs, references, case.outputs, case),
        *compare(answer.gradients, references, case.differentiable, case, prefix="d "),
    ]
    yield from named(found, what)


def same(
    first: Answer,
    second: Answer,
    scales: Scales,
    case: Case,
    what: str,
    names: Iterable[str] | None = None,
) -> Iterator[Finding]:
    """Set a second answer beside the first, within the noise of both.

    Args:
        second: its arrays lie as the first one's do.
        scales: the certified references of `case`, whose tensors these are.
        what: how the second answer came about: "y of rows in another order".
        names: which tensors; all outputs, and all that is differentiable, if not given.
    """
    asked = (*case.outputs, *case.differentiable) if names is None else tuple(names)
    for group, prefix in (("outputs", ""), ("gradients", "d ")):
        one, other = getattr(first, group), getattr(second, group)
        references = between({name: one.get(name) for name in asked if name in one}, scales, prefix)
        for name in asked:
            if (name in case.outputs) != (group == "outputs"):
                continue
            if prefix + name in references:
                yield from named(compare(other, references, (name,), case, prefix), what)
            else:
                yield Finding(f"{name} of {what}", fault=NOTHING)


NOTHING = "the first answer has no array of its shape, so that there is nothing to compare"


def added(
    whole: Gradients,
    parts: Sequence[Gradients],
    scales: Scales,
    part_scales: Sequence[Scales],
    names: Iterable[str],
    case: Case,
    what: str,
    inherited: int = 0,
) -> Iterator[Finding]:
    """Set the sum of gradients beside that of the whole: |sum of parts - whole| in units of the noise of all of them.

    Args:
        part_scales: the certified references of each part, for their noise.
        inherited: how many more times the noise of the whole is in the parts, since they continue from one another.
    """
    for name in names:
        shape = scales[f"d {name}"].high.shape
        arrays = [part.get(name) for part in parts]
        total = whole.get(name)
        if total is None or total.shape != shape:
            yield Finding(f"{name} of {what}", fault=NOTHING)
            continue
        there = [array for array in arrays if array is not None and array.shape == shape]
        if len(there) < len(arrays):
            lost = next(i for i, array in enumerate(arrays) if array is None or array.shape != shape)
            fault = f"part {lost + 1} of {len(arrays)} has no gradient of shape {shape}, so that there is no sum"
            yield Finding(f"{name} of {what}", fault=fault)
            continue
        got = np.sum([array.astype(np.float64) for array in there], axis=0)
        reference = combined(total, scales[f"d {name}"], [scale[f"d {name}"] for scale in part_scales], 1 + inherited)
        yield Finding(f"{name} of {what}", got, reference, (case.table[name],))


def combined(total: Array, scale: Reference, parts: Sequence[Reference], times: int = 1) -> Reference:
    """Return the reference for a sum of answers that should be another answer: sigma^2 = times scale^2 + parts^2."""
    reference = between({"": total}, {"": scale})[""]
    # Not by squares: those of a sigma of 1e-180 underflow.
    sigma = reduce(np.hypot, [np.sqrt(times) * scale.sigma, *(part.sigma for part in parts)])
    return replace(
        reference,
        sigma=np.maximum(sigma, np.finfo(np.float64).tiny),
        blind=next((reason for reason in (scale.blind, *(part.blind for part in parts)) if reason), ""),
        overflow=scale.overflow or any(part.overflow for part in parts),
    )


def exactly_zero(name: str, got: Array, mask: Array, labels: tuple[Tensor, ...], blind: str = "") -> Finding:
    """Say that an array is 0, bit for bit but for the sign, wherever the mask is."""
    from gradassay._oracle import Reference

    nothing = np.zeros(got.shape)
    reference = Reference(
        high=nothing,
        low=nothing,
        radius=nothing,
        zero=np.ones(got.shape, dtype=np.bool_),
        sigma=nothing,
        blind=blind,
        rung="by definition",
        bits=0,
        roundoff=0.0,
        overflow=bool(blind),
    )
    return Finding(name, np.where(mask, got.astype(np.float64), 0.0), reference, labels)


def unchanged(name: str, first: Array | None, second: Array | None, mask: Array, tensor: Tensor) -> Finding:
    """Say that two arrays are equal, bit for bit but for the sign of zeros, wherever the mask is."""
    if first is None or second is None or first.shape != second.shape or first.shape != mask.shape:
        shapes = " and ".join("None" if array is None else f"shape {array.shape}" for array in (first, second))
        return Finding(name, fault=f"got {shapes}, before and after; should be two arrays of shape {mask.shape}")
    a, b = first.astype(np.float64), second.astype(np.float64)
    differs = mask & (a != b) & ~(np.isnan(a) & np.isnan(b))
    if not differs.any():
        return Finding(name)
    index = tuple(int(i) for i in np.argwhere(differs)[0])
    place = ", ".join(f"{key} {value}" for key, value in tensor.locate(index).items())
    fault = (
        f"{int(differs.sum())} of {int(mask.sum())} elements that should stay as they are, bit for bit, do not: the "
        f"first at {list(index)} ({place}) was {a[index]:.9g} and is {b[index]:.9g}"
    )
    return Finding(name, fault=fault)


def named(findings: Iterable[Finding], what: str) -> Iterator[Finding]:
    yield from (replace(finding, tensor=f"{finding.tensor} of {what}") for finding in findings)


def placed(answer: Answer, case: Case, move: Move) -> Answer:
    """Return an answer to `case` with every array moved."""
    return replace(answer, outputs=moved(case, answer.outputs, move), gradients=moved(case, answer.gradients, move))


def scales_of(scales: Scales, case: Case, move: Move) -> dict[str, Reference]:
    """Return the references of `case` with every array moved."""
    return {key: _scale_of(scale, key.removeprefix("d "), move) for key, scale in scales.items()}


def _scale_of(scale: Reference, name: str, move: Move) -> Reference:
    high, low, radius = move(name, scale.high), move(name, scale.low), move(name, scale.radius)
    return replace(scale, high=high, low=low, radius=radius, zero=move(name, scale.zero), sigma=move(name, scale.sigma))


def of_rows(case: Case) -> tuple[str, ...]:
    """Name the outputs and gradients that belong to rows of the batch: those of parameters do not."""
    return tuple(name for name in (*case.outputs, *case.differentiable) if "row" in axes(case.table[name]))
