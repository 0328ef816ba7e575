"""One committed run a platform, slimmed to what comparisons need: what a new run is held against."""

from __future__ import annotations

import lzma
import os
import re
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from gradassay._errors import UsageError
from gradassay._record import Drawn, Footer, Header, Record, RecordError, Verdict, encode

SUFFIX = ".jsonl.xz"
DIGITS = 4  # of a figure: fewer than what moves when rounding does, more than what a factor needs
PRESET = 6  # of xz; the slowest saves a quarter, and takes four times as long


def platform_of(header: Header) -> str:
    """Return the name of a run's platform: `linux-x86_64`.

    Raises:
        UsageError: if the run does not say what machine it ran on.
    """
    system, processor = header.machine.get("system", ""), header.machine.get("processor", "")
    parts = [re.sub(r"[^a-z0-9_]", "", part.lower()) for part in (system.partition("-")[0], processor)]
    if not all(parts):
        raise UsageError("the run does not say what system and processor it ran on: it has no baseline")
    return "-".join(parts)


def path_of(header: Header, folder: Path) -> Path:
    return folder / f"{platform_of(header)}{SUFFIX}"


def platforms(folder: Path) -> list[str]:
    """The platforms that have a baseline."""
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))


def slim(records: Iterable[Record]) -> list[Record]:
    """Return the records of a run with what comparisons need alone, in an order of their own.

    Left out is what only a reader of that very run wants: worst elements, figures along axes, maps, causes, what ran,
    and how it was called. The command that asks a verdict again follows from what the verdict is of.
    """
    held = list(records)
    headers = [replace(one, command="", questions={}) for one in held if isinstance(one, Header)]
    drawn = sorted((one for one in held if isinstance(one, Drawn)), key=encode)
    verdicts = sorted((slim_verdict(one) for one in held if isinstance(one, Verdict)), key=_order)
    footers = [one for one in held if isinstance(one, Footer)]
    return [*headers[:1], *drawn, *verdicts, *footers[-1:]]


def slim_verdict(verdict: Verdict) -> Verdict:
    """Return what a verdict is of, its outcome, and its figures in four digits."""
    return Verdict(
        target=verdict.target,
        spec=verdict.spec,
        suite=verdict.suite,
        case=verdict.case,
        property=verdict.property,
        tensor=verdict.tensor,
        against=verdict.against,
        outcome=verdict.outcome,
        reason="" if verdict.outcome == "passed" else verdict.reason,
        elements=verdict.elements,
        rms=_rounded(verdict.rms),
        max=_rounded(verdict.max),
        limit_rms=_rounded(verdict.limit_rms),
        limit_max=_rounded(verdict.limit_max),
        waived=verdict.waived,
    )


def _order(verdict: Verdict) -> tuple[str, ...]:
    """The same question of all targets together: that is what xz makes small."""
    v = verdict
    return v.spec, v.suite, v.case, v.property, v.tensor, v.target, v.against


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else float(f"{figure:.{DIGITS}g}")


def save(records: Iterable[Record], path: Path) -> int:
    """Write a baseline, whole or not at all; return its size in bytes.

    Raises:
        UsageError: if it cannot be written.
    """
    data = lzma.compress(b"".join(map(encode, slim(records))), preset=PRESET)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(data)
        os.replace(unfinished, path)
    except OSError as error:
        if unfinished.is_file():
            unfinished.unlink()
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return len(data)


def header_of(records: Iterable[Record], path: Path) -> Header:
    """Return the header of a run that is to be a baseline, or to be compared with one."""
    header = next(iter(records), None)
    if not isinstance(header, Header):
        raise RecordError(f"{path} has no header")
    return header
