"""One target over many runs: the questions that all of them have figures for, and every place where they may step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from gradassay._location import backend_of, is_location
from gradassay.runs._many import FAILED, REACHED, Floats, Integers, Many
from gradassay.runs._shift import Shift, pooled, shifts, sized
from gradassay.runs._steps import SIDE, split, steps
from gradassay.views._words import count, some

Kind = Literal["rms", "max", "outcomes", "time"]
HALF = 0.5  # of the questions that most runs were asked: a run with less is not compared
EVERYTHING = "everything"
FURTHER = 1e-4  # p of a further step of time beside the likeliest


@dataclass(frozen=True)
class Unfair:
    """A run, or a target of it, that is not compared, and why."""

    run: int
    target: str  # "" for all of a backend
    why: str


@dataclass(frozen=True)
class Step:
    """A figure of a target that changed between two runs.

    Attributes:
        subject: "gradients of x", "gradients", or "everything"; of time a property or everything.
        runs: the run before the step and the first after it.
        counts: how many runs lie on either side.
        before: noise units (or the seconds) on either side, by their mean.
        number: of the questions; of outcomes, how many verdicts turned.
        failing: of outcomes, whether they fail since then.
        drift: the first setting against the last, though no change between them is a step of its own.
    """

    kind: Kind
    target: str
    subject: str
    runs: tuple[int, int]
    counts: tuple[int, int]
    before: float
    after: float
    shift: Shift
    number: int
    failing: bool = False
    drift: bool = False

    @property
    def backend(self) -> str:
        return backend_of(self.target)


@dataclass(frozen=True)
class Line:
    """One target over the runs of a history.

    Attributes:
        runs: those compared, in order.
        rms: pooled over the questions that all of them were asked.
        max: the largest |z| of them.
        seconds: in all, of the questions whose time all of them have; NaN where the machine is another.
        speed: octaves of time, the median over questions; NaN as above.
        repeats: (pairs of runs of one setting, of which bit-equal).
    """

    target: str
    runs: tuple[int, ...]
    questions: int
    cases: int
    rms: Floats
    max: Floats
    seconds: Floats
    speed: Floats
    repeats: tuple[int, int]


@dataclass(frozen=True)
class Tracked:
    """One target over runs: `rows` of `many`, and the questions that all of them have a figure for."""

    many: Many
    target: str
    rows: tuple[int, ...]
    settings: tuple[int, ...]
    own: Integers  # everything that was asked of the target
    common: Integers  # those with figures in all runs

    @classmethod
    def of(
        cls, many: Many, target: str, rows: Sequence[int], settings: Sequence[int], unfair: list[Unfair]
    ) -> Tracked | None:
        own = np.array([k for k, asked in enumerate(many.asked) if asked.target == target], np.int64)
        there = np.isfinite(many.figures["rms"][np.ix_(np.array(rows, np.int64), own)])
        most = int(there.sum(1).max(initial=0))
        if not most:
            return None
        kept = [i for i in range(len(rows)) if there[i].sum() > HALF * most]
        for i, row in enumerate(rows):
            if i not in kept and np.isin(many.outcomes[row, own], REACHED).any():
                unfair.append(Unfair(row, target, f"it has {int(there[i].sum()):,} figures where others have {most:,}"))
        conflicts = _conflicts(many, [rows[i] for i in kept], target)
        same = np.array([many.asked[k][1:4] not in conflicts for k in own])
        if conflicts:
            names = some(sorted({"/".join(case[1:]) for case in conflicts}), 3)
            why = f"the data of {count(len(conflicts), 'case')} changed between runs: {names}"
            unfair.append(Unfair(rows[kept[-1]], target, why))
        common = own[there[kept].all(0) & same]
        if len(kept) < 2 or not len(common):
            return None
        return cls(many, target, tuple(rows[i] for i in kept), tuple(settings[i] for i in kept), own, common)

    @property
    def positions(self) -> Integers:
        return np.array(self.rows, np.int64)

    def values(self, figure: str) -> Floats:
        """Figures by run and question."""
        return np.asarray(self.many.figures[figure][np.ix_(self.positions, self.common)])

    @property
    def elements(self) -> Floats:
        return np.asarray(np.nanmax(self.values("elements"), axis=0))

    def line(self) -> Line:
        one = np.zeros(len(self.common), np.int64)
        rms, largest = self.values("rms"), self.values("max")
        both = np.array([pooled("rms", row, self.elements, one, 1)[0] for row in rms])
        octaves, totals = self.speeds(EVERYTHING)
        pairs = [i for i, (a, b) in enumerate(pairwise(self.settings)) if a == b]
        equal = sum(self._equal(i, i + 1) for i in pairs)
        own_code = is_location(backend_of(self.target))  # where it differs, it was edited: no repeat
        return Line(
            self.target,
            self.rows,
            len(self.common),
            len({self.many.asked[k][1:4] for k in self.common}),
            both,
            np.asarray(np.nanmax(largest, axis=1)),
            totals,
            octaves,
            (equal if own_code else len(pairs), equal),
        )

    def _equal(self, i: int, j: int) -> bool:
        return all(np.array_equal(self.values(f)[i], self.values(f)[j], equal_nan=True) for f in ("rms", "max"))

    def stretches(self) -> list[tuple[int, int]]:
        """Runs of one setting after another, as half-open ranges; where a file of one's own changed, another begins."""
        bounds = [0]
        for i in range(1, len(self.rows)):
            own_code = is_location(backend_of(self.target)) and not self._equal(i - 1, i)
            if self.settings[i] != self.settings[i - 1] or own_code:
                bounds.append(i)
        return list(pairwise([*bounds, len(self.rows)]))

    def _series(self) -> Iterator[tuple[Integers, list[str]]]:
        """Each way to group the questions: all, by property, by property and tensor."""
        asked = [self.many.asked[k] for k in self.common]
        ways = (
            [EVERYTHING] * len(asked),
            [a.property for a in asked],
            [f"{a.property} of {a.tensor}" if a.tensor else a.property for a in asked],
        )
        for names in ways:
            codes, known = self.many.codes(names)
            yield codes, [str(name) for name in known]

    def noise(self) -> Iterator[Step]:
        """Every series at every change of setting where its figures are not bit-equal."""
        stretches = self.stretches()
        cases, _ = self.many.codes([self.many.asked[k][1:4] for k in self.common])
        elements = self.elements
        compared = [*pairwise(stretches), *([(stretches[0], stretches[-1])] if len(stretches) > 2 else [])]
        for figure in ("rms", "max"):
            values = self.values(figure)
            for codes, names in self._series():
                variance, freedom = self._between(figure, values, codes, len(names), cases, stretches)
                for (a, b), (c, d) in compared:
                    before, after = _mean(values[a:b]), _mean(values[c:d])
                    apart = np.bincount(codes, before != after, len(names)) > 0
                    extra = variance * (1 / (b - a) + 1 / (d - c))
                    moved = shifts(figure, before, after, elements, codes, cases, runs=extra, freedom=freedom)
                    low, high = (pooled(figure, v, elements, codes, len(names)) for v in (before, after))
                    for number, shift in moved.items():
                        if apart[number]:
                            yield Step(
                                "rms" if figure == "rms" else "max",
                                self.target,
                                names[number],
                                (self.rows[b - 1], self.rows[c]),
                                (b, len(self.rows) - c),
                                float(low[number]),
                                float(high[number]),
                                shift,
                                int(np.sum(codes == number)),
                                drift=c > b,
                            )

    def _between(
        self,
        figure: str,
        values: Floats,
        codes: Integers,
        count: int,
        cases: Integers,
        stretches: list[tuple[int, int]],
    ) -> tuple[Floats, int]:
        """Variance of a series between runs of one setting, and its freedom; zero where they are bit-equal."""
        squares, freedom = np.zeros(count), 0
        for a, b in stretches:
            if b - a < 2 or all(np.array_equal(values[a], values[i]) for i in range(a + 1, b)):
                freedom += b - a - 1
                continue
            level = _mean(values[a:b])
            for i in range(a, b):
                found = shifts(figure, level, values[i], self.elements, codes, cases)
                squares += np.array([found[number].octaves ** 2 for number in range(count)])
            freedom += b - a - 1
        return squares / max(freedom, 1), max(freedom, 1)

    def same_machine(self) -> list[int]:
        """Positions of the runs on the machine of most of them: times of another are not compared."""
        fields = ("system", "processor", "cpu", "cores")
        machines = [self.many.runs[row].machine(fields) for row in self.rows]
        most = Counter(machines).most_common(1)[0][0]
        return [i for i, machine in enumerate(machines) if machine == most]

    def speeds(self, subject: str) -> tuple[Floats, Floats]:
        """Return by run (octaves of time by the median question, seconds in all), NaN on other machines."""
        here = self.same_machine()
        asked = self.own if subject == EVERYTHING else self._of_property(subject)
        seconds = self.many.figures["seconds"][np.ix_(self.positions[here], asked)]
        seconds = seconds[:, np.isfinite(seconds).all(0)]
        octaves, totals = (np.full(len(self.rows), np.nan) for _ in (0, 1))
        if seconds.shape[1]:
            logs = np.log2(seconds)
            octaves[here] = np.median(logs - np.median(logs, axis=0), axis=1)
            totals[here] = seconds.sum(1)
        return octaves, totals

    def _of_property(self, name: str) -> Integers:
        return np.array([k for k in self.own if self.many.asked[k].property == name], np.int64)

    def times(self, limit: float) -> Iterator[Step]:
        """The likeliest step of time of the whole and of each property, with its p; those after it at most `limit`."""
        here = self.same_machine()
        if len(here) < 2 * SIDE:
            return
        for subject in (EVERYTHING, *dict.fromkeys(self.many.asked[k].property for k in self.own)):
            speeds, totals = self.speeds(subject)
            values = speeds[here]
            if not np.isfinite(values).all():
                continue
            first = split(values)
            if first is None:
                continue
            further = min(limit, FURTHER)
            sides = (*steps(values[: first.at], further), *steps(values[first.at :], further, first.at))
            found = sorted((first, *sides), key=lambda s: s.at)
            ends = [0, *(s.at for s in found), len(values)]
            for low, one, high in zip(ends, found, ends[2:], strict=False):
                where = (self.rows[here[one.at - 1]], self.rows[here[one.at]])
                before, after = float(np.mean(totals[here][low : one.at])), float(np.mean(totals[here][one.at : high]))
                counts = (one.at - low, high - one.at)
                octaves = float(values[one.at : high].mean() - values[low : one.at].mean())  # up to the next step
                shift = Shift(octaves, one.p, 0)
                yield Step("time", self.target, subject, where, counts, before, after, shift, len(values))


