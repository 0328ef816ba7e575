"""What will be asked: targets by cases by properties, filtered before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradassay._backend import Backend, Mode, Offer
from gradassay._case import Case, build
from gradassay._errors import UsageError
from gradassay._plugins import unknown
from gradassay._property import Property
from gradassay._spec import CaseTemplate, Spec
from gradassay._target import DTYPES, Target
from gradassay.properties import properties_of

SMOKE = "smoke"  # the suite that takes seconds
SWEPT = frozenset({"cover", "ladders", "sequences"})  # suites that are run when they are named, and in a sweep
ON_REQUEST = SWEPT | {"calibration", "rungs"}  # suites that no ordinary run has
DRAWN = "drawn"  # no suite of a spec: its cases are drawn anew, in pytest
AGREEMENT = "agreement"  # asked of pairs of targets, once both have answered a case
ALONE = (
    f"{AGREEMENT} alone is nothing to verify: it sets side by side what targets have answered to values and "
    f"gradients; ask for these too: --property values --property gradients --property {AGREEMENT}"
)


@dataclass(frozen=True)
class Question:
    """One case of one suite, and the properties that will be asked of it. The data are drawn when it is its turn."""

    spec: Spec[Any, Any]
    suite: str
    template: CaseTemplate
    properties: tuple[Property, ...]

    def case(self, dtype: str) -> Case:
        return build(self.spec, self.suite, self.template, dtype)


@dataclass(frozen=True)
class Job:
    """All questions of one target about one spec."""

    target: Target
    offer: Offer
    mode: Mode
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Plan:
    specs: Mapping[str, Spec[Any, Any]]
    suites: tuple[str, ...]
    properties: tuple[str, ...]
    targets: tuple[Target, ...]
    jobs: Mapping[str, tuple[Job, ...]]  # by backend
    cases: tuple[str, ...] = ()  # those that were named
    sweep: bool = False
    shard: str = ""  # "2/4": the second of four parts

    @property
    def planned(self) -> dict[str, int]:
        """How many questions each target will be asked."""
        count = {str(target): 0 for target in self.targets}
        for jobs in self.jobs.values():
            for job in jobs:
                count[str(job.target)] += sum(len(question.properties) for question in job.questions)
        return count


def plan(
    targets: Sequence[Target],
    backends: Mapping[str, Backend],
    specs: Mapping[str, Spec[Any, Any]],
    *,
    suites: Sequence[str] = (),
    cases: Sequence[str] = (),
    properties: Sequence[str] = (),
    sweep: bool = False,
    typed: frozenset[str] = frozenset(),
) -> Plan:
    """Lay out a run.

    Modes that compile or are a variant, and a further device that nobody `typed`, get one case of the pool for each
    dtype, and properties that are thorough get cases that are (in 16 bits, those of the pool), unless it is a sweep or
    cases are named (in 16 bits: or properties). A sweep has more suites; in these, which are long, thorough properties
    get the cases that are, and modes that compile or are a variant, and further devices, are asked in one dtype.

    Raises:
        UsageError: for a suite, case or property that does not exist, or a selection that is empty.
    """
    have = {name: spec.suites() for name, spec in specs.items()}
    wanted_suites = _chosen("suite", suites, [suite for table in have.values() for suite in table])
    if not suites:
        wanted_suites = tuple(suite for suite in wanted_suites if suite not in ON_REQUEST or (sweep and suite in SWEPT))
    named = [
        t.name for table in have.values() for s, templates in table.items() if s in wanted_suites for t in templates
    ]
    wanted_cases = set(_chosen("case", cases, named))
    every = [*(name for spec in specs.values() for name in properties_of(spec)), AGREEMENT]
    wanted_properties = _chosen("property", properties, every)

    questions = {
        name: tuple(
            question
            for suite, templates in have[name].items()
            if suite in wanted_suites
            for template in templates
            if template.name in wanted_cases
            for everything in [bool(cases) or (sweep and suite not in SWEPT)]
            for question in [_question(spec, suite, template, wanted_properties, everything)]
            if question.properties
        )
        for name, spec in specs.items()
    }
    jobs: dict[str, list[Job]] = {}
    for target in targets:
        for offer in backends[target.backend].offers:
            modes = [mode.name for mode in offer.modes]
            fits = target.dtype in offer.dtypes and target.mode in modes and target.device in offer.devices
            if offer.spec not in questions or not fits:
                continue
            mode = offer.mode(target.mode)
            every_run = any(
                m.name == mode.name and not m.sweep for o in backends[target.backend].offers for m in o.modes
            )
            if mode.sweep and every_run and not sweep and mode.name not in typed:
                continue  # it is another offer's mode of this name that every run has
            asked = questions[offer.spec]
            if not sweep and not cases and not properties:
                asked = _in_short(asked, target.dtype)
            elsewhere = target.device != offer.devices[0] and target.device not in typed
            if mode.compiled or mode.variant or elsewhere:
                if not sweep and not cases:
                    asked = _from_pool(asked, offer, target)
                elif not suites and not cases and target.dtype != _one_dtype(offer):
                    asked = tuple(question for question in asked if question.suite not in SWEPT)
            jobs.setdefault(target.backend, []).append(Job(target, offer, mode, asked))
    if not any(job.questions for found in jobs.values() for job in found):
        if wanted_properties == (AGREEMENT,):
            raise UsageError(ALONE)
        raise UsageError("nothing to verify: no target offers a spec with a case and a property of this selection")
    by_backend = {name: tuple(found) for name, found in jobs.items()}
    return Plan(specs, wanted_suites, wanted_properties, tuple(targets), by_backend, tuple(cases), sweep)


def _one_dtype(offer: Offer) -> str:
    """Where a dtype changes nothing but rounding: which one is asked."""
    return "float32" if "float32" in offer.dtypes else offer.dtypes[0]


def _from_pool(questions: tuple[Question, ...], offer: Offer, target: Target) -> tuple[Question, ...]:
    """One case that the offer can do, another one for each dtype: compiling must not eat the run.

    It is one of the pool's, or where a selection holds none of those, one of all. Where every mode of an offer
    compiles, its first gets the whole suite `smoke` in float64 beside it: some target must be asked about every option.
    In modes that compile, properties that need further graphs are asked in one dtype, or of the pool's cases.
    """

    def able(question: Question) -> bool:
        features = question.spec.features(question.template.config, question.template.call)
        needs = sorted(offer.operators & {"forward", "vjp"})
        return all(offer.refusal(need, target.mode, target.dtype, features) is None for need in needs)

    can = [question for question in questions if able(question)]
    pool = [question for question in can if question.template.pool] or can
    chosen = pool[DTYPES.index(target.dtype) % len(pool)] if pool else None
    alone = all(mode.compiled and not mode.variant for mode in offer.modes) and target.mode == offer.modes[0].name
    whole = alone and target.dtype == "float64" and target.device == offer.devices[0]
    here = tuple(q for q in questions if q is chosen or (whole and q.suite == SMOKE))
    if not offer.mode(target.mode).compiled:
        return here
    dear = [q for q in here if (q.template.pool if whole else target.dtype == _one_dtype(offer))]
    return tuple(q if q in dear else _without(q, lambda p: p.compiles) for q in here)


def _in_short(questions: tuple[Question, ...], dtype: str) -> tuple[Question, ...]:
    """In 16 bits the same code runs as in 32: there thorough properties are asked of the pool's cases alone."""
    if dtype in ("float64", "float32"):
        return questions
    return tuple(q if q.template.pool else _without(q, lambda p: p.thorough) for q in questions)


def _without(question: Question, dropped: Callable[[Property], bool]) -> Question:
    return replace(question, properties=tuple(p for p in question.properties if not dropped(p)))


def _question(
    spec: Spec[Any, Any], suite: str, template: CaseTemplate, wanted: Sequence[str], everything: bool
) -> Question:
    probe = Case(spec, suite, template, "float64", {}, {}, {})  # `applies` looks at the template, not at data
    every = properties_of(spec).values()
    asked = (p for p in every if p.name in wanted and p.applies(probe))
    return Question(spec, suite, template, tuple(p for p in asked if everything or template.thorough or not p.thorough))


def _chosen(what: str, wanted: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(known))
    for name in wanted:
        if name not in names:
            raise UsageError(unknown(what, name, names))
    return tuple(dict.fromkeys(wanted)) or names
