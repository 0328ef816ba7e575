"""A Jacobian against the certified reference: every entry, or its products with random directions from both sides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from gradassay._case import Case
from gradassay._errors import UsageError
from gradassay._judge import judge
from gradassay._limits import SAMPLES, max_limit
from gradassay._oracle import Query, Reference
from gradassay._property import Finding
from gradassay._spec import Array
from gradassay._ties import TiedOracle
from gradassay._words import Words
from gradassay.jacobians._side import Side
from gradassay.jacobians._source import Source

EVERY, PRODUCTS, BARRED = "every entry", "products", "error bars"
BARS = 0.95  # of the entries of an estimate
DIRECTIONS = 2  # random ones, from each side
ROWS = 256  # of a matrix that are multiplied at once
AFFORDED = 5e10  # multiplications and additions, in balls and in noise: some ten seconds


@dataclass(frozen=True)
class Certificate:
    """What the reference says of a Jacobian; true if it passed.

    Attributes:
        how: "every entry" or "products"; "error bars" for estimates, where figures are in these.
        why: why it was held against the reference in this way.
        outcome: "passed", "failed" or "blind".
        reason: of a failure, or of blindness.
        parts: for each comparison its name, RMS and largest |z| in noise units (None where something is not finite),
            the limit on the largest, and its own reason.
    """

    how: str
    why: str
    outcome: str
    reason: str
    parts: tuple[tuple[str, float | None, float | None, float, str], ...]

    def __bool__(self) -> bool:
        return self.outcome == "passed"

    @property
    def largest(self) -> float | None:
        """The largest |z| of all comparisons, in noise units."""
        found = [largest for _, _, largest, _, _ in self.parts]
        return None if None in found else max((f for f in found if f is not None), default=0.0)

    def __str__(self) -> str:
        lines = [f"{self.outcome} by {self.how} ({self.why})" + (f": {self.reason}" if self.reason else "")]
        units = "error bars" if self.how == BARRED else "noise units"
        for name, rms, largest, limit, _ in self.parts:
            figures = "not finite" if largest is None else f"worst {largest:.1f} of {limit:.1f} {units}"
            lines.append(f"  {name}: {figures}" + (f", RMS {rms:.1f}" if rms is not None else ""))
        return "\n".join(lines)

    __repr__ = __str__


def certify(source: Source, of: Side, wrt: Side, block: Array, how: str = "") -> Certificate:
    """Judge a block (*of.block, *wrt.block)."""
    case = source.case
    work = _work(case, of, wrt)
    chosen = how or (EVERY if work <= AFFORDED else PRODUCTS)
    if chosen not in (EVERY, PRODUCTS):
        raise UsageError(f"how is {how!r}; should be {EVERY!r} or {PRODUCTS!r}")
    why = f"the reference takes about {work:.0e} operations for every entry; up to {AFFORDED:.0e} are spent on it"
    oracle = TiedOracle()
    if chosen == EVERY:
        findings = [(f"d {of} / d {wrt}", _entries(oracle, case, of, wrt, block))]
    else:
        findings = [*_pushed(oracle, case, of, wrt, block), *_pulled(oracle, case, of, wrt, block)]
    return _told(chosen, "asked for" if how else why, findings)


def covered(source: Source, of: Side, wrt: Side, block: Array, error: Array) -> Certificate:
    """Say how many entries are within their own error bars of the truth, of those that are not exactly zero.

    95% should be, and none may be further away than the limit on the largest z, a bar being two noise units.
    """
    reference = _entries(TiedOracle(), source.case, of, wrt, block).reference
    assert reference is not None  # it was made for one
    distance = np.maximum(np.abs(block.astype(np.float64) - reference.high) - reference.radius, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        bars = np.where(distance > 0, distance / error, 0.0)
    bars = np.where(np.isfinite(block.astype(np.float64)), bars, np.inf)
    ordinary = bars[~reference.zero]
    share = float((ordinary <= 1).mean()) if ordinary.size else 1.0
    worst, limit = float(bars.max(initial=0.0)), max_limit(max(bars.size, 1)) / 2
    reason = ""
    if share < BARS:
        reason = f"{share:.1%} of the entries are within their error bars; {BARS:.0%} should be"
    elif worst > limit:
        reason = f"an entry is {worst:.3g} error bars away; at most {limit:.1f} are chance"
    part = (f"d {of} / d {wrt}", None, worst if np.isfinite(worst) else None, limit, reason)
    why = f"these are estimates by differences: {share:.1%} of them are within"
    return Certificate(BARRED, why, "failed" if reason else "passed", reason, (part,))


def _told(how: str, why: str, findings: list[tuple[str, Finding]]) -> Certificate:
    parts, outcomes = [], []
    for name, finding in findings:
        found = judge(finding)
        outcomes.append((found["outcome"], found["reason"]))
        parts.append((name, found.get("rms"), found.get("max"), found.get("limit_max") or 0.0, found["reason"]))
    for outcome in ("failed", "blind"):
        reasons = [reason for one, reason in outcomes if one == outcome]
        if reasons:
            return Certificate(how, why, outcome, reasons[0], tuple(parts))
    return Certificate(how, why, "passed", "", tuple(parts))


def _work(case: Case, of: Side, wrt: Side) -> float:
    """Estimate what every entry takes: the shorter side's directions, over the call, in each sample of the noise."""
    parameters = sum(array.size for array in case.parameters.values()) or 1
    numbers = sum(prod(tensor.shape[:-1] or (1,)) for tensor in case.table.values() if tensor.role == "input") or 1
    return 4.0 * min(of.size, wrt.size) * parameters * numbers * SAMPLES


