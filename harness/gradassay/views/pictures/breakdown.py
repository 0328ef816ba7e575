"""Where the noise is left: each failure by tensor, and along the axes that tell most: gates, steps, units."""

from __future__ import annotations

from collections.abc import Sequence

from gradassay._record import Verdict
from gradassay.views._explain import heading
from gradassay.views._summary import Summary
from gradassay.views._words import count, printable, some, units
from gradassay.views.pictures._anatomy import AXES, TENSORS, Anatomy, along, anatomies, beyond, limit
from gradassay.views.pictures._bars import panel
from gradassay.views.pictures._picture import Picture, absent, told
from gradassay.views.pictures._runs import headed, headings, table
from gradassay.views.pictures._svg import panels, shortened

ORDER = 5
ID, TITLE = "breakdown", "Where the noise is left"
HEAD = ("failure", "tensor", "outcome", "along", "RMS in noise units", "limit")
SHOWN = 6  # failures


def picture(summaries: Sequence[Summary]) -> Picture:
    """Return a panel for each of the first failures of each run."""
    runs = [anatomies(summary) for summary in summaries]
    if not any(runs):
        return absent(ID, TITLE, _why(summaries))
    heads = headings(summaries)
    figures = [
        [(f"{a.number}. {heading(a.report)}", panel(a, head))]
        for head, found in zip(heads, runs, strict=True)
        for a in found[:SHOWN]
    ]
    words = [headed(_words(found), head) for found, head in zip(runs, heads, strict=True)]
    rows = ([row for anatomy in found[:SHOWN] for row in _rows(anatomy)] for found in runs)
    return Picture(ID, TITLE, " ".join(words), panels(ID, figures), table(HEAD, heads, rows))


def _why(summaries: Sequence[Summary]) -> str:
    reports = sum(len(summary.reports) for summary in summaries)
    if not reports:
        return "Nothing failed."
    return f"No figures were recorded of what is wrong: {count(reports, 'report')} of exceptions and the like."


def _words(found: Sequence[Anatomy]) -> str:
    """What the first failure is, where its noise is left, and how to ask again."""
    if not found:
        return "Nothing failed that has figures."
    first = found[0]
    wrong = [v for v in first.verdicts if v.outcome == "failed"]
    right = [v for v in first.verdicts if v.outcome == "passed"]
    said = f"{shortened(heading(first.report), 300)}: {count(len(wrong), 'tensor')} wrong and {len(right):,} right; "
    said += f"furthest is {printable(wrong[0].tensor or 'everything', 60)}, with an RMS of {_told(wrong[0])}"
    parts = [part for axis in first.axes[:AXES] if (part := _only(first, wrong[0], axis))]
    said += f", {some(parts, AXES)} alone." if parts else "."
    more = f" {count(len(found) - 1, 'more failure')} below." if len(found) > 1 else ""
    replay = wrong[0].replay or first.report.worst.replay
    return said + more + (f" To ask again: {printable(replay, 400)}" if replay else "")


def _told(v: Verdict) -> str:
    return "no finite number" if beyond(v) else f"{units(v.rms)} noise units"


def _only(anatomy: Anatomy, v: Verdict, axis: str) -> str:
    """`at gate f`: where along an axis a tensor is beyond its limit, if that is not everywhere."""
    figures = along(v, axis)
    bound = limit(v, len(figures) or 1)
    over = [p for p, f in enumerate(figures) if bound is not None and f is not None and f > bound]
    if not over or len(over) == len(figures):
        return ""
    names = anatomy.names(axis)
    return f"at {printable(axis, 20)} {some([printable(names.get(p, str(p)), 20) for p in over], 6)}"


def _rows(anatomy: Anatomy) -> list[tuple[str, ...]]:
    rows = []
    for v in anatomy.verdicts[:TENSORS]:
        own = str(anatomy.number), printable(v.tensor, 80), v.outcome
        rows.append((*own, "", _told(v) if beyond(v) else told(v.rms), told(limit(v))))
        for axis in anatomy.axes[:AXES]:
            if figures := along(v, axis):
                noise = " ".join("-" if f is None else told(f) for f in figures)
                rows.append((*own, printable(axis, 40), noise, told(limit(v, len(figures)))))
    sentence = shortened(heading(anatomy.report), 300)
    replay = anatomy.verdicts[0].replay or anatomy.report.worst.replay
    return [(str(anatomy.number), sentence, "", "", printable(replay, 400), ""), *rows]
