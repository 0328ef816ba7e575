"""The largest error known of each backend, dtype, property and tensor, in one file that only ever rises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from gradassay._errors import UsageError
from gradassay._location import backend_of
from gradassay._record import Header, Record, RecordError, Verdict, read
from gradassay._recording import check_writable
from gradassay.runs._many import AGAINST_TRUTH

FORMAT = 1


class Key(NamedTuple):
    backend: str
    dtype: str
    spec: str
    property: str
    tensor: str


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The largest |z| known, in noise units, and how to see it again."""

    backend: str
    dtype: str
    spec: str
    property: str
    tensor: str
    max: float
    limit: float
    target: str
    suite: str
    case: str
    replay: str
    versions: dict[str, str]
    spec_version: str
    limits: str
    seen: str  # when the run started
    outcome: str = "passed"

    def key(self) -> Key:
        return Key(self.backend, self.dtype, self.spec, self.property, self.tensor)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    records: tuple[Entry, ...]


@dataclass(frozen=True)
class Raised:
    """An entry that was beaten, or set where there was none."""

    now: Entry
    before: Entry | None


@dataclass(frozen=True)
class Ratcheted:
    """What runs did to a file of records.

    Attributes:
        raised: with the largest first, those that beat an older one before those that are new.
        standing: how many entries stood.
        infinite: verdicts against truth that failed without a finite figure, which no record can hold.
    """

    path: Path
    raised: tuple[Raised, ...]
    standing: int
    infinite: int


def ratchet(path: Path, runs: Sequence[Path], saved: Sequence[Path] = ()) -> Ratcheted:
    """Raise the records of a file to what runs hold; saved cases are asked again here, and taken with what they give.

    Raises:
        RecordError: if a run, or the file that is there, cannot be read.
        UsageError: if the file cannot be written, or a saved case cannot be asked.
    """
    check_writable(path)
    known = load(path) if path.exists() else {}
    before, infinite = dict(known), 0
    for run in runs:
        infinite += take(known, read(run))
    if saved:
        from gradassay._replay import replay

        for case in saved:
            infinite += take(known, replay(case))
    raised = [Raised(entry, before.get(key)) for key, entry in known.items() if entry is not before.get(key)]
    if raised or not path.exists():
        store(path, known.values())
    raised.sort(key=lambda one: (one.before is None, -one.now.max / max(one.now.limit, 1e-9)))
    return Ratcheted(path, tuple(raised), len(known) - len(raised), infinite)


def take(known: dict[Key, Entry], records: Iterable[Record]) -> int:
    """Raise what is known to the verdicts of a run; return how many against truth failed without a finite figure."""
    header: Header | None = None
    infinite = 0
    for record in records:
        if isinstance(record, Header):
            header = record
        elif isinstance(record, Verdict) and header is not None and _against_truth(record):
            if record.max is None or record.limit_max is None:
                infinite += record.outcome == "failed"
                continue
            key = _key(record)
            held = known.get(key)
            if held is None or record.max > held.max:
                known[key] = _entry(header, key, record)
    return infinite


def _against_truth(verdict: Verdict) -> bool:
    return verdict.property in AGAINST_TRUTH and not verdict.against and verdict.outcome in ("passed", "failed")


def _key(verdict: Verdict) -> Key:
    dtype = verdict.target.rpartition("/")[2]
    return Key(backend_of(verdict.target), dtype, verdict.spec, verdict.property, verdict.tensor)


def _entry(header: Header, key: Key, verdict: Verdict) -> Entry:
    assert verdict.max is not None and verdict.limit_max is not None  # `take` has looked
    return Entry(
        **key._asdict(),
        max=verdict.max,
        limit=verdict.limit_max,
        target=verdict.target,
        suite=verdict.suite,
        case=verdict.case,
        replay=verdict.replay,
        versions=header.versions.get(key.backend, {}),
        spec_version=header.specs.get(verdict.spec, ""),
        limits=header.limits,
        seen=header.started,
        outcome=verdict.outcome,
    )


def load(path: Path) -> dict[Key, Entry]:
    """Return the records of a file.

    Raises:
        RecordError: if it cannot be read, or holds something else.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        hint = "it should be one that `gradassay trend --records` has written"
        raise RecordError(f"{path} is no file of largest errors: {error}; {hint}") from error
    if found.format > FORMAT:
        raise RecordError(
            f"{path} has format {found.format}; this version of gradassay reads up to {FORMAT}: upgrade it"
        )
    held: dict[Key, Entry] = {}
    for entry in found.records:  # a merge of two branches may leave both of their records
        known = held.get(entry.key())
        held[entry.key()] = entry if known is None or entry.max > known.max else known
    return held


def store(path: Path, entries: Iterable[Entry]) -> None:
    """Write records, a line each and in order, so that a diff shows what rose; a torn write leaves the older file.

    Raises:
        UsageError: if the file cannot be written.
    """
    ordered = sorted(entries, key=Entry.key)
    body = ",\n".join(msgspec.json.encode(entry).decode() for entry in ordered)
    text = f'{{"format":{FORMAT},"records":[\n{body}\n]}}\n'
    try:
        partial = path.with_name(path.name + ".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
