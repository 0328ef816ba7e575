"""`hunt`: what was named is looked up, and the worst cases of every target that it names are searched for, and kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradassay import _plugins
from gradassay._backend import Backend, Offer
from gradassay._case import Case
from gradassay._errors import UsageError
from gradassay._location import split
from gradassay._plugins import unknown
from gradassay._process import Local, open_session
from gradassay._property import Property
from gradassay._record import Verdict
from gradassay._run import DEADLINE
from gradassay._search import Search
from gradassay._spec import Spec
from gradassay._target import Target, parse_targets
from gradassay._worst import Moved, Records, file_name
from gradassay.properties import properties_of

USUAL = ("values", "gradients", "jvp", "hvp")  # what is asked when nothing is named, where the target offers it


@dataclass(frozen=True)
class Began:
    """A target is being searched."""

    target: str
    folder: Path
    seconds: float
    seed: int
    known: int  # records that were there already


@dataclass(frozen=True)
class Wrong:
    """A case that failed, shrunk, and where it is kept."""

    case: Case
    verdicts: tuple[Verdict, ...]
    path: Path


@dataclass(frozen=True)
class Hunted:
    """What came of one target. `found` says whether any case had a verdict."""

    target: str
    records: Records
    cases: int
    seconds: float
    wrong: Wrong | None
    found: bool


Event = Began | Moved | Wrong | Hunted
Tell = Callable[[float, Event], None]  # seconds since the target's search began


def hunt(
    typed: str,
    *,
    seconds: float,
    folder: Path,
    seed: int,
    spec: str = "",
    properties: Sequence[str] = (),
    deadline: float = DEADLINE,
    objects: Sequence[Backend] = (),
    tell: Tell = lambda seconds, event: None,
) -> list[Hunted]:
    """Search for the worst cases of a target, and keep them.

    Args:
        typed: the target; where it names several, each has an equal share of the time.
        seconds: in all; a case that is wrong may then still be shrunk.
        folder: each target has one of its own in it; records that are there already stand until they are beaten.
        seed: draws other cases.
        spec: its name; the first that is offered and whose cases can be drawn, if none is named.
        properties: names; `USUAL` if none is named.
        deadline: seconds that one request may take.
        objects: further backends, as objects, which run in this process.
        tell: is called with everything that happens, as it happens.

    Raises:
        UsageError: if something that is named does not exist or cannot be asked of the target, or a record not read.
    """
    given_objects = {backend.name: backend for backend in objects}
    name = split(typed)[0]
    backend = given_objects.get(name) or _plugins.find("backend", name).load()
    model = _spec(backend, spec)
    targets = [target for target in parse_targets([typed], {name: backend.offers}) if _offer(backend, target, model)]
    if not targets:
        raise UsageError(f"target '{typed}' does not offer {model.name}")
    asked = {target: _properties(_offer(backend, target, model), target, model, properties) for target in targets}
    kept = {target: Records(folder / file_name(*str(target).split("/")), str(target)) for target in targets}
    found = []
    with ExitStack() as open_:
        opened = Local(backend) if name in given_objects else open_session(name, backend.environment(), deadline)
        session = open_.enter_context(opened)
        there = session.hello()["devices"]
        for target in targets:
            if target.device not in there:
                raise UsageError(f"device {target.device} is not here; there is {', '.join(there)}")
        for target in targets:
            start, offer = time.monotonic(), _offer(backend, target, model)
            assert offer is not None  # the targets without one were left out

            def say(event: Event, start: float = start) -> None:
                tell(time.monotonic() - start, event)

            own = seconds / len(targets)
            records = kept[target]
            say(Began(str(target), records.folder, own, seed, len(records.worst)))
            mode, until = offer.mode(target.mode), start + own
            search = Search(session, model, target, offer, mode, asked[target], records, say, until)
            search.run(seed)
            wrong = _kept(search)
            if wrong is not None:
                say(wrong)
            found.append(Hunted(str(target), records, len(search.known), time.monotonic() - start, wrong, search.found))
            say(found[-1])
    return found


def _kept(search: Search) -> Wrong | None:
    """Save the simplest case that is wrong: the last one, unless shrinking was cut short."""
    if not search.wrong:
        return None
    case, verdicts = min(reversed(search.wrong), key=lambda one: sum(a.size for a in one[0].tensors.values()))
    return Wrong(case, verdicts, search.records.fail(case, verdicts[0]))


def _spec(backend: Backend, name: str) -> Spec[Any, Any]:
    offered = list(dict.fromkeys(offer.spec for offer in backend.offers))
    if name and name not in offered:
        raise UsageError(unknown("spec", name, offered))
    loaded: list[Spec[Any, Any]] = [_plugins.find("spec", one).load() for one in ([name] if name else offered)]
    drawn = [spec for spec in loaded if spec.strategy is not None]
    if not drawn:
        names = ", ".join(spec.name for spec in loaded)
        raise UsageError(f"{names} cannot draw cases (Spec.strategy), so that there is nothing to search")
    return drawn[0]


def _offer(backend: Backend, target: Target, spec: Spec[Any, Any]) -> Offer | None:
    for offer in backend.offers:
        modes = [mode.name for mode in offer.modes]
        if offer.spec == spec.name and target.dtype in offer.dtypes and target.mode in modes:
            if target.device in offer.devices:
                return offer
    return None


def _properties(
    offer: Offer | None, target: Target, spec: Spec[Any, Any], names: Sequence[str]
) -> tuple[Property, ...]:
    """Return the properties by name, or the usual ones that can be asked."""
    assert offer is not None  # the targets without one were left out
    every = properties_of(spec)
    for name in names:
        if name not in every:
            raise UsageError(unknown("property", name, every))

    def refusal(property_: Property) -> str | None:
        needs = sorted({"forward"} | property_.needs)
        if property_.promise and property_.promise not in offer.promises:
            return f"does not promise {property_.promise}"
        reasons = (offer.refusal(need, target.mode, target.dtype, frozenset()) for need in needs)
        return next((reason for reason in reasons if reason is not None), None)

    for name in names:
        if reason := refusal(every[name]):
            raise UsageError(f"{name} cannot be asked of {target}: {reason}")
    wanted = [every[name] for name in dict.fromkeys(names or USUAL)]
    return tuple(property_ for property_ in wanted if refusal(property_) is None)
