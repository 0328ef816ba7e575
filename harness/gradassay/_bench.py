"""The backends at work in one pytest session: what each test asks of them, and what they have answered."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from gradassay import _plugins
from gradassay._backend import Backend
from gradassay._causes import SECONDS
from gradassay._errors import UsageError
from gradassay._location import split
from gradassay._oracle import Oracle
from gradassay._plan import AGREEMENT, ALONE, DRAWN, Job, Plan, Question, plan
from gradassay._process import Local, open_session
from gradassay._property import Property
from gradassay._record import Cause, Drawn, Map, Verdict
from gradassay._run import DEADLINE
from gradassay._runner import Run
from gradassay._session import BackendError, Session
from gradassay._target import parse_targets
from gradassay._waivers import NONE, Waivers
from gradassay.properties import properties_of

Told = Drawn | Verdict | Map | Cause  # what becomes of a question, of the records of a run


@dataclass(frozen=True)
class Item:
    """What one test asks: a property of a case on a target, or (without a question) of cases that are drawn."""

    backend: Backend
    local: bool  # the backend is an object of this process
    plan: Plan
    job: Job
    question: Question | None
    asks: Property
    typed: frozenset[str]  # the parts of the target that were typed: a device that is named must be there

    @property
    def id(self) -> str:
        case = f"{self.question.suite}/{self.question.template.name}" if self.question else DRAWN
        return f"{self.job.target}-{self.job.offer.spec}/{case}-{self.asks.name}"

    @property
    def key(self) -> tuple[object, ...]:
        """What tests of one question have in common."""
        question = self.question
        name = (question.suite, question.template.name) if question else (DRAWN, self.asks.name)
        return id(self.backend), self.job.target, self.job.offer.spec, *name


def backend_of(target: str | Backend) -> Backend:
    """Return the backend that a target's text names.

    Raises:
        PluginError: if there is none, or it cannot be used.
    """
    if not isinstance(target, str):
        return target
    found: Backend = _plugins.find("backend", split(target)[0]).load()
    return found


def lay_out(
    target: str | Backend, suites: Sequence[str], properties: Sequence[str], *, drawn: bool = False
) -> list[Item]:
    """Return what is asked of one target, one item a test. It reads the static offers alone, and draws nothing.

    Args:
        target: as typed, or a backend as an object.
        suites: names; `drawn` stands for cases that Hypothesis draws. Every suite if none is named.
        properties: names; every one that applies to a case if none is named.
        drawn: whether `drawn` is among the suites when none is named.

    Raises:
        UsageError: if a name does not exist; `PluginError` if a plugin that is named cannot be used.
    """
    if tuple(properties) == (AGREEMENT,):
        raise UsageError(f"{ALONE.partition(';')[0]}; a test is about one target: use `gradassay verify`")
    backend = backend_of(target)
    typed = target if isinstance(target, str) else backend.name
    parts = frozenset(split(target)[1]) if isinstance(target, str) else frozenset[str]()
    targets = parse_targets([typed], {backend.name: backend.offers})
    offered = {offer.spec for offer in backend.offers}
    specs = {name: spec.load() for name, spec in _plugins.specs().items() if name in offered}
    named = [suite for suite in suites if suite != DRAWN]
    laid = plan(targets, {backend.name: backend}, specs, suites=named, properties=properties, typed=parts)
    jobs = laid.jobs[backend.name]
    found = []
    for job in jobs:
        if named or not suites:
            questions = [(question, property_) for question in job.questions for property_ in question.properties]
            found += [Item(backend, backend is target, laid, job, q, p, parts) for q, p in questions]
        if DRAWN in suites or (drawn and not suites):
            spec = specs[job.offer.spec]
            every = [*properties_of(spec).values()] if spec.strategy is not None else []
            wanted = [property_ for property_ in every if property_.name in laid.properties]
            found += [Item(backend, backend is target, laid, job, None, p, parts) for p in wanted]
    if not found:
        raise UsageError(f"nothing is {DRAWN}: no spec that {typed} offers says how to draw a case")
    return found


class Bench:
    """The backends at work, one process each, and what they have answered.

    Args:
        items: all that will be asked, so that one question's properties are asked together, and no others.
        waivers: the known failures, which are marked.
    """

    def __init__(self, items: Iterable[Item], waivers: Waivers = NONE) -> None:
        self.oracle = Oracle()
        self._waivers = waivers
        self._diagnosing: dict[int, float] = {}  # seconds, by backend
        self.versions: dict[str, dict[str, str]] = {}
        self._open = ExitStack()
        self._sessions: dict[int, tuple[Session, Any]] = {}
        self._answered: dict[tuple[object, ...], list[Told]] = {}
        self._wanted: dict[tuple[object, ...], set[str]] = {}
        for item in items:
            self._wanted.setdefault(item.key, set()).add(item.asks.name)

    def close(self) -> None:
        self._open.close()

    def ask(self, item: Item) -> list[Told]:
        """Return the verdicts on a property, and why they fail; the first test of a question asks them all."""
        assert item.question is not None
        if item.key not in self._answered:
            wanted = self._wanted.get(item.key, set()) | {item.asks.name}
            asked = tuple(p for p in item.question.properties if p.name in wanted)
            self._answered[item.key] = self.put(item, replace(item.question, properties=asked), diagnose=True)
        told = self._answered[item.key]
        verdicts = [v for v in told if isinstance(v, Verdict) and v.property in (item.asks.name, "")]
        seen = [record for record in told if isinstance(record, Drawn | Map)]
        return [*seen, *verdicts, *(c for c in told if isinstance(c, Cause) and any(c.holds(v) for v in verdicts))]

    def put(self, item: Item, question: Question, *, diagnose: bool = False) -> list[Told]:
        """Put a question to the item's target, and return the verdicts.

        Args:
            diagnose: also say why they fail, until the time that a backend has for it in a session is spent.
        """
        session, greeting = self._session(item)
        target = item.job.target
        names = tuple(property_.name for property_ in question.properties)  # this is about one target: no agreement
        job = replace(item.job, questions=(question,))
        one = replace(item.plan, properties=names, targets=(target,), jobs={target.backend: (job,)})
        run = Run(one, self.oracle, None, item.typed, (), waivers=self._waivers)
        run._backend(target.backend, session, greeting)
        spent = self._diagnosing.setdefault(id(item.backend), 0.0)
        if diagnose and spent < SECONDS:
            start = time.perf_counter()
            run.diagnose()
            self._diagnosing[id(item.backend)] = spent + time.perf_counter() - start
        told = [record for record in run.records if isinstance(record, Told)]
        return [_unreplayed(record) for record in told] if item.local else told

    def _session(self, item: Item) -> tuple[Session, Any]:
        """Return the backend's session, and what it said of itself, or why it could not."""
        if id(item.backend) not in self._sessions:
            backend = item.backend
            opened = Local(backend) if item.local else open_session(backend.name, backend.environment(), DEADLINE)
            session = self._open.enter_context(opened)
            try:
                greeting: Any = session.hello()
                self.versions[backend.name] = dict(greeting["versions"])
            except BackendError as error:
                greeting = error
            self._sessions[id(item.backend)] = session, greeting
        return self._sessions[id(item.backend)]


def _unreplayed(record: Told) -> Told:
    """No command finds a backend that is an object."""
    return msgspec.structs.replace(record, replay="") if isinstance(record, Verdict | Cause) else record
