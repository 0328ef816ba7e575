"""The smoke ladder: one small case after the other, before any statistics, up to the first that fails.

What fails on a low rung is seldom the mathematics: it is the adapter that is accused, in its own terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from gradassay._accuse import accuse, raised
from gradassay._oracle import Oracle
from gradassay._plan import SMOKE, Job, Question
from gradassay._record import Outcome
from gradassay._session import BackendError, Session
from gradassay._spec import Spec
from gradassay._subject import DidNotRunError, Subject
from gradassay._target import DTYPES

LADDER = "ladder"  # what its verdicts are on, in the place of a property
AHEAD = 2  # rungs that are asked beyond the one that fails, to tell mistakes apart
SHOWN = 2  # mistakes that look alike, beside the first
RUNGS = "rungs"  # the suite whose cases are the rungs, in their order


@dataclass(frozen=True)
class Rung:
    """One case of a ladder, and what came of it.

    Attributes:
        right: the tensors that were right, where another was wrong.
        alike: every known mistake that gives these very numbers.
    """

    question: Question
    outcome: Outcome
    reason: str = ""
    tensor: str = ""
    right: tuple[str, ...] = ()
    ran: Mapping[str, str] = field(default_factory=dict)
    alike: tuple[str, ...] = ()


def ladder(jobs: Sequence[Job], specs: Mapping[str, Spec[Any, Any]]) -> tuple[Job, ...]:
    """Return what to climb before these jobs of one backend: for each spec the rungs that are offered.

    They are climbed in the first target's mode and device, and in the widest dtype that is offered there.
    """
    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(job.offer.spec, job)
    found = []
    for name, job in first.items():
        dtype = next(dtype for dtype in DTYPES if dtype in job.offer.dtypes)
        target = replace(job.target, dtype=dtype)
        questions = tuple(q for q in _rungs(specs[name]) if _refusal(job, dtype, q) is None)
        found.append(Job(target, job.offer, job.mode, questions))
    return tuple(found)


def _rungs(spec: Spec[Any, Any]) -> list[Question]:
    """Return the spec's rungs; of a spec that has none, the first case of its smoke suite is the only one."""
    suites = spec.suites()
    name, templates = (RUNGS, suites[RUNGS]) if RUNGS in suites else (SMOKE, suites[SMOKE][:1])
    return [Question(spec, name, template, ()) for template in templates]


def _refusal(job: Job, dtype: str, question: Question) -> str | None:
    template = question.template
    features = question.spec.features(template.config, template.call)
    return job.offer.refusal("forward", job.mode.name, dtype, features)


def climb(job: Job, session: Session, oracle: Oracle) -> Iterator[Rung]:
    """Yield each rung, up to the first that failed or errored."""
    for number, question in enumerate(job.questions):
        rung = _stand(job, question, session, oracle)
        if rung.outcome == "failed" and len(rung.alike) > 1:
            yield _told_apart(rung, (_stand(job, later, session, oracle) for later in job.questions[number + 1 :]))
            return
        yield rung
        if rung.outcome in ("failed", "errored"):
            return


def _told_apart(rung: Rung, later: Iterator[Rung]) -> Rung:
    """Say which of several mistakes it is that look alike on a small case, if a later rung tells."""
    alike = list(rung.alike)
    for other in islice(later, AHEAD):
        if both := [mistake for mistake in alike if mistake in other.alike]:
            alike = both
        if len(alike) == 1:
            break
    others = [f"or {mistake}: the same here" for mistake in alike[1:]]
    return replace(rung, reason="\n".join([alike[0], *others[:SHOWN]]))


def _stand(job: Job, question: Question, session: Session, oracle: Oracle) -> Rung:
    case = question.case(job.target.dtype)
    able = frozenset(
        operator
        for operator in job.offer.operators & {"forward", "vjp"}
        if job.offer.refusal(operator, job.mode.name, job.target.dtype, case.features) is None
    )
    subject = Subject(session, case, job.target, able, job.mode)
    try:
        found = accuse(subject, case, oracle)
        subject.close()
    except BackendError as error:
        return Rung(question, "skipped" if error.kind == "unsupported" else "errored", raised(error))
    except DidNotRunError as error:
        return Rung(question, "errored", str(error))
    if found is None:
        return Rung(question, "passed")
    ran = next(reversed(subject.asked.values())).ran
    lines, tensors = "\n".join(found.lines), ", ".join(found.tensors)
    return Rung(question, "failed", lines, tensors, found.right, ran, found.alike)
