"""What the tests of a pytest session have verified, put together: a record file, lines for the terminal, what is wrong.

Workers of pytest-xdist send verdicts with the reports of their tests, and say of themselves what `tell` returns.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from gradassay import _limits, _plugins
from gradassay._backend import FORWARD_ONLY
from gradassay._bench import Bench, Item, Told
from gradassay._errors import UsageError
from gradassay._given import SUITE as LIVE
from gradassay._record import Cause, Drawn, Footer, Header, Map, Record, Seconds, Verdict, encode
from gradassay._surroundings import command, commit, machine, own_version
from gradassay._waivers import Scope, Waivers
from gradassay.views._conclusion import conclusion
from gradassay.views._summary import WAIVED, Summary, counted
from gradassay.views._words import count, printable

SHOWN = 10


def tell(
    items: Sequence[Item],
    versions: Mapping[str, dict[str, str]],
    deselected: bool,
    waivers: Waivers,
    bench: Bench | None,
) -> dict[str, Any]:
    """Return what a process knows of its session beside the verdicts: plain values, to be sent to another one."""
    spent = bench.oracle.seconds if bench is not None else {}
    plans = {id(item.plan): item for item in items}.values() if waivers.known else ()
    scopes = [Scope.of(item.plan, {item.backend.name: item.backend}, selected=True) for item in plans]
    return {
        "versions": dict(versions),
        "deselected": deselected,
        "truth": spent.get("truth", 0.0),
        "noise": spent.get("noise", 0.0),
        "scope": {
            name: sorted({text for scope in scopes for text in getattr(scope, name)})
            for name in ("targets", "offered", "cases", "properties")
        },
    }


@dataclass(frozen=True)
class Gathered:
    """The records of a session: a header, verdicts, a footer."""

    records: tuple[Record, ...]

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        told: Sequence[Mapping[str, Any]],
        waivers: Waivers,
        *,
        started: datetime,
        complete: bool,
    ) -> Gathered:
        """Put a session together.

        Args:
            texts: its verdicts, as JSON.
            told: what `tell` returned, in each of its processes.
            waivers: the known failures.
            started: when it began, in UTC.
            complete: whether every test was run.
        """
        found: list[Told] = [msgspec.json.decode(text, type=Told) for text in texts]
        # Workers end in any order: the file is the same for them all.
        verdicts = sorted((v for v in found if isinstance(v, Verdict)), key=place)
        causes = sorted((c for c in found if isinstance(c, Cause)), key=place)
        # One cause is told with each test that it fails, and what was drawn with each that was asked of it.
        causes = list({(place(cause), cause.sentence): cause for cause in causes}.values())
        drawn = sorted({d for d in found if isinstance(d, Drawn)}, key=msgspec.json.encode)
        maps = sorted({m for m in found if isinstance(m, Map)}, key=msgspec.json.encode)  # some figures are None
        versions = {name: own for one in told for name, own in sorted(one["versions"].items())}
        deselected = any(one["deselected"] for one in told)

        def known(name: str) -> tuple[str, ...]:
            return tuple(sorted({text for one in told for text in one["scope"][name]}))

        scope = Scope(known("targets"), known("offered"), known("cases"), known("properties"), selected=True)
        wrong = list(waivers.within(scope).unmet(verdicts))
        if not deselected and complete:
            wrong += _unreached(verdicts)
        counts = Counter(map(counted, verdicts))
        footer = Footer(
            complete=complete,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            elapsed=(datetime.now(UTC) - started).total_seconds(),
            seconds=Seconds(
                framework=sum(verdict.seconds for verdict in verdicts),
                truth=sum(one["truth"] for one in told),
                noise=sum(one["noise"] for one in told),
            ),
            counts=dict(sorted(counts.items())),
            wrong=tuple(wrong),
        )
        return cls((_header(verdicts, versions, started), *drawn, *verdicts, *maps, *causes, footer))

    @property
    def summary(self) -> Summary:
        return Summary.of(self.records)

    @property
    def wrong(self) -> tuple[str, ...]:
        """Why the session is not well, beside its failing tests."""
        footer = self.records[-1]
        assert isinstance(footer, Footer)
        return footer.wrong

    def write(self, path: Path) -> None:
        """Write the records to one file, of which a torn write leaves nothing."""
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        try:
            partial.write_bytes(b"".join(map(encode, self.records)))
            partial.replace(path)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error

    def lines(self, report: str) -> list[tuple[str, bool]]:
        """Return what a terminal shows of it, and whether that is bad."""
        summary, outcomes = self.summary, self.summary.outcomes
        told = [
            (f"waiver not met: {printable(text)}" if "waiver" in text else printable(text), True) for text in self.wrong
        ]
        for issue, number, targets in summary.reasons(WAIVED)[:SHOWN]:
            told.append((f"waived: {printable(issue)} ({count(number, 'verdict')} on {', '.join(targets)})", False))
        partly = Counter((v.target, v.suite, v.case, v.property) for v in summary.verdicts if v.outcome == "blind")
        if partly:
            told.append((f"blind: {count(outcomes['blind'], 'tensor')} in {count(len(partly), 'question')}", False))
        if summary.verdicts:
            told.append((conclusion(summary), not summary.well))
        if report:
            told.append((f"records: {report}  (gradassay show {report})", False))
        return told


def place(record: Verdict | Cause) -> tuple[str, ...]:
    return record.target, record.spec, record.suite, record.case, record.property


def _unreached(verdicts: Sequence[Verdict]) -> list[str]:
    """A target whose gradients were asked for, and never answered, has not been verified."""
    forward_only = {(v.target, v.spec) for v in verdicts if v.reason == FORWARD_ONLY}  # which is welcome
    asked = dict.fromkeys(
        (v.target, v.spec)
        for v in verdicts
        if v.property == "gradients" and v.suite != LIVE and (v.target, v.spec) not in forward_only
    )
    reached = {(v.target, v.spec) for v in verdicts if v.property == "gradients" and v.outcome in ("passed", "failed")}
    return [
        f"{target} reached no verdict on gradients of {spec}" for target, spec in asked if (target, spec) not in reached
    ]


def _header(verdicts: Sequence[Verdict], versions: Mapping[str, dict[str, str]], started: datetime) -> Header:
    def each(field: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(getattr(verdict, field) for verdict in verdicts))

    specs, _ = _plugins.load_all(plugin for name, plugin in _plugins.specs().items() if name in each("spec"))
    return Header(
        started=started.isoformat(timespec="seconds"),
        suites=each("suite"),
        specs={name: spec.version for name, spec in specs.items()},
        limits=_limits.VERSION,
        targets=each("target"),
        properties=each("property"),
        versions=dict(versions),
        machine=machine(),
        commit=commit(),
        command=command("pytest"),
        gradassay=own_version(),
    )
