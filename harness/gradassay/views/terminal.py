"""A run on a terminal, or as plain text: what passed, what failed and why, and one verdict line at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median

from rich.console import Console

from gradassay._ladder import LADDER
from gradassay._location import backend_of
from gradassay._record import Record, Verdict
from gradassay.views._conclusion import budget, conclusion, place_of
from gradassay.views._explain import explain, heading
from gradassay.views._lines import BAD, COLOURS, HEAD, WELL, Line, print_line
from gradassay.views._questions import answers
from gradassay.views._summary import FAILING, Row, Summary, counted
from gradassay.views._table import table
from gradassay.views._words import count, grouped, printable, seconds, some

SHOWN = 10  # of anything that may be many


def render(records: Iterable[Record], console: Console, *, failed_only: bool = False) -> None:
    """Write what a run comes to, 80 columns wide or whatever the console has.

    Args:
        failed_only: only the failing verdicts and the last line.
    """
    summary = Summary.of(records)
    sections = [_failures(summary), _whole(summary)]
    if not failed_only:  # what is wrong comes last, beside the line that says so: a reader's eye is there
        counts = [_heading(summary), table(summary, console.width), _questions(summary), _agreement(summary)]
        climbed = _climbed(summary)
        unseen = [_reasons(summary, outcome) for outcome in ("waived", "blind", "skipped")]
        sections = [*counts, climbed, *unseen, _budget(summary), _sight(summary), _time(summary), *sections]
    for section in sections:
        lines = list(section)
        for line in lines:
            print_line(console, line)
        if lines:
            print_line(console, Line(""))
    # One line in a file or a pipe, so that `tail -1` has it; wrapped at words for a reader.
    print_line(console, Line(conclusion(summary), WELL if summary.well else BAD, 2, unbroken=not console.is_terminal))


def _heading(summary: Summary) -> Iterator[Line]:
    header = summary.header
    if header is None:
        return
    specs = ", ".join(f"{printable(name)} {printable(version)}" for name, version in header.specs.items())
    suites = some([printable(suite) for suite in header.suites], 6)
    part = f"shard {printable(header.shard)}; " if header.shard else ""
    words = f"{part}suites {suites}; specs {specs}; limits {printable(header.limits)}; {printable(header.started)}"
    yield Line(words, "dim", 2)


def _climbed(summary: Summary) -> Iterator[Line]:
    """One line for each ladder that was climbed to its end."""
    rungs: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in summary.verdicts:
        if verdict.property == LADDER:
            rungs.setdefault((verdict.target, verdict.spec), []).append(verdict)
    for (target, _), verdicts in rungs.items():
        if not any(verdict.outcome in FAILING for verdict in verdicts):
            names = ", ".join(printable(verdict.case) for verdict in verdicts)
            yield Line(f"Ladder: {printable(target)} stands on {count(len(verdicts), 'rung')}: {names}", "", 2)


def _failures(summary: Summary) -> Iterator[Line]:
    reports = summary.reports
    if not reports:
        return
    failing = sum(summary.outcomes[outcome] for outcome in FAILING)
    on = len({verdict.target for verdict in summary.verdicts if counted(verdict) in FAILING})
    known = f", of {count(len(reports), 'cause')}" if summary.causes else ""
    yield Line(f"What is wrong: {count(failing, 'verdict')} on {count(on, 'target')}{known}", HEAD)
    for number, report in enumerate(reports[:SHOWN], start=1):
        yield Line(f"{number:>3}. {heading(report)}", COLOURS[report.worst.outcome], 5)
        for label, text in explain(report):
            yield Line(f"     {label:11} {text}", "", 17, unbroken=label == "replay")
    if rest := reports[SHOWN:]:
        targets = grouped([report.worst.target for report in rest])
        yield Line(f"     and {len(rest):,} more, on {targets}", "", 5)


def _whole(summary: Summary) -> Iterator[Line]:
    if not summary.wrong:
        return
    yield Line("What is wrong with the run as a whole", HEAD)
    for reason in summary.wrong[:SHOWN]:
        yield Line(f"  {printable(reason)}", "red")
    if (rest := len(summary.wrong) - SHOWN) > 0:
        yield Line(f"  and {rest:,} more")


def _questions(summary: Summary) -> Iterator[Line]:
    found = answers(summary)
    if not found:
        return
    yield Line("Questions", HEAD)
    for answer in found:
        yield Line(f"  {answer.question}", "", 2)
        yield Line(f"    {answer.case}: {answer.told}", COLOURS["failed"] if answer.wrong else "dim", 6)


def _agreement(summary: Summary) -> Iterator[Line]:
    if not summary.pairs:
        return
    yield Line("Agreement", HEAD)
    for between in dict.fromkeys(pair.between for pair in summary.pairs):
        pairs = [pair for pair in summary.pairs if pair.between == between]
        agree = sum(pair.agrees for pair in pairs)
        said = f"  between {between}: {agree:,} of {len(pairs):,} pairs agree"
        yield Line(said, "" if agree == len(pairs) else "red")
    apart = [pair for pair in summary.pairs if not pair.agrees]
    for pair in apart[:SHOWN]:
        bad = sum(counted(verdict) in FAILING for verdict in pair.verdicts)
        a, b = map(printable, pair.targets)
        yield Line(f"  {a} and {b} do not, in {bad:,} of {count(len(pair.verdicts), 'verdict')}", "red")
    if len(apart) > SHOWN:
        yield Line(f"  and {len(apart) - SHOWN:,} more do not", "red")


def _reasons(summary: Summary, outcome: str) -> Iterator[Line]:
    reasons = summary.reasons(outcome)
    if not reasons:
        return
    yield Line(f"{outcome.capitalize()}: {count(summary.outcomes[outcome], 'verdict')}", HEAD)
    for reason, number, targets in reasons[:SHOWN]:
        yield Line(f"{number:>7,}  {printable(reason)}: {grouped(targets)}", "", 9)
    if rest := reasons[SHOWN:]:
        number = sum(number for _, number, _ in rest)
        yield Line(f"{number:>7,}  for {count(len(rest), 'more reason')}")


def _budget(summary: Summary) -> Iterator[Line]:
    worst: dict[str, Row] = {}
    for row in summary.rows:
        if row.max is not None:
            backend = backend_of(row.target)
            held = worst.get(backend)
            if held is None or held.max is None or (row.max.max or 0.0) > (held.max.max or 0.0):
                worst[backend] = row
    if not worst:
        return
    yield Line("Largest noise units, of their limit", HEAD)
    for row in worst.values():
        if row.max is not None:
            yield Line(f"  {budget(row.max):>15}  {place_of(row.max)}", "", 19)


def _sight(summary: Summary) -> Iterator[Line]:
    """What the run could have seen: the smallest relative errors that would have failed, at the median by dtype."""
    seen = [v for v in summary.verdicts if v.outcome == "passed" and v.visible_whole and v.visible_element]
    if not seen:
        return
    yield Line("Smallest relative error that would have failed, at the median", HEAD)
    for dtype in dict.fromkeys(v.target.rpartition("/")[2] for v in seen):
        own = [v for v in seen if v.target.rpartition("/")[2] == dtype]
        whole = median(v.visible_whole for v in own if v.visible_whole)
        element = median(v.visible_element for v in own if v.visible_element)
        yield Line(f"  {printable(dtype):8}  {whole:.1e} of a whole tensor, {element:.1e} of one element")


def _time(summary: Summary) -> Iterator[Line]:
    if summary.footer is None:
        return
    spent = summary.footer.seconds
    parts = (
        ("frameworks", spent.framework),
        ("truth", spent.truth),
        ("noise", spent.noise),
        ("harness", spent.harness),
    )
    yield Line("Time", HEAD)
    words = ", ".join(f"{name} {seconds(time)}" for name, time in parts)
    yield Line(f"  {seconds(summary.footer.elapsed)} in all: {words}")
