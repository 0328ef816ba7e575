"""`replay`: a saved case asked again, of whom it was asked or of anybody else."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gradassay._backend import Offer
from gradassay._bench import backend_of
from gradassay._case import Case
from gradassay._casefile import SavedCase, load
from gradassay._errors import UsageError
from gradassay._location import split
from gradassay._plan import Job, Plan, Question
from gradassay._plugins import unknown
from gradassay._process import open_session
from gradassay._property import Property
from gradassay._published import PublishedOracle
from gradassay._record import Record, Verdict
from gradassay._run import DEADLINE
from gradassay._runner import OnRecord, Run
from gradassay._target import DTYPES, Target, parse_targets
from gradassay.properties import properties_of


@dataclass(frozen=True)
class _Saved(Question):
    """A question whose data are there already."""

    given: Case

    def case(self, dtype: str) -> Case:
        return self.given


def replay(
    path: Path,
    target: str = "",
    *,
    properties: Sequence[str] = (),
    in_process: bool = False,
    deadline: float | None = None,
    on_record: OnRecord | None = None,
) -> list[Record]:
    """Ask a saved case again. The truth of a published vector is taken from its file.

    Args:
        path: a file that `_casefile.save` has written.
        target: as on the command line, in every mode that it names; the one that is saved if not given.
        properties: names; those that are saved if not given, and all that apply if none are.
        in_process: run the backend in this process, for a debugger.
        deadline: seconds that one request may take.
        on_record: called with every record as it comes.

    Returns:
        Header, verdicts, footer.

    Raises:
        UsageError: if the file holds no case that can be asked, or the target does not offer it.
    """
    saved = load(path)
    typed = target or saved.target
    if not typed:
        raise UsageError(f"{path} was asked of no installed target: name one, gradassay replay {path} TARGET")
    backend = backend_of(typed)
    asked = _properties(path, saved, properties)
    question = _Saved(saved.case.spec, saved.case.suite, saved.case.template, asked, saved.case)
    # Of the target's dtypes and specs only the case's own can be asked.
    jobs = tuple(
        Job(found, offer, offer.mode(found.mode), (question,))
        for found in parse_targets([typed], {backend.name: backend.offers}, sweep=True)
        for offer in backend.offers
        if offer.spec == saved.case.spec.name and found.dtype == saved.case.dtype and _has(offer, found)
    )
    if not jobs:
        raise UsageError(_not_offered(path, saved.case, typed, backend.name, backend.offers))
    plan = Plan(
        {saved.case.spec.name: saved.case.spec},
        (saved.case.suite,),
        tuple(property_.name for property_ in asked),
        tuple(job.target for job in jobs),
        {backend.name: jobs},
    )

    def replayed(record: Record) -> Record:
        if not isinstance(record, Verdict):
            return record
        command = f"gradassay replay {shlex.quote(str(path))} {record.target}"
        return msgspec.structs.replace(record, replay=f"{command} --property {record.property}")

    def take(record: Record) -> None:
        if on_record is not None:
            on_record(replayed(record))

    published = None if saved.truth is None else (saved.case, saved.truth)
    run = Run(plan, PublishedOracle(published=published), take, frozenset(split(typed)[1]), ())
    with ExitStack() as stack:
        opened = open_session(backend.name, backend.environment(), deadline or DEADLINE, in_process)
        sessions = {backend.name: stack.enter_context(opened)}
        pool = stack.enter_context(ThreadPoolExecutor(1))
        with run.stopping(sessions):
            run.all(sessions, pool)
    return [replayed(record) for record in run.records]


def _properties(path: Path, saved: SavedCase, names: Sequence[str]) -> tuple[Property, ...]:
    every = properties_of(saved.case.spec)
    for name in names or saved.properties:
        if name not in every:
            raise UsageError(f"{path}: {unknown('property', name, every)}")
    wanted = [every[name] for name in dict.fromkeys(names or saved.properties)] or list(every.values())
    asked = tuple(property_ for property_ in wanted if property_.applies(saved.case))
    if not asked:
        raise UsageError(
            f"{path}: {', '.join(p.name for p in wanted)} does not apply to this case, which is of {_what(saved.case)}"
        )
    return asked


def _has(offer: Offer, target: Target) -> bool:
    modes = [mode.name for mode in offer.modes]
    return target.mode in modes and target.device in offer.devices and target.dtype in offer.dtypes


def _what(case: Case) -> str:
    return f"{case.spec.name} in {case.dtype}"


def _not_offered(path: Path, case: Case, typed: str, name: str, offers: Sequence[Offer]) -> str:
    own = [offer for offer in offers if offer.spec == case.spec.name]
    wrong = next((part for part in split(typed)[1] if part in DTYPES and part != case.dtype), None)
    if wrong is not None:
        mended = "/".join([name, *(part for part in split(typed)[1] if part != wrong)])
        return f"{path} is a case of {_what(case)}; target {typed} is in {wrong}: write {mended}"
    if not own:
        specs = ", ".join(dict.fromkeys(offer.spec for offer in offers)) or "none"
        return f"{path} is a case of {_what(case)}; {name} offers no {case.spec.name}, but {specs}"
    dtypes = ", ".join(dict.fromkeys(dtype for offer in own for dtype in offer.dtypes))
    return f"{path} is a case of {_what(case)}; {typed} offers {case.spec.name} in {dtypes}"
