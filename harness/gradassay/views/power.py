"""Power, told: a line a fault on a terminal, and a table as Markdown, with what other checks kill beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from rich.console import Console

from gradassay._errors import UsageError
from gradassay._measure import Report
from gradassay._power import Benign, Killed, Outcome
from gradassay.views._lines import BAD, HEAD, WELL, Line, print_line


class Rival(msgspec.Struct, frozen=True):
    """Another check that was run on the same faults."""

    what: str
    false_alarms: int | str = ""


class Rivals(msgspec.Struct, frozen=True):
    """What others kill: by the fault's name, then the rival's; text says why it cannot be run."""

    rivals: dict[str, Rival]
    kills: dict[str, dict[str, bool | str]]


def read_rivals(path: Path) -> Rivals:
    """Return what other checks kill.

    Raises:
        UsageError: if there is no such file, or it holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Rivals)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise UsageError(f'{path} should hold {{"rivals": ..., "kills": ...}}: {error}') from error


class Progress:
    """Counts faults as they come, on standard error."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._status = self._console.status("planting")
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def take(self, outcome: Outcome | Benign) -> None:
        if isinstance(outcome, Benign):
            self._counts["accused" if outcome.false_alarms else "right"] += 1
        else:
            self._counts["killed" if outcome.killed else "alive"] += 1
        self._status.update(", ".join(f"{count} {name}" for name, count in self._counts.items()))


def show(report: Report, console: Console | None = None) -> None:
    """Print a report."""
    console = console or Console()
    for line in lines(report):
        print_line(console, line)


def lines(report: Report) -> Iterator[Line]:
    """A line a fault and dtype: what killed it, in which case, after how many cases and seconds."""
    width = max((len(one.name) for one in (*report.faults, *report.variants)), default=0)
    groups = {fault.name: fault.group for fault in report.faults}
    for dtype in report.dtypes:
        here = [outcome for outcome in report.outcomes if outcome.dtype == dtype]
        yield Line(f"{dtype}: {sum(o.killed is not None for o in here)} of {len(here)} faults are killed", HEAD)
        for outcome in here:
            start = f"  {groups[outcome.fault]} {outcome.fault:{width}}  "
            if (killed := outcome.killed) is None:
                yield Line(start + _alive(outcome), BAD)
                continue
            after = f"{killed.cases} {'case' if killed.cases == 1 else 'cases'}, {killed.seconds:.1f} s"
            yield Line(f"{start}{killed.suite}/{killed.case} ({after}): {', '.join(killed.properties)}", "", width + 6)
        for one in (b for b in report.benign if b.dtype == dtype):
            told = f"{one.verdicts:,} verdicts, {len(one.false_alarms)} against it"
            yield Line(f"  S {one.variant:{width}}  {told}", BAD if one.false_alarms else "")
            for alarm in one.false_alarms[:10]:
                yield Line(f"      {alarm}", BAD, 8)
    yield from (Line(text) for text in _scaled(report))
    yield Line(_conclusion(report), WELL if report.well else BAD)


def _alive(outcome: Outcome) -> str:
    return "SURVIVES" if outcome.changed else "CHANGES NOTHING in any case that was asked: a fault should"


def _conclusion(report: Report) -> str:
    killed, total = len(report.outcomes) - len(report.survivors), len(report.outcomes)
    benign = f"; {report.false_alarms} of {sum(b.verdicts for b in report.benign):,} verdicts accuse what is right"
    return f"{killed} of {total} killed{benign if report.benign else ''}, in {report.seconds:.0f} s"


def _scaled(report: Report) -> Iterator[str]:
    """A table of the smallest scaled faults, as Markdown: it reads well enough as text."""
    if not report.visible:
        return
    dtypes = list(dict.fromkeys(one.dtype for one in report.visible))
    yield "| property | " + " | ".join(f"{dtype}, whole | element" for dtype in dtypes) + " |"
    yield "|---|" + "---|" * 2 * len(dtypes)
    found = {(one.property, one.dtype, one.extent): one for one in report.visible}
    for name in dict.fromkeys(one.property for one in report.visible):
        cells = []
        for dtype in dtypes:
            for extent in ("whole", "element"):
                one = found.get((name, dtype, extent))
                cells.append("-" if one is None or one.k is None else f"{one.k:.3g}{'*' if one.later else ''}")
        yield f"| `{name}` | " + " | ".join(cells) + " |"


# --- Markdown

HEADING = """# Power

Every fault of the catalogue, planted in the LSTM's own equations and run as a backend: what sees it, in which case, and
after how long. Written by `gradassay power` from `{source}`; `make test` asks each fault its first deadly question
again.

