"""How numbers, counts and foreign text are written, in every view."""

from __future__ import annotations

from collections.abc import Mapping

from gradassay._location import backend_of
from gradassay._record import Verdict

LONGEST = 600  # characters of one line of foreign text, where nothing else is said


def printable(text: str, longest: int = LONGEST) -> str:
    """Return foreign text on one line, with control and direction characters as escapes: shown, never obeyed."""
    if len(text) > longest:
        text = f"{text[:longest]}... ({len(text) - longest:,} characters more)"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def several_lines(text: str, most: int = 8) -> list[str]:
    """Return foreign text line by line; of a long one the first line and the last, where a traceback says what."""
    lines = [printable(line) for line in text.splitlines() if line.strip()]
    if len(lines) <= most:
        return lines
    return [lines[0], f"({len(lines) - most:,} more lines in the record)", *lines[1 - most :]]


def count(number: int, noun: str, many: str = "") -> str:
    """`1 verdict`, `1,234 verdicts`."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def units(z: float | None) -> str:
    """A number of noise units: `3.1`, `57`, `1.2e+08`; `-` when there is none."""
    if z is None:
        return "-"
    size = abs(z)
    if size >= 1e5:
        return f"{z:.1e}"
    return f"{z:,.1f}" if size < 100 else f"{z:,.0f}"


def seconds(time: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if time < 9.95:
        return f"{time:.1f} s"
    whole = round(time)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def place(where: Mapping[str, str]) -> str:
    """`layer 1, direction reverse, gate f, unit 3`."""
    return ", ".join(f"{printable(name)} {printable(value)}" for name, value in where.items())


def case(verdict: Verdict) -> str:
    """The case, with its suite in front once; a verdict without one is about all of them."""
    if not verdict.case:
        return "every case"
    name = verdict.case if verdict.case.startswith(f"{verdict.suite}/") else f"{verdict.suite}/{verdict.case}"
    return printable(name)


def some(names: list[str], most: int) -> str:
    """`a, b, c`, or `a, b and 5 more`."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def grouped(targets: list[str]) -> str:
    """Targets in few words: each of a backend's when there are at most two, else `torch (12 targets)`."""
    backends: dict[str, list[str]] = {}
    for target in dict.fromkeys(targets):
        backends.setdefault(backend_of(target), []).append(printable(target))
    words = (
        ", ".join(own) if len(own) <= 2 else f"{printable(backend)} ({len(own)} targets)"
        for backend, own in backends.items()
    )
    return ", ".join(words)
