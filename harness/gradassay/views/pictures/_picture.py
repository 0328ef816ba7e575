"""What a page shows of a run: a picture, what it says in words, and its numbers as a table."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from gradassay.views._words import units


@dataclass(frozen=True)
class Table:
    """The very numbers of a picture, for whoever cannot see it or wants them."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Picture:
    """One question about a run, answered at a glance.

    Args:
        id: short, and the beginning of every id within `svg`.
        title: the question, or what is shown. Plain text, to be escaped by whoever shows it, as are `words`.
        words: one or two sentences that say what this run's picture shows; without one, why there is none.
        svg: inline SVG, one or several in a `<div class="panels">`, in colours that are variables of the page; empty
            where there is no picture.
        table: its numbers.
    """

    id: str
    title: str
    words: str
    svg: str
    table: Table


def absent(id: str, title: str, why: str) -> Picture:
    """Return the picture that cannot be made of a run, which says why."""
    return Picture(id, title, why, "", Table(()))


def noise(units_: float) -> str:
    """Noise units in words and in a picture: `0.6`, `1.2e+07`, `infinite`."""
    return units(units_) if isfinite(units_) else "infinite"


def told(figure: float | None) -> str:
    """A figure in a table: `0.62`, `4.1`, `1.2e+07`, `infinite`; nothing where there is none."""
    if figure is None:
        return ""
    if not isfinite(figure):
        return "infinite" if figure == inf else "not a number"
    return f"{figure:.3g}"
