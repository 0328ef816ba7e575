"""Lines of a plain-text view: a style, a wrap at words, and escapes for what the console's encoding lacks."""

from __future__ import annotations

from textwrap import wrap
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

HEAD, WELL, BAD = "bold", "bold green", "bold red"
COLOURS = {
    "passed": "green",
    "failed": "bold red",
    "waived": "yellow",
    "blind": "yellow",
    "errored": "bold magenta",
    "skipped": "dim",
}
ASCII = str.maketrans({"±": "+/-"})  # what the views themselves write beyond ASCII


class Line(NamedTuple):
    """A line before it is wrapped; what does not fit goes on below, `hang` columns in."""

    text: str
    style: str = ""
    hang: int = 4
    unbroken: bool = False  # to be copied: a terminal may wrap it, we do not


def print_line(console: Console, line: Line) -> None:
    """Print a line as it stands; what the console's encoding lacks becomes an escape."""
    text = line.text
    if console.options.ascii_only:
        text = text.translate(ASCII).encode("ascii", "backslashreplace").decode()
    width = max(console.width, 40)
    if line.unbroken or len(text) <= width:
        broken = [text]
    else:
        broken = wrap(text, width, subsequent_indent=" " * line.hang, break_on_hyphens=False)
    for part in broken:
        console.print(Text(part, style=line.style), soft_wrap=True)
