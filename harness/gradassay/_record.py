"""What a run writes down: JSON Lines: a header, a record a verdict, one a cause, a footer. All else is a view of it.

A file may be compressed by gzip or xz: it is known by its first bytes, whatever its name. Verdicts, maps and causes
leave out what has its default, so that a run of 90,000 verdicts stays small.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

FORMAT = 3  # 2: causes; 3: what was drawn, maps, figures along axes; what earlier ones had is read as before

FAILING = ("failed", "errored")  # outcomes
Outcome = Literal["passed", "failed", "blind", "errored", "skipped", "not applicable"]


class Element(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The worst element of a verdict. `z` is (got - want) / sigma, in noise units."""

    tensor: str
    index: tuple[int, ...]
    where: dict[str, str]
    got: str  # decimal text, so that NaN and Inf survive JSON
    want: str
    sigma: float | None  # JSON has no infinity: one that is not finite is read back as None
    z: float | None  # None when sigma is 0 or the answer is not finite; `kind` then says which
    kind: Literal["ordinary", "structural zero", "not finite"] = "ordinary"


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """How the reference was certified: the rung, its precision in bits, and its largest radius over sigma."""

    rung: str
    bits: int
    radius: float | None  # as above
    noise_roundoff: float  # the unit roundoff at which the noise was simulated


class Seconds(msgspec.Struct, frozen=True, kw_only=True):
    framework: float = 0.0
    truth: float = 0.0
    noise: float = 0.0
    harness: float = 0.0


Along = dict[str, tuple[float | None, ...]]  # axis -> RMS in noise units at each position; None: nothing finite there
Grid = tuple[tuple[float | None, ...], ...]  # rows: steps of the output; columns: steps of the input


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="header", tag_field="record"):
    format: int = FORMAT
    started: str  # ISO 8601, UTC
    suites: tuple[str, ...]
    specs: dict[str, str]  # name -> version
    limits: str  # version of the limits
    targets: tuple[str, ...]
    properties: tuple[str, ...]
    versions: dict[str, dict[str, str]] = {}  # backend -> package -> version
    machine: dict[str, str] = {}
    commit: str = ""
    command: str = ""
    gradassay: str = ""  # its own version
    cases: tuple[str, ...] = ()  # those that were named; none: every case of the suites
    sweep: bool = False
    shard: str = ""  # "2/4": the second of four parts of a run
    planned: dict[str, int] = {}  # target -> how many (spec, case, property) it will be asked: progress counts them
    questions: dict[str, str] = {}  # "spec/suite/case" -> what a user would ask, of the cases that have such words


class Drawn(msgspec.Struct, frozen=True, kw_only=True, tag="drawn", tag_field="record"):
    """The data of a case in a dtype, as a hash of every bit that was asked with: equal hashes, the same questions."""

    spec: str
    suite: str
    case: str
    dtype: str
    digest: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="verdict", tag_field="record"):
    """One property of one tensor of one case on one target.

    `rms` and `max` are in noise units. `visible_whole` and `visible_element` are the smallest relative
    errors (of the whole tensor by one factor; of a single typical element) that would have failed.
    """

    target: str
    spec: str
    suite: str
    case: str
    property: str
    tensor: str
    outcome: Outcome
    reason: str = ""  # why skipped, errored or failed, in words
    elements: int = 0
    rms: float | None = None
    max: float | None = None
    limit_rms: float | None = None
    limit_max: float | None = None
    visible_whole: float | None = None
    visible_element: float | None = None
    worst: Element | None = None
    truth: Truth | None = None
    ran: dict[str, str] = {}
    along: Along = {}  # RMS along labelled axes: of values and gradients along steps, of what failed along every axis
    labels: dict[str, tuple[str, ...]] = {}  # of a failing verdict: what positions along an axis are called
    still_right: tuple[str, ...] = ()  # on failure: the other tensors of the same request that passed
    replay: str = ""
    against: str = ""  # agreement: the other target
    waived: str = ""  # the issue of the waiver that expects this failure
    seconds: float = 0.0


class Map(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="map", tag_field="record"):
    """A Jacobian d of / d wrt in blocks, one for each output step and input step.

    `truth` and `got` hold the Frobenius norm of each block; `apart` the RMS of got - truth in noise units, None where
    the block is exactly zero, as it should be.
    """

    target: str
    spec: str
    suite: str
    case: str
    of: str
    wrt: str
    truth: Grid
    got: Grid
    apart: Grid


