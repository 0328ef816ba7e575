"""Two runs side by side: what broke, drifted, was lost, was fixed, and is new, tensor by tensor.

Right and wrong are against the truth, so that what broke or was lost counts however unlike the two runs are; noise
units count where the comparison is fair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradassay._record import Cause, Verdict
from gradassay.runs._drift import FACTOR, Drift, drift
from gradassay.runs._fair import Fairness, fairness, same_selection
from gradassay.runs._told import Key, State, Told, again, is_cover, state

Kind = str
GROUPS = ("broken", "anew", "lost", "unoffered", "waived", "fixed", "new", "still", "unasked", "held")


@dataclass(frozen=True)
class Change:
    """One tensor of one question: what each run says of it. None: nothing."""

    key: Key
    before: Verdict | None
    now: Verdict | None


@dataclass(frozen=True)
class Diff:
    """What differs between two runs.

    Attributes:
        broken: passed before, and fails now.
        anew: fails now, and was skipped, blind, not applicable or not asked before.
        lost: was reached before, and is not now, though it was asked.
        unoffered: passed before, and is skipped now, on another machine: it may not offer what the first one does.
        waived: passed before, and fails now as a waiver expects.
        fixed: failed before, and passes now.
        new: passes now (or is waived), and was not reached before.
        still: fails in both.
        held: passes in both, or is waived in both.
        unasked: reached before; the new run was not asked.
        whole: what is wrong with the new run as a whole, and was not with the old one.
    """

    fair: Fairness
    drift: Drift
    broken: tuple[Change, ...]
    anew: tuple[Change, ...]
    lost: tuple[Change, ...]
    unoffered: tuple[Change, ...]
    waived: tuple[Change, ...]
    fixed: tuple[Change, ...]
    new: tuple[Change, ...]
    still: tuple[Change, ...]
    held: tuple[Change, ...]
    unasked: tuple[Change, ...]
    whole: tuple[str, ...]
    stopped: bool  # the new run did not complete
    causes: tuple[Cause, ...]  # those of the new run

    @property
    def compared(self) -> int:
        """How many verdicts the old run had reached, and the new one was asked for."""
        return sum(map(len, (self.broken, self.lost, self.waived, self.fixed, self.still, self.held)))

    @property
    def regressed(self) -> bool:
        """Whether NEW is worse than BASE, in any of the ways that count, or cut short."""
        drifted = self.fair.comparable and self.drift.worse
        return bool(self.broken or self.anew or self.lost or drifted or self.whole or self.stopped)


def diff(base: Told, new: Told, *, factor: float = FACTOR, repeats: Sequence[Told] = ()) -> Diff:
    """Compare a run with an earlier one.

    Args:
        factor: by how much noise units may move.
        repeats: further runs of what `base` ran, whose scatter is no drift.
    """
    fair = fairness(base, new)
    found: dict[Kind, list[Change]] = {kind: [] for kind in GROUPS}
    for key, before, now in _pairs(base, new):
        change = Change(key, before, now)
        kind = _kind(change, fair.elsewhere, asked=before is None or now is not None or _asked(base, new, key))
        if kind:
            found[kind].append(change)
    was = set(base.footer.wrong) if base.footer else set()
    return Diff(
        fair,
        drift(base, new, factor=factor, repeats=repeats, redrawn=fair.redrawn),
        **{kind: tuple(changes) for kind, changes in found.items()},
        whole=tuple(why for why in (new.footer.wrong if new.footer else ()) if why not in was),
        stopped=not new.complete,
        causes=new.causes,
    )


def _kind(change: Change, elsewhere: bool, *, asked: bool) -> Kind:
    """Return the group that a change belongs to; nothing where neither run reached a verdict."""
    before, now = (_reached(verdict) for verdict in (change.before, change.now))
    if now == "unreached":
        skipped = change.now is not None and change.now.outcome == "skipped"
        if elsewhere and skipped and before == "passed":
            return "unoffered"
        return "" if before == "unreached" else "lost" if asked else "unasked"
    if before == "unreached":
        return "anew" if now == "failing" else "new"
    if now == "passed":
        return "held" if before == "passed" else "fixed"
    if before == "passed":
        return "broken" if now == "failing" else "waived"
    return "still"  # failing or waived in both: a waiver that came or went mends nothing


def _reached(verdict: Verdict | None) -> State:
    return "unreached" if verdict is None else state(verdict)


def _pairs(base: Told, new: Told) -> Iterator[tuple[Key, Verdict | None, Verdict | None]]:
    """Yield what both runs say of every tensor, be it by a verdict that covers it."""
    spoken: set[tuple[bool, Key]] = set()  # covers that something of the other run was held against
    keys = dict.fromkeys((*base.verdicts, *new.verdicts))
    covers: list[Key] = []
    for key in keys:
        before, now = base.verdicts.get(key), new.verdicts.get(key)
        if before is None or now is None:
            one = before or now
            assert one is not None
            if is_cover(key, one):
                covers.append(key)
                continue
            cover = (base if before is None else new).cover(key)
            if cover is None and again(key) and (base if before is None else new).asked(key):
                same = _as(one, "passed")  # bit for bit that of the answer beside it
                before, now = (same, now) if before is None else (before, same)
            elif cover is not None:
                spoken.add((before is None, cover))
                before, now = (base.verdicts[cover], now) if before is None else (before, new.verdicts[cover])
        yield key, before, now
    for key in covers:
        ours = key in base.verdicts
        mine, other = (base, new) if ours else (new, base)
        if (ours, key) in spoken:
            continue  # told, tensor by tensor
        wider = other.cover(key)
        theirs = other.verdicts[wider] if wider is not None else None
        if wider is None and state(mine.verdicts[key]) != "unreached" and (whole := other.finer(key)) is not None:
            theirs = _as(mine.verdicts[key], whole)  # it failed beside what it found
        yield (key, mine.verdicts[key], theirs) if ours else (key, theirs, mine.verdicts[key])


def _as(one: Verdict, told: State) -> Verdict:
    """Stand for what the other run says of it in other verdicts."""
    outcome = {"passed": "passed", "failing": "failed", "waived": "failed", "unreached": "skipped"}[told]
    names = {"target": one.target, "spec": one.spec, "suite": one.suite, "case": one.case}
    waived = "as a waiver expects" if told == "waived" else ""
    return Verdict(**names, property=one.property, tensor=one.tensor, outcome=outcome, waived=waived)  # type: ignore[arg-type]


def _asked(base: Told, new: Told, key: Key) -> bool:
    """Whether the new run was asked what it has no verdict of.

    Its header tells, where it selects as the old one's does. Where the two selections differ, it does not tell all: a
    mode that compiles is asked of one case, which depends on the suites; so there the question must have a verdict.
    """
    header = new.header
    if key.target not in header.targets or (key.against and key.against not in header.targets):
        return False
    if key.spec not in header.specs:
        return False
    if key.property and not key.against and new.asked(key):
        return True
    return same_selection(base.header, header)
