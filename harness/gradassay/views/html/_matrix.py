"""The matrix of a run: what became of every property on every target, and its worst verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gradassay._location import backend_of, split
from gradassay._record import Verdict
from gradassay.views._conclusion import budget
from gradassay.views._summary import FAILING, WAIVED, Summary, counted, how_bad
from gradassay.views._words import printable, units

WORST_FIRST = ("failed", "errored", WAIVED, "passed", "blind", "skipped", "not applicable")
GLYPHS = {
    "failed": "✗",
    "errored": "!",
    WAIVED: "w",
    "passed": "✓",
    "blind": "◌",
    "skipped": "–",
    "not applicable": "·",
}
STEPS = (0.25, 0.5, 0.75)  # shares of the limit at which a cell's colour gets deeper


@dataclass(frozen=True)
class Cell:
    """All verdicts of one property on one target (or of one target): their outcomes, and the worst of them."""

    anchor: str
    name: str  # of the property; empty: of a target as a whole
    outcomes: Counter[str]
    worst: Verdict

    @property
    def outcome(self) -> str:
        return next(outcome for outcome in WORST_FIRST if self.outcomes[outcome])

    @property
    def kind(self) -> str:
        """The class that gives a cell its colour: its outcome, and how much of the limit was used."""
        if self.outcome != "passed":
            return self.outcome.replace(" ", "-")
        return f"used-{sum(share(self.worst) >= step for step in STEPS)}{' part' if self.part else ''}"

    @property
    def face(self) -> str:
        """What stands in the matrix: `3.1`, `✗57.3`, `✓`."""
        if self.outcome not in ("passed", "failed", WAIVED):
            return GLYPHS[self.outcome]
        figure = short(self.worst.max)
        if self.outcome == "passed":
            return figure or GLYPHS["passed"]
        return GLYPHS[self.outcome] + figure

    @property
    def part(self) -> bool:
        """Whether some of its verdicts saw nothing, though others passed."""
        return self.outcome == "passed" and bool(self.outcomes["blind"] or self.outcomes["skipped"])

    @property
    def told(self) -> str:
        """`345 passed, 2 blind; 3.1 of 15.4`."""
        said = ", ".join(f"{self.outcomes[outcome]:,} {outcome}" for outcome in WORST_FIRST if self.outcomes[outcome])
        return said + (f"; {budget(self.worst)}" if self.worst.max is not None and self.outcome in FIGURED else "")


FIGURED = ("passed", WAIVED, *FAILING)


@dataclass(frozen=True)
class Target:
    """A row: the cells by property; `about` is a verdict on the target as a whole (its device is not here, say)."""

    name: str
    label: str
    anchor: str
    all: Cell | None
    cells: dict[str, Cell]
    about: Cell | None

    @property
    def alone(self) -> bool:
        """Whether there is nothing to show but what is said of the target as a whole."""
        return not self.cells


@dataclass(frozen=True)
class Group:
    backend: str
    versions: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Matrix:
    """Targets by properties. `letter` tells the runs of a page apart, in anchors: `a-12-3` is a cell of the first."""

    letter: str
    properties: tuple[str, ...]
    groups: tuple[Group, ...]

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        return tuple(target for group in self.groups for target in group.targets)

    @property
    def mixed(self) -> bool:
        """Whether a target has verdicts as a whole beside its cells: they get a column."""
        return any(target.cells and target.about for target in self.targets)


def matrix(summary: Summary, letter: str) -> Matrix:
    properties = _properties(summary)
    number = {name: index for index, name in enumerate(properties)}
    held: dict[str, dict[str, list[Verdict]]] = {row.target: {} for row in summary.rows}
    for v in summary.verdicts:
        if not v.against:
            held[v.target].setdefault(v.property, []).append(v)

    def row(index: int, name: str) -> Target:
        anchor = f"{letter}-{index}"
        own = held[name]
        every = [v for verdicts in own.values() for v in verdicts]
        cells = {p: cell(f"{anchor}-{number[p]}", p, own[p]) for p in properties if p in own}
        label = printable("/".join(split(name)[1])) or printable(name)
        about = cell(f"{anchor}-all", "", own[""]) if "" in own else None
        return Target(name, label, anchor, cell(anchor, "", every) if every else None, cells, about)

    targets = [row(index, name) for index, name in enumerate(held)]
    versions = summary.header.versions if summary.header else {}
    groups = []
    for backend in dict.fromkeys(backend_of(target.name) for target in targets):
        told = ", ".join(f"{printable(k)} {printable(v)}" for k, v in versions.get(backend, {}).items())
        own = tuple(target for target in targets if backend_of(target.name) == backend)
        groups.append(Group(printable(backend), told, own))
    return Matrix(letter, properties, tuple(groups))


def cell(anchor: str, name: str, verdicts: Sequence[Verdict]) -> Cell:
    return Cell(anchor, name, Counter(map(counted, verdicts)), _worst(verdicts))


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the failing verdict that is furthest off, or else the passed one with the largest noise units."""
    for outcomes in (FAILING, (WAIVED,)):
        if found := [v for v in verdicts if counted(v) in outcomes]:
            return max(found, key=how_bad)
    if passed := [v for v in verdicts if v.outcome == "passed"]:
        return max(passed, key=lambda v: -1.0 if v.max is None else v.max)
    return min(verdicts, key=lambda v: WORST_FIRST.index(counted(v)))


def _properties(summary: Summary) -> tuple[str, ...]:
    """Return the properties in the run's order, then those that it did not announce."""
    seen = {v.property for v in summary.verdicts if not v.against and v.property}
    announced = summary.header.properties if summary.header else ()
    return tuple(dict.fromkeys([*(name for name in announced if name in seen), *sorted(seen)]))


def share(verdict: Verdict) -> float:
    """The largest |z| as a fraction of its limit; 0 where there is no figure."""
    return (verdict.max or 0.0) / verdict.limit_max if verdict.limit_max else 0.0


def short(z: float | None) -> str:
    """Noise units in at most five characters: `3.1`, `57`, `1e7`."""
    if z is None:
        return ""
    return (
        units(z) if abs(z) < 100 else f"{z:.0f}" if abs(z) < 1000 else f"{z:.0e}".replace("e+0", "e").replace("+", "")
    )


def in_words(matrix: Matrix) -> Iterator[tuple[str, str]]:
    """Yield the marks that a matrix shows, each with what it means."""
    means = {
        "failed": "failed, and the largest noise units",
        "errored": "errored: crashed, hung, or did not really run",
        WAIVED: "failed, as a waiver expects",
        "passed": "passed, with nothing to measure",
        "blind": "blind: the noise is as large as the value",
        "skipped": "skipped",
        "not applicable": "not applicable",
    }
    cells = [held for target in matrix.targets for held in (*target.cells.values(), target.all) if held]
    seen = {cell.outcome for cell in cells}
    yield from ((GLYPHS[outcome], means[outcome]) for outcome in WORST_FIRST if outcome in seen)
    if any(cell.part for cell in cells):
        yield "◥", "some of its verdicts were blind or skipped, the others passed"
