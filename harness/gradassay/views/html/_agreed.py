"""Who agrees with whom within noise: backends by backends, modes by modes, and the answer in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from gradassay._location import backend_of, split
from gradassay._record import Verdict
from gradassay.views._conclusion import budget
from gradassay.views._summary import FAILING, Pair, Summary, counted, how_bad
from gradassay.views._words import case, count, printable, some
from gradassay.views.html._matrix import STEPS, share, short
from gradassay.views.pictures._order import ordered

SHOWN = 4  # of anything that may be many


@dataclass(frozen=True)
class Between:
    """All that was compared between two sides: backends, or modes."""

    anchor: str
    sides: tuple[str, str]
    pairs: tuple[Pair, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(v for pair in self.pairs for v in pair.verdicts)

    @property
    def apart(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if not pair.agrees)

    @property
    def worst(self) -> Verdict:
        bad = [v for v in self.verdicts if counted(v) in FAILING]
        return max(bad or self.verdicts, key=how_bad)

    @property
    def kind(self) -> str:
        return "failed" if self.apart else f"used-{sum(share(self.worst) >= step for step in STEPS)}"

    @property
    def face(self) -> str:
        figure = short(self.worst.max)
        return f"✗ {len(self.apart)} of {len(self.pairs)}" if self.apart else figure or "✓"

    @property
    def told(self) -> str:
        return f"{len(self.pairs) - len(self.apart):,} of {count(len(self.pairs), 'pair')} of targets agree"

    @property
    def filter(self) -> str:
        """What a link to these verdicts filters by."""
        one, other = (printable(side) for side in self.sides)
        return urlencode({"target": one, "with": other}, safe="/:")

    @property
    def answer(self) -> tuple[str, str]:
        """Return yes or no, and why."""
        dtypes = ", ".join(printable(name) for name in ordered(p.targets[0].rpartition("/")[2] for p in self.pairs))
        bad = sum(counted(v) in FAILING for v in self.verdicts)
        said = f"{count(len(self.verdicts), 'verdict')} on {count(len(self.pairs), 'pair')} of targets in {dtypes}"
        worst = f"the largest difference is {budget(self.worst)} noise units, in {case(self.worst)}"
        if not self.apart:
            return "Yes", f"they agree within noise in all {said}; {worst}."
        names = [f"{printable(a)} and {printable(b)}" for a, b in (pair.targets for pair in self.apart)]
        return "Not everywhere", f"they differ in {bad:,} of {said}: {some(names, SHOWN)}; {worst}."


@dataclass(frozen=True)
class Agreement:
    """A symmetric table: `sides` are its rows and columns."""

    between: str
    sides: tuple[str, ...]
    held: dict[tuple[str, str], Between]

    def at(self, a: str, b: str) -> Between | None:
        return self.held.get((a, b) if (a, b) in self.held else (b, a))

    @property
    def missing(self) -> list[str]:
        """The pairs of sides that nothing was compared of."""
        names = list(self.sides)
        return [
            f"{printable(a)} and {printable(b)}"
            for i, a in enumerate(names)
            for b in names[i + 1 :]
            if not self.at(a, b)
        ]


def agreements(summary: Summary, letter: str) -> list[Agreement]:
    """Return the tables that say anything: by backends, and by modes and devices."""
    tables = [
        _table("backends", f"{letter}-with", summary.pairs, backend_of),
        _table("modes", f"{letter}-mode", summary.pairs, _mode),
    ]
    return [table for table in tables if table.held]


def _mode(target: str) -> str:
    """A target without its dtype; two of one dtype alone are compared."""
    backend, parts = split(target)
    return "/".join([backend, *parts[:-1]])


def _table(between: str, anchor: str, pairs: Sequence[Pair], side: Callable[[str], str]) -> Agreement:
    held: dict[tuple[str, str], list[Pair]] = {}
    sides: dict[str, None] = {}
    for pair in pairs:
        a, b = map(side, pair.targets)
        if a != b:
            sides |= {a: None, b: None}
            held.setdefault((b, a) if (b, a) in held else (a, b), []).append(pair)
    numbered = enumerate(held.items())
    found = {key: Between(f"{anchor}-{number}", key, tuple(own)) for number, (key, own) in numbered}
    return Agreement(between, tuple(sorted(sides)), found)
