"""Whether noise units moved: both runs passed, but the new one is further from the truth than rounding alone brings it.

Rounding errors of another order of summation are other random numbers: the largest of four of them may double, and
the RMS of thousands hardly moves. So the RMS is pooled over the cases of a target, property and tensor, and allowed the
more the fewer its elements. One case alone drifts when it uses up much of its limit, and much more than before.
Where the figures come from: docs/diff.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gradassay._record import Verdict
from gradassay.runs._fair import bits_of
from gradassay.runs._told import Bits, Key, Told, state

FACTOR = 1.5  # by which noise units may move
SMALL = 0.5  # noise units, below which nobody is asked for less
Figure = Literal["max", "rms"]
FIGURES: tuple[Figure, ...] = ("max", "rms")
USED = 0.4  # of a limit, below which one verdict alone says nothing
SCATTER = 2.0  # how much a few elements scatter: another instruction set moves 8 of them by up to 1.9
MOVED = 2e-3  # relative: a baseline has four digits


class Group(NamedTuple):
    """Whose cases are pooled."""

    target: str
    spec: str
    property: str
    tensor: str


@dataclass(frozen=True)
class Moved:
    """Noise units that moved beyond the factor."""

    group: Group
    kind: Literal["RMS", "max", "rms"]  # the pooled RMS, or the share of a limit that one verdict used
    before: float
    now: float
    allowed: float  # the factor, for so many elements
    worst: tuple[Key, Verdict, Verdict]  # the verdict that moved most: before and now
    verdicts: int  # how many are pooled

    @property
    def worse(self) -> bool:
        return self.now > self.before


@dataclass(frozen=True)
class Drift:
    moved: tuple[Moved, ...] = ()  # the worst first
    figures: int = 0  # how many verdicts have some in both
    changed: int = 0  # and how many of these are not the same, to four digits

    @property
    def worse(self) -> tuple[Moved, ...]:
        return tuple(one for one in self.moved if one.worse)

    @property
    def better(self) -> tuple[Moved, ...]:
        return tuple(one for one in self.moved if not one.worse)


Pair = tuple[Key, Verdict, Verdict]


def allowed(factor: float, elements: int) -> float:
    """By how much the RMS of so many elements may move."""
    return factor * (1 + SCATTER / math.sqrt(max(elements, 1)))


def used(verdict: Verdict, figure: Figure) -> float:
    """How much of a limit a verdict has used up: that of its largest element, or of its RMS."""
    got, limit = (verdict.max, verdict.limit_max) if figure == "max" else (verdict.rms, verdict.limit_rms)
    return got / limit if got is not None and limit else 0.0


def drift(
    base: Told,
    new: Told,
    *,
    factor: float = FACTOR,
    repeats: Sequence[Told] = (),
    redrawn: frozenset[Bits] = frozenset(),
) -> Drift:
    """Compare the noise units of what passed in both runs.

    Args:
        factor: how far they may move.
        repeats: further runs of what `base` ran: noise units may move from the nearest of them all.
        redrawn: data that are not the same in both, which are left out.
    """
    groups: dict[Group, list[Pair]] = {}
    figures = changed = 0
    for key, before in base.verdicts.items():
        now = new.verdicts.get(key)
        if now is None or key.against or not (_has_figures(before) and _has_figures(now)):
            continue  # what two targets differ by moves with either, and both are looked at
        if redrawn and bits_of(before) in redrawn:
            continue
        figures += 1
        changed += _apart(before, now)
        groups.setdefault(Group(key.target, key.spec, key.property, key.tensor), []).append((key, before, now))
    found = []
    for group, pairs in groups.items():
        held = [[_like(told.verdicts, key, before) for key, before, _ in pairs] for told in repeats]
        moved = _pooled(group, pairs, held, factor)
        alone = _single(group, pairs, held, factor)
        if moved is None or (alone is not None and alone.worse and not moved.worse):
            moved = alone
        if moved is not None:
            found.append(moved)
    found.sort(key=lambda m: max(m.now, SMALL) / max(m.before, SMALL), reverse=True)
    return Drift(tuple(found), figures, changed)


def _pooled(group: Group, pairs: Sequence[Pair], repeats: Sequence[Sequence[Verdict]], factor: float) -> Moved | None:
    """Compare the RMS over all cases."""
    runs = [rms([before for _, before, _ in pairs]), *(rms(verdicts) for verdicts in repeats)]
    now = rms([now for *_, now in pairs])
    elements = sum(before.elements for _, before, _ in pairs)
    limit = allowed(factor, elements)
    worse = now > limit * max(*runs, SMALL)
    if not worse and not min(runs) > limit * max(now, SMALL):
        return None
    worst = max(pairs, key=lambda pair: _ratio(pair[1].rms or 0.0, pair[2].rms or 0.0, worse=worse, least=SMALL))
    return Moved(group, "RMS", max(runs) if worse else min(runs), now, limit, worst, len(pairs))


def _single(group: Group, pairs: Sequence[Pair], repeats: Sequence[Sequence[Verdict]], factor: float) -> Moved | None:
    """Compare what each case uses of its limits; return the one that moved most."""
    found: list[tuple[float, Moved]] = []
    for number, pair in enumerate(pairs):
        limit = allowed(factor, pair[1].elements)
        for figure in FIGURES:  # each beside itself: the RMS uses more of its limit than the largest element, or less
            runs = [used(pair[1], figure), *(used(verdicts[number], figure) for verdicts in repeats)]
            now = used(pair[2], figure)
            for worse, before in ((True, max(runs)), (False, min(runs))):
                high, low = (now, before) if worse else (before, now)
                if high > USED and high > limit * low:
                    moved = Moved(group, figure, before, now, limit, pair, len(pairs))
                    found.append((_ratio(before, now, worse=worse, least=USED / 10), moved))
    # A case that is worse is told before one that is better.
    return max(found, key=lambda item: (item[1].worse, item[0]), default=(0.0, None))[1]


def rms(verdicts: Iterable[Verdict]) -> float:
    """RMS over all elements of all verdicts."""
    squares = elements = 0.0
    for verdict in verdicts:
        size = verdict.rms or 0.0
        squares += verdict.elements * size * size  # a power would raise where this is infinite
        elements += verdict.elements
    return math.sqrt(squares / elements) if elements else 0.0


def _ratio(before: float, now: float, *, worse: bool, least: float) -> float:
    a, b = max(before, least), max(now, least)
    return b / a if worse else a / b


def _has_figures(verdict: Verdict) -> bool:
    return state(verdict) == "passed" and verdict.rms is not None and verdict.max is not None


def _like(verdicts: Mapping[Key, Verdict], key: Key, otherwise: Verdict) -> Verdict:
    """The verdict of a repeated run, or that of the run itself where the repeated one has none."""
    found = verdicts.get(key)
    return found if found is not None and _has_figures(found) else otherwise


def _apart(a: Verdict, b: Verdict) -> bool:
    return any(
        abs((x or 0.0) - (y or 0.0)) > MOVED * max(abs(x or 0.0), abs(y or 0.0))
        for x, y in ((a.rms, b.rms), (a.max, b.max))
    )
