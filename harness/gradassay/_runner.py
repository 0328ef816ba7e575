"""The run itself: backends side by side, every question asked and judged, every record written as it comes."""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gradassay import _limits
from gradassay._agreement import Units, agree
from gradassay._along import grids
from gradassay._case import Case
from gradassay._causes import Kept, Observed, causes
from gradassay._claims import Claims
from gradassay._judge import judge, noise_units
from gradassay._ladder import LADDER, Rung, climb
from gradassay._oracle import Oracle
from gradassay._plan import AGREEMENT, Job, Plan, Question
from gradassay._predict import ending
from gradassay._property import Finding, Property
from gradassay._record import FAILING, Cause, Drawn, Footer, Header, Map, Record, Seconds, Verdict
from gradassay._session import BackendError, Session
from gradassay._subject import DidNotRunError, Subject
from gradassay._surroundings import command, commit, machine, own_version
from gradassay._waivers import NONE, Waivers

COMPARED = ("values", "gradients")  # properties whose answers are set beside those of other targets

DIGEST = 16  # hexadecimal digits of a hash, which nobody forges

OnRecord = Callable[[Record], None]


@dataclass
class _Tally:
    """Seconds of one thread."""

    framework: float = 0.0
    busy: float = 0.0


@dataclass
class Run:
    plan: Plan
    oracle: Oracle
    on_record: OnRecord | None
    typed: frozenset[str]  # parts of targets as typed: a device that is named must be there
    broken: tuple[str, ...]  # plugins that cannot be used, in words
    waivers: Waivers = NONE
    commit: Callable[[], str] = commit  # a live layer is at none
    subject: type[Subject] = Subject
    claims: Claims | None = None  # of several processes that share the plan: which questions are this one's
    records: list[Record] = field(default_factory=list)
    tally: _Tally = field(default_factory=_Tally)
    units: dict[tuple[str, str], dict[str, Units]] = field(default_factory=dict)  # (case, dtype) -> target -> z
    ladders: Mapping[str, tuple[Job, ...]] = field(default_factory=dict)  # by backend: what it climbs first
    kept: dict[str, Kept] = field(default_factory=dict)  # what failed, by backend
    drawn: set[Drawn] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)  # targets whose device is not here, or that fell off their ladder
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)
    started: float = field(default_factory=time.perf_counter)

    def all(self, sessions: Mapping[str, Session], pool: Executor, *, diagnose: bool = True) -> None:
        names = list(sessions)
        greetings = dict(zip(names, pool.map(self._greet, sessions.values()), strict=True))
        self._take(self._header(greetings))
        for done in [pool.submit(self._backend, name, sessions[name], greetings[name]) for name in names]:
            done.result()
        if diagnose:
            self.diagnose()
        self._take(self._footer())

    @contextmanager
    def stopping(self, sessions: Mapping[str, Session]) -> Iterator[None]:
        """On the way out by an exception (Ctrl-C), let no thread begin another question."""
        try:
            yield
        except BaseException:
            self.stop.set()
            for session in sessions.values():
                session.close()
            raise

    def _take(self, *records: Record) -> None:
        with self.lock:
            for new in records:
                record = self.waivers.mark(new) if isinstance(new, Verdict) else new
                self.records.append(record)
                if self.on_record is not None:
                    self.on_record(record)

    def diagnose(self) -> None:
        """Say why what failed so far failed, backend by backend: one record a cause."""
        for kept in self.kept.values():
            start = time.perf_counter()
            told = [record for record in self.records if isinstance(record, Cause)]
            failing = [v for v in self.records if isinstance(v, Verdict) and v.outcome in FAILING and not v.waived]
            left = [verdict for verdict in failing if not any(cause.holds(verdict) for cause in told)]
            for cause in causes(kept, left, self.oracle):
                if self.stop.is_set():
                    return
                self._take(cause)
            self._spent(0.0, time.perf_counter() - start)

    # --- one backend

    def _greet(self, session: Session) -> dict[str, Any] | BackendError:
        start = time.perf_counter()
        try:
            return session.hello()
        except BackendError as error:
            return error
        finally:
            self._spent(time.perf_counter() - start, time.perf_counter() - start)

    def _spent(self, framework: float, busy: float) -> None:
        with self.lock:
            self.tally.framework += framework
            self.tally.busy += busy

    def _backend(self, name: str, session: Session, greeting: dict[str, Any] | BackendError) -> None:
        start = time.perf_counter()
        stands = isinstance(greeting, BackendError) or self._climbs(name, session, greeting["devices"])
        for job in self.plan.jobs[name] if stands else ():
            if isinstance(greeting, BackendError):
                self._take(self._verdict(job, outcome="errored", reason=_first_lines(greeting)))
            elif job.target.device not in greeting["devices"]:
                self._no_device(job, greeting["devices"])
            else:
                for question in job.questions:
                    if self.stop.is_set():
                        return
                    if self.claims is None or self.claims.take(self.plan, job, question):
                        self._ask(job, question, session)
        self._spent(0.0, time.perf_counter() - start)

    def _climbs(self, name: str, session: Session, devices: Sequence[str]) -> bool:
        """Climb a backend's ladder, if it has one; if it falls, say so of all that is not asked then."""
        for rungs in self.ladders.get(name, ()):
            if rungs.target.device not in devices:
                continue  # which is said of every job on it
            for rung in climb(rungs, session, self.oracle):
                self._take(self._rung(rungs, rung))
                if rung.outcome in ("failed", "errored"):
                    reason = f"not asked: fell off the ladder at {rung.question.template.name}"
                    for job in self.plan.jobs[name]:
                        self.absent.add(str(job.target))
                        self._take(self._verdict(job, outcome="skipped", reason=reason))
                    return False
        return True

    def _rung(self, job: Job, rung: Rung) -> Verdict:
        return self._verdict(
            job,
            rung.question,
            property_name=LADDER,
            tensor=rung.tensor,
            outcome=rung.outcome,
            reason=rung.reason,
            still_right=rung.right,
            ran=dict(rung.ran),
        )

    def _no_device(self, job: Job, devices: Sequence[str]) -> None:
        reason = f"device {job.target.device} is not here; there is {', '.join(devices)}"
        needed = job.target.device in self.typed or job.target.device == job.offer.devices[0] == self._home(job)
        if not needed:
            self.absent.add(str(job.target))
        self._take(self._verdict(job, outcome="errored" if needed else "skipped", reason=reason))

    def _home(self, job: Job) -> str:
        """The first device that the backend offers at all: one that is not there is no further device."""
        return self.plan.jobs[job.target.backend][0].offer.devices[0]

    def _ask(self, job: Job, question: Question, session: Session) -> None:
        target, template = job.target, question.template
        features = question.spec.features(template.config, template.call)

        def refusal(operator: str) -> str | None:
            return job.offer.refusal(operator, target.mode, target.dtype, features)

        able = frozenset(operator for operator in job.offer.operators if refusal(operator) is None)
        if refused := refusal("forward"):
            self._take(
                *(self._verdict(job, question, p, outcome="skipped", reason=refused) for p in question.properties)
            )
            return
        try:
            case = question.case(target.dtype)
        except Exception as error:  # a stranger's spec may raise anything
            self._take(self._verdict(job, question, outcome="errored", reason=_raised("drawing the case", error)))
            return
        self._draw(case)
        subject = self.subject(session, case, target, able, job.mode, offer=job.offer)
        units: dict[str, Any] = {}
        found: dict[str, list[Finding]] = {}
        failing: list[Verdict] = []
        for property_ in question.properties:
            if self.stop.is_set():
                return
            lacking = [reason for need in sorted(property_.needs) if (reason := refusal(need))]
            if property_.promise and property_.promise not in job.offer.promises:
                reason = f"{target.backend} does not promise {property_.promise}"
                self._take(self._verdict(job, question, property_, outcome="not applicable", reason=reason))
            elif lacking:
                self._take(self._verdict(job, question, property_, outcome="skipped", reason=lacking[0]))
            else:
                verdicts = self._answers(job, question, property_, case, subject, units, found)
                failing += [verdict for verdict in verdicts if verdict.outcome in FAILING]
                self._take(*verdicts)
        try:
            subject.close()
        except BackendError as error:
            self._take(self._verdict(job, question, outcome="errored", reason=f"unloading: {_first_lines(error)}"))
        self._spent(subject.seconds, 0.0)
        if failing:
            with self.lock:
                kept = self.kept.setdefault(target.backend, Kept())
                kept.keep(Observed(job, question, case, able, found, tuple(failing)))
        if AGREEMENT in self.plan.properties:
            self._compare(job, question, case, units)

    def _answers(
        self,
        job: Job,
        question: Question,
        property_: Property,
        case: Case,
        subject: Subject,
        units: dict[str, Any],
        found: dict[str, list[Finding]],
    ) -> list[Verdict]:
        """Ask one property, and judge all that it finds, which is added to `found`."""
        before = subject.seconds
        kept = property_.name in COMPARED
        judged: list[tuple[Finding, dict[str, Any]]] = []
        ended: dict[str, Any] | None = None
        stopped: list[Finding] = []
        try:
            for finding in property_.check(subject, case, self.oracle):  # what was found before an error is kept
                judged.append((finding, judge(finding)))
        except BackendError as error:
            outcome = "skipped" if error.kind == "unsupported" else "errored"
            ended = {"outcome": outcome, "reason": _first_lines(error)}
            stopped = [ending(error)] if outcome == "errored" else []
        except DidNotRunError as error:
            stopped = [ending(error)]
            judged = []  # whatever it found was not found in this mode
            ended = {"outcome": "errored", "reason": str(error)}
        except ArithmeticError as error:
            stopped = [ending(error)]
            ended = {"outcome": "errored", "reason": f"there is no certified reference: {error}"}
        except Exception as error:  # a stranger's property may raise anything; what is computed is kept
            stopped = [ending(error)]
            ended = {"outcome": "errored", "reason": _raised("the property", error)}
        found[property_.name] = [*(finding for finding, _ in judged), *stopped]
        ran = next(reversed(subject.asked.values())).ran if subject.asked else {}
        right = tuple(finding.tensor for finding, fields in judged if fields["outcome"] == "passed")
        if kept and AGREEMENT in self.plan.properties:
            units |= _units(property_.name, judged)
        verdicts = [
            self._verdict(
                job,
                question,
                property_,
                tensor=finding.tensor,
                still_right=right if fields["outcome"] == "failed" else (),
                ran=ran,
                seconds=subject.seconds - before if i == 0 else 0.0,
                **(fields if kept or fields["outcome"] == "failed" else fields | {"along": {}}),
            )
            for i, (finding, fields) in enumerate(judged)
        ]
        if ended is not None:
            verdicts.append(self._verdict(job, question, property_, **ended))
        self._take(*self._maps(job, question, [finding for finding, _ in judged]))
        return verdicts

    def _draw(self, case: Case) -> None:
        """Write down what a case's data are, once."""
        digest = case.digest[:DIGEST]
        drawn = Drawn(spec=case.spec.name, suite=case.suite, case=case.template.name, dtype=case.dtype, digest=digest)
        with self.lock:
            known = drawn in self.drawn
            self.drawn.add(drawn)
        if not known:
            self._take(drawn)

    def _maps(self, job: Job, question: Question, findings: Sequence[Finding]) -> Iterator[Map]:
        """Look at Jacobians of outputs by steps with respect to inputs by steps."""
        for finding in findings:
            if finding.got is None or finding.reference is None or finding.got.shape != finding.reference.high.shape:
                continue
            if len(finding.labels) != 2:  # no Jacobian: its noise units need not be computed
                continue
            found = grids(finding, noise_units(finding.got, finding.reference))
            if found is None:
                continue
            truth, got, apart = found
            yield Map(
                target=str(job.target),
                spec=question.spec.name,
                suite=question.suite,
                case=question.template.name,
                of=finding.labels[0].name,
                wrt=finding.labels[1].name,
                truth=truth,
                got=got,
                apart=apart,
            )

    def _compare(self, job: Job, question: Question, case: Case, units: dict[str, Any]) -> None:
        """Set what this target answered beside what others of its dtype did."""
        if not units:
            return
        name = str(job.target)
        with self.lock:
            others = self.units.setdefault((_case_id(question), job.target.dtype), {})
            pairs = list(others.items())
            others[name] = units
        for other, theirs in pairs:
            found = agree(units, theirs, (name, other), case.table)
            self._take(self._verdict(job, question, property_name=AGREEMENT, against=other, **found))

    # --- records

    def _verdict(
        self,
        job: Job,
        question: Question | None = None,
        property_: Property | None = None,
        *,
        tensor: str = "",
        property_name: str = "",
        **fields: Any,
    ) -> Verdict:
        name = property_.name if property_ else property_name
        where = [f"--spec {job.offer.spec}"]
        if question:
            where += [f"--suite {question.suite}", f"--case {question.template.name}"]
        if property_:
            where.append(f"--property {name}")
        asked = " ".join([str(job.target), *([fields["against"]] if "against" in fields else [])])
        return Verdict(
            target=str(job.target),
            spec=job.offer.spec,
            suite=question.suite if question else "",
            case=question.template.name if question else "",
            property=name,
            tensor=tensor,
            replay=f"gradassay verify {asked} {' '.join(where)}",
            **fields,
        )

    def _header(self, greetings: Mapping[str, dict[str, Any] | BackendError]) -> Header:
        versions = {n: dict(g["versions"]) for n, g in greetings.items() if not isinstance(g, BackendError)}
        return Header(
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            suites=self.plan.suites,
            specs={name: spec.version for name, spec in self.plan.specs.items()},
            limits=_limits.VERSION,
            targets=tuple(map(str, self.plan.targets)),
            properties=self.plan.properties,
            versions=versions,
            machine=machine(),
            commit=self.commit(),
            command=command("gradassay"),
            gradassay=own_version(),
            cases=self.plan.cases,
            sweep=self.plan.sweep,
            shard=self.plan.shard,
            planned=self.plan.planned,
            questions={
                _case_id(question): question.template.question
                for jobs in self.plan.jobs.values()
                for job in jobs
                for question in job.questions
                if question.template.question
            },
        )

    def _footer(self) -> Footer:
        verdicts = [record for record in self.records if isinstance(record, Verdict)]
        wrong: list[str] = []
        if "gradients" in self.plan.properties and not self.plan.shard:  # the other parts of a run may have reached one
            reached = {
                (v.target, v.spec) for v in verdicts if v.property == "gradients" and v.outcome in ("passed", "failed")
            }
            wrong = [
                f"{job.target} reached no verdict on gradients of {job.offer.spec}"
                for jobs in self.plan.jobs.values()
                for job in jobs
                if "vjp" in job.offer.operators  # a forward pass alone is welcome
                and any(p.name == "gradients" for question in job.questions for p in question.properties)
                and (str(job.target), job.offer.spec) not in reached
                and str(job.target) not in self.absent
            ]
        truth, noise = self.oracle.seconds["truth"], self.oracle.seconds["noise"]
        harness = max(self.tally.busy - self.tally.framework - truth - noise, 0.0)
        return Footer(
            complete=True,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            elapsed=time.perf_counter() - self.started,
            seconds=Seconds(framework=self.tally.framework, truth=truth, noise=noise, harness=harness),
            counts=dict(sorted(Counter("waived" if v.waived else str(v.outcome) for v in verdicts).items())),
            # Whether a waiver is met is told once the parts of a run are merged.
            wrong=(*self.broken, *wrong, *self.waivers.unmet(() if self.plan.shard else verdicts)),
        )


def _raised(what: str, error: Exception) -> str:
    line = traceback.extract_tb(error.__traceback__)[-1]
    return f"{what} raised {type(error).__name__}: {error} ({Path(line.filename).name}, line {line.lineno})"


def _case_id(question: Question) -> str:
    return f"{question.spec.name}/{question.suite}/{question.template.name}"


def _units(property_name: str, judged: Sequence[tuple[Finding, dict[str, Any]]]) -> dict[str, Any]:
    """Noise units of every tensor that has a verdict, by what it is: a gradient is told from an output."""
    prefix = "d " if property_name == "gradients" else ""
    with np.errstate(over="ignore"):  # beyond 3e38 one is as wrong as another
        return {
            prefix + finding.tensor: noise_units(finding.got, finding.reference).astype(np.float32)
            for finding, found in judged
            if finding.got is not None and finding.reference is not None and found["outcome"] in ("passed", "failed")
            if " of " not in finding.tensor  # a second answer, which is no other target's
        }


def _first_lines(error: BackendError) -> str:
    return f"{error.kind}: {error}" if error.kind != "unsupported" else str(error)
