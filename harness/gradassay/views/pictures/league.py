"""How accurate is each target: noise units over all tensors, the closest to the truth first."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from matplotlib.figure import Figure

from gradassay.views._conclusion import budget, place_of
from gradassay.views._summary import Summary
from gradassay.views._words import count, grouped, printable
from gradassay.views.pictures._groups import colours, dtype_of, group_of
from gradassay.views.pictures._order import ordered
from gradassay.views.pictures._picture import Picture, absent, noise, told
from gradassay.views.pictures._runs import headed, headings, table
from gradassay.views.pictures._standings import FIGURES, SHARES, Standing, groups, standings
from gradassay.views.pictures._style import (
    BAD,
    INK,
    MUTED,
    PAPER,
    WIDE,
    Axes,
    Box,
    boxes,
    dots,
    figure,
    foot,
    key,
    note,
    say,
    strokes,
    ticks,
    within,
)
from gradassay.views.pictures._svg import panels, shortened

ORDER = 10
ID, TITLE = "league", "How accurate each target is"
PROPERTIES = ("gradients", "values")
NAMED = [f"{share:.0%}" if share < 1 else "largest" for share in SHARES]
LEAST, MOST = 0.2, 2000.0  # noise units at the edges; what is beyond is drawn there
NEAR, FAR = (0.3, 1.0, 3.0, 10.0, 30.0), (1.0, 10.0, 100.0, 1000.0)
STRIP, GAP, TOP, FOOT, KEY = 7, 9, 74, 42, 18  # pixels
COLUMNS = {"rms": (168, 286), "max": (304, WIDE - 12)}
SHOWN = 60  # groups of targets; the others are in the table
FEW = 8  # tensors, of which each is a dot
HEAD = ("property", "target", "tensors", *(f"{figure} {share}" for figure in ("RMS", "|z|") for share in NAMED))
READ = "noise units; line: 5% to the largest; bar: middle half; gap: median; dots: few"


def picture(summaries: Sequence[Summary]) -> Picture:
    """Return a strip for each target, its dtypes below each other, in a panel for each property and run."""
    found = {name: [standings(summary, name) for summary in summaries] for name in PROPERTIES}
    if not any(any(runs) for runs in found.values()):
        return absent(ID, TITLE, "There is no accuracy to compare: no verdict on values or gradients holds a figure.")
    heads = headings(summaries)
    figures = [
        [
            (f"Noise units of {headed(name, head)} by target", _panel(headed(name.capitalize(), head), held, runs))
            for head, held in zip(heads, runs, strict=True)
            if held
        ]
        for name, runs in found.items()
    ]
    words = [headed(_words([found[name][n] for name in PROPERTIES]), head) for n, head in enumerate(heads)]
    rows = ([_row(s) for name in PROPERTIES for s in found[name][n]] for n in range(len(heads)))
    return Picture(ID, TITLE, " ".join(words), panels(ID, figures), table(HEAD, heads, rows))


def _panel(head: str, held: Sequence[Standing], runs: Sequence[Sequence[Standing]]) -> Figure:
    """Draw one run; where several stand side by side, rows and scales are those of all."""
    everyone = [standing for run in runs for standing in run]
    dtypes = ordered(dtype_of(standing.target) for standing in everyone)
    own = {standing.target: standing for standing in held}
    order = groups(runs)
    by_group: dict[str, dict[str, Standing | None]] = {group: {} for group in order[-SHOWN:]}
    for standing in everyone:
        if (group := group_of(standing.target)) in by_group:
            by_group[group][dtype_of(standing.target)] = own.get(standing.target)
    heights = [max(len(strips), 2) * STRIP + GAP for strips in by_group.values()]
    start = TOP if len(dtypes) > 1 else TOP - KEY
    end = start + sum(heights)
    on = figure(end + FOOT)
    say(on, (0, 13), head, bold=True, big=13, longest=46)
    key(on, (0, 32), dtypes)
    rows: list[tuple[float, Standing]] = []
    top = float(start)
    for height, (group, strips) in zip(heights, by_group.items(), strict=True):
        say(on, (0, top + height / 2 + 4), group, INK if any(strips.values()) else MUTED, longest=27)
        first = top + (height - (len(strips) - 1) * STRIP) / 2
        drawn = [strips[dtype] for dtype in dtypes if dtype in strips]
        rows += [(first + n * STRIP, standing) for n, standing in enumerate(drawn) if standing is not None]
        top += height
    for name, (left, right) in COLUMNS.items():
        largest = max((s.quantiles[name][-1] for s in everyone if name in s.quantiles), default=0.0)
        _column(on, name, (left, start, right, end), rows, NEAR[-1] if largest <= NEAR[-1] else MOST)
    foot(on, READ if len(order) <= SHOWN else f"the {SHOWN} least accurate of {len(order):,}; {READ}")
    return on


def _column(on: Figure, name: str, box: Box, rows: Sequence[tuple[float, Standing]], most: float) -> None:
    """Draw the scale of a figure, its limit, and the strip of each target."""
    left, top, right, bottom = box
    made = Axes(on, box, (LEAST, most), (bottom, top), log="x")
    ticks(made, "x", NEAR if most == NEAR[-1] else FAR)
    say(on, (left, top - 24), "RMS of a tensor" if name == "rms" else "its largest |z|", bold=True)
    found = [v.limit_rms if name == "rms" else v.limit_max for _, standing in rows for v in standing.verdicts]
    if limits := [limit for limit in found if limit is not None and 0 < limit < inf]:
        low, high = (within(limit, LEAST, most) for limit in (min(limits), max(limits)))
        boxes(made, [(low, bottom, high, top)], BAD, alpha=0.15)
        strokes(made, [((low, bottom), (low, top))], BAD, 1)
        said = f"limit {low:.0f}" + (f" to {high:.0f}" if round(high) > round(low) else "")
        say(on, (right, top - 8), said, BAD, align="right")
    by_dtype: dict[str, list[tuple[float, Standing]]] = {}
    for y, standing in rows:
        if name in standing.quantiles:
            by_dtype.setdefault(dtype_of(standing.target), []).append((y, standing))
    for dtype, colour in colours(by_dtype).items():
        _strips(made, name, most, by_dtype.get(dtype, []), colour)
    _worst(made, name, most, [row for own in by_dtype.values() for row in own])


def _strips(made: Axes, name: str, most: float, rows: Sequence[tuple[float, Standing]], colour: str) -> None:
    """Draw the strips of one dtype: where its tensors are."""
    few = [(y, s) for y, s in rows if len(s.figures[name]) < FEW]
    dots(made, [(within(f, LEAST, most), y) for y, s in few for f in s.figures[name]], colour, 3.5)
    many = [(y, [within(q, LEAST, most) for q in s.quantiles[name]]) for y, s in rows if len(s.figures[name]) >= FEW]
    strokes(made, [((q[0], y), (q[-1], y)) for y, q in many], colour, 1)
    strokes(made, [((q[1], y), (q[3], y)) for y, q in many], colour, 4)
    strokes(made, [((q[2] * 0.98, y), (q[2] * 1.02, y)) for y, q in many], PAPER, 4)


def _worst(made: Axes, name: str, most: float, rows: Sequence[tuple[float, Standing]]) -> None:
    """Mark what failed, and write the largest figure beside its strip."""
    dots(made, [(within(s.quantiles[name][-1], LEAST, most), y) for y, s in rows if s.failed], BAD, 6)
    if not rows:
        return
    largest, y, failed = max((s.quantiles[name][-1], y, s.failed) for y, s in rows)
    at = within(largest, LEAST, most)
    said, colour = noise(largest), BAD if failed else INK
    if at < most / 2:
        note(made, (at, y), said, colour, shift=(5, 4))
    else:
        note(made, (most, y), said, colour, shift=(0, -7), align="right")


def _words(found: Sequence[Sequence[Standing]]) -> str:
    """Who is closest, who strays furthest, and who is beyond the limits."""
    ranked = next((held for held in found if held), [])
    if not ranked:
        return "No verdict on values or gradients holds a figure."
    everyone = [standing for held in found for standing in held]
    passed = [v for standing in everyone for v in standing.verdicts if v.outcome == "passed" and v.max is not None]
    parts = []
    if len(ranked) > 1:
        best, last = ranked[0], ranked[-1]
        parts.append(
            f"In {best.of}, {printable(best.target, 60)} is closest to the truth, with a median RMS of "
            f"{noise(best.typical)} noise units, and {printable(last.target, 60)} furthest, with {noise(last.typical)}."
        )
        if len({frozenset((v.spec, v.suite, v.case, v.tensor) for v in s.verdicts) for s in ranked}) > 1:
            sizes = [len(standing.verdicts) for standing in ranked]
            parts.append(f"Targets were not all asked the same: {min(sizes):,} to {max(sizes):,} tensors each.")
    if passed:
        worst = max(passed, key=lambda v: v.max or 0.0)
        parts.append(f"The largest |z| that passed is {budget(worst)}: {shortened(place_of(worst), 200)}.")
    if wrong := list(dict.fromkeys(standing.target for standing in everyone if standing.failed)):
        parts.append(f"{count(len(wrong), 'target')} strayed beyond the limits: {grouped(wrong)}.")
    return " ".join(parts)


def _row(standing: Standing) -> tuple[str, ...]:
    name, tensors = printable(standing.target, 80), f"{len(standing.verdicts):,}"
    quantiles = (standing.quantiles.get(figure, [None] * len(SHARES)) for figure in FIGURES)
    return standing.of, name, tensors, *(told(q) for own in quantiles for q in own)
