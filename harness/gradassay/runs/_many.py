"""Many runs at once: the figures of every verdict as columns of numbers, each file read once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradassay._errors import UsageError
from gradassay._location import backend_of, is_location
from gradassay._record import Drawn, Footer, Header, Record, Verdict, read

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.xz")
# Figures are of answers against truth: where answers are set beside answers, exactly 0 and 0.4 are both usual.
AGAINST_TRUTH = ("values", "gradients", "jvp", "hvp", "jacobian")
FIGURES = ("rms", "max", "elements", "seconds")
OUTCOMES = ("passed", "failed", "waived", "blind", "errored", "skipped", "not applicable")
FAILED = (OUTCOMES.index("failed"), OUTCOMES.index("errored"))
REACHED = (OUTCOMES.index("passed"), *FAILED, OUTCOMES.index("waived"))
NOT_ASKED = -1
BEFORE_RELEASE = ("dev", "a", "alpha", "b", "beta", "rc", "pre")


class Asked(NamedTuple):
    """What a verdict is on, in any run."""

    target: str
    spec: str
    suite: str
    case: str
    property: str
    tensor: str


@dataclass(frozen=True)
class Taken:
    """One run: what it says of itself."""

    path: Path
    header: Header
    footer: Footer | None
    digests: dict[tuple[str, str, str, str], str]  # (spec, suite, case, dtype) -> what was drawn

    def versions(self, backend: str) -> dict[str, str]:
        """Return the versions that a backend's numbers may depend on; of a file of one's own, its commit is one."""
        known = dict(self.header.versions.get(backend, {}))
        return known | {"commit": self.header.commit[:9]} if is_location(backend) and self.header.commit else known

    def machine(self, fields: Sequence[str]) -> str:
        """Return the machine in words, as far as these fields tell."""
        told = {**self.header.machine, "system": self.header.machine.get("system", "").partition("-")[0]}
        words = (f"{told.get(name, '')} cores" if name == "cores" else told.get(name, "") for name in fields)
        return ", ".join(word for word in words if word.strip())


@dataclass
class Many:
    """Runs by what was asked: `rms`, `max`, `elements` and `seconds` are NaN where a run has no such figure.

    Attributes:
        asked: everything that any run was asked.
        figures: name -> (runs, asked).
        outcomes: (runs, asked), positions in OUTCOMES; NOT_ASKED where a run was not asked.
        copies: files that are a run which was there already, and the file that was.
    """

    runs: list[Taken] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    figures: dict[str, Floats] = field(default_factory=dict)
    outcomes: npt.NDArray[np.int8] = field(default_factory=lambda: np.empty((0, 0), np.int8))
    copies: list[tuple[Path, Path]] = field(default_factory=list)

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Many:
        """Read runs.

        Raises:
            RecordError: if a file is no run.
        """
        return cls.of((path, read(path)) for path in paths)

    @classmethod
    def of(cls, runs: Iterable[tuple[Path, Iterable[Record]]]) -> Many:
        """Take runs whose records come one by one; none of them is kept."""
        numbers: dict[Asked, int] = {}
        columns: list[_Columns] = []
        found = cls()
        for path, records in runs:
            taken, column = _taken(path, records, numbers)
            same = next((run for run in found.runs if _mark(run) == _mark(taken)), None)
            if same is not None and taken.footer is not None:
                found.copies.append((path, same.path))
                continue
            found.runs.append(taken)
            columns.append(column)
        found.asked = list(numbers)
        width = len(numbers)
        found.figures = {name: np.full((len(columns), width), np.nan) for name in FIGURES}
        found.outcomes = np.full((len(columns), width), NOT_ASKED, np.int8)
        for row, column in enumerate(columns):
            found.outcomes[row, column.number] = column.outcome
            for name in FIGURES:
                found.figures[name][row, column.number] = getattr(column, name)
        return found

    def codes(self, of: Sequence[object]) -> tuple[Integers, list[object]]:
        """Number equal things alike, in order of their first appearance."""
        known: dict[object, int] = {}
        return np.array([known.setdefault(one, len(known)) for one in of], np.int64), list(known)

    @property
    def backends(self) -> list[str]:
        return list(dict.fromkeys(backend_of(target) for target in dict.fromkeys(a.target for a in self.asked)))

    def machine_fields(self) -> tuple[str, ...]:
        """What every run says of its machine: older ones do not know their processor's name."""
        fields = ("system", "processor", "cpu", "cores")
        return tuple(name for name in fields if all(run.header.machine.get(name) for run in self.runs))