Accounts = dict[str, dict[str, dict[str, tuple[str, ...]]]]  # target -> spec/suite/case -> property -> tensors


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="cause", tag_field="record"):
    """Why verdicts fail: one mistake, however many they are.

    `target`, `suite`, `case` and `property` are those of the simplest question that shows it. `rms` and `max` are what
    the explanation leaves over there, and `before` how far off the answer is, in noise units.
    """

    backend: str
    target: str
    spec: str
    suite: str
    case: str
    property: str
    name: str = ""  # of the fault or hypothesis; "pattern" for one that knows the arrays alone
    sentence: str = ""  # what is wrong; empty: unexplained
    alternatives: tuple[str, ...] = ()  # what cannot be told apart from it in all that failed
    rms: float | None = None
    max: float | None = None
    before: float | None = None
    marks: tuple[str, ...] = ()  # tensors that are None, exactly zero, cut off or not finite, each with its usual cause
    places: dict[str, str] = {}  # tensor -> where it leaves the noise
    tried: int = 0  # hypotheses
    stopped: bool = False  # time was over before all were tried
    seconds: float = 0.0
    verdicts: int = 0  # that it accounts for
    accounts: Accounts = {}  # a disagreement's property is "agreement TARGET"
    replay: str = ""

    def holds(self, verdict: Verdict) -> bool:
        """Whether it accounts for a verdict."""
        name = f"{verdict.property} {verdict.against}" if verdict.against else verdict.property
        cases = self.accounts.get(verdict.target, {})
        return verdict.tensor in cases.get(f"{verdict.spec}/{verdict.suite}/{verdict.case}", {}).get(name, ())


class Footer(msgspec.Struct, frozen=True, kw_only=True, tag="footer", tag_field="record"):
    complete: bool
    finished: str
    elapsed: float
    seconds: Seconds
    counts: dict[str, int]
    wrong: tuple[str, ...] = ()  # why the run as a whole is not well, beside its verdicts: no gradient verdict, say


Record = Header | Drawn | Verdict | Map | Cause | Footer


COMPRESSED = {b"\x1f\x8b": gzip.decompress, b"\xfd7zXZ\x00": lzma.decompress}  # first bytes -> how it is read


class _Format(msgspec.Struct, frozen=True):
    format: int = FORMAT


class RecordError(Exception):
    """A file of records that cannot be read: the message names the file, the line and what was expected."""


def encode(record: Record) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def write(stream: IO[bytes], record: Record) -> None:
    """Append one record, and flush: a killed run keeps what it had."""
    stream.write(encode(record))
    stream.flush()


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a run; an incomplete last line (a killed run) is left out.

    Raises:
        RecordError: if the file is missing, empty, of another format, or a line is not a record.
    """
    lines = _contents(path).split(b"\n")
    decoder = msgspec.json.Decoder(Record)
    torn = lines.pop()  # empty after a final newline; a torn record otherwise
    if not lines:
        hint = "its only line is torn" if torn else "it is empty"
        raise RecordError(f"{path} is not a run: {hint}; a run is made by `gradassay verify --out {path.name}`")
    for number, line in enumerate(lines, start=1):
        try:
            if number == 1:
                _check_format(path, line)
            record: Any = decoder.decode(line)
        # msgspec lets two errors of Python's own through: text that is not UTF-8, and nesting without end.
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RecordError(f"{path}, line {number} is not a record of a run: {error}") from error
        if number > 1 and isinstance(record, Header):
            raise RecordError(f"{path}, line {number} is a second header: two runs in one file; keep each in its own")
        if number == 1 and not isinstance(record, Header):
            kind = type(record).__name__.lower()
            raise RecordError(f"{path}, line 1 should be the header of a run, but is a {kind}")
        yield record


def _contents(path: Path) -> bytes:
    """Return the bytes of a file, inflated if it is compressed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    for magic, inflate in COMPRESSED.items():
        if data.startswith(magic):
            try:
                return inflate(data)
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise RecordError(f"{path} is compressed, and damaged or cut short: {error}") from error
    return data


def _check_format(path: Path, line: bytes) -> None:
    """Refuse a later format before its fields are read, which may be others."""
    found = msgspec.json.decode(line, type=_Format).format
    if found > FORMAT:
        raise RecordError(f"{path} has format {found}; this version of gradassay reads up to {FORMAT}: upgrade it")


def counts(verdicts: Mapping[Outcome, int]) -> dict[str, int]:
    return {str(outcome): number for outcome, number in sorted(verdicts.items())}
