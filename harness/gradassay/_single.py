"""One case put to one backend in this process: for Hypothesis, which draws cases, and for whoever wants one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gradassay._backend import Backend
from gradassay._cache import Cache
from gradassay._errors import UsageError
from gradassay._oracle import Oracle
from gradassay._plan import Job, Plan, Question
from gradassay._plugins import unknown
from gradassay._process import Local
from gradassay._record import Verdict
from gradassay._runner import Run
from gradassay._spec import CaseTemplate, Spec
from gradassay._target import Target
from gradassay.properties import properties_of

SUITE = "single"
PROPERTIES = ("contract", "values", "gradients")


def verify_case(
    backend: Backend,
    spec: Spec[Any, Any],
    template: CaseTemplate,
    dtype: str,
    *,
    properties: Sequence[str] = PROPERTIES,
    oracle: Oracle | None = None,
) -> tuple[Verdict, ...]:
    """Return the verdicts on one case in one dtype, in the backend's default mode and device.

    Args:
        properties: what is asked, by name; one that does not apply to the case has no verdict.
        oracle: keeps truth and noise between calls; one for this call alone, in memory, if not given.

    Raises:
        UsageError: if the backend does not offer the spec in this dtype, or there is no such property.
    """
    offer = next((offer for offer in backend.offers if offer.spec == spec.name and dtype in offer.dtypes), None)
    if offer is None:
        raise UsageError(f"{backend.name} does not offer {spec.name} in {dtype}")
    every = properties_of(spec)
    for name in properties:
        if name not in every:
            raise UsageError(unknown("property", name, every))
    target = Target(backend.name, offer.modes[0].name, offer.devices[0], dtype)
    question = Question(spec, SUITE, template, ())
    case = question.case(dtype)
    asked = tuple(every[name] for name in dict.fromkeys(properties) if every[name].applies(case))
    question = Question(spec, SUITE, template, asked)
    job = Job(target, offer, offer.modes[0], (question,))
    names = tuple(property_.name for property_ in asked)
    plan = Plan({spec.name: spec}, (SUITE,), names, (target,), {backend.name: (job,)})
    run = Run(plan, oracle or in_memory(), None, frozenset(), ())
    with Local(backend) as session:
        run._ask(job, question, session)
    found = (record for record in run.records if isinstance(record, Verdict))
    # No command replays a case that is in no suite: only the call that was made here does.
    return tuple(msgspec.structs.replace(verdict, replay="") for verdict in found)


def in_memory() -> Oracle:
    """Return an oracle that leaves nothing on disk."""
    cache = Cache()
    cache.directory = None
    return Oracle(cache)
