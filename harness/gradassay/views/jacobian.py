"""A Jacobian between two sequences as one SVG: the map of its blocks, their decay, and their singular values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor, hypot, log10
from typing import TYPE_CHECKING

import numpy as np

from gradassay._errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gradassay._spec import Array
    from gradassay.jacobians import StepBlocks
    from gradassay.views.pictures._style import Axes, Box

MOST = 48  # blocks along a side that are drawn; of more, several are drawn as one
LEVELS, FAINTEST = 12, 0.08  # of a colour; opacity of the smallest block that is not 0
DECADES = 12  # of a logarithmic axis: what is smaller is left out
WIDTH, HEIGHT, SIDE, TOP = 900, 324, 220, 56  # pixels
# The page's colours, where there is no page: in light, and in dark.
PALETTE = {
    "ink": ("#1b2126", "#e3e7ea"),
    "paper": ("#fdfdfb", "#14171a"),
    "muted": ("#58626c", "#9ba6b0"),
    "bad": ("#b3261e", "#ff8f86"),
    "c1": ("#0067a8", "#56b4e9"),
    "c2": ("#a34800", "#e69f00"),
}


def svg_of(blocks: StepBlocks, title: str) -> str:
    """Return a picture that stands alone: a file that a browser, or a page of Markdown, shows in light and in dark.

    Raises:
        UsageError: if Matplotlib is not installed, or there are no blocks.
    """
    if not (blocks.out_steps and blocks.into_steps):
        raise UsageError(f"{title} has no steps on one side: there is nothing to draw")
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise UsageError("pictures need Matplotlib, which is not installed: pip install 'gradassay[report]'") from error
    from gradassay.views.pictures._svg import svg

    with mpl.rc_context():
        mpl.rcdefaults()  # what somebody set up for pictures of their own is no part of ours
        drawn = svg(_figure(blocks, title), "jacobian", title)
    head, rest = drawn.split("\n", 1)
    light, dark = (";".join(f"--{name}:{both[k]}" for name, both in PALETTE.items()) for k in (0, 1))
    look = "font-family:system-ui,sans-serif;background:var(--paper)"
    style = f"<style>svg{{{light};{look}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    return f"{head}\n{style}\n{rest}"


def _figure(blocks: StepBlocks, title: str) -> Figure:
    from gradassay.views.pictures._style import INK, MUTED, figure, say

    on = figure(HEIGHT, WIDTH)
    say(on, (12, 22), title, INK, bold=True, big=14, longest=100)
    norms = blocks.norms()
    _map(on, (46, TOP, 46 + SIDE, TOP + SIDE), blocks, norms)
    lags = np.subtract.outer(np.array(blocks.out_steps), np.array(blocks.into_steps))
    extremes = blocks.singular_values()
    _curves(on, (336, TOP, 576, TOP + SIDE), "norm of a block, by t - s", lags, [("", norms)])
    both = [("largest", extremes.largest), ("smallest", extremes.smallest)]
    _curves(on, (642, TOP, 882, TOP + SIDE), "singular values of a block, by t - s", lags, both)
    say(
        on,
        (336, HEIGHT - 10),
        "thick: median over all pairs of steps t - s apart; thin: the smallest and the largest",
        MUTED,
        big=10,
        longest=120,
    )
    return on


def _map(on: Figure, box: Box, blocks: StepBlocks, norms: Array) -> None:
    from gradassay.views.pictures._style import MUTED, Axes, boxes, canvas, say, strokes
    from gradassay.views.pictures._svg import COLOUR

    left, top, right, bottom = box
    pooled = _pooled(norms)
    rows, columns = pooled.shape
    made = Axes(on, box, (0, columns), (rows, 0))
    say(on, (left, top - 10), "norms of the blocks", MUTED)
    strokes(made, [((0, 0), (columns, 0), (columns, rows), (0, rows), (0, 0))], MUTED, 0.6)
    sizes = pooled[pooled > 0]
    low, high = (log10(float(sizes.min())), log10(float(sizes.max()))) if sizes.size else (0.0, 0.0)
    low = max(low, high - DECADES)
    cells: dict[int, list[Box]] = {}
    for r, c in zip(*np.nonzero(pooled), strict=True):
        share = (log10(float(pooled[r, c])) - low) / (high - low) if high > low else 1.0
        cells.setdefault(round(max(share, 0.0) * (LEVELS - 1)), []).append((c, r + 1, c + 1, r))
    for level, found in sorted(cells.items()):
        boxes(made, found, COLOUR["c1"], alpha=_alpha(level))
    for edge, words, align in ((left, blocks.into_steps[:1], "left"), (right, blocks.into_steps[-1:], "right")):
        say(on, (edge, bottom + 13), "".join(map(str, words)), MUTED, align="left" if align == "left" else "right")
    say(on, ((left + right) / 2, bottom + 13), f"{blocks.into} step s", MUTED, longest=26, align="center")
    for edge, words in ((top + 9, blocks.out_steps[:1]), (bottom, blocks.out_steps[-1:])):
        say(on, (left - 5, edge), "".join(map(str, words)), MUTED, align="right")
    say(on, (left - 8, (top + bottom) / 2), f"{blocks.out} step t", MUTED, longest=26, align="center", turned=True)
    start, plain = left + 52, canvas(on)
    say(on, (start - 4, bottom + 34), f"{10**low:.2g}", MUTED, align="right")
    for level in range(LEVELS):
        boxes(
            plain,
            [(start + 8 * level, bottom + 34, start + 8 * level + 8, bottom + 25)],
            COLOUR["c1"],
            alpha=_alpha(level),
        )
    say(on, (start + 8 * LEVELS + 4, bottom + 34), f"{10**high:.2g}; blank: exactly 0", MUTED)


def _curves(on: Figure, box: Box, words: str, lags: Array, found: Sequence[tuple[str, Array]]) -> None:
    """Draw medians, least and most by lag, on a logarithmic axis."""
    from gradassay.views.pictures._style import MUTED, Axes, say, strokes
    from gradassay.views.pictures._svg import COLOUR

    left, top, right, bottom = box
    say(on, (left - 30, top - 10), words, MUTED, longest=60)
    some = np.unique(lags[lags >= 0])
    positive = np.concatenate([sizes[(lags >= 0) & (sizes > 0)] for _, sizes in found]) if len(some) else np.array([])
    if not positive.size:
        say(on, ((left + right) / 2, (top + bottom) / 2), "nothing depends", MUTED, align="center")
        return
    high = ceil(log10(float(positive.max())) + 1e-9)
    low = max(floor(log10(float(positive.min()))), high - DECADES)
    least = 10.0 ** min(low, high - 1)
    span = (float(some[0]) - 0.5, float(some[-1]) + 0.5)
    made = Axes(on, box, span, (least, 10.0**high), "y")
    _grid(made, some, low, high)
    for number, (name, sizes) in enumerate(found):
        colour = COLOUR[f"c{number + 1}"]
        chosen: tuple[Callable[[Array], float], ...] = (np.median, np.min, np.max)
        for statistic, width in zip(chosen, (2.0, 0.8, 0.8), strict=True):
            curve = [(float(lag), float(statistic(sizes[lags == lag]))) for lag in some]
            strokes(made, _unbroken(curve, least), colour, width, round_ends=True)
        if name:
            say(on, (right - 4, top + 14 + 14 * number), name, colour, align="right", bold=True)


def _grid(made: Axes, lags: Array, low: int, high: int) -> None:
    from gradassay.views.pictures._style import MUTED, canvas, say, strokes

    left, _, right, bottom = made.box
    say(made.on, (right - 46, bottom + 13), "t - s", MUTED, align="right")
    step = max(1, ceil((high - low) / 6))
    for power in range(low, high + 1, step):
        _, y = made.at(made.x[0], 10.0**power)
        strokes(canvas(made.on), [((left, y), (right, y))], MUTED, 0.6, alpha=0.3)
        say(made.on, (left - 4, y + 4), f"1e{power}" if power else "1", MUTED, align="right")
    for lag in sorted({int(lags[0]), int(lags[len(lags) // 2]), int(lags[-1])}):
        x, _ = made.at(float(lag), made.y[1])
        say(made.on, (x, bottom + 13), str(lag), MUTED, align="center")


def _unbroken(curve: Sequence[tuple[float, float]], least: float) -> list[list[tuple[float, float]]]:
    """Return the parts of a curve that a logarithmic axis can show; a single point becomes a dot."""
    parts: list[list[tuple[float, float]]] = [[]]
    for lag, size in curve:
        if size >= least:
            parts[-1].append((lag, size))
        elif parts[-1]:
            parts.append([])
    return [part if len(part) > 1 else [part[0], part[0]] for part in parts if part]


def _pooled(norms: Array) -> Array:
    """Return at most `MOST` rows and columns; the norm of several blocks is that of their norms."""
    down, across = (max(1, ceil(size / MOST)) for size in norms.shape)
    rows = range(0, norms.shape[0], down)
    columns = range(0, norms.shape[1], across)
    return np.array([[hypot(*norms[r : r + down, c : c + across].ravel()) for c in columns] for r in rows])


def _alpha(level: int) -> float:
    return FAINTEST + (1 - FAINTEST) * level / (LEVELS - 1)
