"""The error of finite differences by step, as an SVG that stands alone."""

from __future__ import annotations

from collections.abc import Mapping

from reports._pages import light

from finite_differences import STEPS, Curve
from gradassay.views.pictures._groups import colours
from gradassay.views.pictures._style import (
    INK,
    MUTED,
    Axes,
    canvas,
    dots,
    figure,
    foot,
    say,
    strokes,
    within,
)
from gradassay.views.pictures._svg import svg

WIDE, TALL = 620, 380  # pixels
LEFT, TOP, RIGHT, BOTTOM = 46, 40, WIDE - 16, TALL - 62
LEAST, MOST = 1e-12, 10.0  # errors
TITLE = "Error of central differences against the certified gradient"


def drawn(curves: Mapping[str, Curve]) -> str:
    """Return a curve a dtype, measured as dots and expected as a line, with the best step of each."""
    on = figure(TALL, WIDE)
    say(on, (0, 14), TITLE, bold=True, big=13)
    made = Axes(on, (LEFT, TOP, RIGHT, BOTTOM), (STEPS[-1], STEPS[0]), (LEAST, MOST), log="xy")
    _grid(made)
    colour_of = colours(curves)
    for dtype, curve in curves.items():
        colour = colour_of[dtype]
        line = [(h, e) for h in STEPS if LEAST < (e := curve.expected(h)) < MOST]
        strokes(made, [line], colour, 1.2, alpha=0.5)
        dots(
            made,
            [(h, within(e, LEAST, MOST)) for h, e in zip(STEPS, curve.measured, strict=True)],
            colour,
            4.5,
        )
        x, y = made.at(curve.best, within(min(curve.measured), LEAST, MOST))
        best = f"{curve.best:.0e}".replace("e-0", "e-")
        say(on, (x - 14, y + 15), f"{dtype}: best step {best}", colour, align="right", bold=True)
    x, y = made.at(1e-6, 1.0)
    strokes(canvas(on), [[(x, TOP), (x, BOTTOM)]], MUTED, 1.2)
    say(on, (x + 5, TOP + 11), "1e-6: a tenth is noise in float32", MUTED)
    x, y = made.at(1e-10, 1.0)
    say(on, (x, y + 20), "float32: x + h is x, the difference 0", MUTED, align="center")
    foot(
        on,
        "dots: measured, LSTM(3, 4), 5 steps; lines: truncation h² + rounding / h, from Gradassay's noise scale",
    )
    return light(svg(on, "finite-differences", TITLE))


def _grid(made: Axes) -> None:
    plain = canvas(made.on)
    for power in range(-12, 0):
        x, _ = made.at(10.0**power, LEAST)
        strokes(plain, [[(x, BOTTOM), (x, TOP)]], MUTED, 0.6, alpha=0.3)
        say(made.on, (x, BOTTOM + 14), f"1e{power}", MUTED, align="center")
    for power in range(-12, 1, 2):
        _, y = made.at(STEPS[0], 10.0**power)
        strokes(plain, [[(LEFT, y), (RIGHT, y)]], MUTED, 0.6, alpha=0.3)
        say(made.on, (LEFT - 5, y + 4), f"1e{power}" if power else "1", MUTED, align="right")
    say(made.on, ((LEFT + RIGHT) / 2, BOTTOM + 30), "step h", INK, align="center")
    say(made.on, (LEFT, TOP - 8), "relative error of the gradient (norm)", INK)
