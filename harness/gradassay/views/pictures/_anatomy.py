"""One failing request taken apart: which tensors leave the noise, and at which positions along which axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite

from gradassay._limits import RMS_FROM, RMS_LIMIT
from gradassay._record import Verdict
from gradassay.views._summary import FAILING, Report, Summary, counted

LEAST = 0.1  # noise units; what is closer differs in nothing
LONGEST = 64  # positions along an axis: a run records no more
TENSORS, AXES = 12, 3  # of one failure, that are shown


@dataclass(frozen=True)
class Anatomy:
    """What a report shows: all tensors of one request, the furthest first."""

    report: Report
    number: int
    verdicts: tuple[Verdict, ...]

    @cached_property
    def axes(self) -> list[str]:
        """The axes of what is wrong, the most telling first: along which the noise differs most between positions."""
        contrast: dict[str, float] = {}
        for v in self.verdicts:
            for axis in v.along if v.outcome == "failed" else ():
                figures = along(v, axis)
                if not 0 < len(figures) <= LONGEST:
                    continue
                known = [max(f, LEAST) for f in figures if f is not None]
                ratio = max(known) / min(known) if known else 1.0
                contrast[axis] = max(contrast.get(axis, 0.0), inf if None in figures else ratio)
        return sorted(contrast, key=lambda axis: -contrast[axis])

    def names(self, axis: str) -> dict[int, str]:
        """Return what positions are called, where they have names: `{0: "i", 1: "f"}`."""
        return next((dict(enumerate(v.labels[axis])) for v in self.verdicts if axis in v.labels), {})

    def length(self, axis: str) -> int:
        return max((len(v.along[axis]) for v in self.verdicts if axis in v.along), default=0)


def anatomies(summary: Summary) -> list[Anatomy]:
    """Return those of the reports that hold figures, in the reports' order and with their numbers."""
    requests: dict[tuple[str, ...], list[Verdict]] = {}
    for v in summary.verdicts:
        if v.outcome in ("passed", "failed"):
            requests.setdefault(_request(v), []).append(v)
    found = []
    for number, report in enumerate(summary.reports, start=1):
        first = next((v for v in (report.worst, *report.alike) if v.outcome == "failed" and v.along), report.worst)
        verdicts = sorted(requests.get(_request(first), ()), key=_badness, reverse=True)
        if any(v.outcome == "failed" and (v.rms is not None or v.worst is not None) for v in verdicts):
            found.append(Anatomy(report, number, tuple(verdicts)))
    return found


def along(verdict: Verdict, axis: str) -> tuple[float | None, ...]:
    """Return the figures along an axis; what is not finite is none."""
    return tuple(f if f is not None and isfinite(f) else None for f in verdict.along.get(axis, ()))


def limit(verdict: Verdict, positions: int = 1) -> float | None:
    """What an RMS over a tensor, or over one of several positions along an axis of it, stays below."""
    return RMS_LIMIT if verdict.elements / positions >= RMS_FROM else verdict.limit_max


def odd(verdict: Verdict) -> bool:
    """Whether it is wrong beyond any number: not finite, or not 0 where it should be exactly that."""
    return verdict.outcome == "failed" and verdict.worst is not None and verdict.worst.kind != "ordinary"


def beyond(verdict: Verdict) -> bool:
    """Whether it is further off than any number says."""
    return odd(verdict) or (verdict.rms is None and verdict.outcome == "failed") or not isfinite(verdict.rms or 0.0)


def _request(v: Verdict) -> tuple[str, ...]:
    return v.target, v.spec, v.suite, v.case, v.property, v.against


def _badness(verdict: Verdict) -> tuple[bool, bool, float]:
    return counted(verdict) in FAILING, odd(verdict), verdict.rms or 0.0
