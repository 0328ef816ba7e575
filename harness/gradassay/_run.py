"""`verify`: what was named is looked up, a run is laid out, and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from gradassay import _plugins
from gradassay._backend import Backend, Model, Offer, Unsupported
from gradassay._cache import Cache
from gradassay._oracle import Oracle
from gradassay._plan import plan
from gradassay._process import Local, open_session
from gradassay._record import Record
from gradassay._runner import OnRecord, Run
from gradassay._session import Session
from gradassay._spec import Spec, Tensors
from gradassay._target import Target, parse_targets

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
) -> list[Record]:
    """Verify targets against the certified reference.

    Args:
        targets: as typed, `backend[/mode][/device][/dtype]`; all installed backends when empty.
        suites, specs, cases, properties: names to select; everything when empty.
        in_process: run backends in this process, for a debugger.
        jobs: how many backends work at a time.
        deadline: seconds that one request may take.
        sweep: add the modes that are too slow for every run.
        cache: keep truth and noise on disk; False keeps them in memory; or a cache of your own.
        on_record: called with every record as it comes, the header first.
        objects: further backends, as objects, which run in this process.

    Returns:
        Header, verdicts, footer.

    Raises:
        UsageError: when what is asked for does not exist; `PluginError` when a plugin that is named is broken.
    """
    given = {backend.name: backend for backend in objects}
    known, broken = _backends(targets, given)
    chosen = parse_targets(targets or tuple(known), {name: b.offers for name, b in known.items()}, sweep=sweep)
    models, broken_specs = _specs(specs)
    typed = frozenset(part for text in targets for part in text.split("/")[1:])
    laid = plan(chosen, known, models, suites=suites, cases=cases, properties=properties, sweep=sweep, typed=typed)
    store = cache if isinstance(cache, Cache) else Cache() if cache else _in_memory()
    run = Run(laid, Oracle(store), on_record, typed, (*broken, *broken_specs))
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
            run.all(sessions, pool)
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
    named = {text.split("/")[0] for text in targets}
    if not named:
        loaded, broken = _plugins.load_all(installed.values())
        if broken and not loaded:
            raise _plugins.PluginError("\n".join(one.message for one in broken))
        return loaded, [one.message for one in broken]
    found = {n: p.load() if n in named else _Unnamed(n) for n, p in installed.items() if n not in given}
    return dict(given) | found, []


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
    return loaded, [one.message for one in broken]
