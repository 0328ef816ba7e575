"""`verify`: what was named is looked up, a run is laid out, and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from gradassay import _plugins
from gradassay._asked import Asked
from gradassay._backend import Backend, Model, Offer, Unsupported
from gradassay._cache import Cache
from gradassay._claims import Claims
from gradassay._decorated import FunctionBackend
from gradassay._described import Described
from gradassay._errors import UsageError
from gradassay._ladder import ladder as ladder_of
from gradassay._location import is_location, split
from gradassay._oracle import Oracle
from gradassay._plan import Job, Plan, plan
from gradassay._process import Local, open_session
from gradassay._record import Record
from gradassay._runner import OnRecord, Run
from gradassay._session import Session
from gradassay._shard import cut, pieces
from gradassay._spec import Spec, Tensors
from gradassay._target import Target, parse_targets
from gradassay._waivers import Scope, Waivers
from gradassay.views._words import count

DEADLINE = 300.0  # seconds for one request: compiling included
JOBS = 2


def verify(
    targets: Sequence[str] = (),
    *,
    suites: Sequence[str] = (),
    specs: Sequence[str] = (),
    cases: Sequence[str] = (),
    properties: Sequence[str] = (),
    in_process: bool = False,
    jobs: int | None = None,
    deadline: float | None = None,
    sweep: bool = False,
    cache: bool | Cache = True,
    on_record: OnRecord | None = None,
    objects: Sequence[Backend] = (),
    waivers: str | Path | Waivers | None = None,
    diagnose: bool = True,
    ladder: bool | None = None,
    shard: str = "",
    workers: int = 1,
) -> list[Record]:
    """Verify targets against the certified reference.

    Args:
        targets: as typed, `backend[/mode][/device][/dtype]`; all installed backends when empty. The backend may be
            the location of one: "fast.py:lstm", or "module:lstm".
        suites, specs, cases, properties: names to select; everything when empty.
        in_process: run backends in this process, for a debugger.
        jobs: how many backends work at a time.
        deadline: seconds that one request may take.
        sweep: add the modes and suites that are too slow for every run.
        cache: keep truth and noise on disk; False keeps them in memory; or a cache of your own.
        on_record: called with every record as it comes, the header first.
        objects: further backends, as objects, which run in this process.
        waivers: a file of known failures: they fail no run, but the run fails if one is not met.
        diagnose: say why what failed did: it takes up to 20 seconds a backend.
        ladder: climb the smoke ladder of each backend first, and ask it nothing else if it falls; if not given,
            that of functions with a decorator, unless cases or properties are selected.
        shard: "2/4", the second of four parts of the run: `gradassay merge` puts their records together.
        workers: how many processes share the questions. Each has its own process of every backend, one at a time
            (or `jobs`), and takes the next case that is free; what they write is one run. If one of them dies, the
            run is not complete, and says why.

    Returns:
        Header, verdicts, footer.

    Raises:
        UsageError: when what is asked for does not exist; `PluginError` when a plugin that is named is broken.
    """
    expected = Waivers.of(waivers)
    asked = Asked(
        targets=tuple(targets),
        suites=tuple(suites),
        specs=tuple(specs),
        cases=tuple(cases),
        properties=tuple(properties),
        jobs=jobs,
        deadline=deadline,
        sweep=sweep,
        waivers=expected.known,
        diagnose=diagnose,
        ladder=ladder,
        shard=shard,
    )
    store = cache if isinstance(cache, Cache) else Cache() if cache else in_memory()
    if workers > 1 and (in_process or objects):
        what = "in_process" if in_process else "objects"
        raise UsageError(f"workers={workers} are processes of their own: leave {what} out, or workers")
    if workers > 1:
        from gradassay._crew import verify_by_crew

        laid, scope, *_ = _laid(asked, {})
        if (most := pieces(laid)) < workers:
            raise UsageError(f"{workers} workers: what is asked for has {count(most, 'piece')}; use at most {most}")
        kept = structs.replace(
            asked, cache=None if store.directory is None else str(store.directory), cache_bytes=store.limit_bytes
        )
        return verify_by_crew(workers, laid, kept, expected.within(scope), on_record)
    return _verified(asked, store, expected, on_record, in_process=in_process, objects=objects)


def verify_share(asked: Asked, claims: Claims, cache: Cache, waivers: Waivers, on_record: OnRecord) -> list[Record]:
    """Verify what this process takes of a run that it shares with others; the arguments of `verify`, as a record."""
    return _verified(asked, cache, waivers, on_record, claims=claims)


def _laid(
    asked: Asked, given: Mapping[str, Backend]
) -> tuple[Plan, Scope, dict[str, Backend], frozenset[str], tuple[str, ...]]:
    """Return the plan of a run, its scope, its backends, parts of targets as typed, and what is broken."""
    known, broken = _backends(asked.targets, given)
    chosen = parse_targets(
        asked.targets or tuple(known), {name: b.offers for name, b in known.items()}, sweep=asked.sweep
    )
    models, broken_specs = _specs(asked.specs)
    typed = frozenset(part for text in asked.targets for part in split(text)[1])
    laid = plan(
        chosen,
        known,
        models,
        suites=asked.suites,
        cases=asked.cases,
        properties=asked.properties,
        sweep=asked.sweep,
        typed=typed,
    )
    selected = bool(asked.suites or asked.cases or asked.properties or asked.specs or asked.shard) or not asked.sweep
    scope = Scope.of(laid, known, every_target=not asked.targets, selected=selected)
    laid = cut(laid, asked.shard) if asked.shard else laid
    return laid, scope, known, typed, (*broken, *broken_specs)


def _verified(
    asked: Asked,
    store: Cache,
    expected: Waivers,
    on_record: OnRecord | None,
    *,
    in_process: bool = False,
    objects: Sequence[Backend] = (),
    claims: Claims | None = None,
) -> list[Record]:
    given = {backend.name: backend for backend in objects}
    laid, scope, known, typed, broken = _laid(asked, given)
    if claims is not None:  # as of a shard, what only the whole run tells is told by whoever puts it together
        laid = replace(laid, shard=asked.shard or f"{claims.number}/{claims.of}")
    run = Run(laid, Oracle(store), on_record, typed, broken, waivers=expected.within(scope), claims=claims)
    wanted = not (asked.cases or asked.properties) if asked.ladder is None else asked.ladder
    run.ladders = _ladders(laid, known, every=bool(asked.ladder)) if wanted else {}
    with ExitStack() as stack:
        sessions: dict[str, Session] = {}
        for name in laid.jobs:
            session = (
                Local(given[name])
                if name in given
                else open_session(name, known[name].environment(), asked.deadline or DEADLINE, in_process)
            )
            sessions[name] = stack.enter_context(session)
        # Frameworks in one process share its environment and cannot be asked in parallel there.
        threads = 1 if in_process or given else asked.jobs or (JOBS if claims is None else 1)
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        with run.stopping(sessions):
            run.all(sessions, pool, diagnose=asked.diagnose)
    return run.records


def in_memory() -> Cache:
    store = Cache()
    store.directory = None
    return store


def _backends(targets: Sequence[str], given: Mapping[str, Backend]) -> tuple[dict[str, Backend], list[str]]:
    """Load the backends that are named (which then must work), or all that do; given objects stand alone.

    Returns:
        The backends by name, and why others cannot be used.
    """
    if given and not targets:
        return dict(given), []
    installed = _plugins.backends()
    named = {split(text)[0] for text in targets}
    if not named:
        loaded, broken = _plugins.load_all(installed.values())
        if broken and not loaded:
            raise _plugins.PluginError("\n".join(one.message for one in broken))
        return loaded, [one.message for one in broken]
    found = {n: p.load() if n in named else _Unnamed(n) for n, p in installed.items() if n not in given}
    located = {name: _located(name) for name in sorted(named) if is_location(name)}
    return dict(given) | found | located, []


def _located(name: str) -> Backend:
    """Return the backend at a location, as it describes itself.

    Raises:
        UsageError: if that cannot be, or it is for a spec that is not installed.
    """
    found: Backend = _plugins.find("backend", name).load()
    installed = _plugins.specs()
    for offer in found.offers:
        if offer.spec not in installed:
            raise UsageError(f"{name}: {_plugins.unknown('spec', offer.spec, installed)}")
    return found


def _ladders(laid: Plan, known: Mapping[str, Backend], every: bool) -> dict[str, tuple[Job, ...]]:
    """Return the ladders to climb, by backend: those of decorated functions, or of every backend."""
    return {
        name: ladder_of(jobs, laid.specs)
        for name, jobs in laid.jobs.items()
        if every or isinstance(known[name], Described | FunctionBackend)
    }


@dataclass(frozen=True)
class _Unnamed:
    """Stands for an installed backend that nobody named: known, so that a typing error can be told; not imported."""

    name: str
    offers: tuple[Offer, ...] = ()

    def environment(self) -> Mapping[str, str]:
        return {}

    def devices(self) -> tuple[str, ...]:
        return ()

    def versions(self) -> Mapping[str, str]:
        return {}

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        raise Unsupported(f"{self.name} was not asked for")


def _specs(names: Sequence[str]) -> tuple[dict[str, Spec[Any, Any]], list[str]]:
    if names:
        return {name: _plugins.find("spec", name).load() for name in names}, []
    loaded, broken = _plugins.load_all(_plugins.specs().values())
    if broken and not loaded:
        raise _plugins.PluginError("\n".join(one.message for one in broken))
    return loaded, [one.message for one in broken]
