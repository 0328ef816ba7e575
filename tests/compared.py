"""Pairs of synthetic runs, of format 3, which differ in what a test says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import runs

from gradassay._record import Drawn, Header, Record, Verdict, encode
from gradassay.runs._diff import Diff, diff
from gradassay.runs._told import Told

MACHINE = {
    "system": "Linux-6.1.0-13-amd64-x86_64-with-glibc2.36",
    "processor": "x86_64",
    "python": "3.12.4",
    "numpy": "2.1.0",
    "cpu": "Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz",
    "cores": "4",
}
TARGET = runs.TARGETS[1]


def header(**changes: Any) -> Header:
    told: dict[str, Any] = {"machine": MACHINE, "gradassay": "0.1.0", "commit": "0123456789abcdef"}
    told["properties"] = ("contract", "values", "gradients", "hvp", "agreement")
    return runs.header(**(told | changes))


def drawn(case: str = "wide/ragged", digest: str = "00ff", dtype: str = "float32", **changes: Any) -> Drawn:
    return Drawn(**({"spec": "lstm", "suite": "wide", "case": case, "dtype": dtype, "digest": digest} | changes))


def run(*verdicts: Verdict, digest: str = "00ff", complete: bool = True, **changes: Any) -> list[Record]:
    """Return a run of these verdicts, and of the data that they are of."""
    cases = dict.fromkeys((v.spec, v.suite, v.case, v.target.rpartition("/")[2]) for v in verdicts if v.case)
    data = [Drawn(spec=a, suite=b, case=c, dtype=d, digest=digest) for a, b, c, d in cases]
    return [header(**changes), *data, *verdicts, *([runs.footer()] if complete else [])]


def compared(base: Sequence[Record], new: Sequence[Record], **options: Any) -> Diff:
    return diff(Told.of(base), Told.of(new), **options)


def counts(found: Diff) -> dict[str, int]:
    """How many there are of every kind of change that there is any of."""
    kinds = ("broken", "anew", "lost", "unoffered", "waived", "fixed", "new", "still", "unasked")
    told = {kind: len(getattr(found, kind)) for kind in kinds}
    told |= {"drifted": len(found.drift.worse), "improved": len(found.drift.better)}
    return {kind: number for kind, number in told.items() if number}


def saved(path: Path, records: Sequence[Record]) -> Path:
    path.write_bytes(b"".join(map(encode, records)))
    return path
