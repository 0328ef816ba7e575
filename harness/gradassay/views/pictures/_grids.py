"""A map as a panel: the truth, the answer, and how far apart they are, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite, log

from matplotlib.figure import Figure

from gradassay._limits import RMS_LIMIT
from gradassay._record import Grid
from gradassay.views.pictures._blocks import Blocks
from gradassay.views.pictures._style import (
    BAD,
    INK,
    MUTED,
    PAPER,
    Axes,
    Box,
    boxes,
    canvas,
    figure,
    note,
    say,
    strokes,
    within,
)
from gradassay.views.pictures._svg import SERIES

LEVELS = 8  # of a colour
FAINTEST = 0.12  # opacity of the smallest block that is not 0
TELLING = 6  # blocks along a side, up to which each has its number
LEFT, SIDE, APART = 26, 120, 141  # pixels
TOP, HEIGHT = 56, 226


def panel(blocks: Blocks, head: str) -> Figure:
    on = figure(HEIGHT)
    say(on, (0, 13), blocks.map.target, BAD if blocks.wrong else INK, bold=True, big=13, longest=46)
    where = f"{blocks.name} in {blocks.map.case}{f', {head}' if head else ''}"
    say(on, (0, 30), where, MUTED, longest=62)
    norms = [f for grid in (blocks.truth, blocks.got) for row in grid for f in row if f]
    least, most = min(norms, default=1.0), max(norms, default=1.0)
    names = ("truth, norms", "answer", "apart, in noise units")
    for number, (name, grid) in enumerate(zip(names, (blocks.truth, blocks.got, blocks.apart), strict=True)):
        left = LEFT + number * APART
        say(on, (left, TOP - 8), name, longest=40)
        made = _frame(on, (left, TOP, left + SIDE, TOP + SIDE), blocks)
        if number < 2:
            _shade(made, [(r, c, f, _level(f, least, most)) for r, c, f in _each(grid) if f], SERIES[0])
        else:
            noise = [(r, c, f) for r, c, f in _each(grid) if f is not None]
            _shade(made, [(r, c, f, f / RMS_LIMIT) for r, c, f in noise if f <= RMS_LIMIT], MUTED)
            _shade(made, [(r, c, f, 1.0) for r, c, f in noise if f > RMS_LIMIT], BAD)
        _cross(made, blocks, number)
    foot = TOP + SIDE + 32
    _scale(on, (LEFT, foot), _sized(least), _sized(most), SERIES[0])
    _scale(on, (LEFT + 2 * APART, foot), "0", f"{RMS_LIMIT:g}", MUTED)
    if any(f is not None and f > RMS_LIMIT for row in blocks.apart for f in row):
        say(on, (LEFT + 2 * APART + SIDE, foot), "more", BAD, align="right")
    return on


def _frame(on: Figure, box: Box, blocks: Blocks) -> Axes:
    """Draw an empty grid with its axes; 0 is the first step."""
    rows, columns = len(blocks.truth), len(blocks.truth[0])
    left, top, right, bottom = box
    made = Axes(on, box, (0, columns), (rows, 0))
    strokes(made, [((0, 0), (columns, 0), (columns, rows), (0, rows), (0, 0))], MUTED, 0.6)
    last = len(blocks.map.truth[0]) - 1
    say(on, (left, bottom + 12), "0", MUTED)
    say(on, ((left + right) / 2, bottom + 12), "input step", MUTED, align="center")
    say(on, (right, bottom + 12), str(last), MUTED, align="right")
    if left == LEFT:
        say(on, (left - 4, top + 9), "0", MUTED, align="right")
        say(on, (left - 6, (top + bottom) / 2), "output step", MUTED, align="center", turned=True)
        say(on, (left - 4, bottom), str(len(blocks.map.truth) - 1), MUTED, align="right")
    return made


def _each(grid: Grid) -> Iterator[tuple[int, int, float | None]]:
    return ((r, c, f) for r, row in enumerate(grid) for c, f in enumerate(row))


def _level(value: float, least: float, most: float) -> float:
    """Where a norm is between the smallest and the largest, from 0 to 1, on a logarithmic scale."""
    return (log(value) - log(least)) / (log(most) - log(least)) if most > least else 1.0


def _shade(made: Axes, cells: Sequence[tuple[int, int, float, float]], colour: str) -> None:
    """Fill cells (row, column, figure, level); what is small is nearly the paper, in light and in dark."""
    by_step: dict[int, list[tuple[int, int, float]]] = {}
    for row, column, value, level in cells:
        by_step.setdefault(round(within(level, 0, 1) * (LEVELS - 1)), []).append((row, column, value))
    rows, columns = made.y[0], made.x[1]
    for step, own in sorted(by_step.items()):
        alpha = FAINTEST + (1 - FAINTEST) * step / (LEVELS - 1)
        boxes(made, [(c, r + 1, c + 1, r) for r, c, _ in own], colour, alpha=alpha)
        for r, c, value in own if max(rows, columns) <= TELLING else ():
            ink = PAPER if alpha > 0.55 else INK
            note(made, (c + 0.5, r + 0.5), _short(value), ink, shift=(0, 3), align="center", big=8)


def _cross(made: Axes, blocks: Blocks, number: int) -> None:
    """Strike out what is not finite, and what should be exactly 0 and is not."""
    places = blocks.places("not finite", "leak") if number else []
    lines = [((c, r), (c + 1, r + 1)) for r, c in places] + [((c + 1, r), (c, r + 1)) for r, c in places]
    strokes(made, lines, BAD, 1)


def _scale(on: Figure, at: tuple[float, float], least: str, most: str, colour: str) -> None:
    """Draw the levels of a colour between what they stand for."""
    left, bottom = at
    say(on, (left, bottom), least, MUTED)
    start = left + 6.5 * len(least) + 3
    made = canvas(on)
    for step in range(LEVELS):
        alpha = FAINTEST + (1 - FAINTEST) * step / (LEVELS - 1)
        boxes(made, [(start + 5 * step, bottom, start + 5 * step + 5, bottom - 8)], colour, alpha=alpha)
    say(on, (start + 5 * LEVELS + 3, bottom), most, MUTED)


def _sized(norm: float) -> str:
    return f"{norm:.2g}"


def _short(value: float) -> str:
    """A number that a cell has room for: `.25`, `1.3`, `12`, `3e6`."""
    if not isfinite(value):
        return "∞"
    if value >= 1000 or 0 < value < 0.001:
        mantissa, _, power = f"{value:.0e}".partition("e")
        return f"{mantissa}e{int(power)}"
    return f"{value:.2g}".removeprefix("0") if value < 100 else f"{value:.0f}"