@dataclass
class _Columns:
    number: list[int] = field(default_factory=list)
    outcome: list[int] = field(default_factory=list)
    rms: list[float] = field(default_factory=list)
    max: list[float] = field(default_factory=list)
    elements: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def _mark(run: Taken) -> tuple[object, ...]:
    """What a run and its copies have in common, a baseline that was made of it among them."""
    return run.header.started, run.header.targets, run.footer.finished if run.footer else None


def _taken(path: Path, records: Iterable[Record], numbers: dict[Asked, int]) -> tuple[Taken, _Columns]:
    header: Header | None = None
    footer: Footer | None = None
    digests: dict[tuple[str, str, str, str], str] = {}
    column, nan = _Columns(), float("nan")
    for record in records:
        if isinstance(record, Verdict):
            if record.against:  # of two targets: it is no figure of either
                continue
            v = record
            asked = Asked(v.target, v.spec, v.suite, v.case, v.property, v.tensor)
            column.number.append(numbers.setdefault(asked, len(numbers)))
            column.outcome.append(OUTCOMES.index("waived" if v.waived else v.outcome))
            measured = v.outcome != "blind" and v.property in AGAINST_TRUTH
            column.rms.append(v.rms if measured and v.rms is not None else nan)
            column.max.append(v.max if measured and v.max is not None else nan)
            column.elements.append(v.elements)
            column.seconds.append(v.seconds or nan)
        elif isinstance(record, Header):
            header = record
        elif isinstance(record, Footer):
            footer = record
        elif isinstance(record, Drawn):
            digests[record.spec, record.suite, record.case, record.dtype] = record.digest
    assert header is not None  # `read` refuses a file without one
    return Taken(path, header, footer, digests), column


def files(named: Sequence[Path]) -> list[Path]:
    """Return the files of runs that are named, and those of folders that are.

    Raises:
        UsageError: if a folder holds no run, or something is not there.
    """
    found: list[Path] = []
    for path in named:
        if not path.is_dir():
            found.append(path)
            continue
        own = sorted(file for file in path.iterdir() if file.name.endswith(ENDINGS) and file.is_file())
        if not own:
            raise UsageError(
                f"{path} holds no run: no file in it ends in {', '.join(ENDINGS)}; "
                f"a run is made by `gradassay verify --out {path / 'run.jsonl'}`"
            )
        found += own
    return list(dict.fromkeys(found))


def in_order(versions: str) -> tuple[tuple[int, int, str], ...]:
    """A key that puts versions in order: numbers as numbers, and what comes before a release before it."""
    parts = re.findall(r"\d+|[A-Za-z]+", versions.partition("+")[0])
    key = [(1, int(p), "") if p.isdigit() else (-1 if p.lower() in BEFORE_RELEASE else 2, 0, p) for p in parts]
    return (*key, (0, 0, ""))


def version_key(backend: str, versions: dict[str, str]) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """A key that puts runs of a backend in order: its own framework's version first, then what stands beside it."""
    own = backend.partition("-")[0]
    names = sorted(versions, key=lambda name: (name != own, name not in RELEASED, name))
    return tuple(in_order(versions[name]) for name in names)


RELEASED = ("keras", "jax", "jaxlib", "torch", "tensorflow", "numpy")  # before settings, where the order is to be told


def changed(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    """The packages whose version is not the same."""
    return tuple(name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name))
