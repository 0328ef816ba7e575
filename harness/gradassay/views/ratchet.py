"""What runs did to the records of the largest errors known."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay.runs._ratchet import Raised, Ratcheted
from gradassay.views._lines import HEAD, Line
from gradassay.views._words import count, printable, units

SHOWN = 10


def lines(found: Ratcheted) -> Iterator[Line]:
    beaten = [one for one in found.raised if one.before is not None]
    new = [one for one in found.raised if one.before is None]
    counts = f"{len(beaten):,} raised, {len(new):,} new, {found.standing:,} stand"
    yield Line(f"Largest errors known, in {printable(str(found.path))}: {counts}", HEAD, 2)
    for one in beaten[:SHOWN]:
        yield from _raised(one)
    if len(beaten) > SHOWN:
        yield Line(f"  and {count(len(beaten) - SHOWN, 'more')} raised")
    for one in new[:3]:
        yield from _raised(one)
    if len(new) > 3:
        yield Line(f"  and {len(new) - 3:,} more new")
    if found.infinite:
        yield Line(f"  {count(found.infinite, 'failure')} without a finite figure: no record can hold it", "red")
    yield Line("")


def _raised(one: Raised) -> Iterator[Line]:
    now = one.now
    was = "new" if one.before is None else units(one.before.max)
    name = f"{printable(now.target)}: {printable(now.property)} of {printable(now.tensor)}"
    failed = "" if now.outcome == "passed" else f", {printable(now.outcome)}"
    yield Line(f"  {name} {was} -> {units(now.max)} of {units(now.limit)}{failed}", "", 4)
    if one.before is not None and one.before.versions != now.versions:
        before = ", ".join(f"{printable(k)} {printable(v)}" for k, v in one.before.versions.items())
        yield Line(f"    seen before with {before}", "dim", 6)
    yield Line(f"    {printable(now.replay, longest=10_000)}", unbroken=True)
