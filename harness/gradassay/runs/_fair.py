"""Whether two runs can be compared: what must be the same, what is compared, and what cannot be known.

A verdict is against the truth, so that right and wrong mean the same whatever else differs. Noise units can be compared
only where the questions are the same bit for bit, in the same units, on the same machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gradassay._ladder import LADDER
from gradassay._location import backend_of
from gradassay._record import Header, Verdict
from gradassay.runs._told import Bits, Told
from gradassay.views._words import some

GPU = "gpu"  # what a backend calls its device among its versions
MACHINE = ("cpu", "system", "processor", "python")
KNOWN_SINCE = 3  # the format that says which cases were named, and whether it is a sweep or a shard
RELEASE = re.compile(r"^([A-Za-z]+)-[^-]*.*?((?:-with-\S+)?)$")


@dataclass(frozen=True)
class Fairness:
    """What differs, in words: each of BASE first, then of NEW."""

    unlike: tuple[str, ...] = ()  # makes noise units incomparable
    unknown: tuple[str, ...] = ()  # a run does not say
    partial: tuple[str, ...] = ()  # one was asked what the other was not
    compared: tuple[str, ...] = ()  # versions: what people want to compare
    redrawn: frozenset[Bits] = frozenset()  # cases whose bits differ
    cases: int = 0  # that are the same bit for bit
    elsewhere: bool = False  # another machine, which may not offer what the first one does

    @property
    def comparable(self) -> bool:
        """Whether noise units of what both were asked can be compared."""
        return not self.unlike and not self.unknown

    @property
    def fair(self) -> bool:
        return self.comparable and not self.partial


def fairness(base: Told, new: Told) -> Fairness:
    unknown: list[str] = []
    a, b = base.header, new.header
    unlike = [f"spec {n} {v} and {b.specs[n]}" for n, v in a.specs.items() if n in b.specs and v != b.specs[n]]
    if a.limits != b.limits:
        unlike.append(f"limits {a.limits} and {b.limits}")
    same, redrawn, unsaid = _bits(base, new)
    if redrawn:
        apart = {bits[:3] for bits in redrawn}
        every = len(apart | {bits[:3] for bits in same})
        unlike.append(f"the cases differ bit for bit: {len(apart):,} of {every:,}")
    if unsaid:
        unknown.append("the bits of the cases")
    elsewhere = False
    for part in MACHINE:
        left, right = _machine(a, part), _machine(b, part)
        if not left or not right:
            unknown.append(f"the {part}")
        elif left != right:
            unlike.append(f"{part} {left} and {right}")
            elsewhere = elsewhere or part != "python"
    for backend, left, right in _gpus(a, b):
        unlike.append(f"gpu of {backend} {left} and {right}")
        elsewhere = True
    if min(a.format, b.format) < KNOWN_SINCE:
        unknown.append("how cases were selected")
    partial = [*_selection(a, b)]
    partial += [_stopped(n, told) for n, told in (("BASE", base), ("NEW", new)) if not told.complete]
    cases = len({bits[:3] for bits in same})
    words = (tuple(unlike), tuple(unknown), tuple(partial), tuple(_compared(a, b)))
    return Fairness(*words, frozenset(redrawn), cases, elsewhere)


def same_selection(a: Header, b: Header) -> bool:
    """Whether both select alike, but for targets: then what one was asked of a target, the other was too."""
    chosen = [(set(h.suites), set(h.properties), set(h.cases), set(h.specs), h.sweep, h.shard) for h in (a, b)]
    return chosen[0] == chosen[1]


def _bits(base: Told, new: Told) -> tuple[set[Bits], set[Bits], bool]:
    """Return the data that are the same in both, those that differ, and whether of some it is not said."""
    both = base.digests.keys() & new.digests.keys()
    same = {bits for bits in both if base.digests[bits] == new.digests[bits]}
    unsaid = (_asked(base.verdicts.values()) & _asked(new.verdicts.values())) - both
    return same, both - same, bool(unsaid)


def bits_of(verdict: Verdict) -> Bits:
    return Bits(verdict.spec, verdict.suite, verdict.case, verdict.target.rpartition("/")[2])


def _asked(verdicts: Iterable[Verdict]) -> set[Bits]:
    """Return the data of all that was judged; those of a ladder's rungs are written nowhere."""
    return {bits_of(v) for v in verdicts if v.outcome in ("passed", "failed", "blind") and v.property != LADDER}


