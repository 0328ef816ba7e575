"""One file to merge: the records of a shard, or of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gradassay._record import Footer, Header, Record, read

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Part:
    """One file: the records of a shard, or of a run."""

    name: str
    header: Header
    records: tuple[Record, ...]

    @property
    def footer(self) -> Footer | None:
        return next((record for record in self.records if isinstance(record, Footer)), None)

    @property
    def complete(self) -> bool:
        return self.footer is not None and self.footer.complete

    def each(self, kind: type[Kind]) -> list[Kind]:
        return [record for record in self.records if isinstance(record, kind)]

    @classmethod
    def of(cls, path: Path) -> Part:
        header, *records = read(path)
        assert isinstance(header, Header)  # or `read` would have refused it
        return cls(str(path), header, tuple(records))
