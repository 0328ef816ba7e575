"""`verify`: what was named is looked up, a run is laid out, and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradassay import _plugins
from gradassay._backend import Backend, Model, Offer, Unsupported
from gradassay._cache import Cache
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
from gradassay._shard import cut
from gradassay._spec import Spec, Tensors
from gradassay._target import Target, parse_targets
from gradassay._waivers import Scope, Waivers

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

    Returns:
        Header, verdicts, footer.

    Raises:
        UsageError: when what is asked for does not exist; `PluginError` when a plugin that is named is broken.
    """
    expected = Waivers.of(waivers)
    given = {backend.name: backend for backend in objects}
    known, broken = _backends(targets, given)
    chosen = parse_targets(targets or tuple(known), {name: b.offers for name, b in known.items()}, sweep=sweep)
    models, broken_specs = _specs(specs)
    typed = frozenset(part for text in targets for part in split(text)[1])
    laid = plan(chosen, known, models, suites=suites, cases=cases, properties=properties, sweep=sweep, typed=typed)
    selected = bool(suites or cases or properties or specs or shard) or not sweep
    scope = Scope.of(laid, known, every_target=not targets, selected=selected)
    laid = cut(laid, shard) if shard else laid
    store = cache if isinstance(cache, Cache) else Cache() if cache else _in_memory()
    run = Run(laid, Oracle(store), on_record, typed, (*broken, *broken_specs), waivers=expected.within(scope))
    wanted = not (cases or properties) if ladder is None else ladder
    run.ladders = _ladders(laid, known, every=bool(ladder)) if wanted else {}
    with ExitStack() as stack:
        sessions: dict[str, Session] = {}
        for name in laid.jobs:
            session = (
                Local(given[name])
                if name in given
                else open_session(name, known[name].environment(), deadline or DEADLINE, in_process)
            )
            sessions[name] = stack.enter_context(session)
        # Frameworks in one process share its environment and cannot be asked in parallel there.
        pool = stack.enter_context(ThreadPoolExecutor(1 if in_process or given else jobs or JOBS))
        with run.stopping(sessions):
            run.all(sessions, pool, diagnose=diagnose)
    return run.records


def _in_memory() -> Cache:
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
