"""One case put to one backend in this process: for Hypothesis, which draws cases, and for whoever wants one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradassay._backend import Backend
from gradassay._cache import Cache
from gradassay._errors import UsageError
from gradassay._oracle import Oracle
from gradassay._plan import Job, Plan, Question
from gradassay._plugins import unknown
from gradassay._process import Local
from gradassay._property import Property
from gradassay._record import Verdict
from gradassay._run import _Run
from gradassay._spec import CaseTemplate, Spec
from gradassay._target import Target
from gradassay.properties import properties as generic
from gradassay.views._summary import Cause
from gradassay.views._explain import explain, title

SUITE = "drawn"


def verify_case(
    backend: Backend,
    spec: Spec[Any, Any],
    template: CaseTemplate,
    dtype: str,
    *,
    mode: str = "",
    properties: Sequence[str] = ("contract", "values", "gradients"),
    oracle: Oracle | None = None,
) -> list[Verdict]:
    """Return the verdicts on one case in one dtype.

    Args:
        mode: an execution mode; the backend's default when empty.
        properties: names of properties; those that do not apply to the case are left out.
        oracle: keeps truth and noise between calls; one that keeps them for this call alone when None.

    Raises:
        UsageError: if the backend does not offer the spec in this mode and dtype, or there is no such property.
    """
    offer = next((o for o in backend.offers if o.spec == spec.name and dtype in o.dtypes), None)
    modes = {} if offer is None else {known.name: known for known in offer.modes}
    if offer is None or (mode and mode not in modes):
        wanted = "/".join(part for part in (mode, dtype) if part)
        raise UsageError(f"{backend.name} does not offer the spec {spec.name} in {wanted}")
    target = Target(backend.name, mode or offer.modes[0].name, offer.devices[0], dtype)
    question = Question(spec, SUITE, template, tuple(_properties(spec, properties)))
    applied = tuple(p for p in question.properties if p.applies(question.case(dtype)))
    job = Job(target, offer, modes[target.mode], (Question(spec, SUITE, template, applied),))
    plan = Plan({spec.name: spec}, (SUITE,), tuple(p.name for p in applied), (target,), {backend.name: (job,)})
    run = _Run(plan, oracle or Oracle(_in_memory()), None, frozenset())
    with Local(backend) as session:
        run._ask(job, job.questions[0], session)
    return [record for record in run.records if isinstance(record, Verdict)]
