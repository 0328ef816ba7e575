"""What a run says of every tensor that it was asked about, so that two runs can be set side by side.

One verdict may speak for many: a property that crashed has one verdict and no tensor, a target without its device one
and no case. Such a verdict *covers* what has none of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from msgspec.structs import replace

from gradassay._errors import UsageError
from gradassay._location import backend_of
from gradassay._record import Cause, Drawn, Footer, Header, Record, RecordError, Verdict
from gradassay.views._words import some

State = Literal["passed", "failing", "waived", "unreached"]
# An answer that came with another one, which has a verdict only if it is not the same bit for bit: "y of vjp".
AGAIN = re.compile(r" of (forward|vjp|jvp|hvp)( of .+)?$")
STATES: dict[str, State] = {"passed": "passed", "failed": "failing", "errored": "failing"}


class Key(NamedTuple):
    """What a verdict is of. Of a pair of targets, which are compared in either order, the first by name comes first."""

    target: str
    spec: str
    suite: str
    case: str
    property: str
    tensor: str
    against: str = ""
    number: int = 0  # a property of a stranger's may say the same tensor twice


class Bits(NamedTuple):
    """Whose data a digest is of."""

    spec: str
    suite: str
    case: str
    dtype: str


def question(key: Key) -> tuple[str, ...]:
    """Target, spec, suite, case and property."""
    return tuple(key[:5])


def state(verdict: Verdict) -> State:
    return "waived" if verdict.waived else STATES.get(verdict.outcome, "unreached")


@dataclass(frozen=True)
class Told:
    """A run, by what its verdicts are of."""

    header: Header
    footer: Footer | None
    verdicts: Mapping[Key, Verdict]
    digests: Mapping[Bits, str]
    causes: tuple[Cause, ...] = ()

    @classmethod
    def of(cls, records: Iterable[Record], renamed: Mapping[str, str] | None = None) -> Told:
        """Take the records of one run.

        Args:
            renamed: targets, or what they begin with, by the names that the other run has for them.

        Raises:
            UsageError: if no target begins with what is to be renamed.
            RecordError: if there is no header.
        """
        held = list(records)
        header = next((record for record in held if isinstance(record, Header)), None)
        if header is None:
            raise RecordError("a run begins with a header; this one has none")
        names = _renamed(header.targets, renamed or {})
        backends = {backend_of(old): backend_of(new) for old, new in names.items()}
        header = replace(
            header,
            targets=tuple(names.get(target, target) for target in header.targets),
            versions={backends.get(backend, backend): own for backend, own in header.versions.items()},
        )
        verdicts: dict[Key, Verdict] = {}
        seen: Counter[Key] = Counter()
        for one in held:
            if not isinstance(one, Verdict):
                continue
            if names:
                new = {"target": names.get(one.target, one.target), "against": names.get(one.against, one.against)}
                one = replace(one, **new)  # noqa: PLW2901  (the same verdict by another name)
            pair = sorted((one.target, one.against)) if one.against else (one.target, "")
            key = Key(pair[0], one.spec, one.suite, one.case, one.property, one.tensor, pair[1])
            verdicts[key._replace(number=seen[key]) if seen[key] else key] = one
            seen[key] += 1
        return cls(
            header,
            next((record for record in reversed(held) if isinstance(record, Footer)), None),
            verdicts,
            {Bits(d.spec, d.suite, d.case, d.dtype): d.digest for d in held if isinstance(d, Drawn)},
            tuple(record for record in held if isinstance(record, Cause)),
        )

    @property
    def complete(self) -> bool:
        return self.footer is not None and self.footer.complete

    @cached_property
    def covers(self) -> Mapping[tuple[str, ...], Key]:
        """Verdicts that speak for others, by what they speak for: a question, a case or a target."""
        found = {}
        for key, verdict in self.verdicts.items():
            if is_cover(key, verdict):
                found[_prefix(key)] = key
        return found

    def cover(self, key: Key) -> Key | None:
        """The verdict that speaks for a tensor which has none of its own, the closest first."""
        if key.against:
            return None
        q = question(key)
        return next((self.covers[p] for p in (q, q[:4], q[:2]) if p in self.covers and self.covers[p] != key), None)

    @cached_property
    def _states(self) -> Mapping[tuple[str, ...], set[State]]:
        """The states of all verdicts of a question, of a case and of a target."""
        found: dict[tuple[str, ...], set[State]] = {}
        for key, verdict in self.verdicts.items():
            if not key.against:
                q = question(key)
                for prefix in (q, q[:4], q[:2]):
                    found.setdefault(prefix, set()).add(state(verdict))
        return found

    def finer(self, cover: Key) -> State | None:
        """What the verdicts that another run's `cover` would speak for come to; None if there are none."""
        states = self._states.get(_prefix(cover))
        return next((s for s in ("failing", "waived", "passed", "unreached") if states and s in states), None)

    def asked(self, key: Key) -> bool:
        """Whether a question has a verdict, of whatever tensor."""
        return question(key) in self._states


def again(key: Key) -> bool:
    return AGAIN.search(key.tensor) is not None


def is_cover(key: Key, verdict: Verdict) -> bool:
    return not key.tensor and not key.against and verdict.outcome != "passed"


def _prefix(cover: Key) -> tuple[str, ...]:
    q = question(cover)
    return q if cover.property else q[:4] if cover.case else q[:2]


def _renamed(targets: Iterable[str], renamed: Mapping[str, str]) -> dict[str, str]:
    """Return what changes: target -> its new name."""
    held = list(targets)
    found: dict[str, str] = {}
    for old, new in renamed.items():
        own = {t: new + t[len(old) :] for t in held if t == old or t.startswith(f"{old}/")}
        if not own:
            raise UsageError(f"--map {old}={new}: no target of BASE begins with {old}; there are {some(held, 5)}")
        found |= own
    after = Counter(found.get(target, target) for target in held)
    if twice := next((target for target, number in after.items() if number > 1), None):
        raise UsageError(f"--map gives two targets of BASE the name {twice}: map each to a name of its own")
    return found
