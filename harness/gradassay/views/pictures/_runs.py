"""What several runs differ in, in a few words: the heading of each where they stand side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from string import ascii_uppercase

from gradassay._record import Header
from gradassay.views._summary import Summary
from gradassay.views._words import some
from gradassay.views.pictures._picture import Table
from gradassay.views.pictures._svg import shortened

MOST = 2  # differences that a heading names


def headings(summaries: Sequence[Summary]) -> list[str]:
    """Return a heading for each run: `A (torch 2.12.0)` and `B (torch 2.13.0)`, say; an empty one for a run alone."""
    if len(summaries) < 2:
        return [""] * len(summaries)
    letters = [ascii_uppercase[n] if n < len(ascii_uppercase) else f"run {n + 1}" for n in range(len(summaries))]
    for facts in zip(*(_facts(summary.header) for summary in summaries), strict=True):
        names = dict.fromkeys(name for fact in facts for name in fact if all(name in other for other in facts))
        differing = [name for name in names if len({fact[name] for fact in facts}) > 1]
        said = [some([shortened(f"{name} {fact[name]}", 30) for name in differing], MOST) for fact in facts]
        if len(set(said)) == len(said):
            return [f"{name} ({words})" for name, words in zip(letters, said, strict=True)]
    return letters


def headed(words: str, head: str) -> str:
    """Put the heading of a run, if it has one, before words."""
    return f"{head}: {words}" if head else words


def table(head: tuple[str, ...], heads: Sequence[str], runs: Iterable[Iterable[tuple[str, ...]]]) -> Table:
    """Return the rows of all runs, each after its run's heading where there are several."""
    if len(heads) < 2:
        return Table(head, tuple(row for rows in runs for row in rows))
    return Table(("run", *head), tuple((run, *row) for run, rows in zip(heads, runs, strict=True) for row in rows))


def _facts(header: Header | None) -> Iterator[dict[str, str]]:
    """What may tell a run from another, the likeliest first."""
    yield {} if header is None else {p: version for own in header.versions.values() for p, version in own.items()}
    yield {} if header is None else {"gradassay": header.gradassay, **header.machine}
    yield {} if header is None else {"commit": header.commit[:10]}
    yield {} if header is None else {"of": header.started.removesuffix("+00:00")}
