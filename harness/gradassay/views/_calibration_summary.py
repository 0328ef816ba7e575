"""What a calibration comes to, in numbers: how many verdicts, the bound that they give, and the fitted tails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gradassay._record import Verdict
from gradassay._tail import FEWEST, Floats, Tail, exponential, generalised_pareto, interval
from gradassay._words import Words
from gradassay.views._cells import Key, dtype, share, share_rms

if TYPE_CHECKING:
    from gradassay._calibrate import Calibration

FEWEST_GROUPS = 10  # with fewer, drawing them again says nothing
FITS: Mapping[str, Callable[[Floats], Tail]] = {
    "exponential": exponential,
    "generalised Pareto": generalised_pareto,
}


def summary(calibration: Calibration) -> dict[str, Any]:
    judged = calibration.judged
    first = calibration.headers[0]
    distinct = len({(v.spec, v.case, dtype(v), v.property, v.rms, v.max) for v in judged})
    questions = len({(v.spec, v.case, dtype(v)) for v in judged})
    numbers = {"verdicts": len(judged), "distinct": distinct, "questions": questions}
    packages: dict[str, str] = {}
    for header in calibration.headers:
        for versions in header.versions.values():
            packages |= versions
    return {
        "command": calibration.command,
        "started": first.started,
        "seconds": round(calibration.seconds, 1),
        "limits": first.limits,
        "specs": {name: version for header in calibration.headers for name, version in header.specs.items()},
        "versions": dict(sorted(packages.items())),
        "machine": first.machine,
        **numbers,
        "beyond": len(calibration.beyond),
        "blind": calibration.count("blind"),
        "properties": list(calibration.properties),
        "statements": calibration.statements,
        "zero": sum(v.outcome == "passed" and v.rms is None and v.elements > 0 for v in calibration.verdicts),
        "skipped": calibration.count("skipped"),
        "errored": calibration.count("errored"),
        "bound": {name: 3.0 / number for name, number in numbers.items()} if not calibration.beyond else None,
        "largest_of_limit": {"max": max(map(share, judged)), "rms": max(_shares(judged, share_rms), default=None)},
        "tails": _tails(judged),
    }


def _shares(verdicts: Sequence[Verdict], of: Callable[[Verdict], float | None]) -> list[float]:
    return [figure for verdict in verdicts if (figure := of(verdict)) is not None]


def _beyond(fit: Callable[[Floats], Tail], sample: Floats) -> float:
    return fit(sample).beyond(1.0)


def _tails(judged: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Fit both distributions to both figures as fractions of their limits, resampling whole (case, dtype) groups."""
    rows = []
    for figure, of in (("max", share), ("rms", share_rms)):
        found: defaultdict[Key, list[float]] = defaultdict(list)
        for verdict in judged:
            if (fraction := of(verdict)) is not None and np.isfinite(fraction):
                found[verdict.spec, verdict.case, dtype(verdict)].append(fraction)
        groups = [np.array(values) for values in found.values()]
        if len(groups) < FEWEST_GROUPS or sum(map(len, groups)) <= 2 * FEWEST:
            continue
        sample = np.concatenate(groups)
        for name, fit in FITS.items():
            tail = fit(sample)
            low, high = interval(groups, partial(_beyond, fit), Words(0, "tail", figure, name))
            rows.append(
                {
                    "figure": figure,
                    "fit": name,
                    "values": len(sample),
                    "tail": round(tail.share * len(sample)),
                    "threshold": tail.threshold,
                    "scale": tail.scale,
                    "shape": tail.shape,
                    "beyond": tail.beyond(1.0),
                    "low": low,
                    "high": high,
                }
            )
    return rows
