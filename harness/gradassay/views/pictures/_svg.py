"""A figure as inline SVG: no header, date, font or colour of its own; text stays text, and foreign text is inert."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import matplotlib as mpl
from matplotlib.figure import Figure

from gradassay.views._words import printable

# Matplotlib draws with stand-ins; what is shown is the page's, light, dark or in print. None may be #000000, which
# Matplotlib leaves out as the default.
VARIABLES = ("ink", "paper", "muted", "good", "bad", "warn", *(f"c{number}" for number in range(1, 9)))
COLOUR = {name: f"#f0{number:02x}0f" for number, name in enumerate(VARIABLES)}
SERIES = [COLOUR[f"c{number}"] for number in range(1, 9)]

SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "gradassay", "path.simplify": False, "text.parse_math": False}
SIDE_BY_SIDE = "display:flex;flex-wrap:wrap;align-items:flex-start;gap:1.2rem 2rem"
SHOWN = "height:auto;overflow:visible;stroke-linejoin:round"
NAMESPACE = "{http://www.w3.org/2000/svg}"
STYLED = (
    *("opacity", "fill", "fill-opacity", "font-size", "font-weight", "text-anchor"),
    *("stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap"),
)
COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")
NUMBER = re.compile(r"-?\d+\.\d+")
FONT = re.compile(r"(?:(\d+) )?([\d.]+)px")
WRITTEN = re.compile(r"@([0-9a-f]*)@")


def written(text: str, longest: int = 80) -> str:
    """Return any text as a code in plain ASCII, which `svg` puts back: no font, `$` or `<` of it reaches Matplotlib."""
    return f"@{shortened(text, longest).encode().hex()}@"


def shortened(text: str, longest: int) -> str:
    """Return foreign text on one line, of a long one the beginning and the end."""
    text = printable(text if len(text) <= 4 * longest else text[: 2 * longest] + text[-2 * longest :], 8 * longest)
    half = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[: longest - half - 1]}…{text[len(text) - half :]}"


def svg(figure: Figure, id: str, title: str) -> str:
    """Return a figure as an `<svg>` that is as wide as there is room, up to its own width.

    Args:
        id: unique on the page.
        title: what a reader who cannot see it hears.
    """
    buffer = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(buffer.getvalue())
    width, height = (root.get("viewBox") or "").split()[2:]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="{id}-title" style="width:100%;max-width:{width}px;{SHOWN}">'
    )
    return f'{head}\n<title id="{id}-title">{escape(shortened(title, 200))}</title>\n{"".join(_drawn(root))}</svg>\n'


def panels(id: str, figures: Sequence[Sequence[tuple[str, Figure]]]) -> str:
    """Return titled figures side by side where there is room; those of one group stay beside each other."""
    numbers = count(1)
    groups = ["".join(svg(figure, f"{id}-{next(numbers)}", title) for title, figure in group) for group in figures]
    drawn = "".join(
        f'<div style="flex:1 1 100%;{SIDE_BY_SIDE}">\n{g}</div>\n' if len(f) > 1 else g
        for g, f in zip(groups, figures, strict=True)
    )
    return f'<div class="panels" style="{SIDE_BY_SIDE}">\n{drawn}</div>\n'


def _drawn(root: ElementTree.Element) -> Iterator[str]:
    """Paths and texts alone: groups, definitions and metadata say nothing here."""
    for element in root.iter():
        if element.tag == f"{NAMESPACE}path":
            style = _style(element)
            if "fill:none" not in style or "stroke:" in style:
                yield f'<path d="{_shape(element.get("d", ""))}" style="{style}"/>\n'
        elif element.tag == f"{NAMESPACE}text":
            turned = element.get("transform", "")
            turn = "" if turned.startswith("rotate(-0") else f" transform={quoteattr(_rounded(turned))}"
            at = f'x="{_rounded(element.get("x", "0"))}" y="{_rounded(element.get("y", "0"))}"'
            yield f'<text {at}{turn} style="{_style(element)}">{_words(element.text or "")}</text>\n'


def _style(element: ElementTree.Element) -> str:
    """Return the style of an element, with the page's colours, and the page's font in the size that was asked for."""
    told = dict(part.split(": ", 1) for part in element.get("style", "").split("; ") if part)
    kept = {name: value for name, value in told.items() if name in STYLED}
    if found := FONT.match(told.get("font", "")):  # older Matplotlib writes one property for all
        kept |= {"font-size": f"{found[2]}px"} | ({"font-weight": found[1]} if found[1] else {})
    if kept.get("fill") == "none":
        kept.pop("fill-opacity", None)
    style = ";".join(f"{name}:{value}" for name, value in kept.items())
    for name, colour in COLOUR.items():
        style = style.replace(colour, f"var(--{name})")
    return style


def _shape(path: str) -> str:
    """Return a path in few characters: a tenth of a pixel, and horizontal and vertical lines by their one number."""
    parts: list[str] = []
    x = y = ""
    for letter, text in COMMAND.findall(path):
        numbers = [_rounded(number) for number in text.split()]
        if letter == "L":
            a, b = numbers
            parts.append(f"V{b}" if a == x and b != y else f"H{a}" if b == y else f"L{a} {b}")
        else:
            parts.append(letter + " ".join(numbers))
        x, y = numbers[-2:] if numbers else ("", "")
    return "".join(parts)


def _rounded(text: str) -> str:
    """Return text with its decimal fractions to a tenth."""

    def tenth(found: re.Match[str]) -> str:
        return f"{round(float(found.group()), 1) + 0.0:.1f}".removesuffix(".0")  # adding 0.0 makes a zero of -0.0

    return NUMBER.sub(tenth, text)


def _words(text: str) -> str:
    return WRITTEN.sub(lambda found: escape(bytes.fromhex(found[1]).decode()), escape(text))
