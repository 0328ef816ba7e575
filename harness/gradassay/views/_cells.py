"""Figures of many verdicts in the cells of a table: largest and pooled noise units, and how many were blind."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from gradassay._limits import RMS_FROM
from gradassay._record import Verdict

Key = tuple[str, ...]

FIGURES = ("verdicts", "blind", "zero", "beyond", "rms_pooled", "rms_largest", "max", "max_of_limit")


def dtype(verdict: Verdict) -> str:
    return verdict.target.rpartition("/")[2]


def share(verdict: Verdict) -> float:
    """The largest |z| as a fraction of its limit; infinite where there is no number: a NaN, or a leak into a zero."""
    if verdict.max is None or verdict.limit_max is None:
        return float("inf")
    return verdict.max / verdict.limit_max


def share_rms(verdict: Verdict) -> float | None:
    if verdict.limit_rms is None or verdict.rms is None:
        return None
    return verdict.rms / verdict.limit_rms


class Cell:
    """Figures of the verdicts that fall into one cell of a table."""

    def __init__(self) -> None:
        self.verdicts = self.blind = self.zero = self.beyond = self._elements = 0
        self.max = self.share = self._squares = 0.0
        self.rms: float | None = None  # the largest of a verdict with enough elements for one

    def take(self, verdict: Verdict) -> None:
        if verdict.outcome == "blind":
            self.blind += 1
        elif verdict.outcome == "passed" and verdict.rms is None:
            self.zero += 1
        elif verdict.outcome in ("passed", "failed"):
            self.verdicts += 1
            self.beyond += verdict.outcome == "failed"
            self.max = max(self.max, float("inf") if verdict.max is None else verdict.max)
            self.share = max(self.share, share(verdict))
            if verdict.rms is not None:
                self._elements += verdict.elements
                self._squares += verdict.elements * verdict.rms**2
                if verdict.elements >= RMS_FROM:
                    self.rms = max(self.rms or 0.0, verdict.rms)

    @property
    def pooled(self) -> float | None:
        """RMS over all verdicts, each with the weight of its elements."""
        return (self._squares / self._elements) ** 0.5 if self._elements else None

    def row(self) -> list[str]:
        """What the header `FIGURES` names."""
        counts = [str(number) for number in (self.verdicts, self.blind, self.zero, self.beyond)]
        largest = [f"{self.max:.3f}", f"{self.share:.4f}"] if self.verdicts else ["", ""]
        return [*counts, *("" if rms is None else f"{rms:.3f}" for rms in (self.pooled, self.rms)), *largest]


def cells(verdicts: Iterable[Verdict], key: Callable[[Verdict], Key]) -> dict[Key, Cell]:
    found: defaultdict[Key, Cell] = defaultdict(Cell)
    for verdict in verdicts:
        if verdict.outcome in ("passed", "failed", "blind") and (verdict.elements or verdict.outcome == "failed"):
            found[key(verdict)].take(verdict)
    return dict(found)


def comma_separated(names: Sequence[str], found: Mapping[Key, Cell]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, *FIGURES])
    writer.writerows([*key, *cell.row()] for key, cell in found.items())
    return text.getvalue()
