"""Two runs side by side: on a terminal, or as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from gradassay.runs._diff import Diff
from gradassay.views._lines import BAD, HEAD, WELL, Line, print_line
from gradassay.views._regressions import (
    Section,
    compared_line,
    fair_line,
    figures_line,
    sections,
    sentence,
    unasked_line,
)
from gradassay.views._words import printable, some
from gradassay.views.markdown import escape

WARN = "yellow"
QUIET = "dim"


def render(diff: Diff, console: Console) -> None:
    """Write whether the comparison was fair, what changed, the worst first, and one sentence."""
    whole = not console.is_terminal  # a line is one line in a file or a pipe, so that `head -1` and `tail -1` have it
    print_line(console, Line(fair_line(diff), "" if diff.fair.comparable else WARN, 2, unbroken=whole))
    print_line(console, Line(compared_line(diff), "", 2))
    for quiet in filter(None, (figures_line(diff), unasked_line(diff))):
        print_line(console, Line(quiet, QUIET, 2))
    print_line(console, Line(""))
    for section in sections(diff):
        for line in _section(section):
            print_line(console, line)
        print_line(console, Line(""))
    for reason in diff.whole:
        print_line(console, Line(f"The run as a whole: {printable(reason)}", "red", 2))
    print_line(console, Line(sentence(diff), BAD if diff.regressed else WELL, 2, unbroken=whole))


def _section(section: Section) -> Iterator[Line]:
    yield Line(section.title, HEAD)
    for entry in section.entries:
        yield Line(f"{entry.number:>7,}  {entry.what}", "red" if section.bad else "", 9)
        if entry.how:
            yield Line(f"         {entry.how}", "", 9)
    if section.more:
        yield Line(f"         {section.more}")
    if section.alike:
        yield Line(f"  all    {section.alike}", "", 9)
    for number, why in enumerate(section.why):
        yield Line(f"  {'' if number else 'why':7}{why}", "", 9)
    if section.replay:
        yield Line(f"  replay {section.replay}", "", 9, unbroken=True)


def markdown(diff: Diff, title: str = "Gradassay: two runs compared") -> str:
    """Return it as Markdown: the sentence first, then whether it was fair, then what changed."""
    lines = [f"## {escape(title)}", "", f"**{escape(sentence(diff))}**", ""]
    told = (fair_line(diff), compared_line(diff), figures_line(diff), unasked_line(diff))
    lines += [f"- {escape(line)}" for line in told if line]
    if diff.whole:
        lines.append(f"- The run as a whole: {escape(some(list(diff.whole), 5))}")
    for section in sections(diff):
        lines += ["", f"### {escape(section.title)}", ""]
        for entry in section.entries:
            how = f": {escape(entry.how)}" if entry.how else ""
            lines.append(f"- {entry.number:,}: **{escape(entry.what)}**{how}")
        lines += [f"- {escape(section.more)}"] if section.more else []
        lines += [f"- all of them: {escape(section.alike)}"] if section.alike else []
        lines += [f"- why: {escape(why)}" for why in section.why]
        lines += ["", "```", section.replay.replace("```", "'''"), "```"] if section.replay else []
    return "\n".join(lines) + "\n"
