"""Two runs side by side as annotations of a GitHub workflow, which shows at most ten of each kind in a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradassay.runs._diff import Diff
from gradassay.views._alike import Entry
from gradassay.views._regressions import Section, fair_line, sections, sentence
from gradassay.views._words import printable

SHOWN = 10


def annotate(diff: Diff) -> Iterator[str]:
    """Yield workflow commands: what regressed as errors, what drifted beyond a fair comparison as warnings.

    Nothing else is printed but the last line, which holds no foreign text: GitHub obeys commands anywhere in a log.
    """
    found = sections(diff)
    for section, entry in _first([section for section in found if section.bad]):
        yield command("error", f"Gradassay: {section.name.lower()}", _told(entry, section))
    for reason in diff.whole[:1]:
        yield command("error", "Gradassay: the run as a whole", printable(reason))
    for section, entry in _first([s for s in found if s.name in ("Drifted", "Waived") and not s.bad]):
        yield command("warning", f"Gradassay: {section.name.lower()}", _told(entry, section))
    if not diff.fair.fair:
        yield command("notice", "Gradassay: was it fair?", fair_line(diff))
    yield sentence(diff)


def command(kind: str, title: str, message: str) -> str:
    """Return a workflow command, with what would end it or its title escaped."""
    return f"::{kind} title={_property(title)}::{_data(message)}"


def _told(entry: Entry, section: Section) -> str:
    said = entry.how or section.alike
    how = f"\n{said}" if said else ""
    replay = f"\nreplay: {entry.replay}" if entry.replay else ""
    return f"{entry.number:,} of {entry.what}{how}{replay}"


def _first(held: Sequence[Section]) -> list[tuple[Section, Entry]]:
    """Return as many entries as are shown, the first of every section before the second of any."""
    every = [(rank, number) for number, section in enumerate(held) for rank in range(len(section.entries))]
    shown = sorted(sorted(every)[: SHOWN - 1], key=lambda one: (one[1], one[0]))
    return [(held[number], held[number].entries[rank]) for rank, number in shown]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
