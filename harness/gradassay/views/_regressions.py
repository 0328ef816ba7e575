"""Two runs side by side, in words: whether it was fair, what regressed, and one sentence; every view shows these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gradassay._record import Verdict
from gradassay.runs._diff import Change, Diff
from gradassay.runs._drift import Moved
from gradassay.runs._told import Key
from gradassay.views._alike import Entry, Item, grouped
from gradassay.views._summary import how_bad
from gradassay.views._words import case, count, printable, some, units

MOST = 10  # lines of what regressed
FEW = 3  # lines of what did not
REASON = 160  # characters of a reason


@dataclass(frozen=True)
class Section:
    """One kind of change."""

    name: str  # one word or two, for a title
    title: str
    bad: bool  # whether it makes a regression
    entries: tuple[Entry, ...]
    more: str = ""  # what there is no room for
    alike: str = ""  # what became of all of them, where it is the same: then no entry says it
    why: tuple[str, ...] = ()  # causes that the new run found
    replay: str = ""  # the command that asks the worst again


def fair_line(diff: Diff) -> str:
    """Say whether the comparison was fair."""
    fair = diff.fair
    told = [printable(reason, longest=REASON) for reason in fair.unlike]
    if fair.unknown:
        told.append(f"not recorded: {', '.join(fair.unknown)}")
    told += [printable(reason, longest=REASON) for reason in fair.partial]
    if fair.unlike:
        return f"Not fair: {'; '.join(told)}"
    if fair.unknown:
        return f"Not known to be fair: {'; '.join(told)}"
    if fair.partial:
        return f"Fair on what both were asked: {'; '.join(told)}"
    cases = f"{count(fair.cases, 'case')} the same bit for bit; " if fair.cases else ""
    return f"Fair: {cases}the same specs, suites, properties, limits and machine"


def compared_line(diff: Diff) -> str:
    """Name the versions that differ: what people want to compare."""
    changes = [printable(change, longest=REASON) for change in diff.fair.compared]
    return f"Compared: {some(changes, 8) if changes else 'the same versions, as far as they are told'}"


def sections(diff: Diff) -> tuple[Section, ...]:
    """What changed, the worst first; nothing for what there is none of."""
    found = [
        _changes("Broken", "passed before and failing now", diff.broken, _broke, diff, bad=True),
        _changes("Newly asked and failing", "not reached before and failing now", diff.anew, _broke, diff, bad=True),
        _changes("Lost", "reached before and not now", diff.lost, _lost, diff, bad=True),
        _moved(diff.drift.worse, worse=True, counts=diff.fair.comparable),
        _changes("Skipped here", "reached on the other machine", diff.unoffered, _lost, diff, bad=False),
        _changes("Waived", "passed before and failing now as a waiver expects", diff.waived, _broke, diff, bad=False),
        _changes("Fixed", "failing before and passing now", diff.fixed, _was, diff, bad=False),
        _moved(diff.drift.better, worse=False, counts=diff.fair.comparable),
        _changes("New", "not reached before", diff.new, _nothing, diff, bad=False),
    ]  # fmt: skip
    return tuple(section for section in found if section.entries)


def sentence(diff: Diff) -> str:
    """What it comes to. There are no foreign names in it, so that it can stand in any log."""
    targets = {c.key.target for c in (*diff.held, *diff.broken, *diff.fixed, *diff.still, *diff.lost, *diff.waived)}
    on = f"{count(diff.compared, 'verdict')} on {count(len(targets), 'target')}"
    drifted = count(len(diff.drift.worse), "tensor") + " drifted" if diff.drift.worse else ""
    counts = diff.fair.comparable
    bad = [f"{len(changes):,} {words}" for changes, words in ((diff.broken, "broken"), (diff.lost, "lost")) if changes]
    bad += [drifted] if drifted and counts else []
    bad += ["the run as a whole is not well"] if diff.whole else []
    anew = f"{len(diff.anew):,} failing that had not been reached before" if diff.anew else ""
    if diff.stopped:
        head = f"INCOMPLETE: NEW stopped early; {', '.join(bad) or 'nothing else is wrong'} of {on}"
    elif bad:
        head = f"REGRESSED: {', '.join(bad)} of {on}"
    elif anew:
        head = f"REGRESSED: {anew}; {on} compared, none broken or lost"
    else:
        head = f"No regression: {on} compared, none broken or lost" + ("" if drifted else ", none drifted")
    parts = [head, *([anew] if anew and anew not in head else [])]
    if drifted and not counts:
        parts.append(f"{drifted}, which does not count: the comparison is not fair")
    parts += [
        f"{len(changes):,} {words}"
        for changes, words in (
            (diff.fixed, "fixed"),
            (diff.waived, "waived"),
            (diff.unoffered, "skipped on this machine alone"),
            (diff.drift.better, "improved"),
            (diff.new, "new"),
            (diff.still, "not right in both"),
        )
        if changes
    ]
    return "; ".join(parts)


def figures_line(diff: Diff) -> str:
    """How many noise units moved at all: none do when the same versions run twice on one machine."""
    moved, every = diff.drift.changed, diff.drift.figures
    if not every:
        return ""
    if not moved:
        return f"Noise units: all {every:,} are the same"
    return f"Noise units: {moved:,} of {every:,} moved"


def unasked_line(diff: Diff) -> str:
    return f"Not asked of NEW: {count(len(diff.unasked), 'verdict')} of BASE" if diff.unasked else ""


def _changes(
    name: str, words: str, changes: Sequence[Change], how: Callable[[Sequence[Change]], str], diff: Diff, *, bad: bool
) -> Section:
    crowded = Counter(t for c in changes if c.key.against for t in (c.key.target, c.key.against))
    items = [_item(change, crowded) for change in changes]
    entries, more = grouped(items, MOST if bad else FEW, how, _again if bad else _nothing)
    why: list[str] = []
    if bad and name != "Lost":
        told = [cause for cause in diff.causes if cause.sentence and any(c.now and cause.holds(c.now) for c in changes)]
        why = [f"{printable(cause.backend)}: {printable(cause.sentence)}" for cause in told[:FEW]]
        why += [f"and {count(len(told) - FEW, 'more cause')}"] if len(told) > FEW else []
    alike = ""
    if len(entries) > 1 and not more and len({entry.how for entry in entries}) == 1:
        alike = entries[0].how
        entries = tuple(replace(entry, how="") for entry in entries)
    replay = _again(changes) if changes and bad else ""
    title = f"{name}: {count(len(changes), 'verdict')}, {words}"
    return Section(name, title, bad, entries, more, alike, tuple(why), replay)


def _moved(moved: Sequence[Moved], *, worse: bool, counts: bool) -> Section:
    items = [Item(one.group.target, one.group.property, one.group.tensor, one) for one in moved]
    entries, more = grouped(items, MOST if worse else FEW, _far, _ask if worse else _nothing)
    name = "Drifted" if worse else "Improved"
    words = "further from the truth" if worse else "closer to the truth"
    told = "" if counts or not worse else " (not counted: the comparison is not fair)"
    replay = _ask(moved) if moved and worse else ""
    title = f"{name}: {count(len(moved), 'tensor')}, {words}{told}"
    return Section(name, title, worse and counts, entries, more, replay=replay)


def _item(change: Change, crowded: Counter[str]) -> Item[Change]:
    """Name a change; a disagreement of two targets by the one that disagrees more often."""
    key = change.key
    target = key.target
    if key.against and crowded[key.against] > crowded[key.target]:
        target = key.against
    return Item(target, key.property, key.tensor, change)


def _badness(change: Change) -> tuple[bool, float, float]:
    verdict = change.now or change.before
    return how_bad(verdict) if verdict is not None else (False, 0.0, 0.0)


def _broke(changes: Sequence[Change]) -> str:
    """What the worst of them was and is."""
    worst = max(changes, key=_badness)
    now, before = worst.now, worst.before
    if now is None:
        return ""
    at = _at(worst.key, now, of=len({change.key.tensor for change in changes}) > 1)
    was = f"was {before.outcome}, now " if before is not None and before.outcome != "passed" else ""
    if now.outcome == "errored" or now.max is None:
        return f"{was}{now.outcome}: {_short(now.reason)} ({at})"
    old = f"{units(before.max)} -> " if before is not None and before.max is not None else ""
    return f"{was}{old}{units(now.max)} of {units(now.limit_max)} noise units ({at})"


def _was(changes: Sequence[Change]) -> str:
    first = changes[0].before
    if first is None:
        return ""
    return f"was {first.outcome}: {_short(first.reason)}" if first.reason else f"was {first.outcome}"


def _lost(changes: Sequence[Change]) -> str:
    """What became of them, the most frequent first."""
    said = Counter(_fate(change.now) for change in changes).most_common()
    more = f" (and {len(said) - 1} other reasons)" if len(said) > 1 else ""
    was = [change for change in changes if change.before is not None and change.before.outcome != "passed"]
    failed = f"; {len(was):,} of them failed before" if was else ""
    return said[0][0] + more + failed


def _fate(now: Verdict | None) -> str:
    if now is None:
        return "no verdict"
    return f"{now.outcome}: {_short(now.reason)}" if now.reason else now.outcome


def _nothing(changes: Iterable[object]) -> str:
    return ""


def _again(changes: Sequence[Change]) -> str:
    worst = max(changes, key=_badness)
    return replay_of(worst.key, worst.now or worst.before)


def _ask(moved: Sequence[Moved]) -> str:
    key, _, now = moved[0].worst
    return replay_of(key, now)


def _far(moved: Sequence[Moved]) -> str:
    one = moved[0]
    key, before, now = one.worst
    if one.kind == "RMS":
        most = f" over {count(one.verdicts, 'case')} (most in {case(now)})" if one.verdicts > 1 else f" ({case(now)})"
        return f"RMS {figure(one.before)} -> {figure(one.now)} noise units{most}"
    at = _at(key, now, of=len({other.group.tensor for other in moved}) > 1)
    what, low, high = ("", before.max, now.max) if one.kind == "max" else ("RMS ", before.rms, now.rms)
    far = f"{what}{units(low)} -> {units(high)} noise units"
    return f"{one.before:.0%} -> {one.now:.0%} of its limit: {far} ({at})"


def figure(rms: float) -> str:
    """Two digits where there are few: a drift from 0.61 to 1.4."""
    return f"{rms:.2f}" if rms < 1 else units(rms)


def _at(key: Key, verdict: Verdict, *, of: bool) -> str:
    """`x in wide/ragged`; without the tensor where it is said beside it."""
    against = f", with {printable(key.against)}" if key.against else ""
    return f"{f'{printable(key.tensor)} in ' if key.tensor and of else ''}{case(verdict)}{against}"


def _short(reason: str) -> str:
    first = next(iter(reason.splitlines()), "")
    return printable(first, longest=REASON) or "no reason was recorded"


def replay_of(key: Key, verdict: Verdict | None) -> str:
    """The command that asks it again; a baseline leaves it out."""
    if verdict is not None and verdict.replay:
        return printable(verdict.replay, longest=10_000)
    targets = " ".join(name for name in (key.target, key.against) if name)
    named = (("spec", key.spec), ("suite", key.suite), ("case", key.case), ("property", key.property))
    options = [f"--{option} {value}" for option, value in named if value and not (key.against and option == "property")]
    return printable(" ".join(["gradassay verify", targets, *options]), longest=10_000)
