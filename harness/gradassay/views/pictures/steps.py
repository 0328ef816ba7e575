"""Does the error grow along a sequence: noise units from its first step to its last, for each backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median

from matplotlib.figure import Figure

from gradassay._limits import RMS_LIMIT
from gradassay._location import backend_of
from gradassay._record import Verdict
from gradassay.views._summary import Summary
from gradassay.views._words import count, printable, some, units
from gradassay.views.pictures._groups import colours, dtype_of
from gradassay.views.pictures._order import ordered
from gradassay.views.pictures._picture import Picture, absent, noise, told
from gradassay.views.pictures._runs import headed, headings, table
from gradassay.views.pictures._style import (
    BAD,
    INK,
    MUTED,
    PANELS,
    WIDE,
    Axes,
    figure,
    key,
    note,
    say,
    strokes,
    ticks,
    within,
)
from gradassay.views.pictures._svg import panels

ORDER = 20
ID, TITLE = "steps", "Does the error grow along a sequence?"
STEP = "step"
PROPERTIES = ("values", "gradients")
PLACES = 12  # along a sequence, whatever its length
SHORTEST = 3  # steps of a sequence that has a course
QUARTER = PLACES // 4
HEAD = ("backend", "property", "dtype", "sequences", *(f"{(place + 0.5) / PLACES:.0%}" for place in range(PLACES)))
LEAST, NEAR, FAR = 0.1, 10.0, 1000.0  # noise units at the edges; what is beyond is drawn there
GROWTH = 2.0  # from the first quarter of a sequence to its last, or back: more than that is said
COLUMNS = {"values": (36, 212), "gradients": (252, WIDE - 2)}
TOP, BOTTOM, HEIGHT = 42, 112, 136  # pixels


@dataclass(frozen=True)
class Course:
    """The median of sequences, of one property on one backend in one dtype."""

    backend: str
    of: str  # a property
    dtype: str
    tensors: tuple[str, ...]
    sequences: int
    places: tuple[float | None, ...]  # RMS in noise units, from the first step to the last

    @property
    def ends(self) -> tuple[float, float]:
        """The mean of the first quarter and of the last; 0 where nothing is held."""
        held = [[f for f in part if f is not None] for part in (self.places[:QUARTER], self.places[-QUARTER:])]
        first, last = (sum(f / len(end) for f in end) for end in held)
        return first, last

    @property
    def growth(self) -> float | None:
        """The last quarter by the first; none where one of them holds nothing, or no noise at all."""
        first, last = self.ends
        return last / first if first and last else None


def picture(summaries: Sequence[Summary]) -> Picture:
    """Return a panel for each backend and run: values at the left, gradients at the right, a line for each dtype."""
    runs = [_courses(summary) for summary in summaries]
    if not any(runs):
        return absent(ID, TITLE, _why(summaries))
    heads = headings(summaries)
    backends = dict.fromkeys(course.backend for courses in runs for course in courses)
    figures = [
        [
            (
                f"Noise units along sequences: {headed(backend, head)}",
                _panel(f"{backend}{f', {head}' if head else ''}", own),
            )
            for head, courses in zip(heads, runs, strict=True)
            if (own := [course for course in courses if course.backend == backend])
        ]
        for backend in list(backends)[:PANELS]
    ]
    words = [headed(_words(courses), head) for courses, head in zip(runs, heads, strict=True)]
    return Picture(
        ID, TITLE, " ".join(words), panels(ID, figures), table(HEAD, heads, (map(_row, courses) for courses in runs))
    )


def _why(summaries: Sequence[Summary]) -> str:
    if any(summary.header is not None and summary.header.format < 3 for summary in summaries):
        return "Runs of format 1 and 2 do not say how the noise is spread over the steps: verify again to see it."
    return f"No verdict on values or gradients is of a sequence of {SHORTEST} steps or more."


def _courses(summary: Summary) -> list[Course]:
    held: dict[tuple[str, str, str], list[Verdict]] = {}
    for v in summary.verdicts:
        whole = v.property in PROPERTIES and " of " not in v.tensor  # not what came along with another answer
        if whole and v.outcome in ("passed", "failed") and len(v.along.get(STEP, ())) >= SHORTEST:
            held.setdefault((backend_of(v.target), v.property, dtype_of(v.target)), []).append(v)
    found = []
    for (backend, of, dtype), verdicts in held.items():
        tensors = tuple(dict.fromkeys(v.tensor for v in verdicts))
        spread = [_spread(v.along[STEP]) for v in verdicts]
        figures = ([f for f in place if f is not None] for place in zip(*spread, strict=True))
        places = tuple(median(place) if place else None for place in figures)
        found.append(Course(backend, of, dtype, tensors, len(verdicts), places))
    return found


def _spread(figures: Sequence[float | None]) -> list[float | None]:
    """Return the figure of the step at each of as many places."""
    held = [figures[int((place + 0.5) / PLACES * len(figures))] for place in range(PLACES)]
    return [f if f is not None and isfinite(f) else None for f in held]


def _panel(title: str, courses: Sequence[Course]) -> Figure:
    on = figure(HEIGHT)
    say(on, (0, 13), title, bold=True, big=13, longest=30)
    dtypes = ordered(course.dtype for course in courses)
    key(on, (WIDE, 13), dtypes, align="right")
    largest = max((f for course in courses for f in course.places if f is not None), default=0.0)
    most = NEAR if largest <= NEAR else FAR
    for of, (left, right) in COLUMNS.items():
        own = [course for course in courses if course.of == of]
        made = Axes(on, (left, TOP, right, BOTTOM), (0, PLACES), (LEAST, most), log="y")
        ticks(made, "y", (0.1, 1.0, 10.0) if most == NEAR else (0.1, 1.0, 10.0, 100.0, 1000.0))
        names = some(list(dict.fromkeys(tensor for course in own for tensor in course.tensors)), 3)
        said = f"{of} of {names}" if own else f"{of}: no sequence"
        say(on, (left, TOP - 10), said, INK if own else MUTED, longest=30)
        say(on, (left, BOTTOM + 16), "first step", MUTED)
        say(on, (right, BOTTOM + 16), "last", MUTED, align="right")
        if most > NEAR:
            strokes(made, [((0, RMS_LIMIT), (PLACES, RMS_LIMIT))], BAD, 1)
            note(made, (PLACES, RMS_LIMIT), f"limit {RMS_LIMIT:g}", BAD, shift=(0, -3), align="right")
        beyond = max((f for course in own for f in course.places if f is not None), default=0.0)
        if beyond > most:
            note(made, (PLACES, most), f"up to {noise(beyond)}", BAD, shift=(0, 12), align="right")
        for dtype, colour in colours(dtypes).items():
            drawn = [line for course in own if course.dtype == dtype for line in _lines(course.places, most)]
            strokes(made, drawn, colour, 1.8, round_ends=True)
    return on


def _lines(places: Sequence[float | None], most: float) -> list[list[tuple[float, float]]]:
    """Return the lines between gaps."""
    lines: list[list[tuple[float, float]]] = [[]]
    for place, size in enumerate(places):
        if size is None:
            lines.append([])
        else:
            lines[-1].append((place + 0.5, within(size, LEAST, most)))
    return [line if len(line) > 1 else line * 2 for line in lines if line]


def _words(courses: Sequence[Course]) -> str:
    """Where the error changes along a sequence, or that it does not."""
    if not courses:
        return "No sequence."
    sequences = sum(course.sequences for course in courses)
    grown = [(g, course) for course in courses if (g := course.growth) is not None]
    beyond = [(g, c) for g, c in grown if not 1 / GROWTH <= g <= GROWTH]
    seen = f"over {count(sequences, 'sequence')} of {SHORTEST} steps or more"
    far = [c for c in courses if min(c.ends) > RMS_LIMIT]
    if far and not beyond:
        names = [f"{c.of} of {printable(c.backend, 40)}/{printable(c.dtype, 20)}" for c in far]
        return f"The error does not grow along sequences: it is beyond noise all along, in {some(names, 4)}; {seen}."
    if not beyond:
        range_ = f": by the last quarter it is {_span([g for g, _ in grown])} what it was in the first" if grown else ""
        return f"The error does not grow along sequences, {seen}{range_}."
    parts = [
        f"from {' to '.join(map(units, c.ends))} in {c.of} of {printable(c.backend, 40)}/{printable(c.dtype, 20)}"
        for g, c in sorted(beyond, key=lambda pair: -max(pair[0], 1 / pair[0]))
    ]
    return f"The error changes along sequences, from their first quarter to their last, {some(parts, 4)}; {seen}."


def _span(factors: Sequence[float]) -> str:
    low, high = min(factors), max(factors)
    return f"{low:.1f} to {high:.1f} times" if f"{low:.1f}" != f"{high:.1f}" else f"{low:.1f} times"


def _row(course: Course) -> tuple[str, ...]:
    names = printable(course.backend, 80), course.of, printable(course.dtype, 20)
    return *names, f"{course.sequences:,}", *map(told, course.places)
