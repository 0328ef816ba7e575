"""Runs of a backend in cells: one for each setting that was tried, of versions, machine, device and mode."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradassay._location import backend_of, split
from gradassay.runs._many import FAILED, NOT_ASKED, REACHED, Floats, Integers, Many, version_key
from gradassay.runs._shift import sized

AXES = ("versions", "machine", "device", "mode")


class Setting(NamedTuple):
    """Positions in the levels of each axis."""

    versions: int
    machine: int
    device: int
    mode: int


class Question(NamedTuple):
    """What is the same wherever it is asked; the dtype is a part of it, since a case's data are of a dtype."""

    dtype: str
    ground: str  # versions of the limits and of the spec, and the hash of the data where runs differ in it
    spec: str
    suite: str
    case: str
    property: str
    tensor: str


@dataclass(frozen=True)
class Cell:
    """What the runs of one setting answered, by question; figures of several runs are their geometric mean."""

    runs: tuple[int, ...]
    rms: Floats
    max: Floats
    outcome: npt.NDArray[np.int8]  # of the last run that asked


@dataclass
class Grid:
    """All cells of one backend.

    Attributes:
        versions: the levels of the axis, in order of version; `machines`, `devices` and `modes` as they appear.
        repeats: (how many pairs of runs of one setting, figures that both have, figures that are not bit-equal).
        scatter: the factor between such figures, at the median of those that are not.
    """

    backend: str
    versions: list[dict[str, str]]
    machines: list[str]
    devices: list[str]
    modes: list[str]
    questions: list[Question]
    elements: Floats
    cells: dict[Setting, Cell] = field(default_factory=dict)
    repeats: tuple[int, int, int] = (0, 0, 0)
    scatter: float = 1.0

    def levels(self, axis: str) -> list[int]:
        return sorted({getattr(setting, axis) for setting in self.cells})

    def label(self, axis: str, level: int) -> str:
        """A level in words; of versions those that differ between runs, if any do."""
        if axis == "versions":
            return ", ".join(f"{n} {v}" for n, v in self.versions[level].items() if n in self.differing) or "unknown"
        named = {"machine": self.machines, "device": self.devices, "mode": self.modes}[axis][level]
        return named or "unknown"

    @cached_property
    def differing(self) -> set[str]:
        """The packages whose version is not the same in all runs; every package, where all are."""
        every = dict.fromkeys(name for versions in self.versions for name in versions)
        return {name for name in every if len({v.get(name) for v in self.versions}) > 1} or set(every)

    @cached_property
    def cases(self) -> Integers:
        """Number the cases: what is one draw of roundings together."""
        known: dict[tuple[str, ...], int] = {}
        return np.array([known.setdefault(q[:5], len(known)) for q in self.questions], np.int64)


def grids(many: Many) -> list[Grid]:
    """Put every backend's runs into cells."""
    fields = many.machine_fields()
    return [_grid(many, backend, fields) for backend in many.backends]


def _grid(many: Many, backend: str, fields: tuple[str, ...]) -> Grid:
    own = np.array([k for k, asked in enumerate(many.asked) if backend_of(asked.target) == backend], np.int64)
    asking = [row for row in range(len(many.runs)) if (many.outcomes[row, own] != NOT_ASKED).any()]
    told = {row: many.runs[row].versions(backend) for row in asking}
    versions: list[dict[str, str]] = []
    for row in sorted(asking, key=lambda row: version_key(backend, told[row])):
        if told[row] not in versions:
            versions.append(told[row])
    machines = list(dict.fromkeys(many.runs[row].machine(fields) for row in asking))
    parts = [_parts(many.asked[k].target) for k in own]
    modes, devices = (list(dict.fromkeys(part[i] for part in parts)) for i in (0, 1))
    places = np.array([modes.index(m) * len(devices) + devices.index(d) for m, d, _ in parts], np.int64)
    conflicts = _conflicts(many)
    numbers: dict[Question, int] = {}
    held: dict[Setting, list[tuple[int, Floats, Floats, npt.NDArray[np.int8]]]] = defaultdict(list)
    columns: list[tuple[int, Setting, Integers, Integers]] = []
    grounds: dict[tuple[str, ...], Integers] = {}
    for row in asking:
        run = many.runs[row]
        key = (run.header.limits, str(sorted(run.header.specs.items())), *(run.digests.get(c, "") for c in conflicts))
        if key not in grounds:  # runs on the same ground ask the same questions: numbered once
            grounds[key] = np.array(
                [
                    numbers.setdefault(_question(many, row, k, part[2], conflicts), len(numbers))
                    for k, part in zip(own, parts, strict=True)
                ],
                np.int64,
            )
        for place in np.unique(places):
            here = (places == place) & (many.outcomes[row, own] != NOT_ASKED)
            if np.isin(many.outcomes[row, own[here]], REACHED).any():  # a device that is not there reaches nothing
                mode, device = divmod(int(place), len(devices))
                setting = Setting(versions.index(told[row]), machines.index(run.machine(fields)), device, mode)
                columns.append((row, setting, grounds[key][here], own[here]))
    width = len(numbers)
    elements = np.zeros(width)
    for row, setting, questions, asked in columns:
        rms, largest = np.full(width, np.nan), np.full(width, np.nan)
        outcome = np.full(width, NOT_ASKED, np.int8)
        rms[questions], largest[questions] = many.figures["rms"][row, asked], many.figures["max"][row, asked]
        outcome[questions] = many.outcomes[row, asked]
        elements[questions] = np.fmax(elements[questions], many.figures["elements"][row, asked])
        held[setting].append((row, rms, largest, outcome))
    grid = Grid(backend, versions, machines, devices, modes, list(numbers), elements)
    grid.cells = {setting: _cell(runs) for setting, runs in sorted(held.items())}
    grid.repeats, grid.scatter = _repeats(list(held.values()))
    return grid