def _entries(oracle: TiedOracle, case: Case, of: Side, wrt: Side, block: Array) -> Finding:
    query = Query("jacobian", of=of.name, wrt=(wrt.name,), of_block=_box(of), wrt_block=_box(wrt))
    reference = oracle.ask(case, query)["jacobian"]
    index = np.ix_(*_within(of), *_within(wrt))
    return Finding(f"d {of} / d {wrt}", block, cut(reference, index), (of.tensor, wrt.tensor))


def _pushed(oracle: TiedOracle, case: Case, of: Side, wrt: Side, block: Array) -> list[tuple[str, Finding]]:
    found = []
    for k in range(DIRECTIONS):
        direction, chosen = _random(case, wrt, f"u{k}", block)
        reference = oracle.ask(case, Query("jvp", tangents={wrt.name: direction}, wrt=(wrt.name,)))[of.name]
        got = _times(block, chosen, of, wrt, right=True)
        found.append((f"J u for random u, {k + 1}", Finding(of.name, got, cut(reference, np.ix_(*of.positions)))))
    return found


def _pulled(oracle: TiedOracle, case: Case, of: Side, wrt: Side, block: Array) -> list[tuple[str, Finding]]:
    found = []
    for k in range(DIRECTIONS):
        direction, chosen = _random(case, of, f"v{k}", block)
        query = Query("vjp", cotangents={of.name: direction}, wrt=(wrt.name,))
        reference = oracle.ask(case, query)[f"d {wrt.name}"]
        got = _times(block, chosen, of, wrt, right=False)
        found.append((f"v'J for random v, {k + 1}", Finding(wrt.name, got, cut(reference, np.ix_(*wrt.positions)))))
    return found


def _times(block: Array, direction: Array, of: Side, wrt: Side, right: bool) -> Array:
    """Multiply in float64, and sum by pairs: no more rounding than that of the products, far below the entries' own."""
    matrix, vector = block.reshape(of.size, wrt.size), direction.ravel().astype(np.float64)
    rows = matrix if right else matrix.T
    found = np.zeros(len(rows))
    for start in range(0, len(rows), ROWS):
        some = np.ascontiguousarray(rows[start : start + ROWS]).astype(np.float64)
        found[start : start + ROWS] = np.sum(some * vector, axis=1)
    return found.reshape(of.block if right else wrt.block)


def _random(case: Case, side: Side, name: str, block: Array) -> tuple[Array, Array]:
    """Return a direction that is zero outside of the block's elements, and its part there."""
    words = Words(case.template.seed, "certify", name)
    chosen = words.normal(side.block).astype(block.dtype)
    direction: Array = np.zeros(side.shape, block.dtype)
    direction[np.ix_(*side.positions)] = chosen
    return direction, chosen


def cut(reference: Reference, index: Any) -> Reference:
    """Return a part of a reference."""
    parts = {name: getattr(reference, name)[index] for name in ("high", "low", "radius", "zero", "sigma")}
    return replace(reference, **parts)


def _box(side: Side) -> tuple[tuple[int, int], ...]:
    """Return the bounds of a side; nothing where they are the whole tensor: the answer is then cached for all."""
    whole = tuple((0, size) for size in side.shape)
    return () if side.bounds == whole else side.bounds


def _within(side: Side) -> list[tuple[int, ...]]:
    """Return the positions within the bounds."""
    return [tuple(p - low for p in found) for found, (low, _) in zip(side.positions, side.bounds, strict=True)]
