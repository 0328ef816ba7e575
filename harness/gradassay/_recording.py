"""What a run writes down, kept as it comes: in memory, in a file, and counted for whoever watches."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from rich.console import Console

from gradassay._errors import UsageError
from gradassay._ladder import LADDER
from gradassay._record import Header, Record, Verdict, encode, write
from gradassay.views._summary import counted
from gradassay.views.progress import Progress

WORST_FIRST = (
    "errored",
    "failed",
    "waived",
    "passed",
    "blind",
)  # one tensor that passed is a question that was answered


def check_writable(path: Path) -> None:
    """Refuse a path before a run that could not be written there at its end.

    Raises:
        UsageError: when the path is a folder, lies in no folder, or may not be written.
    """
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder; name a file in it")
    if not folder.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {folder}; make it first")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"cannot write {path}: permission denied")


class Recording:
    """Takes the records of a run one by one, as `verify(on_record=recording.take)`.

    The file is opened with the header, so that a run which is refused leaves an older file alone; each record
    is flushed, so that a killed run keeps what it had.

    Args:
        path: where to write JSON Lines; None keeps them in memory alone.
        console: where progress is shown; standard error when it is not given.
    """

    def __init__(self, path: Path | None, console: Console | None = None) -> None:
        if path is not None:
            check_writable(path)
        self.records: list[Record] = []
        self._path, self._console = path, console
        self._stream: IO[bytes] | None = None
        self._progress: Progress | None = None
        self._question: tuple[str, ...] | None = None
        self._outcomes: list[str] = []
        self._counted: set[tuple[str, ...]] = set()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settle()
        self._open.close()
        if self._stream is not None:
            try:
                self._stream.close()
            except OSError as failure:  # a full disk is told again when what is left is flushed
                raise self._unwritten(failure) from failure

    def _unwritten(self, error: OSError) -> UsageError:
        return UsageError(f"cannot write {self._path}: {error.strerror}")

    def take(self, record: Record) -> None:
        """Keep, write and count one record.

        Raises:
            UsageError: when the file cannot be written.
        """
        self.records.append(record)
        if isinstance(record, Header):
            self._progress = self._open.enter_context(Progress(record.planned, self._console))
        try:
            if isinstance(record, Header) and self._path is not None:
                self._stream = self._path.open("wb")
            if self._stream is not None:
                write(self._stream, record)
        except OSError as error:
            raise self._unwritten(error) from error
        if isinstance(record, Verdict):
            self._count(record)

    def settle(self, records: list[Record]) -> None:
        """Put a run as it came out in the place of its records as they came: several processes write in any order.

        Raises:
            UsageError: when the file cannot be written.
        """
        self.records = records
        if self._stream is None:
            return
        try:
            self._stream.seek(0)
            self._stream.truncate()
            self._stream.writelines(map(encode, records))
            self._stream.flush()
        except OSError as error:
            raise self._unwritten(error) from error

    def _count(self, verdict: Verdict) -> None:
        """Count a question once it is answered, whatever the number of its tensors: by their worst outcome.

        The verdicts of one question come together; those of agreement are not planned, and not counted.
        """
        if verdict.property == LADDER:  # which is not planned: it decides whether the plan is asked
            return
        if not verdict.case and self._progress is not None:
            self._progress.finish(verdict.target, counted(verdict))
            return
        question = (verdict.target, verdict.spec, verdict.suite, verdict.case, verdict.property)
        if question != self._question:
            self._settle()
            if verdict.against or question in self._counted:
                return
            self._question = question
        self._outcomes.append(counted(verdict))

    def _settle(self) -> None:
        if self._question is not None and self._progress is not None:
            self._counted.add(self._question)
            told = self._outcomes[0]
            worst = next((outcome for outcome in WORST_FIRST if outcome in self._outcomes), told)
            self._progress.advance(self._question[0], worst)
        self._question, self._outcomes = None, []
