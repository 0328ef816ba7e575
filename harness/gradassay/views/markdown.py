"""A run as Markdown, for the summary page of a CI service: small, and the worst first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from gradassay._record import Record
from gradassay.views._conclusion import budget, conclusion
from gradassay.views._explain import explain, heading
from gradassay.views._lines import COLOURS
from gradassay.views._questions import answers
from gradassay.views._summary import FAILING, Row, Summary
from gradassay.views._words import count, grouped, printable, seconds, units

SHOWN = 10
SPECIAL = re.compile(r"[\\`*|\[\]<>~]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word means nothing


def markdown(records: Iterable[Record]) -> str:
    """Return what a run comes to: its last line first, then what failed, the targets, and what was skipped."""
    summary = Summary.of(records)
    parts = [_top(summary), _failures(summary), _targets(summary), _questions(summary), _skipped(summary)]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def escape(text: str) -> str:
    """Return foreign text so that Markdown shows it as it is, in a table too."""
    return SPECIAL.sub(lambda found: "\\" + found.group(), printable(text).replace("&", "&amp;"))


def _code(text: str) -> str:
    """Return text to be copied as a code span, whose fence is longer than any run of backticks in it."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a table; the cells are escaped already."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join([' --- '] + [' ---: '] * (len(head) - 1))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _top(summary: Summary) -> Iterator[str]:
    yield "## Gradassay"
    yield ""
    yield f"**{escape(conclusion(summary))}**"
    for reason in summary.wrong[:SHOWN]:
        yield f"- {escape(reason)}"
    if (rest := len(summary.wrong) - SHOWN) > 0:
        yield f"- and {rest:,} more"


def _failures(summary: Summary) -> Iterator[str]:
    if not summary.reports:
        return
    failing = sum(summary.outcomes[outcome] for outcome in FAILING)
    known = f", of {count(len(summary.reports), 'cause')}" if summary.causes else ""
    yield f"### What is wrong: {count(failing, 'verdict')}{known}"
    for number, report in enumerate(summary.reports[:SHOWN], start=1):
        yield ""
        yield f"{number}. **{escape(heading(report))}**"
        for label, text in explain(report):
            said = _code(text) if label == "replay" else escape(text)
            yield f"   - {label}: {said}" if label else f"     {said}"
    if rest := summary.reports[SHOWN:]:
        yield ""
        yield f"and {len(rest):,} more, on {escape(grouped([report.worst.target for report in rest]))}"


def _targets(summary: Summary) -> Iterator[str]:
    if not summary.rows:
        return
    found = [o for o in COLOURS if any(r.outcomes[o] for r in summary.rows)]
    yield "### Targets, the worst first"
    yield ""
    rows = sorted(summary.rows, key=_badness, reverse=True)
    yield from _table(["target", *found, "RMS", "max", "max in"], (_cells(row, found) for row in rows))


def _badness(row: Row) -> tuple[int, float]:
    return sum(row.outcomes[outcome] for outcome in FAILING), (row.max.max or 0.0) if row.max else -1.0


def _cells(row: Row, found: Sequence[str]) -> list[str]:
    counts = [f"{row.outcomes[outcome]:,}" if row.outcomes[outcome] else "" for outcome in found]
    if row.max is None:
        return [escape(row.target), *counts, units(row.rms.rms if row.rms else None), "-", ""]
    where = f"{row.max.property} {row.max.tensor}".strip()
    return [escape(row.target), *counts, units(row.rms.rms if row.rms else None), budget(row.max), escape(where)]


def _questions(summary: Summary) -> Iterator[str]:
    if found := answers(summary):
        yield "### Questions"
        yield ""
        yield from (f"- {escape(a.question)} {_code(a.case)}: {escape(a.told)}" for a in found)


def _skipped(summary: Summary) -> Iterator[str]:
    for outcome in ("waived", "blind", "skipped"):
        if reasons := summary.reasons(outcome):
            said = [
                f"{escape(reason)} ({number:,}: {escape(grouped(targets))})"
                for reason, number, targets in reasons[:SHOWN]
            ]
            more = [f"{len(reasons) - SHOWN:,} more reasons"] if len(reasons) > SHOWN else []
            yield f"- {count(summary.outcomes[outcome], 'verdict')} {outcome}: {'; '.join([*said, *more])}"
    if summary.footer is not None:
        yield f"- {seconds(summary.footer.elapsed)} in all"
