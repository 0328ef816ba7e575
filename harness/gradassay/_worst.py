"""The worst cases of a target so far, one file for each property and kind of tensor; a worse one takes its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gradassay._case import Case
from gradassay._casefile import load, save
from gradassay._errors import UsageError
from gradassay._record import Verdict
from gradassay._spec import Tensor
from gradassay.views._words import units

SUFFIX = ".safetensors"
FAILURE = "failed-"  # files of this name hold what is wrong, and are no records


@dataclass(frozen=True)
class Worst:
    """The worst case known of one property and kind of tensor.

    Attributes:
        share: how much of the limit it uses: noise units over their limit, the largest or the root mean square.
        figures: the noise units and their limits, in words.
        regime: of its data.
        path: the file that holds it.
    """

    property: str
    kind: str
    share: float
    figures: str
    regime: str
    path: Path


@dataclass(frozen=True)
class Moved:
    """A record that was beaten, or set where there was none."""

    now: Worst
    before: Worst | None


class Records:
    """The records of one target in a folder; what is in it already is read, and kept until it is beaten.

    Raises:
        UsageError: if a file of the folder is no record, or one of another target.
    """

    def __init__(self, folder: Path, target: str) -> None:
        self.folder, self.target = folder, target
        self.worst: dict[tuple[str, str], Worst] = {}
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file; it should be a folder, or the name of one to be made")
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            if not path.name.startswith(FAILURE):
                found = self._read(path)
                self.worst[found.property, found.kind] = found

    def _read(self, path: Path) -> Worst:
        saved = load(path)
        if saved.target != self.target:
            raise UsageError(f"{path} is a record of {saved.target or 'no target'}; it should be one of {self.target}")
        try:
            kind, share, figures = saved.note["kind"], float(saved.note["share"]), saved.note["figures"]
            (name,) = saved.properties
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"{path} is a saved case, but no record of a hunt; move it elsewhere, or name another folder"
            ) from error
        return Worst(name, kind, share, figures, saved.case.template.regime, path)

    def take(self, case: Case, verdict: Verdict) -> Moved | None:
        """Keep a case if a verdict on it comes nearer to its limit than any before, and say so."""
        of_limit = share(verdict)
        if of_limit is None:
            return None
        kind = kind_of(verdict.tensor, case.table)
        before = self.worst.get((verdict.property, kind))
        if before is not None and of_limit <= before.share:
            return None
        path = self.folder / f"{file_name(verdict.property, kind)}{SUFFIX}"
        now = Worst(verdict.property, kind, of_limit, figures(verdict), case.template.regime, path)
        note = {"kind": kind, "tensor": verdict.tensor, "share": repr(of_limit), "figures": now.figures}
        save(path, case, target=self.target, properties=(verdict.property,), note=note)
        self.worst[verdict.property, kind] = now
        return Moved(now, before)

    def fail(self, case: Case, verdict: Verdict) -> Path:
        """Keep a case that is wrong, and return its file."""
        where = file_name(verdict.property or "everything", kind_of(verdict.tensor, case.table))
        path = self.folder / f"{FAILURE}{where}{SUFFIX}"
        properties = (verdict.property,) if verdict.property else ()
        note = {"tensor": verdict.tensor, "outcome": str(verdict.outcome), "reason": verdict.reason}
        save(path, case, target=self.target, properties=properties, note=note)
        return path


def share(verdict: Verdict) -> float | None:
    """Return how much of its limit a verdict uses; None where nothing was measured."""
    parts = [(verdict.max, verdict.limit_max), (verdict.rms, verdict.limit_rms)]
    return max((got / limit for got, limit in parts if got is not None and limit is not None), default=None)


def figures(verdict: Verdict) -> str:
    """`max 4.5 of 14.2, RMS 1.1 of 4.0`."""
    parts = [("max", verdict.max, verdict.limit_max), ("RMS", verdict.rms, verdict.limit_rms)]
    return ", ".join(f"{name} {units(got)} of {units(limit)}" for name, got, limit in parts if limit is not None)


def kind_of(tensor: str, table: Mapping[str, Tensor]) -> str:
    """Return what a tensor is, whichever layer and direction it is of: `weight_hh` for `weight_hh_l1_reverse`.

    What a verdict names beside tensors stays: `c0 of another shape`.
    """

    def kind(word: str) -> str:
        layer = table[word].where.get("layer") if word in table else None
        return word if layer is None else word.partition(f"_l{layer}")[0]

    return " ".join(map(kind, tensor.split(" ")))


def file_name(*parts: str) -> str:
    """Return a name that every file system takes: `adjoint-v-J-u`."""
    return "-".join(filter(None, (re.sub(r"[^A-Za-z0-9_]+", "-", part).strip("-") for part in parts)))
