"""Failing verdicts grouped by cause: the simplest case is diagnosed, and what its explanation predicts goes with it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec.structs import replace as replace_struct

from gradassay._case import Case
from gradassay._diagnose import BASIC, CHEAP, Diagnosis, Explanation, explain
from gradassay._location import backend_of
from gradassay._noise import root_mean_square
from gradassay._oracle import Oracle
from gradassay._patterns import elements, kind_of, tensor_patterns
from gradassay._plan import AGREEMENT, Job, Question
from gradassay._predict import distances, fails, keyed, pairs, predict
from gradassay._property import Finding
from gradassay._record import Accounts, Cause, Verdict

SECONDS = 20.0  # for one backend: after that what is left is listed, and not diagnosed
KEPT = 2_000_000  # numbers of failing answers that are held for it; of the simplest cases first
TRIED = 4  # explanations that further cases are asked to tell apart
CLOSE = 8.0  # noise units (RMS) within which a further case is accounted for; the noise there is that of the truth
RESIDUE = 1e-4  # or this part of what is wrong there

Place = tuple[str, str, str, str, str, str, str]


@dataclass(frozen=True)
class Observed:
    """A question in which something failed: what was found, and the verdicts on it."""

    job: Job
    question: Question
    case: Case
    operators: frozenset[str]
    found: Mapping[str, Sequence[Finding]]
    verdicts: tuple[Verdict, ...]  # those that failed or errored

    @property
    def numbers(self) -> int:
        return sum(f.got.size for findings in self.found.values() for f in findings if f.got is not None)

    @property
    def simplicity(self) -> tuple[bool, bool, int]:
        """A key to sort by: basic properties, in float64, of few numbers, first."""
        basic = any(verdict.property in BASIC for verdict in self.verdicts)
        return not basic, self.job.target.dtype != "float64", elements(self.case)


@dataclass
class Kept:
    """The failing questions of one backend, up to a number of numbers: the simplest ones stay."""

    observed: list[Observed] = field(default_factory=list)

    def keep(self, new: Observed) -> None:
        self.observed = sorted([*self.observed, new], key=lambda o: o.simplicity)
        while len(self.observed) > 1 and sum(o.numbers for o in self.observed) > KEPT:
            self.observed.pop()


def place(verdict: Verdict) -> Place:
    """What tells a verdict from every other one of a run."""
    return (
        verdict.target,
        verdict.against,
        verdict.spec,
        verdict.suite,
        verdict.case,
        verdict.property,
        verdict.tensor,
    )


def causes(kept: Kept, verdicts: Iterable[Verdict], oracle: Oracle, seconds: float = SECONDS) -> Iterator[Cause]:
    """Yield the causes of one backend's failing verdicts, the one of the simplest case first.

    Args:
        verdicts: those of the run that failed or errored; those of agreement go with what is wrong of either target.
        seconds: that it may take.
    """
    deadline = time.perf_counter() + seconds
    left = {place(verdict): verdict for verdict in verdicts}
    queue = list(kept.observed)
    found: dict[str, Cause] = {}
    while queue:
        first = queue.pop(0)
        own = [verdict for verdict in first.verdicts if place(verdict) in left]
        if not own:
            continue
        if all(verdict.outcome == "errored" for verdict in own):
            continue  # there is no number to explain, and its own words say more than anybody's guess
        properties = first.question.properties
        told = explain(
            first.case, first.found, properties, oracle, first.operators, seconds=deadline - time.perf_counter()
        )
        others = [o for o in (first, *queue) if any(place(v) in left for v in o.verdicts)]
        told, accounted = _accounted(told, first, others, left, oracle, deadline)
        accounted |= {p: left[p] for p in map(place, own) if p in left}
        accounted |= _disagreeing(accounted.values(), left)
        for where in accounted:
            left.pop(where, None)
        cause = _cause(told, first, own, accounted.values())
        # A later case may show what the first explanation alone did not predict of it: that is one mistake still.
        name = cause.sentence or f"unexplained {len(found)}"
        found[name] = joined(found[name], cause) if name in found else cause
    yield from found.values()


def joined(first: Cause, second: Cause) -> Cause:
    """Return the first cause with what the second accounts for, too."""
    accounts = {target: dict(cases) for target, cases in first.accounts.items()}
    for target, cases in second.accounts.items():
        for case, names in cases.items():
            held = accounts.setdefault(target, {}).get(case, {})
            accounts[target][case] = {n: (*held.get(n, ()), *names.get(n, ())) for n in (*held, *names)}
    seconds = first.seconds + second.seconds
    return replace_struct(first, accounts=accounts, verdicts=first.verdicts + second.verdicts, seconds=seconds)


def _accounted(
    told: Diagnosis,
    first: Observed,
    others: Sequence[Observed],
    left: Mapping[Place, Verdict],
    oracle: Oracle,
    deadline: float,
) -> tuple[Diagnosis, dict[Place, Verdict]]:
    """Return the diagnosis with its explanations in order of what they account for, and what the best one does."""
    candidates = [e for e in told.explanations if e.fault is not None][:TRIED]
    alike = [e for e in told.explanations if e.fault is None]
    found: dict[str, dict[Place, Verdict]] = {e.sentence: {} for e in (*candidates, *alike)}
    for observed in others:
        for explanation in [*candidates, *alike]:
            if time.perf_counter() > deadline:
                break
            names = _predicted(explanation, observed, oracle)
            mine = {place(v): v for v in observed.verdicts if (v.property, v.tensor) in names}
            found[explanation.sentence] |= {p: v for p, v in mine.items() if p in left}
    if not found:
        return told, _same(first, others, left)
    most = max(len(own) for own in found.values())
    # Those that account for fewer cases have been told apart by them.
    best = [e for e in (*candidates, *alike) if len(found[e.sentence]) == most]
    return replace(told, explanations=tuple(best)), found[best[0].sentence]


def _predicted(explanation: Explanation, observed: Observed, oracle: Oracle) -> set[tuple[str, str]]:
    """Return (property, tensor) of the failing findings of a question that an explanation accounts for."""
    failing = {v.property for v in observed.verdicts}
    properties = [p for p in observed.question.properties if p.name in failing]
    if explanation.fault is None:
        return _by_pattern(explanation, observed)
    case, operators = observed.case, observed.operators
    predicted = keyed(predict(case.spec, explanation.fault, case, properties, oracle, operators))
    found: set[tuple[str, str]] = set()
    for key, finding in keyed({p.name: observed.found[p.name] for p in properties}).items():
        theirs = predicted.get(key)
        if theirs is None or not fails(finding):
            continue
        compared = pairs({key: finding}, {key: theirs})
        if compared is not None and all(_small(*both) for both in distances(compared)):
            found.add((key[0], "" if finding.fault.startswith("no answer") else key[1]))
    return found


def _small(after: Any, before: Any) -> bool:
    return float(root_mean_square(after)) <= max(CLOSE, RESIDUE * float(root_mean_square(before)))


def _by_pattern(explanation: Explanation, observed: Observed) -> set[tuple[str, str]]:
    said = [part.partition(": ") for part in explanation.sentence.split("; ")]
    known = {(kind_of(words), name) for names, _, words in said for name in names.replace(" and ", ", ").split(", ")}
    found: set[tuple[str, str]] = set()
    for name, findings in observed.found.items():
        truths = {f.tensor: f.reference for f in findings if f.reference is not None}
        for finding in findings:
            if fails(finding):
                kinds = {pattern.kind for pattern in tensor_patterns(finding, observed.case, truths)}
                if any(kind in kinds and finding.tensor.partition(" of ")[0] == tensor for kind, tensor in known):
                    found.add((name, finding.tensor))
    return found


def _same(first: Observed, others: Sequence[Observed], left: Mapping[Place, Verdict]) -> dict[Place, Verdict]:
    """Return the verdicts of other questions in which nothing is wrong but tensors of the same kinds."""
    mine = _kinds(first)
    return {place(v): v for o in others if _kinds(o) and _kinds(o) <= mine for v in o.verdicts if place(v) in left}


def _kinds(observed: Observed) -> set[str]:
    """The kinds of tensors that are wrong: names without the number that tells several of one kind apart."""
    names = {v.tensor.removeprefix("d ").partition(" ")[0] for v in observed.verdicts}
    return {re.sub(r"\d.*", "", name) for name in names if name in observed.case.table}


def _disagreeing(accounted: Iterable[Verdict], left: Mapping[Place, Verdict]) -> dict[Place, Verdict]:
    """Return the disagreements that follow from what is wrong of either target."""
    wrong = {(v.target, v.spec, v.suite, v.case) for v in accounted}
    return {
        p: v
        for p, v in left.items()
        if v.property == AGREEMENT and any((t, v.spec, v.suite, v.case) in wrong for t in (v.target, v.against))
    }


def _cause(told: Diagnosis, first: Observed, own: Sequence[Verdict], accounted: Iterable[Verdict]) -> Cause:
    held: dict[str, dict[str, dict[str, list[str]]]] = {}
    for v in accounted:
        name = f"{v.property} {v.against}" if v.against else v.property
        case = f"{v.spec}/{v.suite}/{v.case}"
        held.setdefault(v.target, {}).setdefault(case, {}).setdefault(name, []).append(v.tensor)
    accounts: Accounts = {
        t: {c: {n: tuple(tensors) for n, tensors in names.items()} for c, names in cases.items()}
        for t, cases in held.items()
    }
    best = told.explanations[0] if told.explanations else None
    shown = min(own, key=lambda v: (*CHEAP, v.property).index(v.property))  # values before gradients, before others
    wrong = {v.tensor for v in first.verdicts}
    return Cause(
        backend=backend_of(shown.target),
        target=shown.target,
        spec=shown.spec,
        suite=shown.suite,
        case=shown.case,
        property=shown.property,
        name=best.name if best else "",
        sentence=best.sentence if best else "",
        alternatives=tuple(e.sentence for e in told.explanations[1:]),
        rms=best.size if best else None,
        max=best.largest if best else None,
        before=told.before,
        marks=told.marks,
        places={p.tensor: str(p) for p in told.places if p.tensor in wrong and " of " not in p.tensor},
        tried=told.tried,
        stopped=told.stopped,
        seconds=told.seconds,
        verdicts=sum(len(tensors) for c in accounts.values() for n in c.values() for tensors in n.values()),
        accounts=accounts,
        replay=shown.replay,
    )
