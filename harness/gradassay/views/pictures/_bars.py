"""A failure as a panel: its tensors as bars, and small bars at each position along the axes that tell most."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite, log10

from matplotlib.figure import Figure

from gradassay._record import Verdict
from gradassay.views._words import case, count, units
from gradassay.views.pictures._anatomy import AXES, LEAST, TENSORS, Anatomy, along, beyond, limit, odd
from gradassay.views.pictures._style import BAD, INK, MUTED, WIDE, Axes, boxes, figure, foot, say, strokes, within

FIRST, BARS = 246, (134, 194)  # pixels
TOP, ROW, BAR = 70, 22, 17


def panel(anatomy: Anatomy, head: str) -> Figure:
    shown = anatomy.verdicts[:TENSORS]
    chosen = anatomy.axes[:AXES]
    rest = len(anatomy.verdicts) - len(shown)
    height = TOP + ROW * len(shown) + 46
    on = figure(height)
    first = shown[0]
    say(on, (0, 13), f"{anatomy.number}. {_title(anatomy)}", bold=True, big=12, longest=56)
    say(
        on,
        (0, 30),
        f"{f'{head}: ' if head else ''}{first.property} in {case(first)} on {first.target}",
        MUTED,
        longest=62,
    )
    most = _most(shown)
    bottom = TOP + ROW * len(shown)
    scale = Axes(on, (BARS[0], TOP, BARS[1], bottom), (0, most), (bottom, TOP))
    say(on, (BARS[0], TOP - 8), "RMS", INK)
    for number, v in enumerate(shown):
        _bar(on, scale, v, TOP + ROW * number, most)
    width = (WIDE - FIRST - 8 * (AXES - 1)) / AXES
    for column, axis in enumerate(chosen):
        left = FIRST + column * (width + 8)
        say(on, (left, TOP - 8), axis, INK, longest=13)
        for number, v in enumerate(shown):
            if along(v, axis):
                top = TOP + ROW * number
                box = (left, top + ROW - BAR - 3, left + width, top + ROW - 3)
                made = Axes(on, box, (0, anatomy.length(axis)), (0, most))
                _strip(made, v, axis, most)
        _positions(on, anatomy, axis, (left, left + width), bottom + 11)
    more = f"; {count(rest, 'more tensor')}" if rest else ""
    foot(on, f"noise units from {LEAST:g} to 1e{most - 1:.0f}, logarithmic; tick: the limit; red: beyond it{more}")
    return on


def _title(anatomy: Anatomy) -> str:
    cause, worst = anatomy.report.cause, anatomy.report.worst
    if cause is not None and cause.sentence:
        return cause.sentence
    subject = f"{worst.property} of {worst.tensor}" if worst.tensor else worst.property
    return f"{subject}, unexplained" if cause is not None else subject


def _most(verdicts: Sequence[Verdict]) -> float:
    """The height of the scale: powers of ten above the least."""
    figures = [
        f
        for v in verdicts
        for f in (v.rms, *(g for axis in v.along for g in along(v, axis)))
        if f is not None and isfinite(f)
    ]
    return float(ceil(within(_height(max(figures, default=10.0)), 2, 40)))


def _height(noise: float) -> float:
    return log10(max(noise, LEAST)) - log10(LEAST)


def _bar(on: Figure, scale: Axes, v: Verdict, top: float, most: float) -> None:
    """Draw the RMS of one tensor, with its number and its limit."""
    wrong, middle = v.outcome == "failed", top + ROW - 3 - BAR / 2
    say(on, (0, middle + 4), v.tensor or "everything", INK if wrong else MUTED, longest=20)
    long = most if beyond(v) else within(_height(v.rms or 0.0), 0, most)
    boxes(scale, [(0, middle + 4, long, middle - 4)], BAD if wrong else MUTED, alpha=1 if wrong else 0.5)
    bound = limit(v)
    if bound is not None:
        strokes(scale, [((_height(bound), middle - 7), (_height(bound), middle + 7))], INK, 1)
    said = "infinite" if beyond(v) else units(v.rms or 0.0)
    say(on, (BARS[1] + 3, middle + 4), said, BAD if wrong else MUTED, big=9)


def _strip(made: Axes, v: Verdict, axis: str, most: float) -> None:
    """Draw the RMS at each position along an axis as small bars."""
    figures = along(v, axis)
    bound = limit(v, len(figures))
    held = [(place, f) for place, f in enumerate(figures) if f is not None]
    for over, colour, alpha in ((False, MUTED, 0.5), (True, BAD, 1.0)):
        own = [(p, f) for p, f in held if (bound is not None and f > bound) == over]
        drawn = [(p + 0.1, 0.0, p + 0.9, within(_height(f), 0.15, most)) for p, f in own]
        boxes(made, drawn, colour, alpha=alpha)
    strokes(made, [((0, 0), (len(figures), 0))], MUTED, 0.6)
    if odd(v):
        gone = [place for place, f in enumerate(figures) if f is None]
        boxes(made, [(p + 0.1, 0.0, p + 0.9, most) for p in gone], BAD, alpha=0.35)


def _positions(on: Figure, anatomy: Anatomy, axis: str, across: tuple[float, float], y: float) -> None:
    """Write what positions along an axis are called: names where they are known, else the first and the last number."""
    left, right = across
    length = anatomy.length(axis)
    names = anatomy.names(axis)
    each = (right - left) / max(length, 1)
    places = names or {place: str(place) for place in (range(length) if length <= 6 else (0, length - 1))}
    for place, name in places.items():
        say(on, (left + (place + 0.5) * each, y), name, MUTED, align="center", big=9, longest=8)
