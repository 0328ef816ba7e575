"""Several processes over one run: each takes the next question that is free, and what they wrote is one run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO

import msgspec

from gradassay._asked import Asked, Share
from gradassay._causes import place
from gradassay._errors import UsageError
from gradassay._ladder import LADDER
from gradassay._plan import Plan
from gradassay._process import Tail, kill, outcome
from gradassay._record import Cause, Drawn, Footer, Header, Record, Verdict
from gradassay._surroundings import command
from gradassay._waivers import Waivers
from gradassay.runs._merge import join
from gradassay.runs._part import Part

OnRecord = Callable[[Record], None]


class CrewError(UsageError):
    """No process of a run came as far as its first record: the message has the last words of each."""


@dataclass
class _Member:
    """One process, what it wrote, and how it ended."""

    number: int
    process: subprocess.Popen[bytes]
    tail: Tail
    records: list[Record] = field(default_factory=list)
    trouble: str = ""

    @property
    def footer(self) -> Footer | None:
        return next((record for record in reversed(self.records) if isinstance(record, Footer)), None)


def verify_by_crew(
    workers: int, laid: Plan, asked: Asked, waivers: Waivers, on_record: OnRecord | None
) -> list[Record]:
    """Return the records of a run that `workers` processes share, as one process would have written them.

    Records are passed on as they come, the header first; those of one question stay together.

    Args:
        laid: the plan that every process lays out for itself, for what is to be expected.
        waivers: within the scope of this run, to tell whether they are met.

    Raises:
        CrewError: if none of them began.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="gradassay-run-") as folder:
        members = [_started(Share(asked=asked, folder=folder, number=k, of=workers, path=tuple(sys.path)))
                   for k in range(1, workers + 1)]  # fmt: skip
        desk = _Desk(members, laid, on_record)
        try:
            with ThreadPoolExecutor(workers) as pool:
                try:
                    ended, _ = wait([pool.submit(desk.follow, member) for member in members], None, FIRST_EXCEPTION)
                    for done in ended:
                        done.result()
                except BaseException:  # interrupted, or nobody takes the records: what has come is kept
                    for member in members:
                        kill(member.process)
                    raise
        finally:
            for member in members:
                kill(member.process)
                member.process.wait()
    records = desk.joined(asked.shard, waivers, time.perf_counter() - started)
    if on_record is not None:
        for record in records:
            if isinstance(record, Cause | Footer):
                on_record(record)
    return records


def _started(share: Share) -> _Member:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "gradassay._crew_member"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us alone
    )
    assert process.stdin is not None and process.stderr is not None  # both were asked for as pipes
    member = _Member(share.number, process, Tail(process.stderr))
    try:
        process.stdin.write(msgspec.json.encode(share))
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has ended already: its status says how
    return member