def _parts(target: str) -> tuple[str, str, str]:
    """Mode, device and dtype of a target, as printed."""
    parts = [*split(target)[1], "", "", ""]
    return parts[0], parts[1], parts[2]


def _conflicts(many: Many) -> list[tuple[str, str, str, str]]:
    """The cases whose data are not the same in all runs that say so."""
    seen: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for run in many.runs:
        for case, digest in run.digests.items():
            seen[case].add(digest)
    return [case for case, digests in seen.items() if len(digests) > 1]


def _question(many: Many, row: int, k: int, dtype: str, conflicts: list[tuple[str, str, str, str]]) -> Question:
    run, asked = many.runs[row], many.asked[k]
    case = (asked.spec, asked.suite, asked.case, dtype)
    drawn = f" {run.digests.get(case, '')}" if case in conflicts else ""
    ground = f"limits {run.header.limits}, {asked.spec} {run.header.specs.get(asked.spec, '')}{drawn}"
    return Question(dtype, ground, *asked[1:])


def _cell(runs: list[tuple[int, Floats, Floats, npt.NDArray[np.int8]]]) -> Cell:
    rows = tuple(row for row, *_ in runs)
    if len(runs) == 1:
        return Cell(rows, *runs[0][1:])
    outcome = runs[0][3].copy()
    for *_, later in runs[1:]:
        worse = np.isin(later, FAILED) | (~np.isin(outcome, REACHED) & (later != NOT_ASKED))
        outcome = np.where(worse, later, outcome)
    return Cell(rows, _mean([run[1] for run in runs]), _mean([run[2] for run in runs]), outcome)


def _mean(columns: list[Floats]) -> Floats:
    """Return the geometric mean where there is any figure; equal figures give it bit for bit."""
    stack = np.stack(columns)
    low, high = np.fmin.reduce(stack), np.fmax.reduce(stack)
    logs = sized(stack)
    there = np.maximum(np.isfinite(logs).sum(0), 1)
    return np.where(low == high, low, np.where(np.isnan(low), np.nan, 2.0 ** (np.nansum(logs, 0) / there)))


def _repeats(cells: list[list[tuple[int, Floats, Floats, npt.NDArray[np.int8]]]]) -> tuple[tuple[int, int, int], float]:
    """Set runs of one setting beside each other, one after the other."""
    counted: Counter[str] = Counter()
    pairs: set[tuple[int, int]] = set()
    factors: list[Floats] = []
    for runs in cells:
        for (a, first, top, _), (b, second, top2, _) in pairwise(runs):
            both = np.isfinite(first) & np.isfinite(second)
            apart = both & ((first != second) | (top != top2))
            if not both.any():
                continue
            pairs.add((a, b))
            counted["both"] += int(both.sum())
            counted["apart"] += int(apart.sum())
            factors.append(np.abs(sized(second[apart]) - sized(first[apart])))
    moved = np.concatenate(factors) if factors else np.empty(0)
    scatter = float(2.0 ** np.median(moved)) if len(moved) else 1.0
    return (len(pairs), counted["both"], counted["apart"]), scatter
