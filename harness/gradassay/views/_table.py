"""The table of targets: a line a target under its backend, with the columns that hold anything."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from gradassay._location import backend_of, split
from gradassay.views._lines import COLOURS, HEAD, Line
from gradassay.views._summary import FAILING, Row, Summary
from gradassay.views._words import printable, units

SHORT = {"not applicable": "n/a"}  # headings for which 80 columns are too few
ROOM = 20  # columns that the place of the largest |z| needs


def table(summary: Summary, width: int) -> Iterator[Line]:
    """Lines of the table, within `width` columns where the names allow it."""
    rows = summary.rows
    if not rows:
        return
    found = [outcome for outcome in COLOURS if any(row.outcomes[outcome] for row in rows)]
    if any(row.outcomes["not applicable"] for row in rows):
        found.append("not applicable")
    names = {row.target: printable("/".join(split(row.target)[1])) or printable(row.target) for row in rows}
    first = max(len("target"), *(len(name) for name in names.values()))
    head = (
        f"  {'target':{first}}" + "".join(f"  {SHORT.get(name, name):>5}" for name in found) + f"{'RMS':>9}{'max':>9}"
    )
    # The place of the largest |z| is in the table where there is room, and below it in any case.
    roomy = width - len(head) >= ROOM + 2
    yield Line(head + ("  max in" if roomy else ""), HEAD)
    versions = summary.header.versions if summary.header else {}
    backend = None
    for row in rows:
        if (own := backend_of(row.target)) != backend:
            backend = own
            known = ", ".join(f"{printable(k)} {printable(v)}" for k, v in versions.get(backend, {}).items())
            yield Line(f"{printable(backend)}{f' ({known})' if known else ''}")
        yield from _row(row, names[row.target], first, found, width if roomy else 0)


def _row(row: Row, label: str, first: int, found: list[str], width: int) -> Iterator[Line]:
    wide = {name: max(5, len(SHORT.get(name, name))) for name in found}
    cells = "".join(f"  {f'{row.outcomes[name]:,}' if row.outcomes[name] else '-':>{wide[name]}}" for name in found)
    rms, largest = row.rms, row.max
    figures = f"{units(rms.rms if rms else None):>9}{units(largest.max if largest else None):>9}"
    line = f"  {label:{first}}{cells}{figures}"
    bad = next((outcome for outcome in FAILING if row.outcomes[outcome]), None)
    style = COLOURS[bad] if bad else "" if row.outcomes["passed"] else COLOURS["skipped"]
    if not width or largest is None:
        yield Line(line, style)
        return
    where = " ".join(printable(part) for part in (largest.property, largest.tensor) if part)
    beside, *below = wrap(where, width - len(line) - 2)
    yield Line(f"{line}  {beside}", style)
    for part in below:
        yield Line(" " * (len(line) + 2) + part, style)
