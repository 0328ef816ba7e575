"""Which axis moved the numbers: versions, machine, device or mode? Told by pairs that differ in one of them alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from gradassay.runs._cells import AXES, Cell, Grid, Question, Setting, grids
from gradassay.runs._many import FAILED, NOT_ASKED, OUTCOMES, REACHED, Floats, Integers, Many, changed
from gradassay.runs._shift import FEWEST, Shift, discoveries, shifts, sized

CLEARLY = 1.5  # times as many octaves as the whole: then a tensor is named rather than the whole


@dataclass(frozen=True)
class Part:
    """Matched pairs in a class of their own: a dtype, a level of another axis, a property and tensor."""

    kind: str  # "all", "dtype", another axis, or "tensor"
    name: str
    pairs: int
    factor: float  # after / before, at the median of the pairs
    shift: Shift

    @property
    def rises(self) -> bool:
        return self.shift.octaves > 0


@dataclass(frozen=True)
class Effect:
    """What changing one axis from one level to another did, all else equal.

    Attributes:
        apart: pairs whose figures are not bit-equal.
        size: the factor between the two of a pair, whichever is larger, at the median.
        whole: all pairs; `parts` are classes of them.
        moved: parts (or the whole) that rose or fell by more than roundings drawn anew would.
        outcomes: (before, after) -> how many pairs, where they differ.
        worst: the question with the largest rise, and its RMS before and after.
    """

    axis: str
    before: int
    after: int
    packages: tuple[str, ...]
    apart: int
    size: float
    whole: Part
    parts: tuple[Part, ...]
    outcomes: Counter[tuple[str, str]]
    worst: tuple[Question, float, float] | None
    moved: tuple[Part, ...] = ()

    @property
    def headline(self) -> Part | None:
        """What moved: everything, or the one class that did where others of its kind did not: a tensor, a dtype."""
        tensors = [part for part in self.parts if part.kind == "tensor" and part.shift.cases >= FEWEST]
        own = [part for part in self.moved if part in tensors]
        if own and len(own) <= len(tensors) / 2:
            most = max(own, key=lambda part: abs(part.shift.octaves))
            broad = max((abs(p.shift.octaves) for p in self.moved if p.kind != "tensor"), default=0.0)
            if abs(most.shift.octaves) >= CLEARLY * broad:
                return most
        for kind in dict.fromkeys(part.kind for part in self.parts if part.kind != "tensor"):
            own = [part for part in self.parts if part.kind == kind]
            moved = [part for part in self.moved if part.kind == kind]
            if moved and len(moved) < len(own):
                return max(moved, key=lambda part: abs(part.shift.octaves))
        return max(self.moved, key=lambda part: (part.kind == "all", abs(part.shift.octaves)), default=None)

    @property
    def turned(self) -> int:
        """Pairs of which one passed and the other failed."""
        return sum(n for (a, b), n in self.outcomes.items() if (a in BAD) != (b in BAD))

    @property
    def strength(self) -> tuple[int, float]:
        return self.turned, max((abs(part.shift.octaves) for part in self.moved), default=0.0)


BAD = tuple(OUTCOMES[code] for code in FAILED)


@dataclass(frozen=True)
class Confined:
    """Failures that are all in one level of one or more axes, though others were asked.

    Attributes:
        failed: how many verdicts failed or errored.
        levels: axis (or "dtype") -> the level.
        passed: how many of their questions passed elsewhere, of `elsewhere` that were asked there.
    """

    failed: int
    levels: dict[str, str]
    passed: int
    elsewhere: int


@dataclass(frozen=True)
class Untold:
    """Axes that changed together, so that no pair tells them apart, and the run that would."""

    axes: tuple[str, ...]
    seen: tuple[Setting, Setting]
    wanted: tuple[Setting, ...]


@dataclass(frozen=True)
class Account:
    """Everything about one backend; `effects` with the strongest first."""

    grid: Grid
    failed: int
    confined: Confined | None
    effects: tuple[Effect, ...]
    untold: tuple[Untold, ...]


def attribute(many: Many) -> list[Account]:
    """Say of each backend which axis moved its numbers."""
    held = [(grid, _effects(grid)) for grid in grids(many)]
    looked = [part.shift.p for _, effects in held for e in effects if e.apart for part in (e.whole, *e.parts)]
    limit = discoveries(looked)
    accounts = []
    for grid, effects in held:
        told = [replace(e, moved=tuple(p for p in (e.whole, *e.parts) if p.shift.p <= limit)) for e in effects]
        ranked = tuple(sorted(told, key=lambda effect: effect.strength, reverse=True))
        accounts.append(Account(grid, _failed(grid), _confined(grid), ranked, tuple(_untold(grid))))
    return accounts


def _effects(grid: Grid) -> list[Effect]:
    matched: dict[tuple[str, int, int], list[tuple[Setting, Setting]]] = defaultdict(list)
    for a, b in combinations(sorted(grid.cells), 2):
        apart = [axis for axis in AXES if getattr(a, axis) != getattr(b, axis)]
        if len(apart) == 1:
            matched[apart[0], getattr(a, apart[0]), getattr(b, apart[0])].append((a, b))
    found = (_effect(grid, axis, low, high, pairs) for (axis, low, high), pairs in matched.items())
    return [effect for effect in found if effect is not None]


def _effect(grid: Grid, axis: str, low: int, high: int, settings: Sequence[tuple[Setting, Setting]]) -> Effect | None:
    questions, before, after, where, outcomes = [], [], [], [], Counter[tuple[str, str]]()
    differ = 0
    for number, (a, b) in enumerate(settings):
        first, second = grid.cells[a], grid.cells[b]
        outcomes += _turns(first, second)
        both = np.flatnonzero(np.isfinite(first.rms) & np.isfinite(second.rms))
        differ += int(np.sum((first.rms[both] != second.rms[both]) | (first.max[both] != second.max[both])))
        questions.append(both)
        before.append(first.rms[both])
        after.append(second.rms[both])
        where.append(np.full(len(both), number, np.int64))
    asked, context = np.concatenate(questions), np.concatenate(where)
    rms, then = np.concatenate(before), np.concatenate(after)
    if not len(asked) and not outcomes:
        return None
    packages = changed(grid.versions[low], grid.versions[high]) if axis == "versions" else ()
    whole, *parts = _parts(grid, axis, settings, asked, rms, then, context)
    octaves = sized(then) - sized(rms)
    worst = None
    if len(octaves):
        most = int(np.argmax(octaves))
        worst = (grid.questions[asked[most]], float(rms[most]), float(then[most]))
    size = float(2.0 ** np.median(np.abs(octaves))) if len(octaves) else 1.0
    return Effect(axis, low, high, packages, differ, size, whole, tuple(parts), outcomes, worst)


def _turns(first: Cell, second: Cell) -> Counter[tuple[str, str]]:
    apart = (first.outcome != second.outcome) & (first.outcome != NOT_ASKED) & (second.outcome != NOT_ASKED)
    turns = zip(first.outcome[apart], second.outcome[apart], strict=True)
    return Counter((OUTCOMES[a], OUTCOMES[b]) for a, b in turns)


def _parts(
    grid: Grid,
    axis: str,
    settings: Sequence[tuple[Setting, Setting]],
    asked: Integers,
    before: Floats,
    after: Floats,
    context: Integers,
) -> list[Part]:
    """Return the whole and its classes: dtypes, levels of the other axes, properties and tensors."""
    kinds: dict[str, list[str]] = {"all": [""] * len(asked), "dtype": [grid.questions[q].dtype for q in asked]}
    for other in AXES:
        if other != axis and len({getattr(a, other) for a, _ in settings}) > 1:
            names = [grid.label(other, getattr(a, other)) for a, _ in settings]
            kinds[other] = [names[c] for c in context]
    kinds["tensor"] = [_subject(grid.questions[q]) for q in asked]
    # A case is one draw of roundings, in however many settings: they may be equal bit for bit.
    cases, elements = grid.cases[asked], grid.elements[asked] / len(settings)
    octaves = sized(after) - sized(before)
    found: list[Part] = []
    for kind, names in kinds.items():
        levels = list(dict.fromkeys(names))
        if kind not in ("all", "tensor") and len(levels) < 2:
            continue
        known = {name: number for number, name in enumerate(levels)}
        series = np.array([known[name] for name in names], np.int64)
        moved = shifts("rms", before, after, elements, series, cases)
        for number, shift in moved.items():
            own = octaves[series == number]
            found.append(Part(kind, levels[number], len(own), float(2.0 ** np.median(own)), shift))
    return found or [Part("all", "", 0, 1.0, Shift(0.0, 1.0, 0))]


def _subject(question: Question) -> str:
    return f"{question.property} of {question.tensor}" if question.tensor else question.property


def _failed(grid: Grid) -> int:
    return sum(int(np.isin(cell.outcome, FAILED).sum()) for cell in grid.cells.values())


def _confined(grid: Grid) -> Confined | None:
    """Look whether all failures share a level of an axis that has others, which reached verdicts."""
    bad: dict[str, set[str]] = defaultdict(set)
    reached: dict[str, set[str]] = defaultdict(set)
    dtypes = np.array([question.dtype for question in grid.questions])
    for setting, cell in grid.cells.items():
        for codes, into in ((FAILED, bad), (REACHED, reached)):
            hits = np.isin(cell.outcome, codes)
            into["dtype"] |= set(dtypes[hits].tolist())
            if hits.any():
                for axis in AXES:
                    into[axis].add(grid.label(axis, getattr(setting, axis)))
    levels = {axis: next(iter(own)) for axis, own in bad.items() if len(own) == 1 and len(reached[axis]) > 1}
    if not levels:
        return None
    wrong = np.zeros(len(grid.questions), bool)
    for cell in grid.cells.values():
        wrong |= np.isin(cell.outcome, FAILED)
    elsewhere, passed = np.zeros_like(wrong), np.zeros_like(wrong)
    for cell in grid.cells.values():
        here = wrong & np.isin(cell.outcome, REACHED) & ~np.isin(cell.outcome, FAILED)
        elsewhere |= here
        passed |= here & (cell.outcome == OUTCOMES.index("passed"))
    order = ("mode", "dtype", "device", "versions", "machine")
    levels = {axis: levels[axis] for axis in order if axis in levels}
    return Confined(_failed(grid), levels, int(passed.sum()), int(elsewhere.sum()))


def _untold(grid: Grid) -> list[Untold]:
    """Find axes with several levels, of which no two were tried with all else equal; name a run that would tell."""
    told: dict[str, bool] = dict.fromkeys(AXES, False)
    nearest: dict[str, tuple[Setting, Setting]] = {}
    for a, b in combinations(sorted(grid.cells), 2):
        apart = [axis for axis in AXES if getattr(a, axis) != getattr(b, axis)]
        if len(apart) == 1:
            told[apart[0]] = True
        for axis in apart:
            held = nearest.get(axis)
            if held is None or len(apart) < _distance(*held):
                nearest[axis] = (a, b)
    found = dict.fromkeys(pair for axis, pair in nearest.items() if not told[axis])
    untold = []
    for a, b in found:
        axes = tuple(axis for axis in AXES if getattr(a, axis) != getattr(b, axis))
        wanted = [b._replace(**{axis: getattr(a, axis)}) for axis in axes]
        untold.append(Untold(axes, (a, b), tuple(w for w in wanted if w not in grid.cells)))
    return untold


def _distance(a: Setting, b: Setting) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))
