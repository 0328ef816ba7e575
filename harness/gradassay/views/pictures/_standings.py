"""How far from the truth the tensors of each target are, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from statistics import median

from gradassay._record import Verdict
from gradassay.views._summary import Summary
from gradassay.views.pictures._groups import group_of

FIGURES = ("rms", "max")
SHARES = (0.05, 0.25, 0.5, 0.75, 1.0)  # of the tensors, whose figures are at most the one told


@dataclass(frozen=True)
class Standing:
    """The verdicts of one property on one target that have figures, or should have."""

    target: str
    of: str  # a property
    verdicts: tuple[Verdict, ...]

    @cached_property
    def figures(self) -> dict[str, list[float]]:
        """From small to large: the RMS where there are elements enough for a limit on it, and the largest |z|."""
        held = {"rms": [v for v in self.verdicts if v.limit_rms is not None], "max": self.verdicts}
        return {name: sorted(_figure(v, name) for v in verdicts) for name, verdicts in held.items()}

    @cached_property
    def quantiles(self) -> dict[str, list[float]]:
        """Of each figure that there is; each is that of a tensor."""
        return {
            name: [found[max(round(share * len(found)) - 1, 0)] for share in SHARES]
            for name, found in self.figures.items()
            if found
        }

    @property
    def typical(self) -> float:
        return (self.quantiles.get("rms") or self.quantiles["max"])[2]

    @property
    def failed(self) -> bool:
        return any(v.outcome == "failed" for v in self.verdicts)


def standings(summary: Summary, of: str) -> list[Standing]:
    """Return the standing in one property of each target that has one, the most accurate first."""
    held: dict[str, list[Verdict]] = {}
    for v in summary.verdicts:
        # What passed without a figure is 0, exactly; what failed without one is not finite.
        if v.property == of and not v.against and (v.outcome == "failed" or (v.outcome == "passed" and _has(v))):
            held.setdefault(v.target, []).append(v)
    found = [Standing(target, of, tuple(verdicts)) for target, verdicts in held.items()]
    return sorted(found, key=lambda standing: standing.typical)


def groups(runs: Sequence[Sequence[Standing]]) -> list[str]:
    """Return the groups of targets, the most accurate first: by the typical figure of their dtypes, over all runs."""
    held: dict[str, list[float]] = {}
    for standing in (standing for run in runs for standing in run):
        held.setdefault(group_of(standing.target), []).append(standing.typical)
    return sorted(held, key=lambda group: (median(held[group]), group))


def _has(verdict: Verdict) -> bool:
    return verdict.max is not None


def _figure(verdict: Verdict, name: str) -> float:
    found = verdict.rms if name == "rms" else verdict.max
    return inf if found is None or not found < inf else found