def outcomes(many: Many, target: str, rows: Sequence[int]) -> Iterator[Step]:
    """Verdicts that passed and fail since, or the other way, each beside the last run that reached it.

    Right and wrong are against the truth: they count however little else two runs have in common.
    """
    own = np.array([k for k, asked in enumerate(many.asked) if asked.target == target], np.int64)
    last = np.full(len(own), -1)  # the position of the last run that reached it
    for i, row in enumerate(rows):
        now = many.outcomes[row, own]
        here = np.isin(now, REACHED)
        for j in np.unique(last[here & (last >= 0)]).tolist():
            was = many.outcomes[rows[j], own]
            both = here & (last == j)
            for failing in (True, False):
                turned = both & (np.isin(was, FAILED) != failing) & (np.isin(now, FAILED) == failing)
                if turned.any():
                    names = Counter(_subject(many, k) for k in own[turned])
                    subject = ", ".join(name for name, _ in names.most_common(3))
                    counts, number = (j + 1, len(rows) - i), int(turned.sum())
                    where = (rows[j], row)
                    yield Step(
                        "outcomes", target, subject, where, counts, 0.0, 0.0, Shift(0.0, 0.0, 0), number, failing
                    )
        last[here] = i


def _mean(values: Floats) -> Floats:
    """Return the geometric mean over runs; figures that are equal in all of them stay what they are, bit for bit."""
    low, high = values.min(0), values.max(0)
    return np.asarray(np.where(low == high, low, 2.0 ** sized(values).mean(0)))


def _subject(many: Many, k: int) -> str:
    asked = many.asked[k]
    return f"{asked.property} of {asked.tensor}" if asked.tensor else asked.property


def _conflicts(many: Many, rows: Sequence[int], target: str) -> set[tuple[str, ...]]:
    """The (spec, suite, case) whose data are not the same in all runs that say so."""
    dtype = target.rpartition("/")[2]
    seen: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in rows:
        for (*case, of), digest in many.runs[row].digests.items():
            if of == dtype:
                seen[tuple(case)].add(digest)
    return {case for case, digests in seen.items() if len(digests) > 1}
