"""The calibration of the limits: implementations that are correct, by the thousand, and how near they come to them.

`python -m gradassay._calibrate` asks every spec that has a suite `calibration`. The implementations are its own
equations in every dtype, summing in every order, and the installed backends: each in the modes that compile nothing,
or in its first if all of them compile.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, get_args

import click

from gradassay import _plugins
from gradassay._arithmetic import Order
from gradassay._backend import Backend
from gradassay._known import KNOWN_WRONG
from gradassay._record import Header, Verdict
from gradassay._recording import Recording
from gradassay._run import verify
from gradassay._simulated import Simulated
from gradassay._spec import CaseTemplate, Spec
from gradassay._target import DTYPES
from gradassay.properties import properties_of

SUITE = "calibration"
LEFT_OUT = frozenset({"agreement", "process"})  # pairs of answers that were judged already; a process for each case
ENOUGH = 20_000  # verdicts
QUICK = 6  # cases, the smallest there are
REPORT = Path("reports/calibration")


@dataclass(frozen=True)
class Calibration:
    """All verdicts of a calibration, none of them on an implementation known to be wrong."""

    headers: tuple[Header, ...]
    verdicts: tuple[Verdict, ...]
    regimes: Mapping[tuple[str, str], str]  # (spec, case) -> regime
    command: str
    seconds: float
    properties: tuple[str, ...] = ()  # what was asked
    broken: tuple[str, ...] = ()  # backends that could not be asked, and why

    def regime(self, verdict: Verdict) -> str:
        return self.regimes[verdict.spec, verdict.case]

    @property
    def judged(self) -> list[Verdict]:
        """Verdicts in noise units: neither blind, nor on elements that are all exactly zero; and every failure."""
        return [v for v in self.verdicts if v.outcome == "failed" or (v.outcome == "passed" and v.rms is not None)]

    @property
    def statements(self) -> int:
        """How many verdicts hold without a figure: on names and shapes, on bytes that are the same, on memory."""
        return sum(v.outcome == "passed" and v.rms is None and not v.elements for v in self.verdicts)

    @property
    def beyond(self) -> list[Verdict]:
        return [v for v in self.verdicts if v.outcome == "failed"]

    def count(self, outcome: str) -> int:
        return sum(v.outcome == outcome for v in self.verdicts)


def calibrate(
    specs: Iterable[Spec[Any, Any]],
    backends: Mapping[str, Backend],
    *,
    quick: bool = False,
    command: str = "",
    broken: tuple[str, ...] = (),
) -> Calibration:
    """Verify correct implementations: the simulated ones of every spec with a suite for it, and `backends`."""
    start = time.perf_counter()
    headers: list[Header] = []
    verdicts: list[Verdict] = []
    regimes: dict[tuple[str, str], str] = {}
    properties: dict[str, None] = {}
    for spec in specs:
        templates = spec.suites().get(SUITE, ())
        if quick:
            templates = tuple(sorted(templates, key=lambda template: _size(spec, template))[:QUICK])
        if not templates:
            continue
        regimes |= {(spec.name, template.name): template.regime for template in templates}
        features = frozenset().union(*(spec.features(t.config, t.call) for t in templates))
        orders: Sequence[Order] = get_args(Order)
        simulated = [Simulated(spec, order=order, features=features) for order in orders]
        cases = [template.name for template in templates]
        asked = [name for name in properties_of(spec) if name not in LEFT_OUT]
        properties |= dict.fromkeys(asked)
        for targets, objects in ((_correct(spec.name, backends), ()), ((), simulated)):
            if targets or objects:
                with Recording(None) as recording:
                    records = verify(
                        targets,
                        suites=(SUITE,),
                        specs=(spec.name,),
                        cases=cases,
                        properties=asked,
                        objects=objects,
                        on_record=recording.take,
                    )
                headers += [record for record in records if isinstance(record, Header)]
                verdicts += [record for record in records if isinstance(record, Verdict)]
    verdicts.sort(key=_place)  # stable: backends work side by side, and a report should not show it
    elapsed = time.perf_counter() - start
    return Calibration(tuple(headers), tuple(verdicts), regimes, command, elapsed, tuple(properties), broken)


def _place(verdict: Verdict) -> tuple[str, str, int]:
    place, _, dtype = verdict.target.rpartition("/")
    return verdict.spec, place, DTYPES.index(dtype)


def _size(spec: Spec[Any, Any], template: CaseTemplate) -> int:
    return sum(prod(tensor.shape) for tensor in spec.tensors(template.config, template.call))


def _correct(spec: str, backends: Mapping[str, Backend]) -> tuple[str, ...]:
    """Return a target for each mode and dtype that is correct, and cheap enough to be asked of every shape."""

    def cheap(backend: Backend) -> set[str]:
        modes = [mode for offer in backend.offers if offer.spec == spec for mode in offer.modes]
        return {m.name for m in modes if not (m.compiled or m.sweep or m.variant)} or {m.name for m in modes[:1]}

    return tuple(
        dict.fromkeys(
            f"{name}/{mode.name}/{dtype}"
            for name, backend in backends.items()
            for offer in backend.offers
            if offer.spec == spec
            for mode in offer.modes
            if mode.name in cheap(backend)
            for dtype in offer.dtypes
            if (name, dtype) not in KNOWN_WRONG
        )
    )


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER", help=f"By default {REPORT}.")
@click.option("--quick", is_flag=True, help="A few small cases; without --out, nothing is written.")
def main(out: Path | None, quick: bool) -> None:
    """Calibrate the limits on correct implementations, and report.

    \b
    Exit status: 0  no verdict is beyond the limits, and there are enough
                 1  one is, or something errored, or there are too few
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    from gradassay.views.calibration import files

    backends, broken = _plugins.load_all(_plugins.backends().values())
    specs, lost = _plugins.load_all(_plugins.specs().values())
    command = shlex.join(["python", "-m", "gradassay._calibrate", *sys.argv[1:]])
    told = tuple(one.message for one in (*broken, *lost))
    found = calibrate(specs.values(), backends, quick=quick, command=command, broken=told)
    if not found.judged:
        raise click.ClickException(f"no installed spec has a suite '{SUITE}' that an implementation could answer")
    written = files(found)
    click.echo(written["README.md"])
    if folder := out or (None if quick else REPORT):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
        click.echo(f"written: {', '.join(str(folder / name) for name in written)}")
    enough = quick or len(found.judged) >= ENOUGH
    sys.exit(0 if enough and not found.beyond and not found.count("errored") else 1)


if __name__ == "__main__":
    main()
