"""The search of one target: Hypothesis draws cases, and climbs towards those that use most of their limit.

What is climbed is the share of the limit that noise units take, by property and kind of tensor. A case that is wrong
ends the search: it is shrunk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import target as climb
from hypothesis.database import InMemoryExampleDatabase
from hypothesis.errors import Unsatisfiable

from gradassay._backend import Mode, Offer
from gradassay._case import Case
from gradassay._drawn import with_jacobian
from gradassay._errors import UsageError
from gradassay._plan import Job, Plan, Question
from gradassay._property import Property
from gradassay._record import Verdict
from gradassay._runner import Run
from gradassay._session import Session
from gradassay._single import in_memory
from gradassay._spec import CaseTemplate, Spec
from gradassay._target import Target
from gradassay._worst import Moved, Records, kind_of, share

SUITE = "hunt"
ROUND = 60  # examples of one property in turn: half are drawn, and half climb from the best of all rounds
SHRINKING = 60.0  # seconds that a failing case may take to shrink, when the time is up


class _TimeIsUp(BaseException):
    """Ends a search from inside, as Ctrl-C does: Hypothesis takes no `BaseException` for a failure."""


class _FailedError(Exception):
    """A case that failed; `_ErroredError` apart from it, so that shrinking does not turn one into the other."""


class _ErroredError(Exception):
    pass


@dataclass
class Search:
    """One target, at work in one session."""

    session: Session
    spec: Spec[Any, Any]
    target: Target
    offer: Offer
    mode: Mode
    properties: tuple[Property, ...]
    records: Records
    tell: Callable[[Moved], None]
    until: float
    aim: str = ""  # the property that this round climbs for
    known: dict[str, tuple[type[Exception] | None, Mapping[tuple[str, str], float]]] = field(default_factory=dict)
    best: InMemoryExampleDatabase = field(default_factory=InMemoryExampleDatabase)
    wrong: list[tuple[Case, tuple[Verdict, ...]]] = field(default_factory=list)
    found: bool = False

    def run(self, seed: int) -> None:
        """Draw and climb, again and again, until the time is up or a case is wrong."""
        assert self.spec.strategy is not None  # it was looked for before
        cases = self.spec.strategy(self._offered(), ())
        number = 0
        try:
            while not self.wrong:
                self.aim = self.properties[number % len(self.properties)].name
                try:
                    self._round(cases, seed + number)
                except Unsatisfiable as error:
                    raise UsageError(f"{self.spec.name} draws no case that {self.target} offers") from error
                number += 1
        except _TimeIsUp:
            pass

    def _round(self, cases: Any, seed: int) -> None:
        drawn: Any = given(cases)
        test: Any = settings(
            max_examples=ROUND,
            phases=(Phase.reuse, Phase.generate, Phase.target, Phase.shrink),
            database=self.best,
            deadline=None,
            print_blob=False,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )(drawn(self._look))
        test = seeded(seed)(test)
        with suppress(_FailedError, _ErroredError):  # it is among `wrong`
            test()

    def _look(self, template: CaseTemplate) -> None:
        """Ask about one case, once: a backend that changes its mind must not confuse the search."""
        name = repr((template.config, template.call, template.regime, template.seed))
        if name not in self.known:
            if time.monotonic() > self.until:
                raise _TimeIsUp
            self.known[name] = self._ask(template)
        ended, shares = self.known[name]
        for (property_, kind), of_limit in shares.items():
            if property_ == self.aim:
                climb(of_limit, label=f"{property_} {kind}")
        if ended is not None:
            raise ended

    def _ask(self, template: CaseTemplate) -> tuple[type[Exception] | None, dict[tuple[str, str], float]]:
        case = Question(self.spec, SUITE, with_jacobian(self.spec, template), ()).case(self.target.dtype)
        asked = tuple(property_ for property_ in self.properties if property_.applies(case))
        question = Question(self.spec, SUITE, case.template, asked)
        job = Job(self.target, self.offer, self.mode, (question,))
        names = tuple(property_.name for property_ in asked)
        plan = Plan({self.spec.name: self.spec}, (SUITE,), names, (self.target,), {self.target.backend: (job,)})
        run = Run(plan, in_memory(), None, frozenset(), ())
        run._ask(job, question, self.session)
        judged = (record for record in run.records if isinstance(record, Verdict))
        # No command replays a case that is in no suite: its file does.
        found = [msgspec.structs.replace(verdict, replay="") for verdict in judged]
        bad = tuple(verdict for verdict in found if verdict.outcome in ("failed", "errored"))
        if bad:
            if not self.wrong:
                self.until = max(self.until, time.monotonic() + SHRINKING)
            self.wrong.append((case, bad))
            return _FailedError if any(verdict.outcome == "failed" for verdict in bad) else _ErroredError, {}
        shares: dict[tuple[str, str], float] = {}
        for verdict in found:
            if verdict.outcome == "passed":
                self.found = True
            if verdict.outcome != "passed" or (of_limit := share(verdict)) is None:
                continue
            if moved := self.records.take(case, verdict):
                self.tell(moved)
            key = verdict.property, kind_of(verdict.tensor, case.table)
            shares[key] = max(of_limit, shares.get(key, 0.0))
        return None, shares

    def _offered(self) -> frozenset[str]:
        """Return the features that every property can be asked under."""
        needs = {"forward"}.union(*(property_.needs for property_ in self.properties))

        def can(feature: str) -> bool:
            asked = frozenset({feature})
            return all(self.offer.refusal(n, self.target.mode, self.target.dtype, asked) is None for n in needs)

        return frozenset(filter(can, self.offer.features))
