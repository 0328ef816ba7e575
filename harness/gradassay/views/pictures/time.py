"""Where the time went: frameworks, truth, noise and harness; then the frameworks' by mode and by property."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from gradassay.views._summary import Summary
from gradassay.views._words import printable, seconds
from gradassay.views.pictures._groups import colours, dtype_of, group_of
from gradassay.views.pictures._picture import Picture, absent
from gradassay.views.pictures._runs import headed, headings, table
from gradassay.views.pictures._style import INK, MUTED, WIDE, Axes, boxes, figure, foot, key, say
from gradassay.views.pictures._svg import SERIES, panels

ORDER = 60
ID, TITLE = "time", "Where the time went"
ENDLESS = 1e9  # seconds, which no run takes
SHOWN = 14  # bars; what is left is one more
HEAD = ("what", "of", "dtype", "seconds")
LEFT, RIGHT = 164, WIDE - 66  # pixels
TOP, ROW, BAR, FOOT, KEY = 44, 17, 11, 24, 18
READ = {
    "Frameworks by mode": "not of a verdict: starting, and diagnosis of what failed",
    "Frameworks by property": "what several properties ask alike counts for the first that asks",
}
REST = "not of a verdict (starting, diagnosis)"
LEAST = 0.05  # seconds, of what rounds to any

Bars = Mapping[str, Mapping[str, float]]  # what a bar is of -> its parts -> seconds


@dataclass(frozen=True)
class Spent:
    """Seconds of one run: all of them, and those of the frameworks by mode and by property; the most first."""

    all: Bars
    modes: Bars
    properties: Bars
    elapsed: float | None
    rest: float = 0.0  # of the frameworks, and of no verdict

    @classmethod
    def of(cls, summary: Summary) -> Spent:
        modes: dict[str, dict[str, float]] = {}
        properties: dict[str, dict[str, float]] = {}
        for v in summary.verdicts:
            if 0 < v.seconds < ENDLESS:
                dtype = dtype_of(v.target)
                for held, name in ((modes, group_of(v.target)), (properties, v.property or "starting")):
                    parts = held.setdefault(name, {})
                    parts[dtype] = parts.get(dtype, 0.0) + v.seconds
        if summary.footer is None:
            return cls({}, _ranked(modes), _ranked(properties), None)
        spent = summary.footer.seconds
        named = {"frameworks": spent.framework, "truth": spent.truth, "noise": spent.noise, "harness": spent.harness}
        whole = {name: {"": time} for name, time in named.items() if 0 < time < ENDLESS}
        elapsed = summary.footer.elapsed if 0 <= summary.footer.elapsed < ENDLESS else None
        rest = spent.framework - sum(map(total, modes.values()))
        return cls(
            _ranked(whole), _ranked(modes), _ranked(properties), elapsed, rest if LEAST < rest < ENDLESS else 0.0
        )

    @property
    def figures(self) -> dict[str, Bars]:
        rest = {REST: {"": self.rest}} if self.rest else {}
        parts = {"Frameworks by mode": self.modes, "Frameworks by property": self.properties}
        named = {"All": self.all} | {name: {**bars, **rest} for name, bars in parts.items() if bars}
        return {name: bars for name, bars in named.items() if bars}


def picture(summaries: Sequence[Summary]) -> Picture:
    """Return panels of bars, those of the runs side by side."""
    runs = [Spent.of(summary) for summary in summaries]
    if not any(run.figures for run in runs):
        return absent(ID, TITLE, "No time was recorded: the run stopped before its end, and nothing answered.")
    heads = headings(summaries)
    names = dict.fromkeys(name for run in runs for name in run.figures)
    figures = [
        [
            (
                f"Seconds, {headed(name.lower(), head)}",
                _panel(headed(name, head), run.figures[name], _read(name, run)),
            )
            for run, head in zip(runs, heads, strict=True)
            if name in run.figures
        ]
        for name in names
    ]
    words = [headed(_words(run), head) for run, head in zip(runs, heads, strict=True)]
    return Picture(ID, TITLE, " ".join(words), panels(ID, figures), table(HEAD, heads, map(_rows, runs)))


def _read(name: str, spent: Spent) -> str:
    return READ.get(name, "") if spent.rest or name != "Frameworks by mode" else ""


def _ranked(bars: Bars) -> Bars:
    return {name: bars[name] for name in sorted(bars, key=lambda name: (-total(bars[name]), name))}


def total(parts: Mapping[str, float]) -> float:
    return sum(parts.values())


def _panel(head: str, bars: Bars, read: str) -> Figure:
    ranked = [name for name in bars if name != REST]
    shown = {name: bars[name] for name in ranked[:SHOWN]}
    if rest := [bars[name] for name in ranked[SHOWN:]]:
        left = dict.fromkeys(dtype for parts in rest for dtype in parts)
        shown[f"{len(rest)} others"] = {dtype: sum(parts.get(dtype, 0.0) for parts in rest) for dtype in left}
    shown |= {REST: bars[REST]} if REST in bars else {}
    dtypes = dict.fromkeys(dtype for parts in shown.values() for dtype in parts if dtype)
    colour = colours(dtypes) | {"": MUTED if dtypes else SERIES[0]}
    top = TOP if len(dtypes) > 1 else TOP - KEY
    bottom = top + ROW * len(shown)
    on = figure(bottom + FOOT)
    foot(on, read)
    say(on, (0, 13), head, bold=True, big=13, longest=46)
    key(on, (0, 32), list(dtypes))
    longest = max(total(parts) for parts in shown.values())
    made = Axes(on, (LEFT, top, RIGHT, bottom), (0, longest or 1.0), (bottom, top))
    for number, (name, parts) in enumerate(shown.items()):
        y = top + ROW * number + ROW / 2
        say(on, (0, y + 4), "not of a verdict" if name == REST else name, INK, longest=27)
        start = 0.0
        for dtype, own in colour.items():
            time = parts.get(dtype, 0.0)
            boxes(made, [(start, y + BAR / 2, start + time, y - BAR / 2)] if time else [], own)
            start += time
        at = LEFT + (RIGHT - LEFT) * start / (longest or 1.0)
        say(on, (at + 5, y + 4), seconds(start), MUTED)
    return on


def _words(spent: Spent) -> str:
    """How long it took, what took the most, and who."""
    parts = []
    if spent.elapsed is not None:
        parts.append(f"The run took {seconds(spent.elapsed)}.")
    if spent.all:
        whole = sum(map(total, spent.all.values()))
        shares = ", ".join(f"{name} {total(time) / whole:.0%}" for name, time in spent.all.items())
        parts.append(f"Of {seconds(whole)} of work, which may have been side by side: {shares}.")
    for bars, what in ((spent.modes, "mode"), (spent.properties, "property")):
        if bars:
            name, time = next(iter(bars.items()))
            whole = sum(map(total, bars.values()))
            parts.append(
                f"The costliest {what} is {printable(name, 60)}: {seconds(total(time))}, {total(time) / whole:.0%}."
            )
    return " ".join(parts) or "No time was recorded."


def _rows(spent: Spent) -> Iterator[tuple[str, ...]]:
    for what, bars in spent.figures.items():
        for name, parts in bars.items():
            for dtype, time in parts.items():
                yield what, printable(name, 80), printable(dtype, 20), f"{time:.2f}"
