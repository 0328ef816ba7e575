"""Several runs on one page: in what they differ, and what moved on each target."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradassay._record import Header, Record
from gradassay.runs._diff import diff
from gradassay.runs._told import Told
from gradassay.views._regressions import fair_line, sentence
from gradassay.views._summary import FAILING, Summary
from gradassay.views._words import printable, some, units
from gradassay.views.html._matrix import FIGURED, Cell, Matrix, Target

MOVED = 2.0  # the largest noise units moved when they grew or shrank by this factor,
AT_LEAST = 1.0  # and by this many
SHOWN = 6
KINDS = {"worse": "worse", "better": "better", "other": "not asked the same", "same": "the same"}  # the first first
RANK = {"passed": 0, "not applicable": 0, "skipped": 1, "blind": 1, "waived": 2, "failed": 3, "errored": 3}


@dataclass(frozen=True)
class Change:
    """One target in every run, and what became of it from the first that has it to the last."""

    target: str
    cells: tuple[Cell | None, ...]
    words: str
    kind: str  # one of `KINDS`

    @property
    def reached(self) -> bool:
        """Whether anything of it ran, in any of the runs."""
        return any(cell and set(cell.outcomes) - {"skipped", "not applicable"} for cell in self.cells)


def differing(summaries: Sequence[Summary]) -> list[tuple[str, tuple[str, ...]]]:
    """Return (name, its value in each run) of every version and circumstance that is not the same in all."""
    told = [dict(_circumstances(s.header)) if s.header else {} for s in summaries]
    names = dict.fromkeys(name for one in told for name in one)
    rows = [(name, tuple(one.get(name, "-") for one in told)) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def _circumstances(header: Header) -> Iterator[tuple[str, str]]:
    for backend, versions in header.versions.items():
        yield from ((f"{printable(backend)}: {printable(k)}", printable(v)) for k, v in versions.items())
    yield from ((printable(name), printable(value)) for name, value in header.machine.items())
    yield from ((f"spec {printable(name)}", printable(version)) for name, version in header.specs.items())
    yield "suites", printable(", ".join(header.suites))
    yield "limits", printable(header.limits)
    yield "gradassay", printable(header.gradassay or "not recorded")
    yield "commit", printable(header.commit or "-")
    yield "started", printable(header.started)


def verdicts(summaries: Sequence[Summary], letters: Sequence[str]) -> Iterator[str]:
    """Yield what `gradassay diff` says of the first run and the last, then of each run and the next."""
    last = len(summaries) - 1
    steps = [(n, n + 1) for n in range(last)]
    for a, b in dict.fromkeys([(0, last), *steps]):
        yield f"{letters[a]} to {letters[b]}: {_verdict(summaries[a], summaries[b], letters[a], letters[b])}"


def _verdict(base: Summary, new: Summary, a: str, b: str) -> str:
    """Say whether it is fair to compare two runs, and what it comes to, by the letters of the page."""
    if not all(one.header and one.verdicts for one in (base, new)):
        return "one of them holds no verdict: there is nothing to compare."
    found = diff(Told.of(_records(base)), Told.of(_records(new)))
    named = {"BASE": a, "NEW": b}
    return re.sub(r"\b(BASE|NEW)\b", lambda match: named[match[0]], f"{fair_line(found)}. {sentence(found)}.")


def _records(summary: Summary) -> Iterator[Record]:
    ends: tuple[Record | None, ...] = (summary.header, summary.footer)
    yield from (one for one in ends if one is not None)
    yield from summary.drawn
    yield from summary.verdicts
    yield from summary.causes


def changes(matrices: Sequence[Matrix]) -> list[Change]:
    by_name = [{target.name: target for target in one.targets} for one in matrices]
    names = dict.fromkeys(name for one in by_name for name in one)
    return [_change(name, [one.get(name) for one in by_name]) for name in names]


def _change(name: str, targets: Sequence[Target | None]) -> Change:
    first, last = targets[0], targets[-1]
    cells = tuple(target.all if target else None for target in targets)
    if first is None or first.all is None or last is None or last.all is None:
        if last is None or last.all is None:
            return Change(name, cells, "not in the last run", "other")
        bad = last.all.outcome in FAILING
        return Change(name, cells, f"new, and {last.all.outcome}" if bad else "new", "other")
    told: dict[tuple[str, str], list[str]] = {}  # (kind, how it changed) -> properties
    for key in dict.fromkeys([*first.cells, *last.cells]):
        if change := _became(first.cells.get(key), last.cells.get(key)):
            told.setdefault(change, []).append(printable(key))
    ranked = sorted(told, key=lambda change: list(KINDS).index(change[0]))
    words = "; ".join(f"{some(told[change], SHOWN)}: {change[1]}" for change in ranked)
    return Change(name, cells, words or "same", ranked[0][0] if ranked else "same")


def _became(before: Cell | None, after: Cell | None) -> tuple[str, str] | None:
    """Say of one property whether it is better or worse, and how; nothing, where it stands as it stood."""
    if before is None or after is None:
        return "other", "new" if before is None else "no longer asked"
    if before.outcome != after.outcome:
        change = RANK[after.outcome] - RANK[before.outcome]
        kind = "worse" if change > 0 else "better" if change < 0 else "other"
        return kind, f"{before.outcome}, now {after.outcome}"
    if before.outcome in FIGURED and (moved := _moved(before, after)):
        return "worse" if moved > 0 else "better", f"{units(before.worst.max)}, now {units(after.worst.max)}"
    return None


def _moved(before: Cell, after: Cell) -> int:
    a, b = before.worst.max or 0.0, after.worst.max or 0.0
    if abs(a - b) < AT_LEAST or max(a, b) < MOVED * min(a, b):
        return 0
    return 1 if b > a else -1
