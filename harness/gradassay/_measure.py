"""A whole measurement of power: faults over processes, and what is kept of it as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from difflib import get_close_matches
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gradassay import _plugins
from gradassay._errors import UsageError
from gradassay._fault import Fault
from gradassay._oracle import Oracle
from gradassay._power import Bench, Benign, Outcome, ordered
from gradassay._spec import Spec
from gradassay._target import DTYPES
from gradassay._visible import Visible, visible

_R = TypeVar("_R")


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """A fault or a variant as the catalogue has it."""

    name: str
    group: str
    sentence: str
    imitates: str
    dtypes: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured: `cases` are those of each suite, `seconds` from the first to the last."""

    spec: str
    version: str
    suites: tuple[str, ...]
    cases: dict[str, int]
    dtypes: tuple[str, ...]
    jobs: int
    seconds: float
    faults: tuple[Planted, ...]
    variants: tuple[Planted, ...]
    outcomes: tuple[Outcome, ...]
    benign: tuple[Benign, ...]
    visible: tuple[Visible, ...] = ()

    @property
    def survivors(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.killed is None)

    @property
    def false_alarms(self) -> int:
        return sum(len(one.false_alarms) for one in self.benign)

    @property
    def well(self) -> bool:
        """Whether every fault was killed, and nothing right accused."""
        return not self.survivors and not self.false_alarms


def measure(
    name: str,
    *,
    suites: Sequence[str] = (),
    faults: Sequence[str] = (),
    dtypes: Sequence[str] = ("float64",),
    whole: bool = False,
    scaled: bool = False,
    jobs: int = 2,
    on_outcome: Callable[[Outcome | Benign], None] = lambda outcome: None,
) -> Report:
    """Run faults as backends, and the spec's right variants too unless faults are named.

    Args:
        name: the spec's.
        suites: in the order in which they are asked; those of a sweep by their size, if none are named.
        dtypes: a fault that none of them is for is asked in the first of its own.
        whole: ask a fault to the end of the suite that kills it, to know everything that sees it, and variants every
            suite, where otherwise they are asked the first.
        scaled: find the smallest scaled fault that each property sees.
        jobs: processes; 1 is this one.

    Raises:
        UsageError: if there is no such suite or fault.
    """
    spec: Spec[Any, Any] = _plugins.find("spec", name).load()
    known = {fault.name: fault for fault in spec.faults}
    for wanted in faults:
        if wanted not in known:
            close = get_close_matches(wanted, known, n=1)
            meant = f"did you mean {close[0]}?" if close else "they are listed in docs/faults.md"
            raise UsageError(f"there is no fault {wanted} of {name}; {meant}")
    asked = ordered(spec, suites)
    chosen = [known[wanted] for wanted in dict.fromkeys(faults)] or list(spec.faults)
    variants = [] if faults else [None, *spec.benign]
    start = time.perf_counter()
    outcomes: list[Outcome] = []
    benign: list[Benign] = []
    seen: list[Visible] = []
    parts = [(name, dtype, asked, f.name, whole) for dtype in dtypes for f in chosen if dtype in (f.dtypes or dtypes)]
    lacking = [fault for fault in chosen if fault.dtypes and not fault.dtypes & set(dtypes)]
    parts += [(name, next(d for d in DTYPES if d in f.dtypes), asked, f.name, whole) for f in lacking]
    for outcome in _spread(_outcome, parts, jobs):
        outcomes.append(outcome)
        on_outcome(outcome)
    for dtype in dtypes:
        names = [variant.name if variant else "" for variant in variants]
        for one in _spread(_benign, [(name, dtype, asked if whole else asked[:1], variant) for variant in names], jobs):
            benign.append(one)
            on_outcome(one)
        if scaled:
            properties = Bench(spec, dtype, asked, Oracle()).properties
            each = [(name, dtype, asked, one) for one in properties]
            seen += [one for found in _spread(_visible, each, jobs) for one in found]
    return Report(
        spec=name,
        version=spec.version,
        suites=asked,
        cases={suite: len(spec.suites()[suite]) for suite in asked},
        dtypes=tuple(dict.fromkeys((*dtypes, *(outcome.dtype for outcome in outcomes)))),
        jobs=jobs,
        seconds=time.perf_counter() - start,
        faults=tuple(map(_planted, chosen)),
        variants=tuple(_planted(variant) for variant in variants if variant),
        outcomes=tuple(outcomes),
        benign=tuple(benign),
        visible=tuple(seen),
    )


def read(path: Path) -> Report:
    """Return a report from its file.

    Raises:
        UsageError: if there is no such file, or it is no report.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"{path} is no report of power: {error}; it should be made by `gradassay power --out`"
        ) from error


def write(report: Report, path: Path) -> None:
    """Write a report as JSON, a line a fault and a line an outcome, so that a later one can be compared with it."""
    parts = []
    for name, value in msgspec.to_builtins(report).items():
        if isinstance(value, list | tuple):
            lines = ",\n".join(msgspec.json.encode(one).decode() for one in value)
            parts.append(f'"{name}": [\n{lines}\n]' if value else f'"{name}": []')
        else:
            parts.append(f'"{name}": {msgspec.json.encode(value).decode()}')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def _planted(fault: Fault) -> Planted:
    return Planted(
        name=fault.name,
        group=fault.group,
        sentence=fault.sentence,
        imitates=fault.imitates,
        dtypes=tuple(sorted(fault.dtypes)),
    )


def _spread(task: Callable[..., _R], parts: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[_R]:
    """Yield what a task makes of each part, in order; names travel between processes, and faults do not."""
    if jobs == 1 or len(parts) < 2:
        yield from (task(*part) for part in parts)
        return
    with ProcessPoolExecutor(min(jobs, len(parts)), get_context("spawn")) as pool:
        yield from pool.map(task, *zip(*parts, strict=True))


@cache
def _bench(name: str, dtype: str, suites: tuple[str, ...]) -> Bench:
    return Bench(_plugins.find("spec", name).load(), dtype, suites, Oracle())


def _outcome(name: str, dtype: str, suites: tuple[str, ...], fault: str, whole: bool) -> Outcome:
    bench = _bench(name, dtype, suites)
    return bench.run(next(one for one in bench.spec.faults if one.name == fault), whole=whole)


def _benign(name: str, dtype: str, suites: tuple[str, ...], variant: str) -> Benign:
    bench = _bench(name, dtype, suites)
    return bench.benign(next((one for one in bench.spec.benign if one.name == variant), None))


def _visible(name: str, dtype: str, suites: tuple[str, ...], property_name: str) -> tuple[Visible, ...]:
    return visible(_bench(name, dtype, suites), property_name)
