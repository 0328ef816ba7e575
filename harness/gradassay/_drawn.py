"""The pseudo-suite `drawn`: Hypothesis draws cases, a property must hold on every one, and what fails is shrunk.

This module and `_search` alone import Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Flaky, Unsatisfiable
from hypothesis.strategies import SearchStrategy

from gradassay._bench import Item, Told
from gradassay._case import Case
from gradassay._plan import DRAWN, Question
from gradassay._record import Verdict
from gradassay._spec import DIFFERENTIABLE, CaseTemplate, Spec

EXAMPLES = 20
DEAR = 5  # what costs several calls, or compiles for every case, gets one example in so many
JACOBIAN = 2_000  # elements of a Jacobian that is asked of a drawn case
WRONG = ("failed", "errored")

Ask = Callable[[Question], Sequence[Told]]


class WrongError(Exception):
    """A case on which the property does not hold."""


@dataclass(frozen=True)
class Drawn:
    """What came of one test.

    Attributes:
        verdicts: on the failing case once it is shrunk, or of each tensor the largest of all cases.
        failing: that case.
        cases: how many were asked.
        flaky: the case failed, and passed when it was asked again.
    """

    verdicts: tuple[Verdict, ...]
    failing: Case | None = None
    cases: int = 0
    flaky: bool = False


def hold(item: Item, ask: Ask, examples: int, seed: int | None = None) -> Drawn:
    """Hold a property on cases of everything that its target offers.

    Args:
        ask: returns the verdicts on a question.
        examples: how many cases; fewer of what is dear.
        seed: draws other cases; the same ones in every run if not given.
    """
    spec, property_ = item.plan.specs[item.job.offer.spec], item.asks
    assert spec.strategy is not None  # no item is laid out otherwise
    offered = offered_features(item)
    if isinstance(offered, str):
        return Drawn((_undecided(item, "skipped", offered),))
    dear = property_.thorough or item.job.mode.compiled or item.job.mode.variant
    reached: list[Verdict] = []
    wrong: list[tuple[Case, list[Verdict]]] = []
    asked = 0

    def holds(template: CaseTemplate) -> None:
        nonlocal asked
        question = Question(spec, DRAWN, with_jacobian(spec, template), (property_,))
        if not property_.applies(Case(spec, DRAWN, question.template, item.job.target.dtype, {}, {}, {})):
            return
        asked += 1
        found = [record for record in ask(question) if isinstance(record, Verdict)]
        if any(v.outcome in WRONG and not v.waived for v in found):
            wrong.append((question.case(item.job.target.dtype), found))
            raise WrongError
        reached.extend(found)

    cases: SearchStrategy[CaseTemplate] = spec.strategy(offered, ())
    test: Callable[[], None] = given(cases)(holds)
    configured = settings(
        max_examples=max(1, examples // DEAR) if dear else examples,
        derandomize=seed is None,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.target, Phase.shrink],
        print_blob=False,
        report_multiple_bugs=False,  # the simplest of several is told
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    flaky = False
    try:
        configured(test if seed is None else seeded(seed)(test))()
    except (WrongError, Flaky) as error:
        if not wrong:
            raise
        flaky = isinstance(error, Flaky)
    except Unsatisfiable:
        reason = f"{spec.name} draws no case of what {item.job.target.backend} offers"
        return Drawn((_undecided(item, "skipped", reason),))
    if wrong:
        case, found = wrong[-1]  # the last that is run is the one that Hypothesis reports
        return Drawn(tuple(found), case, asked, flaky)
    if not asked:
        return Drawn((_undecided(item, "not applicable", "it applies to no case that was drawn"),))
    return Drawn(_largest(reached), None, asked)


def offered_features(item: Item) -> frozenset[str] | str:
    """Return the features that may be asked for, or why the property cannot be asked at all."""
    offer, target = item.job.offer, item.job.target
    needs = sorted({"forward"} | item.asks.needs)
    if item.asks.promise and item.asks.promise not in offer.promises:
        return f"{target.backend} does not promise {item.asks.promise}"

    def refusal(*features: str) -> str | None:
        asked = (offer.refusal(need, target.mode, target.dtype, frozenset(features)) for need in needs)
        return next((reason for reason in asked if reason is not None), None)

    if reason := refusal():
        return reason
    return frozenset(feature for feature in offer.features if refusal(feature) is None)


def with_jacobian(spec: Spec[Any, Any], template: CaseTemplate) -> CaseTemplate:
    """Ask a drawn case for its first Jacobian, where it is small; a suite's cases say it themselves."""
    if "jacobian" in template.ask:
        return template
    table = spec.tensors(template.config, template.call)
    outputs = [tensor for tensor in table if tensor.role == "output"]
    inward = [tensor for tensor in table if tensor.role in DIFFERENTIABLE]
    small = ((a.name, b.name) for a in outputs for b in inward if 0 < prod((*a.shape, *b.shape)) <= JACOBIAN)
    pair = next(small, None)
    return replace(template, ask={**template.ask, "jacobian": [pair]}) if pair else template


def _largest(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Return one verdict a tensor: a waived one, else the one with the largest |z|, else any."""

    def rank(verdict: Verdict) -> tuple[bool, bool, float]:
        return bool(verdict.waived), verdict.outcome == "passed", verdict.max or 0.0

    held: dict[str, Verdict] = {}
    for verdict in verdicts:
        if verdict.tensor not in held or rank(verdict) > rank(held[verdict.tensor]):
            held[verdict.tensor] = verdict
    return tuple(held.values())


def _undecided(item: Item, outcome: Any, reason: str) -> Verdict:
    return Verdict(
        target=str(item.job.target),
        spec=item.job.offer.spec,
        suite=DRAWN,
        case=DRAWN,
        property=item.asks.name,
        tensor="",
        outcome=outcome,
        reason=reason,
    )
