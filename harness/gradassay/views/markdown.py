"""A run as Markdown, for the summary page of a CI service: a screen of what is wrong, the worst first.

What is well, or is more of the same, is folded into `<details>`; where a service does not fold, it is the end of the
page. However large the run, the page stays below `LARGEST`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from gradassay._record import Record
from gradassay.views._conclusion import budget, conclusion
from gradassay.views._explain import explain, heading
from gradassay.views._lines import COLOURS
from gradassay.views._questions import answers
from gradassay.views._summary import FAILING, Report, Row, Summary
from gradassay.views._words import count, grouped, printable, seconds, units

SHOWN = 10  # of anything that may be many
OPEN = 3  # reports, questions and reasons that are not folded
FEW = 10  # targets that are listed in one table
MOST = 200  # targets that are listed at all
LARGEST = 50_000  # characters of a page, of which reports get half; GitHub refuses 1 MiB, and nobody reads that
SPECIAL = re.compile(r"[\\`*|\[\]<>~]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word means nothing


def markdown(records: Iterable[Record]) -> str:
    """Return what a run comes to: its last line first, then what failed, the targets, and what was skipped."""
    summary = Summary.of(records)
    parts = [_top(summary), _failures(summary), _targets(summary), _questions(summary), _skipped(summary)]
    texts: list[str] = []
    for part in parts:
        text = "\n".join(part)
        if text and sum(map(len, texts)) + len(text) > LARGEST:
            text = "(a part that is too long for this page is left out: `gradassay show` has it)"
        texts += [text] if text else []
    return "\n\n".join(texts) + "\n"


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


def _folded(summary: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines that are shown when their summary is clicked on."""
    yield f"<details><summary>{html.escape(printable(summary))}</summary>"
    yield ""
    yield from lines
    yield ""
    yield "</details>"


def _top(summary: Summary) -> Iterator[str]:
    shard = summary.header.shard if summary.header else ""
    yield f"## Gradassay{f', shard {escape(shard)}' if shard else ''}"
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
    told: list[list[str]] = []
    room = LARGEST // 2
    for number, report in enumerate(summary.reports[:SHOWN], start=1):
        lines = ["", *_report(number, report)]
        room -= sum(map(len, lines))
        if room < 0 and told:
            break
        told.append(lines)
    for lines in told[:OPEN]:
        yield from lines
    if folded := told[OPEN:]:
        yield ""
        lines = [line for lines in folded for line in lines]
        yield from _folded(f"{len(folded):,} more", lines[1:])  # without the empty line before the first
    if rest := summary.reports[len(told) :]:
        yield ""
        yield f"and {len(rest):,} more, on {escape(grouped([report.worst.target for report in rest]))}"


def _report(number: int, report: Report) -> Iterator[str]:
    yield f"{number}. **{escape(heading(report))}**"
    lines = explain(report)
    for (label, text), (following, _) in zip(lines, [*lines[1:], ("end", "")], strict=True):
        said = _code(text) if label == "replay" else escape(text)
        goes_on = "" if following else "\\"  # a line break: Markdown would make one line of both
        yield (f"   - {label}: {said}" if label else f"     {said}") + goes_on


def _targets(summary: Summary) -> Iterator[str]:
    if not summary.rows:
        return
    rows = sorted(summary.rows, key=_badness, reverse=True)
    bad = [row for row in rows if any(row.outcomes[outcome] for outcome in FAILING)]
    if len(rows) <= FEW:
        yield "### Targets, the worst first"
        yield ""
        yield from _rows(rows)
        return
    yield f"### {count(len(rows), 'target')}, {f'{len(bad):,} wrong' if bad else 'none wrong'}"
    if bad:
        yield ""
        yield from _rows(bad[:SHOWN])
        if len(bad) > SHOWN:
            yield ""
            yield f"and {len(bad) - SHOWN:,} more: {escape(grouped([row.target for row in bad[SHOWN:]]))}"
    if well := rows[len(bad) :]:
        yield ""
        passed = sum(row.outcomes["passed"] for row in well)
        unseen = sum(not set(row.outcomes) - {"skipped", "not applicable"} for row in well)
        worst = f"; worst {budget(well[0].max)} noise units" if well[0].max is not None else ""
        more = [f"and {len(well) - MOST:,} more"] if len(well) > MOST else []
        said = f"{count(len(well) - unseen, 'target')} with nothing wrong: {count(passed, 'verdict')} passed{worst}"
        said += f"; {unseen:,} reached no verdict" if unseen else ""
        yield from _folded(said, [*_rows(well[:MOST]), *([""] if more else []), *more])


def _rows(rows: Sequence[Row]) -> Iterator[str]:
    found = [outcome for outcome in COLOURS if any(row.outcomes[outcome] for row in rows)]
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
    found = answers(summary)
    if not found:
        return
    told = [
        (answer.wrong, f"- {escape(answer.question)} {_code(answer.case)}: {escape(answer.told)}") for answer in found
    ]
    yield "### Questions"
    yield ""
    if len(found) <= OPEN:
        yield from (line for _, line in told)
        return
    yield from (line for wrong, line in told if wrong)
    right = [line for wrong, line in told if not wrong]
    if len(right) < len(found):
        yield ""
    yield from _folded(f"{count(len(right), 'question')} with nothing wrong", right)


def _skipped(summary: Summary) -> Iterator[str]:
    many: list[tuple[str, list[str]]] = []
    for outcome in ("waived", "blind", "skipped"):
        if reasons := summary.reasons(outcome):
            said = [
                f"{escape(reason)} ({number:,}: {escape(grouped(targets))})"
                for reason, number, targets in reasons[:SHOWN]
            ]
            more = [f"{len(reasons) - SHOWN:,} more reasons"] if len(reasons) > SHOWN else []
            what = f"{count(summary.outcomes[outcome], 'verdict')} {outcome}"
            if len(reasons) <= OPEN:
                yield f"- {what}: {'; '.join(said)}"
            else:
                yield f"- {what}, for {count(len(reasons), 'reason')}"
                many.append((f"why {what}", [f"- {line}" for line in [*said, *more]]))
    if summary.footer is not None:
        yield f"- {seconds(summary.footer.elapsed)} in all"
    for what, lines in many:
        yield ""
        yield from _folded(what, lines)