def _machine(header: Header, part: str) -> str:
    """Return a fact of the machine, as far as rounding can depend on it: no release of a kernel, no patch of Python."""
    said = header.machine.get(part, "")
    if part == "python":
        return ".".join(said.split(".")[:2])
    if part == "system" and (found := RELEASE.match(said)):
        return f"{found[1]}{found[2].replace('-with-', ' ')}"
    return said


def _selection(a: Header, b: Header) -> Iterator[str]:
    """What one was asked and the other was not."""
    gone = [target for target in a.targets if target not in b.targets]
    if gone:
        yield f"NEW was asked {len(a.targets) - len(gone):,} of {len(a.targets):,} targets"
    if added := [target for target in b.targets if target not in a.targets]:
        yield f"BASE was not asked {len(added):,} of NEW's {len(b.targets):,} targets"
    for what, one, other in (
        ("spec", a.specs, b.specs),
        ("suite", a.suites, b.suites),
        ("property", a.properties, b.properties),
    ):
        yield from _lacking("NEW", what, one, other)
        yield from _lacking("BASE", what, other, one)
    if set(a.cases) != set(b.cases):
        yield f"cases {some(list(a.cases), 4) or 'all'} and {some(list(b.cases), 4) or 'all'}"
    if a.sweep != b.sweep:
        yield f"{'BASE' if a.sweep else 'NEW'} is a sweep"
    if a.shard != b.shard:
        yield f"shard {a.shard or 'none'} and {b.shard or 'none'}"


def _lacking(run: str, what: str, has: Iterable[str], other: Iterable[str]) -> Iterator[str]:
    held = set(other)
    if names := [name for name in has if name not in held]:
        plural = {"property": "properties"}.get(what, f"{what}s")
        yield f"{run} was not asked the {what if len(names) == 1 else plural} {some(names, 4)}"


def _stopped(name: str, told: Told) -> str:
    return f"{name} did not complete: it stopped after {len(told.verdicts):,} verdicts"


def _gpus(a: Header, b: Header) -> Iterator[tuple[str, str, str]]:
    """The GPUs of what both ran on one, where they differ: a part of the machine that frameworks alone can name."""
    for backend in sorted(a.versions.keys() & b.versions.keys()):
        left, right = (header.versions[backend].get(GPU, "") for header in (a, b))
        if left and right and left != right:
            yield backend, left, right


def _compared(a: Header, b: Header) -> Iterator[str]:
    """Versions that differ, of what both ran: `torch 2.12.0 -> 2.13.0`."""
    found: dict[str, None] = {}
    backends = {backend_of(target) for target in a.targets} & {backend_of(target) for target in b.targets}
    for backend in sorted(backends & a.versions.keys() & b.versions.keys()):
        old, new = ({k: v for k, v in h.versions[backend].items() if k != GPU} for h in (a, b))
        found |= dict.fromkeys(_changes(old, new))
    facts = [
        {name: h.machine.get(name, "") for name in ("python", "numpy", "cores")}
        | {"gradassay": h.gradassay}
        | {"commit": h.commit[:8]}
        for h in (a, b)
    ]
    found |= dict.fromkeys(_changes(*facts))
    yield from found


def _changes(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys((*a, *b)):
        old, new = a.get(name, ""), b.get(name, "")
        if old != new:
            yield f"{name} {old or 'not told'} -> {new or 'not told'}"
