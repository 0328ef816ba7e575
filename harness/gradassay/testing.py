"""Conformance tests for pytest: `test_conformance = conformance("numpy/float32")` in a test file, and no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from gradassay import _plugins
from gradassay._backend import Backend
from gradassay._oracle import Oracle
from gradassay._plan import AGREEMENT, Job, Plan, Question, plan
from gradassay._process import Local, open_session
from gradassay._record import Verdict
from gradassay._run import DEADLINE
from gradassay._runner import Run
from gradassay._session import BackendError, Session
from gradassay._target import Target, parse_targets


@dataclass(frozen=True)
class _Item:
    """What one test asks: a property of a case on a target. Those of one question share its answers."""

    backend: Backend
    local: bool
    plan: Plan
    job: Job
    question: Question
    asked: str  # the property's name
    typed: frozenset[str]  # the parts of the target that were typed: a device that is named must be there

    @property
    def id(self) -> str:
        question = self.question
        return f"{self.job.target}-{question.spec.name}/{question.suite}/{question.template.name}-{self.asked}"


def conformance(
    target: str | Backend, *, suite: str = "smoke", properties: Sequence[str] | None = None
) -> Callable[..., None]:
    """Return a parametrised test, one for each property of each case; assign it to a name that pytest collects.

    Collecting reads the static offers alone: no framework is imported, and nothing is drawn. A backend works in a
    process of its own, one for all tests of a pytest session; a backend that is an object works in this one.

    Args:
        target: as on the command line, `backend[/mode][/device][/dtype]`, or a backend as an object.
        suite: the suite's name.
        properties: names; all that apply to a case if not given.

    Raises:
        UsageError: if a name does not exist; `PluginError` if a plugin that is named cannot be used.
    """
    items = _items(target, suite, properties)

    @pytest.mark.parametrize("item", [pytest.param(item, id=item.id) for item in items])
    def test(item: _Item, request: pytest.FixtureRequest) -> None:
        stash = request.config.stash
        if _BENCH not in stash:
            stash[_BENCH] = _Bench(request.config)
        _report(stash[_BENCH].ask(item))

    return test


def _items(target: str | Backend, suite: str, properties: Sequence[str] | None) -> list[_Item]:
    if isinstance(target, str):
        backend: Backend = _plugins.find("backend", target.partition("/")[0]).load()
    else:
        backend = target
    typed = target if isinstance(target, str) else backend.name
    targets = parse_targets([typed], {backend.name: backend.offers})
    offered = {offer.spec for offer in backend.offers}
    specs = {name: spec.load() for name, spec in _plugins.specs().items() if name in offered}
    parts = frozenset(typed.split("/")[1:])
    laid = plan(targets, {backend.name: backend}, specs, suites=[suite], properties=properties or (), typed=parts)
    return [
        _Item(backend, backend is target, laid, job, question, property_.name, parts)
        for job in laid.jobs[backend.name]
        for question in job.questions
        for property_ in question.properties
    ]


class _Bench:
    """The backends at work in one pytest session, and what they have answered."""

    def __init__(self, config: pytest.Config) -> None:
        self._open = ExitStack()
        self._oracle = Oracle()
        self._sessions: dict[int, tuple[Session, Any]] = {}
        self._answered: dict[tuple[Target, int, str, str, str], list[Verdict]] = {}
        config.add_cleanup(self._open.close)

    def ask(self, item: _Item) -> list[Verdict]:
        """Return the verdicts on a property; the first of a question asks all of its properties."""
        question = item.question
        key = item.job.target, id(item.backend), question.spec.name, question.suite, question.template.name
        if key not in self._answered:
            self._answered[key] = self._judge(item)
        return [v for v in self._answered[key] if v.property in (item.asked, "")]

    def _judge(self, item: _Item) -> list[Verdict]:
        session, greeting = self._session(item)
        target = item.job.target
        asked = tuple(name for name in item.plan.properties if name != AGREEMENT)  # this is about one target
        alone = replace(item.job, questions=(item.question,))
        one = replace(item.plan, properties=asked, targets=(target,), jobs={target.backend: (alone,)})
        run = Run(one, self._oracle, None, frozenset(), ())
        run._backend(target.backend, session, greeting)
        found = [record for record in run.records if isinstance(record, Verdict)]
        # No command finds a backend that is an object.
        return [msgspec.structs.replace(v, replay="") for v in found] if item.local else found

    def _session(self, item: _Item) -> tuple[Session, Any]:
        """Return the backend's session, and what it said of itself, or why it could not."""
        if id(item.backend) not in self._sessions:
            backend = item.backend
            opened = Local(backend) if item.local else open_session(backend.name, backend.environment(), DEADLINE)
            session = self._open.enter_context(opened)
            try:
                greeting: Any = session.hello()
            except BackendError as error:
                greeting = error
            self._sessions[id(item.backend)] = session, greeting
        return self._sessions[id(item.backend)]


_BENCH = pytest.StashKey[_Bench]()


def _report(verdicts: Sequence[Verdict]) -> None:
    """Fail, skip or pass the test that these verdicts are of."""
    outcomes = {verdict.outcome for verdict in verdicts}
    if outcomes & {"failed", "errored"}:
        from gradassay.views.check import explanation

        pytest.fail(explanation(verdicts), pytrace=False)
    if not outcomes:
        pytest.fail("no verdict was reached: the property found nothing to look at", pytrace=False)
    if "passed" not in outcomes:
        first = verdicts[0]
        pytest.skip(f"{first.outcome}: {first.reason}" if first.outcome != "skipped" else first.reason)
