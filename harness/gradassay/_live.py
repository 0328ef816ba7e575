"""A live layer as a run: one target, one question, in this process and this thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import msgspec

from gradassay._adoption import Adopted
from gradassay._backend import OPERATORS, Mode, Model, Offer, Unsupported
from gradassay._case import Case
from gradassay._errors import UsageError
from gradassay._given import SUITE
from gradassay._oracle import Oracle, Query, Reference
from gradassay._plan import Job, Plan, Question
from gradassay._plugins import unknown
from gradassay._process import Local
from gradassay._published import PublishedOracle, Truth
from gradassay._record import Header, Record, Verdict
from gradassay._runner import Run
from gradassay._spec import Tensors
from gradassay._subject import Subject
from gradassay._target import Target
from gradassay._ties import TiedOracle
from gradassay.properties import properties_of

ANSWERS = ("contract", "values", "gradients")  # properties of what comes back, and of nothing else
T = TypeVar("T")


_VERSIONS: dict[str, dict[str, str]] = {}  # by backend


@dataclass(frozen=True)
class Given(Question):
    """A question whose data are there already."""

    given: Case

    def case(self, dtype: str) -> Case:
        return self.given


class LayerBackend:
    """An adopted layer as a backend with one model."""

    def __init__(self, adopted: Adopted, offer: Offer) -> None:
        self.name, self.offers = adopted.backend.name, (offer,)
        self._adopted = adopted

    def environment(self) -> Mapping[str, str]:
        return {}

    def devices(self) -> tuple[str, ...]:
        return self.offers[0].devices

    def versions(self) -> Mapping[str, str]:
        """Return what the backend says: once in a process, since it may read the metadata of many distributions."""
        if self.name not in _VERSIONS:
            _VERSIONS[self.name] = dict(self._adopted.backend.versions())
        return _VERSIONS[self.name]

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        if config != self._adopted.config or not self._adopted.holds(parameters):
            raise Unsupported("a live layer has its own sizes and parameters: it takes no others")
        return self._adopted.model


class Here(Executor):
    """Runs at once and in this thread: breakpoints work, and what the caller has set for it holds."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class OracleOfOne(TiedOracle, PublishedOracle):
    """An oracle of one case, whose answers are at hand when they are asked for again with the same arrays."""

    def __init__(self, published: tuple[Case, Truth] | None = None) -> None:
        super().__init__(published=published)
        self._told: list[tuple[Case, Query, dict[str, Reference]]] = []

    def ask(self, case: Case, query: Query) -> dict[str, Reference]:
        for known, asked, answer in self._told:
            if known is case and _same(asked, query):
                return answer
        answer = super().ask(case, query)
        self._told.append((case, query, answer))  # which holds the arrays, so that no others get their identity
        return answer


def _same(a: Query, b: Query) -> bool:
    """Whether two questions are about the very same arrays."""
    pairs = [(getattr(a, field.name), getattr(b, field.name)) for field in fields(Query)]
    return all(x is y or (x == y if not isinstance(x, Mapping) else not x and not y) for x, y in pairs)


def laid(case: Case, adopted: Adopted, names: Sequence[str]) -> tuple[Plan, Job]:
    """Return the plan of a run that asks the named properties of one case, and its only job."""
    every = properties_of(case.spec)
    for name in names:
        if name not in every:
            raise UsageError(unknown("property", name, every))
    mode = Mode("live")
    operators = frozenset({"forward"} | {operator for operator in OPERATORS if hasattr(adopted.model, operator)})
    offer = Offer(case.spec.name, case.features, (mode,), (case.dtype,), ("here",), operators)
    target = Target(adopted.backend.name, mode.name, "here", case.dtype)
    asked = tuple(every[name] for name in dict.fromkeys(names))
    question = Given(case.spec, SUITE, case.template, asked, case)
    job = Job(target, offer, mode, (question,))
    properties = tuple(property_.name for property_ in asked)
    plan = Plan({case.spec.name: case.spec}, (SUITE,), properties, (target,), {target.backend: (job,)})
    return plan, job


class Plain(Subject):
    """Asks for answers alone, about the data of one case: what a call does beside its answer is not looked for."""

    watched = False

    def _digest(self, named: Tensors) -> str:
        return repr([id(array) for array in named.values()])  # which no request of one case changes


def run(
    case: Case,
    adopted: Adopted,
    names: Sequence[str],
    oracle: Oracle | None = None,
    subject: type[Subject] | None = None,
) -> tuple[Record, ...]:
    """Ask the named properties of a case of a layer; return header, verdicts, footer.

    Args:
        subject: how it is asked; if not given, watched for side effects unless `ANSWERS` alone are asked, which do not
            look at any.

    Raises:
        UsageError: if there is no such property.
    """
    plan, job = laid(case, adopted, names)
    asked = subject or (Plain if set(names) <= set(ANSWERS) else Subject)
    one = Run(plan, oracle or OracleOfOne(), None, frozenset(), (), commit=str, subject=asked)
    with Local(LayerBackend(adopted, job.offer)) as session:
        one.all({job.target.backend: session}, Here())
    return unreplayed(one.records)


def unreplayed(records: Sequence[Record]) -> tuple[Record, ...]:
    """No command replays a live layer: only the call that was made here does."""
    return tuple(
        msgspec.structs.replace(record, replay="")
        if isinstance(record, Verdict)
        else msgspec.structs.replace(record, command="gradassay.check")
        if isinstance(record, Header)
        else record
        for record in records
    )
