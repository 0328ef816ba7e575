"""What `gradassay.check` came to, as plain text: a line a tensor, what is wrong, and one verdict line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from rich.console import Console

from gradassay._record import Cause, Record, Verdict
from gradassay.views._conclusion import budget
from gradassay.views._explain import explain, heading
from gradassay.views._lines import Line, print_line
from gradassay.views._summary import FAILING, Summary, counted
from gradassay.views._words import count, printable, some, units

WIDTH = 100


def text(layer: str, records: Sequence[Record], notes: Sequence[str]) -> str:
    """Return the whole, without a final newline."""
    summary = Summary.of(records)
    lines = [Line(_heading(layer, summary)), *_table(summary.verdicts)]
    lines += [Line(f"  {note}", "", 4) for note in (*notes, *_ties(summary.verdicts))]
    lines += _explained(summary)
    return _rendered([*lines, Line(_conclusion(summary), "", 2)])


def explanation(verdicts: Iterable[Verdict], causes: Iterable[Cause] = ()) -> str:
    """Return what is wrong, with a title a cause; empty when nothing is.

    Args:
        causes: what a run found of why its verdicts fail; those of other verdicts are passed over.
    """
    return _rendered(_explained(Summary.of([*verdicts, *causes])))


def _rendered(lines: Iterable[Line]) -> str:
    held = StringIO()
    console = Console(file=held, width=WIDTH, color_system=None, force_terminal=False)
    for line in lines:
        print_line(console, line)
    return held.getvalue().rstrip("\n")


def _heading(layer: str, summary: Summary) -> str:
    header = summary.header
    if header is None:
        return printable(layer)
    versions = [
        f"{printable(k)} {printable(v)}" for b, own in header.versions.items() for k, v in own.items() if k == b
    ]
    dtype = header.targets[0].rpartition("/")[2]
    as_spec = " ".join(f"{printable(name)} {printable(version)}" for name, version in header.specs.items())
    return f"{printable(layer)} as {as_spec} in {dtype}" + (f" ({some(versions, 1)})" if versions else "")


def _table(verdicts: Sequence[Verdict]) -> Iterator[Line]:
    first = max([len("property"), *(len(v.property) for v in verdicts)])
    name = max([len("tensor"), *(len(printable(v.tensor)) for v in verdicts)])
    yield Line(f"  {'property':{first}}  {'tensor':{name}}{'RMS':>9}{'max':>9}{'limit':>7}  outcome")
    for v in verdicts:
        figures = f"{units(v.rms):>9}{units(v.max):>9}{units(v.limit_max):>7}"
        yield Line(f"  {printable(v.property):{first}}  {printable(v.tensor):{name}}{figures}  {_outcome(v)}")


def _outcome(verdict: Verdict) -> str:
    # A failing one is explained below the table, at length.
    said = f": {printable(verdict.reason)}" if verdict.reason and verdict.outcome not in FAILING else ""
    waived = f", waived: {printable(verdict.waived)}" if verdict.waived else ""
    return verdict.outcome + said + waived


def _ties(verdicts: Sequence[Verdict]) -> Iterator[str]:
    rungs = dict.fromkeys(v.truth.rung for v in verdicts if v.truth is not None and "a-priori" in v.truth.rung)
    yield from (f"truth and noise: {rung}" for rung in rungs)


def _explained(summary: Summary) -> Iterator[Line]:
    for report in summary.reports:
        yield Line(heading(report), "", 2)
        for label, words in explain(report):
            yield Line(f"  {label:11} {words}", "", 14, unbroken=label == "replay")


def _conclusion(summary: Summary) -> str:
    outcomes, reached = summary.outcomes, sum(summary.outcomes.values())
    unseen = [f"{outcomes[outcome]:,} {outcome}" for outcome in ("waived", "blind", "skipped") if outcomes[outcome]]
    if summary.well:
        worst = summary.worst
        noise = f"worst {budget(worst)} noise units ({worst.property} of {printable(worst.tensor)})" if worst else ""
        return "; ".join(
            ["RIGHT: " + count(outcomes["passed"], "verdict") + " passed", *unseen, *filter(None, [noise])]
        )
    bad = [f"{outcomes[outcome]:,} {outcome}" for outcome in FAILING if outcomes[outcome]]
    said = [f"{' and '.join(bad)} of {count(reached, 'verdict')}"] if bad else []
    names = dict.fromkeys(f"{v.property} of {printable(v.tensor)}" for v in summary.verdicts if counted(v) == "failed")
    said += [some(list(names), 4)] if names else []
    return "; ".join(["WRONG: " + said[0], *said[1:], *unseen]) if bad else f"NOT VERIFIED: {'; '.join(summary.wrong)}"