Suites are asked in this order, and the cases of each from the smallest to the largest: {suites}. A fault is asked up
to the case that kills it; cases that have not the sizes and options it needs are left out. *After* says how many cases
that took, and seconds; *seen by* are all properties that fail there, in the order in which they are asked{whole}.
"""


WHOLE = ", and after a stroke those that fail elsewhere in that suite"


def _whole(report: Report) -> bool:
    return any(outcome.killed.everywhere != outcome.killed.properties for outcome in report.outcomes if outcome.killed)


def markdown_of(report: Report, rivals: Rivals | None = None, source: str = "power.json") -> str:
    """Return the whole page."""
    suites = ", ".join(f"`{suite}` ({report.cases[suite]} cases)" for suite in report.suites)
    parts = [
        HEADING.format(source=source, suites=suites, whole=WHOLE if _whole(report) else ""),
        f"**{_conclusion(report)}.**\n",
    ]
    if rivals is not None:
        told = (f"* *{name}*: {rival.what}" for name, rival in rivals.rivals.items())
        parts.append("Beside it, what other checks kill of the same catalogue:\n\n" + "\n".join(told) + "\n")
    first = report.dtypes[0]
    parts.append(f"## In {first}\n\n" + "\n".join(_table(report, first, rivals)) + "\n")
    if others := report.dtypes[1:]:
        parts.append("## In other dtypes\n\n" + "\n".join(_others(report, others)) + "\n")
    if report.benign:
        parts.append("## What is right stays right\n\n" + "\n".join(_benign(report)) + "\n")
    if report.visible:
        parts.append(
            "## The smallest error that each property sees\n\n"
            "The largest tensor of every answer is scaled by 1 + k u, u being the unit roundoff: outputs, gradients, "
            "tangents, second derivatives or Jacobians, whichever is seen best. Here is the smallest k that the "
            "property sees, within a tenth, for the whole tensor and for one typical element of it. A star: the "
            "property compares answers with each other, and the factor is in every call but the first. A dash: it "
            "sees no such factor, however large; what it is for is of another kind, or in another tensor.\n\n"
            + "\n".join(_scaled(report))
            + "\n"
        )
    return "\n".join(parts)


def _table(report: Report, dtype: str, rivals: Rivals | None) -> Iterator[str]:
    names = list(rivals.rivals) if rivals else []
    yield "| | fault | imitates | case | after | seen by |" + "".join(f" {name} |" for name in names)
    yield "|---|---|---|---|---|---|" + "---|" * len(names)
    outcomes = {outcome.fault: outcome for outcome in report.outcomes if outcome.dtype == dtype}
    for fault in report.faults:
        if (outcome := outcomes.get(fault.name)) is None:
            continue
        cells = ["", "", f"**{_alive(outcome)}**"]
        if killed := outcome.killed:
            cells = [
                f"{killed.suite}/{killed.case}",
                f"{killed.cases}; {killed.seconds:.1f} s",
                ", ".join(killed.properties) + _elsewhere(killed),
            ]
        start = [fault.group, f"`{fault.name}`: {fault.sentence}", fault.imitates]
        yield f"| {' | '.join([*start, *cells, *(_rival(rivals, fault.name, name) for name in names)])} |"
    killed_here = sum(outcome.killed is not None for outcome in outcomes.values())
    totals = [f"**{sum(rivals.kills.get(f, {}).get(name) is True for f in outcomes)}**" for name in names if rivals]
    yield f"| | **killed, of {len(outcomes)}** | | | | **{killed_here}** |" + "".join(f" {t} |" for t in totals)
    if rivals:
        alarms = [str(rivals.rivals[name].false_alarms) for name in names]
        yield f"| | **false alarms** | | | | {report.false_alarms} |" + "".join(f" {a} |" for a in alarms)


def _elsewhere(killed: Killed) -> str:
    more = [name for name in killed.everywhere if name not in killed.properties]
    return f" / {', '.join(more)}" if more else ""


def _rival(rivals: Rivals | None, fault: str, name: str) -> str:
    found = rivals.kills.get(fault, {}).get(name) if rivals else None
    return found if isinstance(found, str) else {True: "yes", False: "-", None: ""}[found]


def _others(report: Report, dtypes: Sequence[str]) -> Iterator[str]:
    yield "| dtype | faults that apply | killed | in another case than in " + report.dtypes[0] + " |"
    yield "|---|---|---|---|"
    cases = {(o.fault, o.dtype): f"{o.killed.suite}/{o.killed.case}" if o.killed else "none" for o in report.outcomes}
    for dtype in dtypes:
        here = [outcome for outcome in report.outcomes if outcome.dtype == dtype]
        elsewhere = [
            f"`{o.fault}` ({cases[o.fault, dtype]})"
            for o in here
            if cases.get((o.fault, report.dtypes[0]), cases[o.fault, dtype]) != cases[o.fault, dtype]
        ]
        killed = sum(outcome.killed is not None for outcome in here)
        yield f"| {dtype} | {len(here)} | {killed} | {', '.join(elsewhere) or 'none'} |"


def _benign(report: Report) -> Iterator[str]:
    sentences = {variant.name: variant.sentence for variant in report.variants}
    dtypes = list(dict.fromkeys(one.dtype for one in report.benign))
    yield "| variant | " + " | ".join(f"{dtype}: verdicts | against it" for dtype in dtypes) + " |"
    yield "|---|" + "---|" * 2 * len(dtypes)
    found = {(one.variant, one.dtype): one for one in report.benign}
    for name in dict.fromkeys(one.variant for one in report.benign):
        here = [found[name, dtype] for dtype in dtypes]
        cells = [f"{one.verdicts:,} | {len(one.false_alarms)}" for one in here]
        yield f"| `{name}`: {sentences.get(name, 'the equations, and nothing else')} | {' | '.join(cells)} |"