class _Desk:
    """Takes what the processes write, and passes it on as the records of one run."""

    def __init__(self, members: Sequence[_Member], laid: Plan, on_record: OnRecord | None) -> None:
        self._members, self._laid, self._on_record = members, laid, on_record
        self._lock = threading.Lock()
        self._awaited = len(members)  # processes that have neither written a header nor ended
        self._held: list[Record] = []  # until the header can be written
        self._passed: set[object] = set()  # what every process tells of the run as a whole

    def follow(self, member: _Member) -> None:
        """Read the records of one process to its end, and pass them on by questions."""
        assert member.process.stdout is not None  # it was asked for as a pipe
        decoder = msgspec.json.Decoder(Record)
        group: list[Record] = []
        began = False
        for line in _lines(member.process.stdout):
            try:
                record = decoder.decode(line)
            except msgspec.MsgspecError as error:  # torn by its end, or no record at all
                member.trouble = f"wrote what is no record: {error}"
                continue
            member.records.append(record)
            if isinstance(record, Header):
                began = True
                self._arrived([])
            elif group and _question(record) != _question(group[-1]):
                self._pass(group)
                group = [record]
            else:
                group.append(record)
        self._pass(group)
        status = member.process.wait()
        if status or member.footer is None:
            said = member.tail.text().strip().splitlines()
            member.trouble = f"{outcome(status)}{f': {said[-1]}' if said else ''}"
        if not began:
            self._arrived([])

    def _arrived(self, records: list[Record]) -> None:
        with self._lock:
            self._awaited -= 1
            if self._awaited == 0 and self._on_record is not None and any(m.records for m in self._members):
                self._on_record(self._header())
                held, self._held = self._held, []
                self._give(held)

    def _pass(self, records: list[Record]) -> None:
        with self._lock:
            if self._awaited:
                self._held += records
            else:
                self._give(records)

    def _give(self, records: Sequence[Record]) -> None:
        for record in records:
            if self._on_record is None or isinstance(record, Cause | Footer):  # these are of the whole run
                continue
            if (common := _common(record)) is not None:
                if common in self._passed:
                    continue
                self._passed.add(common)
            self._on_record(record)

    def _header(self) -> Header:
        header = next(record for member in self._members for record in member.records if isinstance(record, Header))
        return msgspec.structs.replace(
            header, shard=self._laid.shard, command=command("gradassay"), planned=self._laid.planned
        )

    def joined(self, shard: str, waivers: Waivers, elapsed: float) -> list[Record]:
        """Return what all of them wrote as one run: verdicts in the order of the plan, and why it is not whole.

        Args:
            shard: the part of a run that they all were; empty if a whole one.
            elapsed: seconds that it took in all.

        Raises:
            CrewError: if none of them began.
        """
        of = len(self._members)
        missing = [f"process {member.number} of {of} {member.trouble}" for member in self._members if member.trouble]
        parts = [self._part(member, shard) for member in self._members if member.records]
        if not parts:
            raise CrewError("\n".join(["no process of this run began", *missing]))
        header, *records, footer = join(parts, missing, None if shard else waivers)
        assert isinstance(header, Header) and isinstance(footer, Footer)  # as `join` makes a run
        verdicts = iter(sorted((r for r in records if isinstance(r, Verdict)), key=self._place))
        ordered = [next(verdicts) if isinstance(record, Verdict) else record for record in records]
        unmet = () if shard else waivers.unmet([record for record in records if isinstance(record, Verdict)])
        header = msgspec.structs.replace(header, shard=shard, command=command("gradassay"), planned=self._laid.planned)
        footer = msgspec.structs.replace(footer, elapsed=elapsed, wrong=tuple(dict.fromkeys((*footer.wrong, *unmet))))
        return [header, *ordered, footer]

    def _part(self, member: _Member, shard: str) -> Part:
        header, *records = member.records
        assert isinstance(header, Header)  # it comes first
        # A shard has judged nothing that a whole run tells; parts of a run that is whole have not either.
        k, n = member.number, len(self._members)
        own = msgspec.structs.replace(header, shard="" if shard else f"{k}/{n}")
        return Part(f"process {k} of {n}", own, tuple(records))

    @cached_property
    def _order(self) -> dict[tuple[str, ...], int]:
        places = (
            (str(job.target), question.spec.name, question.suite, question.template.name)
            for jobs in self._laid.jobs.values()
            for job in jobs
            for question in job.questions
        )
        return {place: number for number, place in enumerate(places)}

    def _place(self, verdict: Verdict) -> tuple[int, int]:
        targets = list(map(str, self._laid.targets))
        number = targets.index(verdict.target) if verdict.target in targets else len(targets)
        return number, self._order.get((verdict.target, verdict.spec, verdict.suite, verdict.case), -1)


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        yield from stream


def _question(record: Record) -> object:
    """What records must have in common to be of one question, so that whoever counts sees them together."""
    if isinstance(record, Verdict):
        return record.target, record.spec, record.suite, record.case, record.property, record.against
    return type(record)


def _common(record: Record) -> object:
    """What tells a record that every process writes, of a target or of data, from others; None for all else."""
    if isinstance(record, Drawn):
        return record
    if isinstance(record, Verdict) and (not record.case or record.property == LADDER):
        return place(record)
    return None
