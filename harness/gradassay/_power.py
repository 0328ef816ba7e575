"""Power: every planted fault is run as a backend, and what sees it is written down.

Suites are asked one after the other, `smoke` first and then the smallest, and the cases of each likewise: up to the
case that kills a fault, or to the end of the suite that does, to know everything that sees it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from gradassay._changes import Content, FaultError, Watched, difference, fits, numbers, tensor_of
from gradassay._errors import UsageError
from gradassay._fault import Fault
from gradassay._oracle import Oracle
from gradassay._plan import AGREEMENT, ON_REQUEST, SMOKE, SWEPT, Job, Plan, Question, plan
from gradassay._planted import faulty, in_process_of_its_own
from gradassay._plugins import unknown
from gradassay._record import Verdict
from gradassay._runner import Run
from gradassay._simulated import Simulated
from gradassay._spec import CaseTemplate, Spec
from gradassay._target import Target
from gradassay.properties import properties_of

WRONG = ("failed", "errored")
AS_THEY_ARE = "as-they-are"  # the equations, when nothing is changed


class Killed(msgspec.Struct, frozen=True, kw_only=True):
    """The first case that a fault failed in, and what saw it there.

    Args:
        cases, seconds: how many cases with what it needs were asked up to and with this one, and what that took.
        properties: all that saw it in this case, in the order in which they were asked.
        everywhere: all that saw it in any case of the suite, as far as it was asked.
        alone: the first of them that sees it when nothing else is asked; empty if it takes several.
        tensor, reason: of the first verdict against it.
        changes: what it changes in this case, without any judgement, as a fraction of the largest right value; None
            where that is no number.
    """

    suite: str
    case: str
    cases: int
    seconds: float
    properties: tuple[str, ...]
    everywhere: tuple[str, ...] = ()
    alone: str = ""
    tensor: str = ""
    reason: str = ""
    changes: dict[str, float | None] = {}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one fault in one dtype. One that `changed` nothing in any case is no fault there."""

    fault: str
    dtype: str
    killed: Killed | None
    changed: bool


