"""What a run comes to: the records counted, grouped and put in order, for every view alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest

from gradassay._location import backend_of, split
from gradassay._record import FAILING as FAILING
from gradassay._record import Cause, Drawn, Footer, Header, Map, Record, Verdict

WAIVED = "waived"


@dataclass(frozen=True)
class Row:
    """One target: how often each outcome, and the verdicts with the largest RMS and the largest |z|."""

    target: str
    outcomes: Counter[str] = field(default_factory=Counter)
    rms: Verdict | None = None
    max: Verdict | None = None


@dataclass(frozen=True)
class Report:
    """Failing verdicts of one cause; where none was found, that look alike: one backend, one property, the same tensors
    (or the same error).
    """

    worst: Verdict  # of the request that is shown
    others: tuple[Verdict, ...]  # the other wrong tensors of that request
    alike: tuple[Verdict, ...]  # of other requests, the worst of each
    question: str = ""  # what a user would ask, where the case has such words
    cause: Cause | None = None


@dataclass(frozen=True)
class Pair:
    """Two targets that were compared, and the verdicts of it."""

    targets: tuple[str, str]
    verdicts: tuple[Verdict, ...]

    @property
    def between(self) -> str:
        """What the comparison is between: the first part in which the two differ."""
        parts = zip_longest(*((backend, *rest) for backend, rest in map(split, self.targets)))
        names = ("backends", "modes", "devices", "dtypes")
        return next((name for name, (a, b) in zip(names, parts, strict=False) if a != b), "runs of one target")

    @property
    def agrees(self) -> bool:
        return not any(counted(verdict) in FAILING for verdict in self.verdicts)


@dataclass(frozen=True)
class Summary:
    header: Header | None
    footer: Footer | None
    verdicts: tuple[Verdict, ...]
    causes: tuple[Cause, ...] = ()
    maps: tuple[Map, ...] = ()
    drawn: tuple[Drawn, ...] = ()

    @classmethod
    def of(cls, records: Iterable[Record]) -> Summary:
        """Take the records of one run; a killed run has no footer."""
        held = tuple(records)
        headers = [record for record in held if isinstance(record, Header)]
        footers = [record for record in held if isinstance(record, Footer)]
        verdicts = tuple(record for record in held if isinstance(record, Verdict))
        causes = tuple(record for record in held if isinstance(record, Cause))
        maps = tuple(record for record in held if isinstance(record, Map))
        drawn = tuple(record for record in held if isinstance(record, Drawn))
        return cls(headers[0] if headers else None, footers[-1] if footers else None, verdicts, causes, maps, drawn)

    @cached_property
    def outcomes(self) -> Counter[str]:
        """How many verdicts there are of each outcome; failures that are waived are counted apart."""
        return Counter(map(counted, self.verdicts))

    @property
    def complete(self) -> bool:
        return self.footer is not None and self.footer.complete

    @property
    def sharded(self) -> bool:
        """Whether this is a part of a run: what only the whole tells is said once its shards are merged."""
        return self.header is not None and bool(self.header.shard)

    @property
    def wrong(self) -> tuple[str, ...]:
        """Why the run as a whole is not well, beside its failing verdicts."""
        said = self.footer.wrong if self.footer else ()
        if (
            said
            or not self.complete
            or self.sharded
            or any(self.outcomes[outcome] for outcome in ("passed", WAIVED, *FAILING))
        ):
            return said
        return ("nothing was verified: no verdict passed or failed",)

    @property
    def well(self) -> bool:
        """Whether the command exits with 0."""
        return self.complete and not self.wrong and not any(self.outcomes[outcome] for outcome in FAILING)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One row a target, in the run's order; verdicts of agreement, which concern two targets, are left out."""
        targets: dict[str, None] = {}
        if self.header is not None:  # a shard may ask nothing of a target, which is then not shown
            asked = (t for t in self.header.targets if not self.sharded or self.header.planned.get(t))
            targets = dict.fromkeys(asked)
        own = [verdict for verdict in self.verdicts if not verdict.against]
        targets |= dict.fromkeys(verdict.target for verdict in own)
        held: dict[str, list[Verdict]] = {target: [] for target in targets}
        for verdict in own:
            held[verdict.target].append(verdict)
        return tuple(
            Row(target, Counter(map(counted, verdicts)), _largest(verdicts, "rms"), _largest(verdicts, "max"))
            for target, verdicts in held.items()
        )

    @cached_property
    def reached(self) -> int:
        """How many targets have a verdict on something that ran."""
        return sum(1 for row in self.rows if set(row.outcomes) - {"skipped", "not applicable"})

    @cached_property
    def worst(self) -> Verdict | None:
        """The verdict against the truth with the largest |z| of those that passed: how much of the limits was used."""
        return _largest([v for v in self.verdicts if v.outcome == "passed" and not v.against], "max")

    @cached_property
    def reports(self) -> tuple[Report, ...]:
        """Failing verdicts by cause; then the others by likeness, each target's most frequent first, and so on."""
        requests: dict[tuple[int | None, *tuple[str, ...]], list[Verdict]] = {}
        for v in self.verdicts:
            if counted(v) in FAILING:
                number = next((number for number, cause in enumerate(self.causes) if cause.holds(v)), None)
                key = (number, v.target, v.against, v.spec, v.suite, v.case, v.property, v.outcome)
                requests.setdefault(key, []).append(v)
        diagnosed: dict[int, list[list[Verdict]]] = {}
        alike: dict[tuple[object, ...], list[list[Verdict]]] = {}
        for (number, *_), verdicts in requests.items():
            verdicts.sort(key=how_bad, reverse=True)
            if number is not None:
                diagnosed.setdefault(number, []).append(verdicts)
            else:
                alike.setdefault(_likeness(verdicts), []).append(verdicts)
        by_target: dict[str, list[Report]] = {}
        for held in alike.values():
            report = self._report(held)
            by_target.setdefault(report.worst.target, []).append(report)
        for reports in by_target.values():
            reports.sort(key=lambda report: -len(report.others) - len(report.alike))
        rest = (report for turn in zip_longest(*by_target.values()) for report in turn if report is not None)
        return (*(self._report(held, self.causes[number]) for number, held in sorted(diagnosed.items())), *rest)

    def _report(self, requests: list[list[Verdict]], cause: Cause | None = None) -> Report:
        """One report of several requests: that of a cause shows the simplest question, another one the first."""

        def other(verdicts: list[Verdict]) -> bool:
            v = verdicts[0]
            told = cause and (cause.target, cause.suite, cause.case, cause.property)
            return told is not None and (v.target, v.suite, v.case, v.property) != told

        first, *rest = sorted(requests, key=other)
        return Report(first[0], tuple(first[1:]), tuple(vs[0] for vs in rest), self._question(first[0]), cause)

    def _question(self, verdict: Verdict) -> str:
        key = f"{verdict.spec}/{verdict.suite}/{verdict.case}"
        return self.header.questions.get(key, "") if self.header else ""

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        held: dict[tuple[str, str], list[Verdict]] = {}
        for verdict in self.verdicts:
            if verdict.against and verdict.outcome in ("passed", *FAILING):
                a, b = sorted((verdict.target, verdict.against))
                held.setdefault((a, b), []).append(verdict)
        return tuple(Pair(targets, tuple(verdicts)) for targets, verdicts in held.items())

    def reasons(self, outcome: str) -> list[tuple[str, int, list[str]]]:
        """Return (reason, how many verdicts, their targets) of an outcome, the most frequent first."""
        found: dict[str, list[str]] = {}
        for verdict in self.verdicts:
            if counted(verdict) == outcome:
                why = verdict.waived if outcome == WAIVED else verdict.reason
                found.setdefault(why or "no reason given", []).append(verdict.target)
        ranked = sorted(found.items(), key=lambda item: -len(item[1]))
        return [(reason, len(targets), list(dict.fromkeys(targets))) for reason, targets in ranked]


def counted(verdict: Verdict) -> str:
    """What a verdict is counted as: its outcome, but for a failure that a waiver expects."""
    return WAIVED if verdict.waived else verdict.outcome


def how_bad(verdict: Verdict) -> tuple[bool, float, float]:
    """A key to sort by: what is infinitely wrong first, then the larger |z|, then the larger RMS."""
    beyond = verdict.outcome == "errored" or (verdict.worst is not None and verdict.worst.kind != "ordinary")
    return beyond, verdict.max or 0.0, verdict.rms or 0.0


def _largest(verdicts: Sequence[Verdict], figure: str) -> Verdict | None:
    """Return the verdict with the largest RMS or |z|; one that is blind has none that means anything."""
    held = [v for v in verdicts if v.outcome != "blind" and getattr(v, figure) is not None]
    return max(held, key=lambda v: float(getattr(v, figure)), default=None)


def _likeness(verdicts: Sequence[Verdict]) -> tuple[object, ...]:
    first = verdicts[0]
    backend = backend_of(first.target)
    if first.outcome == "errored":
        return backend, "errored", first.property, first.reason
    return backend, first.property, bool(first.against), frozenset(v.tensor for v in verdicts)
