"""From an answer and its reference to a verdict, in noise units: z = (got - truth) / sigma, element by element."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gradassay._along import labels, shown
from gradassay._limits import RMS_FROM, RMS_LIMIT, max_limit
from gradassay._noise import root_mean_square
from gradassay._oracle import Reference
from gradassay._property import Finding
from gradassay._record import Element, Truth
from gradassay._spec import Array, Tensor

Floats = npt.NDArray[np.float64]
Kind = Literal["ordinary", "structural zero", "not finite"]


def noise_units(got: Array, reference: Reference) -> Floats:
    """Return z for every element: NaN where got is not finite, and infinite where an exact zero is not 0.

    The reference's own radius is taken off the distance, so that an uncertain reference accuses nobody.
    """
    wide = got.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        distance = (wide - reference.high) - reference.low
        distance = np.sign(distance) * np.maximum(np.abs(distance) - reference.radius, 0.0)
        z = distance / np.where(reference.zero, 1.0, reference.sigma)
    z = np.where(reference.zero, np.where(wide == 0.0, 0.0, np.inf), z)
    return np.asarray(np.where(np.isfinite(wide), z, np.nan))


def judge(finding: Finding) -> dict[str, Any]:
    """Return the fields of a verdict that follow from a finding."""
    if finding.reference is None or finding.got is None:
        return {"outcome": "failed" if finding.fault else "passed", "reason": finding.fault}
    reference = finding.reference
    truth = _truth(reference)
    if finding.got.size == 0:
        return {"outcome": "passed", "reason": "empty: there is nothing to compare", "truth": truth}
    if reference.blind:
        return {"outcome": "blind", "reason": reference.blind, "elements": finding.got.size, "truth": truth}
    z = noise_units(finding.got, reference)
    ordinary = ~reference.zero
    n = int(ordinary.sum())
    sized = np.abs(np.where(np.isfinite(z), z, np.inf))
    worst = np.unravel_index(int(np.argmax(sized)), sized.shape)
    largest = float(sized[worst])
    rms = float(root_mean_square(z[ordinary])) if n and np.all(np.isfinite(z[ordinary])) else None
    limit = max_limit(max(n, 1))
    limit_rms = RMS_LIMIT if n >= RMS_FROM else None
    reason = _reason(finding, z, worst, largest, limit, rms, limit_rms)
    whole, element = visible(reference, limit, limit_rms)
    figures = shown(finding, z, reference, failed=bool(reason))
    return {
        "outcome": "failed" if reason else "passed",
        "reason": reason,
        "elements": finding.got.size,
        "rms": rms,
        "max": largest if np.isfinite(largest) else None,
        "limit_rms": limit_rms,
        "limit_max": limit,
        "visible_whole": whole,
        "visible_element": element,
        "worst": _element(finding, reference, worst, z),
        "along": figures,
        "labels": labels(finding, figures) if reason else {},
        "truth": truth,
    }


def _reason(
    finding: Finding,
    z: Floats,
    worst: tuple[Any, ...],
    largest: float,
    limit: float,
    rms: float | None,
    limit_rms: float | None,
) -> str:
    assert finding.reference is not None  # judge() has looked; this is for the type checker
    total = z.size
    if strange := int(np.isnan(z).sum()):
        return f"{strange} of {total} elements are not finite"
    if leaks := int(np.isinf(z[finding.reference.zero]).sum()):
        return f"{leaks} of {int(finding.reference.zero.sum())} elements that are exactly 0 are not"
    if largest > limit:
        beyond = int((np.abs(z) > limit).sum())
        return f"{beyond} of {total} elements are beyond {limit:.1f} noise units, the worst at {largest:.4g}"
    if rms is not None and limit_rms is not None and rms > limit_rms:
        return f"root mean square is {rms:.3g} noise units; at most {limit_rms:.0f} is noise"
    return ""


def visible(reference: Reference, limit: float, limit_rms: float | None) -> tuple[float | None, float | None]:
    """Return the smallest relative errors that would fail: of the whole tensor by a factor, of one typical element."""
    ordinary = ~reference.zero & (reference.high != 0.0)
    if not ordinary.any():
        return None, None
    # Noise over signal, since a value that is only passed on is beyond the range when counted in its noise.
    with np.errstate(over="ignore"):
        relative = reference.sigma[ordinary] / np.abs(reference.high[ordinary])
    least = float(relative.min())
    whole = limit * least
    if limit_rms is not None and least > 0.0:
        whole = min(whole, limit_rms * least / float(root_mean_square(least / relative)))
    typical = float(np.median(relative))
    return whole, limit * typical if np.isfinite(typical) else None


def _element(finding: Finding, reference: Reference, index: tuple[Any, ...], z: Floats) -> Element:
    assert finding.got is not None  # as above
    position = tuple(int(i) for i in index)
    zero, value = bool(reference.zero[index]), float(z[index])
    kind: Kind = "not finite" if np.isnan(value) else "structural zero" if zero else "ordinary"
    return Element(
        tensor=finding.tensor,
        index=position,
        where=locate(finding.labels, position),
        got=_decimal(float(finding.got[index])),
        want=_decimal(float(reference.high[index])),
        sigma=float(reference.sigma[index]),
        z=value if np.isfinite(value) else None,
        kind=kind,
    )


def locate(labels: tuple[Tensor, ...], index: tuple[int, ...]) -> dict[str, str]:
    """Name an element in words; with several tensors (a Jacobian), each axis is named after its tensor."""
    if len(labels) == 1:
        return labels[0].locate(index)
    words: dict[str, str] = {}
    start = 0
    for tensor in labels:
        rank = len(tensor.axes)
        words |= {f"{tensor.name} {axis}": at for axis, at in tensor.locate(index[start : start + rank]).items()}
        start += rank
    return words


def _truth(reference: Reference) -> Truth:
    ordinary = ~reference.zero
    worst = float(np.max(reference.radius[ordinary] / reference.sigma[ordinary])) if ordinary.any() else 0.0
    return Truth(rung=reference.rung, bits=reference.bits, radius=worst, noise_roundoff=reference.roundoff)


def _decimal(value: float) -> str:
    return f"{value:.17g}"
