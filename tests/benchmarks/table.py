"""The table of what was measured, from the records: `cd tests && python -m benchmarks.table` writes it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.rows import FOLDER, GOALS, Bench, Entry, Goal, read

MAGNITUDES = ((1.0, "s", 1.0), (1e-3, "ms", 1e3), (0.0, "µs", 1e6))


def table(found: Bench) -> str:
    """Return the page.

    Raises:
        ValueError: if a row is missing that should be there.
    """
    if missing := [goal.key for goal in GOALS if not any(entry.goal == goal.key for entry in found.entries)]:
        raise ValueError(f"not measured: {', '.join(missing)}; `make bench` measures all")
    return "\n".join([*_head(found), *(line for goal in GOALS for line in _row(goal, _of(goal, found)))]) + "\n"


def _of(goal: Goal, found: Bench) -> list[Entry]:
    return [entry for entry in found.entries if entry.goal == goal.key]


def _head(found: Bench) -> Iterator[str]:
    yield from (
        "# Speed, measured side by side",
        "",
        "Written by `make bench`; all figures stand in [bench.json](bench.json). Contenders are called in turn, in one",
        "process, each warm; a time is the median of at least 30 repetitions, or of as many as stand there where one",
        "takes a second or more. What a framework compiles is compiled before, and its time stands apart. What was",
        "timed was also verified: its error is given in noise units, of which 1 is normal and about 15 the limit.",
        "",
    )
    here = found.machine
    yield f"* {here.get('cpu') or here.get('processor', '')}, {here.get('processors') or here.get('cores', '')} cores"
    yield "* Python " + here["python"] + ", " + ", ".join(f"{name} {told}" for name, told in found.versions.items())
    if found.threads:
        yield "* " + ", ".join(f"{name}={told}" for name, told in found.threads.items())
    yield ""
    yield "| work | against | wanted | measured | |"
    yield "|---|---|---|---|---|"
    for goal in GOALS:
        entries = _of(goal, found)
        measured = "<br>".join(f"{_cell(_short(entry, entries))}: {_cell(entry.measured)}" for entry in entries)
        reached = sum(entry.reached for entry in entries)
        said = "reached" if reached == len(entries) else f"{reached} of {len(entries)} reached"
        yield f"| [{_cell(goal.work)}](#{goal.key}) | {_cell(goal.against)} | {goal.wanted} | {measured} | {said} |"


def _row(goal: Goal, entries: Sequence[Entry]) -> Iterator[str]:
    yield from ("", f'<a id="{goal.key}"></a>', "", f"## {goal.work[0].upper()}{goal.work[1:]}", "")
    yield f"Against: {goal.against}. Wanted: {goal.wanted}."
    yield from ("", "| what | size | ours | theirs | repetitions | compiling | measured | error | |")
    yield "|---|---|---:|---:|---:|---:|---|---|---|"
    for e in entries:
        theirs = "-" if e.theirs is None else time_of(e.theirs)
        compiled = time_of(e.compiled) if e.compiled else "-"
        repeated = str(e.repetitions[0]) if e.theirs is None else f"{e.repetitions[0]}, {e.repetitions[1]}"
        what = f"{e.what}; against {e.against}" if e.against else e.what
        size = ", ".join(filter(None, (e.size, e.dtype)))
        reached = "reached" if e.reached else "not reached"
        cells = [what, size, time_of(e.ours), theirs, repeated, compiled, e.measured, e.error, reached]
        yield "| " + " | ".join(map(_cell, cells)) + " |"
    yield ""
    for note in dict.fromkeys(e.note for e in entries if e.note):
        yield f"* {note}"
    for e in entries:
        if e.all:
            told = ", ".join(f"{name} {time_of(found)}" for name, found in sorted(e.all.items(), key=lambda of: of[1]))
            yield f"* All that was timed with {e.what} at {e.size}: {told}."


def time_of(seconds: float) -> str:
    """Return a time in three digits: `3.62 ms`."""
    unit, scale = next((unit, scale) for least, unit, scale in MAGNITUDES if seconds >= least)
    return f"{seconds * scale:.3g} {unit}" if seconds * scale < 1000 else f"{seconds * scale:,.0f} {unit}"


def _short(entry: Entry, among: Sequence[Entry]) -> str:
    """What tells an entry from the others of its row: its rival and its size, where these differ."""
    said = [entry.what]
    if len({e.against for e in among if e.what == entry.what}) > 1:
        said.append(f"against {entry.against}")
    if len({e.size for e in among}) > 1:
        said.append(entry.size)
    return ", ".join(said)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    (FOLDER / "README.md").write_text(table(read()), encoding="utf-8")


if __name__ == "__main__":
    main()
