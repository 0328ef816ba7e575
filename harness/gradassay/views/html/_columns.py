"""Every verdict of a run in few bytes: columns of indices into lists of what occurs, deflated, in base64.

`script/data.js` reads it: four bytes with the length of a JSON head (little-endian), the head, then the columns in the
head's order, each of one to four bytes a verdict: the lowest of all verdicts first, then the next, which deflates well.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from base64 import b64encode
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from gradassay._record import Verdict
from gradassay.views._summary import FAILING, Summary, counted, how_bad
from gradassay.views._words import place, printable, units
from gradassay.views.html._matrix import Matrix

DETAILED = 2000  # failing verdicts, the worst of them, whose worst element is told
LONGEST = 4000  # characters of a reason


def packed(summary: Summary, matrix: Matrix) -> str:
    """Return all verdicts of a run, in the order of the matrix's targets and properties; its numbers are theirs."""
    targets = _numbers([target.name for target in matrix.targets])
    properties = _numbers(matrix.properties)
    reports = _reports(summary)
    last = len(properties)

    def order(v: Verdict) -> tuple[Any, ...]:
        where = targets.get(v.target, len(targets)), properties.get(v.property, last)
        return (bool(v.against), *where, v.spec, v.suite, v.case, v.tensor)

    verdicts = sorted(summary.verdicts, key=order)
    columns = {
        "target": _Column(lambda v: v.target, targets),
        "property": _Column(lambda v: v.property, properties),
        "question": _Column(lambda v: (v.spec, v.suite, v.case)),
        "tensor": _Column(lambda v: v.tensor),
        "outcome": _Column(counted),
        "reason": _Column(lambda v: v.reason),
        "waived": _Column(lambda v: v.waived),
        "against": _Column(lambda v: v.against),
        "rms": _Column(lambda v: _figure(v.rms)),
        "max": _Column(lambda v: _figure(v.max)),
        "beyond": _Column(lambda v: v.outcome in FAILING and how_bad(v)[0]),
        "limitRms": _Column(lambda v: _figure(v.limit_rms)),
        "limit": _Column(lambda v: _figure(v.limit_max)),
        "elements": _Column(lambda v: f"{v.elements:,}" if v.elements else ""),
        "report": _Column(lambda v: reports.get(id(v), "")),
        "detailed": _Column(_detailed),
        "replay": _Column(lambda v: "" if v.replay == composed(v) else v.replay),
    }
    body = [column.fill(verdicts) for column in columns.values()]
    head = {
        "count": len(verdicts),
        "columns": [[name, column.bytes, column.shown()] for name, column in columns.items()],
        "details": _details(verdicts),
        "mostDetailed": DETAILED,
    }
    told = json.dumps(head, separators=(",", ":")).encode()
    return b64encode(zlib.compress(len(told).to_bytes(4, "little") + told + b"".join(body), 9)).decode()


def composed(verdict: Verdict) -> str:
    """Return the replay command as the page composes it from a verdict's parts; one that differs is stored in full."""
    words = ["gradassay verify", verdict.target, verdict.against, f"--spec {verdict.spec}"]
    words += [f"--suite {verdict.suite} --case {verdict.case}"] if verdict.case else []
    words += [f"--property {verdict.property}"] if verdict.property and not verdict.against else []
    return " ".join(word for word in words if word)


class _Column:
    """One field of all verdicts, as indices into the list of what occurs."""

    def __init__(self, field: Callable[[Verdict], Hashable], known: dict[str, int] | None = None) -> None:
        self._field = field
        self._number: dict[Hashable, int] = {name: number for name, number in (known or {}).items()}

    def fill(self, verdicts: Sequence[Verdict]) -> bytes:
        number, field = self._number, self._field
        indices = array("I", [number.setdefault(field(v), len(number)) for v in verdicts])
        if sys.byteorder == "big":
            indices.byteswap()
        data = indices.tobytes()
        return b"".join(data[byte :: indices.itemsize] for byte in range(self.bytes))

    @property
    def bytes(self) -> int:
        return max(1, (max(len(self._number) - 1, 0).bit_length() + 7) // 8)

    def shown(self) -> list[Any]:
        """What occurs, as foreign text is shown."""
        return [
            [printable(part) for part in value] if isinstance(value, tuple) else printable(str(value), LONGEST)
            for value in self._number
        ]


def _numbers(names: Sequence[str]) -> dict[str, int]:
    return {name: index for index, name in enumerate(names)}


def _figure(z: float | None) -> str:
    return units(z) if z is not None else ""


def _reports(summary: Summary) -> dict[int, str]:
    """Return the number of the report that each failing verdict belongs to, by the verdict's identity."""

    def key(v: Verdict, cause: int | None) -> tuple[object, ...]:
        return cause, v.target, v.against, v.spec, v.suite, v.case, v.property, v.outcome

    causes = {id(cause): number for number, cause in enumerate(summary.causes)}
    requests: dict[tuple[object, ...], str] = {}
    for number, report in enumerate(summary.reports, start=1):
        cause = causes.get(id(report.cause)) if report.cause is not None else None
        requests |= {key(v, cause): str(number) for v in (report.worst, *report.alike)}
    found = {}
    for v in summary.verdicts:
        if counted(v) in FAILING:
            own = next((number for number, cause in enumerate(summary.causes) if cause.holds(v)), None)
            found[id(v)] = requests.get(key(v, own), "")
    return found


def _detailed(verdict: Verdict) -> bool:
    return verdict.outcome in FAILING and verdict.worst is not None


def _details(verdicts: Sequence[Verdict]) -> dict[int, tuple[str, str, str]]:
    """Return got, should be and where of the worst element, of the worst failing verdicts by their number."""
    failing = [(number, v) for number, v in enumerate(verdicts) if _detailed(v)]
    failing.sort(key=lambda item: how_bad(item[1]), reverse=True)
    found = {}
    for number, v in failing[:DETAILED]:
        worst = v.worst
        assert worst is not None  # as they were chosen
        noise = f" ± {worst.sigma:.2g}" if worst.sigma is not None else ""
        index = ", ".join(map(str, worst.index))
        where = f"{printable(worst.tensor)}: {place(worst.where)} (at [{index}])" if index else printable(worst.tensor)
        found[number] = (printable(worst.got), printable(worst.want) + noise, where)
    return found