class Benign(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a right variant in one dtype: how many verdicts were reached, and those that accuse it."""

    variant: str
    dtype: str
    verdicts: int
    false_alarms: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What came of a question: verdicts, everything that was answered on the way, and the time it took."""

    verdicts: tuple[Verdict, ...]
    answers: tuple[Content, ...]
    seconds: float

    @property
    def accused(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.outcome in WRONG)


def ordered(spec: Spec[Any, Any], wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the suites that faults are asked: those that are wanted in their order, or all of a sweep, by size.

    Raises:
        UsageError: if there is no such suite.
    """
    have = spec.suites()
    for name in wanted:
        if name not in have:
            raise UsageError(unknown("suite", name, list(have)))
    if wanted:
        return tuple(dict.fromkeys(wanted))
    asked = [name for name in have if name not in ON_REQUEST - SWEPT]
    sizes = {name: sum(numbers(spec, template) for template in have[name]) for name in asked}
    return tuple(sorted(asked, key=lambda name: (name != SMOKE, sizes[name])))


class Bench:
    """Faults of one spec in one dtype, with one oracle, so that each truth is computed once.

    Args:
        suites: names, in the order in which they are asked.
    """

    def __init__(self, spec: Spec[Any, Any], dtype: str, suites: Sequence[str], oracle: Oracle) -> None:
        self.spec, self.dtype, self.suites, self.oracle = spec, dtype, tuple(suites), oracle
        self._right: dict[tuple[str, ...], Asked] = {}

    @cached_property
    def questions(self) -> dict[str, tuple[Question, ...]]:
        """Every question by its suite, those with the fewest numbers first."""
        right = faulty(self.spec, None)
        target = Target(right.name, right.offers[0].modes[0].name, "cpu", self.dtype)
        asked = [*properties_of(self.spec)]  # named, so that 16 bits are asked as much as 64
        laid = plan([target], {right.name: right}, {self.spec.name: self.spec}, suites=self.suites, properties=asked)
        (job,) = laid.jobs[right.name]
        by_size = sorted(job.questions, key=lambda question: numbers(self.spec, question.template))
        return {suite: tuple(q for q in by_size if q.suite == suite) for suite in self.suites}

    @property
    def properties(self) -> tuple[str, ...]:
        """The names of all properties that any question asks."""
        asked = (property_.name for suite in self.suites for q in self.questions[suite] for property_ in q.properties)
        return tuple(dict.fromkeys(asked))

    def ask(self, question: Question, fault: Fault | None, *, each: bool = False) -> Asked:
        """Put one question to a fault, or to none.

        Args:
            each: ask property by property, and end with the first that sees something.
        """
        backend = faulty(self.spec, fault)
        with ExitStack() as open_:
            if fault is not None and fault.ends_process:
                session: Any = open_.enter_context(in_process_of_its_own(self.spec, fault))
            else:
                session = open_.enter_context(Watched(backend))
            open_.enter_context(np.errstate(all="ignore"))  # what a fault computes may well overflow
            start = time.perf_counter()
            verdicts: tuple[Verdict, ...] = ()
            parts = [(one,) for one in question.properties] if each else [question.properties]
            for properties in parts:
                part = Question(question.spec, question.suite, question.template, properties)
                verdicts += _judge(backend, part, self.dtype, self.oracle, session)
                if each and any(verdict.outcome in WRONG for verdict in verdicts):
                    break
            return Asked(verdicts, tuple(getattr(session, "answers", ())), time.perf_counter() - start)

    def right(self, question: Question) -> Asked:
        """Put a question to the equations as they are; once."""
        key = question.suite, question.template.name, *(property_.name for property_ in question.properties)
        if key not in self._right:
            self._right[key] = self.ask(question, None)
        return self._right[key]

    def run(self, fault: Fault, *, whole: bool = False) -> Outcome:
        """Ask a fault case by case until one kills it; `whole`: to the end of its suite."""
        cases, seconds, changed = 0, 0.0, False
        for suite in self.suites:
            first: Killed | None = None
            everywhere: dict[str, None] = {}
            for question in self.questions[suite]:
                if first is not None and (fault.ends_process or not whole):
                    break
                if not _may_show(self.spec, fault, question.template):
                    continue
                right, asked = self.right(question), self.ask(question, fault, each=fault.ends_process)
                changes = difference(right.answers, asked.answers) if not fault.ends_process else {}
                wrong = _against(asked, right, fault)
                changed = changed or bool(changes) or bool(wrong)
                everywhere |= dict.fromkeys(verdict.property for verdict in wrong)
                if first is not None:
                    continue
                cases, seconds = cases + 1, seconds + asked.seconds
                if wrong:
                    seen = tuple(dict.fromkeys(verdict.property for verdict in wrong))
                    first = Killed(
                        suite=suite,
                        case=question.template.name,
                        cases=cases,
                        seconds=round(seconds, 3),
                        properties=seen,
                        alone=next((name for name in seen if self.kills(question, fault, name)), ""),
                        tensor=wrong[0].tensor,
                        reason=wrong[0].reason.partition("\n")[0],
                        changes={n: float(f"{size:.3g}") if np.isfinite(size) else None for n, size in changes.items()},
                    )
            if first is not None:
                killed = msgspec.structs.replace(first, everywhere=tuple(everywhere))
                return Outcome(fault=fault.name, dtype=self.dtype, killed=killed, changed=True)
        return Outcome(fault=fault.name, dtype=self.dtype, killed=None, changed=changed)

    def kills(self, question: Question, fault: Fault, name: str) -> bool:
        """Say whether a fault fails a case when it is asked one property, or all if it has no name."""
        asked = tuple(property_ for property_ in question.properties if name in (property_.name, ""))
        one = replace(question, properties=asked)
        return bool(_against(self.ask(one, fault, each=fault.ends_process), self.right(one), fault))

    def changes(self, question: Question, fault: Fault) -> dict[str, float]:
        """Return what a fault changes in the answers to a question, as `difference` does."""
        return difference(self.right(question).answers, self.ask(question, fault).answers)

    def check_changes(self, question: Question, fault: Fault) -> dict[str, float]:
        """Return `changes`, once it is sure that there are some.

        Raises:
            FaultError: if the fault changes nothing, or not every tensor that it says it shows in.
        """
        found = self.changes(question, fault)
        where = f"{question.spec.name}/{question.suite}/{question.template.name} in {self.dtype}"
        if not found:
            raise FaultError(f"the fault {fault.name} changes nothing in {where}: a fault should change something")
        if missing := sorted(set(fault.shows_in) - {tensor_of(name) for name in found}):
            raise FaultError(
                f"the fault {fault.name} should show in {', '.join(missing)}, "
                f"but changes {', '.join(sorted(found))} alone in {where}"
            )
        return found

    def benign(self, variant: Fault | None) -> Benign:
        """Ask a right variant, or the equations as they are, all suites."""
        asked = [
            self.right(question) if variant is None else self.ask(question, variant)
            for suite in self.suites
            for question in self.questions[suite]
        ]
        wrong = tuple(
            f"{verdict.suite}/{verdict.case} {verdict.property} {verdict.tensor}: {verdict.reason}"
            for one in asked
            for verdict in one.accused
        )
        name = variant.name if variant else AS_THEY_ARE
        reached = sum(verdict.outcome in ("passed", "failed") for one in asked for verdict in one.verdicts)
        return Benign(variant=name, dtype=self.dtype, verdicts=reached, false_alarms=wrong)


def _may_show(spec: Spec[Any, Any], fault: Fault, template: CaseTemplate) -> bool:
    """Say whether a case has the features and the sizes that a fault needs: what has not need not be asked."""
    return fits(spec, replace(fault, shows_in=(), seen_by=frozenset()), template)


def _against(asked: Asked, right: Asked, fault: Fault) -> tuple[Verdict, ...]:
    """Verdicts against a fault, by properties that do not accuse the right equations in the same case.

    Where a process should end, nothing else kills.
    """
    false = {verdict.property for verdict in right.accused}
    ended = ("crash", "timeout") if fault.ends_process else ("",)
    return tuple(v for v in asked.accused if v.property not in false and v.reason.startswith(ended))


def _judge(backend: Simulated, question: Question, dtype: str, oracle: Oracle, session: Any) -> tuple[Verdict, ...]:
    (offer,) = backend.offers
    target = Target(backend.name, offer.modes[0].name, "cpu", dtype)
    job = Job(target, offer, offer.modes[0], (question,))
    names = tuple(property_.name for property_ in question.properties if property_.name != AGREEMENT)
    laid = Plan({question.spec.name: question.spec}, (question.suite,), names, (target,), {backend.name: (job,)})
    run = Run(laid, oracle, None, frozenset(), ())
    run._ask(job, question, session)
    return tuple(record for record in run.records if isinstance(record, Verdict))
