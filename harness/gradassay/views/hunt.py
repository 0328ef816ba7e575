"""A search for worst cases, as it goes and as it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console

from gradassay._worst import Moved, Records, Worst
from gradassay.views._explain import explain, heading
from gradassay.views._lines import BAD, HEAD, WELL, Line, print_line
from gradassay.views._summary import Summary
from gradassay.views._words import count, printable, seconds

if TYPE_CHECKING:
    from gradassay._hunt import Began, Event, Hunted, Wrong  # which imports Hypothesis


def print_event(console: Console, elapsed: float, event: Event) -> None:
    for line in lines(elapsed, event):
        print_line(console, line)


def lines(elapsed: float, event: Event) -> Iterator[Line]:
    """Lines that tell of one event; `elapsed` seconds into the search of its target."""
    from gradassay._hunt import Began, Hunted, Wrong

    if isinstance(event, Began):
        yield from _began(event)
    elif isinstance(event, Moved):
        yield _moved(elapsed, event)
    elif isinstance(event, Wrong):
        yield from _wrong(elapsed, event)
    elif isinstance(event, Hunted):
        yield from _hunted(event)


def _began(event: Began) -> Iterator[Line]:
    yield Line(f"{printable(event.target)}: {seconds(event.seconds)}, seed {event.seed}", HEAD)
    known = f", where {count(event.known, 'record')} stood already" if event.known else ""
    yield Line(f"  worst cases go to {printable(str(event.folder))}{known}")
    yield Line(f"  {'after':>12}  {'of its limit':^14}  record", HEAD)


def _moved(elapsed: float, event: Moved) -> Line:
    now, before = event.now.share, event.before.share if event.before else None
    places = 1 if before is None or _percent(before) != _percent(now) else 3  # enough to see that it moved
    step = f"{'new' if before is None else _percent(before, places):>5} -> {_percent(now, places)}"
    return Line(f"  {seconds(elapsed):>12}  {step:14}  {printable(event.now.path.name)}", "", 32)


def _wrong(elapsed: float, event: Wrong) -> Iterator[Line]:
    yield Line(f"  {seconds(elapsed):>12}  WRONG, and shrunk: {printable(event.path.name)}", BAD, 16)
    for report in Summary.of(event.verdicts).reports:
        yield Line(f"  {heading(report)}", BAD, 4)
        for label, words in explain(report):
            yield Line(f"  {label:13} {words}", "", 16)
    template = event.case.template
    yield Line(f"  {'configuration':13} {printable(repr(template.config))}", "", 16)
    yield Line(f"  {'call':13} {printable(repr(template.call))}", "", 16)
    yield Line(f"  {'data':13} regime {printable(template.regime)}, seed {template.seed}", "", 16)
    yield Line(f"  {'replay':13} gradassay replay {printable(str(event.path), longest=10_000)}", unbroken=True)


def _hunted(event: Hunted) -> Iterator[Line]:
    yield from _table(event.records)
    told = f"{count(event.cases, 'case')} in {seconds(event.seconds)}"
    if event.wrong is not None:
        yield Line(
            f"FAILED: {printable(event.target)} is wrong; {told}; kept in {printable(str(event.wrong.path))}", BAD
        )
    elif not event.found:
        yield Line(f"FAILED: {printable(event.target)} reached no verdict; {told}", BAD)
    else:
        worst = max(event.records.worst.values(), key=lambda one: one.share)
        where = f"{_percent(worst.share)} of its limit, {worst.property} of {printable(worst.kind)}"
        yield Line(f"Nothing failed: {told}; the worst is at {where}", WELL)
        path = printable(str(worst.path), longest=10_000)
        yield Line(f"  replay  gradassay replay {path}", unbroken=True)


def _table(records: Records) -> Iterator[Line]:
    found = sorted(records.worst.values(), key=lambda one: -one.share)
    if not found:
        return
    names = [f"{one.property} of {printable(one.kind)}" for one in found]
    first = max(map(len, names))
    yield Line(f"  {'worst case of':{first}}  of limit  noise units, and regime", HEAD)
    for name, one in zip(names, found, strict=True):
        yield Line(f"  {name:{first}}  {_percent(one.share):>8}  {_figures(one)}", "", first + 14)


def _figures(one: Worst) -> str:
    return f"{printable(one.figures)}, {printable(one.regime)}"


def _percent(share: float, places: int = 1) -> str:
    return f"{100 * share:.{places}f}%"
