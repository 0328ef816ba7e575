"""Noise units, outcomes and time over many runs: what is fairly compared, and where it steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradassay._location import backend_of
from gradassay.runs._many import NOT_ASKED, REACHED, Many, version_key
from gradassay.runs._shift import discoveries
from gradassay.runs._tracked import Line, Step, Tracked, Unfair, outcomes

GROUND = ("limits", "specs", "suites", "cases", "sweep", "shard")  # fields of the header that must be the same
WORDS = {"limits": "version of the limits", "specs": "versions of specs", "sweep": "whether it is a sweep"}


@dataclass(frozen=True)
class History:
    """Runs of a backend that were asked the same, in order."""

    backend: str
    runs: tuple[int, ...]
    settings: tuple[int, ...]  # equal where versions and machine are
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Trend:
    histories: tuple[History, ...]
    unfair: tuple[Unfair, ...]
    steps: tuple[Step, ...]
    looked: int  # series and places that were tested


def trend(many: Many, *, by_date: bool = False) -> Trend:
    """Put runs in order, compare what is fair to compare, and find steps."""
    histories: list[History] = []
    unfair: list[Unfair] = []
    found: list[Step] = []
    for backend in many.backends:
        for rows in _grounds(many, backend, unfair):
            ordered = _ordered(many, backend, rows, by_date)
            settings = _settings(many, backend, ordered)
            lines = []
            for target in dict.fromkeys(a.target for a in many.asked if backend_of(a.target) == backend):
                found += outcomes(many, target, ordered)
                tracked = Tracked.of(many, target, ordered, settings, unfair)
                if tracked is not None:
                    lines.append(tracked.line())
                    found += tracked.noise()
                    found += tracked.times(1.0)
            if lines:
                histories.append(History(backend, ordered, settings, tuple(lines)))
    tested = [step for step in found if step.kind != "outcomes"]
    limit = discoveries([step.shift.p for step in tested])
    kept = [step for step in found if step.kind == "outcomes" or step.shift.p <= limit]
    sudden = {(step.target, step.subject, step.kind) for step in kept if not step.drift}
    kept = [s for s in kept if not s.drift or (s.target, s.subject, s.kind) not in sudden]
    return Trend(tuple(histories), tuple(unfair), tuple(kept), len(tested))


def _grounds(many: Many, backend: str, unfair: list[Unfair]) -> list[list[int]]:
    """Return the runs of a backend by what they were asked; one that shares it with no other is unfair to compare."""
    own = np.array([backend_of(asked.target) == backend for asked in many.asked])
    groups: dict[str, list[int]] = defaultdict(list)
    for row, run in enumerate(many.runs):
        if np.isin(many.outcomes[row, own], REACHED).any():
            used = {many.asked[k].spec for k in np.flatnonzero(own & (many.outcomes[row] != NOT_ASKED))}
            specs = sorted((name, version) for name, version in run.header.specs.items() if name in used)
            groups[repr([specs, *(getattr(run.header, name) for name in GROUND if name != "specs")])].append(row)
    if not groups:
        return []
    most = max(groups.values(), key=lambda rows: (len(rows), max(many.runs[row].header.started for row in rows)))
    for rows in groups.values():
        if len(rows) == 1 and rows is not most:
            unfair.append(Unfair(rows[0], backend, _why(many, rows[0], most[-1])))
    kept = [rows for rows in groups.values() if len(rows) > 1]
    if not kept:
        unfair.append(Unfair(most[0], backend, "there is no other run that was asked the same"))
    return kept


def _why(many: Many, row: int, other: int) -> str:
    """Say what a run was asked otherwise than another."""
    one, two = many.runs[row].header, many.runs[other].header
    for name in GROUND:
        own, theirs = getattr(one, name), getattr(two, name)
        if own != theirs:
            more = "; put its parts together first: gradassay merge" if name == "shard" else ""
            return f"its {WORDS.get(name, name)}: {_told(own)}; of those compared: {_told(theirs)}{more}"
    return "it was asked other specs"


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "all"
    return str(value) or "none"


def _ordered(many: Many, backend: str, rows: list[int], by_date: bool) -> tuple[int, ...]:
    def key(row: int) -> tuple[object, str]:
        run = many.runs[row]
        return (() if by_date else version_key(backend, run.versions(backend)), run.header.started)

    return tuple(sorted(rows, key=key))


def _settings(many: Many, backend: str, rows: Sequence[int]) -> tuple[int, ...]:
    fields = many.machine_fields()
    codes, _ = many.codes([(str(many.runs[r].versions(backend)), many.runs[r].machine(fields)) for r in rows])
    return tuple(codes.tolist())


RANK = ("time", "outcomes", "max", "rms")


def turned(steps_: Sequence[Step]) -> list[list[Step]]:
    """Group steps by backend and place: one change, one report; the strongest first."""
    groups: dict[tuple[str, tuple[int, int], bool], list[Step]] = defaultdict(list)
    for step in steps_:
        groups[step.backend, step.runs, step.kind == "time"].append(step)
    ranked = [sorted(group, key=strength, reverse=True) for group in groups.values()]
    return sorted(ranked, key=lambda group: strength(group[0]), reverse=True)


def strength(step: Step) -> tuple[bool, int, float]:
    """A key to sort by: new failures, then the RMS, the largest |z|, and time, then the larger factor."""
    return step.kind == "outcomes" and step.failing, RANK.index(step.kind), abs(step.shift.octaves)
