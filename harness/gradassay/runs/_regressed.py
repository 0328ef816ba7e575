"""Runs that are to be compared, read from files; what cannot be compared at all is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gradassay._errors import UsageError
from gradassay._record import read
from gradassay.runs._drift import drift
from gradassay.runs._fair import fairness, same_selection
from gradassay.runs._told import Told
from gradassay.views._words import some


def load(path: Path, renamed: Mapping[str, str] | None = None) -> Told:
    """Read a run.

    Raises:
        RecordError: if it cannot be read; `UsageError` if it holds no verdict.
    """
    told = Told.of(read(path), renamed)
    if not told.verdicts:
        raise UsageError(f"{path} holds no verdict: there is nothing to compare")
    return told


def nothing_in_common(base: Told, new: Told, base_path: Path, new_path: Path) -> str:
    """Say that two runs were asked nothing alike: a comparison of nothing would look like a pass. Empty: they were."""
    for what, a, b in (
        ("target", base.header.targets, new.header.targets),
        ("suite", base.header.suites, new.header.suites),
        ("property", base.header.properties, new.header.properties),
    ):
        if not set(a) & set(b):
            return (
                f"they have no {what} in common: {base_path} has {some(list(a), 4)}; {new_path} has {some(list(b), 4)}"
            )
    if not base.verdicts.keys() & new.verdicts.keys() and not same_selection(base.header, new.header):
        return f"they have no verdict in common: {base_path} and {new_path} were asked about other cases"
    return ""


def same_run(a: Told, b: Told) -> bool:
    """Whether two files hold one run, slimmed or not."""
    same = (a.header.started, a.header.targets) == (b.header.started, b.header.targets)
    return same and a.verdicts.keys() == b.verdicts.keys() and not drift(a, b).changed


def check_repeat(base: Told, repeat: Told, path: Path) -> None:
    """Refuse a floor whose noise units have another meaning, or are of other data.

    Raises:
        UsageError: if specs, limits or the bits of cases differ.
    """
    fair = fairness(base, repeat)
    unlike = [why for why in fair.unlike if why.startswith(("spec ", "limits ", "the cases "))]
    if unlike:
        raise UsageError(f"--floor {path} is no repeat of BASE: {'; '.join(unlike)}")
    if not base.verdicts.keys() & repeat.verdicts.keys():
        raise UsageError(f"--floor {path} is no repeat of BASE: they have no verdict in common")
