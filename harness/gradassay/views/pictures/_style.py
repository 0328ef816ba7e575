"""How pictures are drawn: in pixels from the top left, with few lines, and words beside what they name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import Literal

from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform

from gradassay.views.pictures._groups import colours
from gradassay.views.pictures._order import ordered
from gradassay.views.pictures._svg import COLOUR, written

WIDE = 430  # pixels of a panel: two fit beside each other on a screen, one on a telephone
PANELS = 24  # backends that are drawn; the others are in the table
SIZE, SMALL = 11, 10  # of words, in pixels
INCH = 72  # pixels of an SVG

INK, MUTED, PAPER, GOOD, BAD, WARN = (COLOUR[name] for name in ("ink", "muted", "paper", "good", "bad", "warn"))
MOVE, LINE, CLOSE = int(Path.MOVETO), int(Path.LINETO), int(Path.CLOSEPOLY)

Align = Literal["left", "center", "right"]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Point = tuple[float, float]


def figure(height: float, width: float = WIDE) -> Figure:
    return Figure(figsize=(width / INCH, height / INCH), dpi=INCH)


def size(on: Figure) -> Point:
    """Width and height in pixels."""
    width, height = on.get_size_inches() * INCH
    return float(width), float(height)


@dataclass(frozen=True)
class Axes:
    """Where numbers are on a figure. Matplotlib's own axes take a tenth of a second each, and draw what we do not want.

    Args:
        on: the figure.
        box: in pixels.
        x, y: the numbers at its left and right, and at its bottom and top.
        log: which of the two are logarithmic: "x", "y" or "xy".
    """

    on: Figure
    box: Box
    x: Point
    y: Point
    log: str = ""

    def at(self, x: float, y: float) -> Point:
        """Return a place in pixels."""
        left, top, right, bottom = self.box
        return left + (right - left) * self._share("x", x), bottom + (top - bottom) * self._share("y", y)

    def _share(self, axis: Literal["x", "y"], value: float) -> float:
        least, most = self.x if axis == "x" else self.y
        if axis in self.log:
            value, least, most = log(value), log(least), log(most)
        return (value - least) / (most - least)


def canvas(on: Figure) -> Axes:
    """Return axes whose numbers are pixels."""
    width, height = size(on)
    return Axes(on, (0, 0, width, height), (0, width), (height, 0))


def ticks(made: Axes, axis: Literal["x", "y"], places: Sequence[float]) -> None:
    """Label places along an axis, with a faint line across at each."""
    left, top, right, bottom = made.box
    plain = canvas(made.on)
    for place in places:
        if axis == "x":
            x, _ = made.at(place, made.y[0])
            strokes(plain, [((x, bottom), (x, top))], MUTED, 0.6, alpha=0.3)
            say(made.on, (x, bottom + 13), f"{place:,.10g}", MUTED, align="center")
        else:
            _, y = made.at(made.x[0], place)
            strokes(plain, [((left, y), (right, y))], MUTED, 0.6, alpha=0.3)
            say(made.on, (left - 4, y + 4), f"{place:,.10g}", MUTED, align="right")


def say(
    on: Figure,
    at: Point,
    words: str,
    colour: str = INK,
    *,
    align: Align = "left",
    bold: bool = False,
    big: float = SIZE,
    longest: int = 80,
    turned: bool = False,
) -> None:
    """Write words at a place in pixels; their baseline is there."""
    width, height = size(on)
    on.text(
        at[0] / width,
        1 - at[1] / height,
        written(words, longest),
        color=colour,
        fontsize=big,
        ha=align,
        va="baseline",
        weight="bold" if bold else "normal",
        rotation=90 if turned else 0,
        rotation_mode="anchor",
    )


def strokes(
    made: Axes,
    lines: Iterable[Sequence[Point]],
    colour: str,
    width: float,
    *,
    alpha: float = 1.0,
    round_ends: bool = False,
) -> None:
    """Draw lines in one stroke of one colour."""
    points: list[Point] = []
    codes: list[int] = []
    for line in lines:
        points += line
        codes += [MOVE] + [LINE] * (len(line) - 1)
    patch = _patch(made, points, codes)
    if patch is not None:
        patch.set(facecolor="none", edgecolor=colour, linewidth=width, alpha=alpha)
        patch.set_capstyle("round" if round_ends else "butt")


def dots(made: Axes, places: Iterable[Point], colour: str, width: float) -> None:
    """Draw dots: lines of no length, with round ends."""
    strokes(made, [(place, place) for place in places], colour, width, round_ends=True)


def boxes(made: Axes, found: Iterable[Box], colour: str, *, alpha: float = 1.0) -> None:
    """Fill boxes, in the numbers of the axes, with one colour."""
    points: list[Point] = []
    codes: list[int] = []
    for left, top, right, bottom in found:
        points += [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
        codes += [MOVE, LINE, LINE, LINE, CLOSE]
    patch = _patch(made, points, codes)
    if patch is not None:
        patch.set(facecolor=colour, edgecolor="none", linewidth=0, alpha=alpha)


def _patch(made: Axes, points: Sequence[Point], codes: Sequence[int]) -> PathPatch | None:
    if not points:
        return None
    _, height = size(made.on)
    places = (made.at(*point) for point in points)
    path = Path([(x, height - y) for x, y in places], codes)
    path.should_simplify = False  # of 128 vertices or more it would leave out lines of no length, which dots are
    patch = PathPatch(path, transform=IdentityTransform())
    made.on.add_artist(patch)
    return patch


def key(on: Figure, at: Point, dtypes: Sequence[str], *, align: Align = "left") -> None:
    """Write the names of dtypes in their colours; one alone needs none."""
    left, bottom = at
    widths = {dtype: 6.4 * min(len(dtype), 12) + 8 for dtype in ordered(dtypes)}
    if align == "right":
        left -= sum(widths.values()) - 8
    colour = colours(dtypes)
    for dtype, width in widths.items() if len(widths) > 1 else ():
        say(on, (left, bottom), dtype, colour[dtype], bold=True, longest=12)
        left += width


def foot(on: Figure, words: str) -> None:
    """Say at the foot how a picture is read."""
    say(on, (0, size(on)[1] - 4), words, MUTED, big=SMALL, longest=120)


def note(
    made: Axes,
    at: Point,
    words: str,
    colour: str = INK,
    *,
    shift: Point = (0, 0),
    align: Align = "left",
    big: float = SIZE,
) -> None:
    """Write a word beside a place in the numbers of the axes, shifted by pixels to the right and down."""
    x, y = made.at(*at)
    say(made.on, (x + shift[0], y + shift[1]), words, colour, align=align, big=big, longest=40)


def within(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)
