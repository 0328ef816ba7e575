"""From an answer and its reference to a verdict, in noise units: z = (got - truth) / sigma, element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from weakref import finalize

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


@dataclass(frozen=True)
class _Standing:
    """What every verdict against one reference has in common."""

    ordinary: npt.NDArray[np.bool_]  # where the truth is not exactly 0
    plain: bool  # it is nowhere
    elements: int  # that are ordinary
    limit: float
    limit_rms: float | None
    visible: tuple[float | None, float | None]
    truth: Truth

    @classmethod
    def of(cls, reference: Reference) -> _Standing:
        """Work it out once for each reference: a check in a loop has the same ones every time."""
        known = _STANDING.get(id(reference))
        if known is None:
            known = _STANDING[id(reference)] = cls._worked_out(reference)
            finalize(reference, _STANDING.pop, id(reference), None).atexit = False
        return known

    @classmethod
    def _worked_out(cls, reference: Reference) -> _Standing:
        ordinary = ~reference.zero
        n = int(ordinary.sum())
        limit = max_limit(max(n, 1))
        limit_rms = RMS_LIMIT if n >= RMS_FROM else None
        seen = visible(reference, limit, limit_rms)
        return cls(ordinary, n == ordinary.size, n, limit, limit_rms, seen, _truth(reference))


_STANDING: dict[int, _Standing] = {}  # by identity, as long as the reference lives: arrays have no hash


def noise_units(got: Array, reference: Reference) -> Floats:
    """Return z for every element: NaN where got is not finite, and infinite where an exact zero is not 0.

    The reference's own radius is taken off the distance, so that an uncertain reference accuses nobody.
    """
    wide = got if got.dtype == np.float64 else got.astype(np.float64)
    zeros = bool(reference.zero.any())
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        distance = (wide - reference.high) - reference.low
        distance = np.sign(distance) * np.maximum(np.abs(distance) - reference.radius, 0.0)
        z = distance / (np.where(reference.zero, 1.0, reference.sigma) if zeros else reference.sigma)
    if zeros:
        z = np.where(reference.zero, np.where(wide == 0.0, 0.0, np.inf), z)
    finite = np.isfinite(wide)
    return np.asarray(z if finite.all() else np.where(finite, z, np.nan))


def judge(finding: Finding) -> dict[str, Any]:
    """Return the fields of a verdict that follow from a finding."""
    if finding.reference is None or finding.got is None:
        return {"outcome": "failed" if finding.fault else "passed", "reason": finding.fault}
    reference = finding.reference
    if finding.got.size == 0:
        return {
            "outcome": "passed",
            "reason": "empty: there is nothing to compare",
            "truth": _truth(reference),
        }
    if reference.blind:
        return {
            "outcome": "blind",
            "reason": reference.blind,
            "elements": finding.got.size,
            "truth": _truth(reference),
        }
    standing = _Standing.of(reference)
    z = noise_units(finding.got, reference)
    sized = np.abs(z)
    if not (finite := bool(np.isfinite(sized.max()))):
        sized = np.where(np.isfinite(z), sized, np.inf)
    worst = np.unravel_index(int(np.argmax(sized)), sized.shape)
    largest = float(sized[worst])
    rms = None
    if standing.elements and finite:
        rms = _rms(z if standing.plain else z[standing.ordinary], largest)
    elif standing.elements and np.all(np.isfinite(z[standing.ordinary])):
        rms = float(root_mean_square(z[standing.ordinary]))
    reason = _reason(finding, z, worst, largest, standing.limit, rms, standing.limit_rms)
    whole, element = standing.visible
    figures = shown(finding, z, reference, failed=bool(reason))
    return {
        "outcome": "failed" if reason else "passed",
        "reason": reason,
        "elements": finding.got.size,
        "rms": rms,
        "max": largest if finite else None,
        "limit_rms": standing.limit_rms,
        "limit_max": standing.limit,
        "visible_whole": whole,
        "visible_element": element,
        "worst": _element(finding, reference, worst, z),
        "along": figures,
        "labels": labels(finding, figures) if reason else {},
        "truth": standing.truth,
    }


def _rms(z: Floats, largest: float) -> float:
    """Root mean square of what is at most so large, bit for bit as `root_mean_square` has it."""
    return float(np.sqrt(np.square(z / largest).mean()) * largest) if largest > 0.0 else 0.0


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
    if not np.isfinite(largest) and (strange := int(np.isnan(z).sum())):
        return f"{strange} of {total} elements are not finite"
    if not np.isfinite(largest) and (leaks := int(np.isinf(z[finding.reference.zero]).sum())):
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
