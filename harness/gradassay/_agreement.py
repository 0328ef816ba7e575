"""Two right implementations differ by their two noises: z of the difference is (z_a - z_b) / sqrt 2.

Not a property of one target, so it is asked of every pair of targets once both have answered a case.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from gradassay._judge import Floats
from gradassay._limits import RMS_FROM, RMS_LIMIT, max_limit
from gradassay._record import Element
from gradassay._spec import Tensor

UNNAMED: Mapping[str, Tensor] = MappingProxyType({})
Units = Mapping[str, Floats]  # tensor -> z, NaN where nothing can be said


def agree(a: Units, b: Units, names: tuple[str, str], table: Mapping[str, Tensor] = UNNAMED) -> dict[str, Any]:
    """Return the fields of a verdict on a pair of targets over all tensors of one case.

    Args:
        a, b: noise units of each tensor against the truth; tensors that only one of them has are left out.
        names: the two targets, for the message.
        table: the case's labelled tensors, to name the worst element; "d x" is an element of x.
    """
    shared = [tensor for tensor in a if tensor in b and a[tensor].shape == b[tensor].shape and a[tensor].size]
    if not shared:
        return {"outcome": "not applicable", "reason": "nothing that both have answered has elements to compare"}
    with np.errstate(invalid="ignore"):  # infinity less infinity, where both leak
        difference = {tensor: (a[tensor] - b[tensor]) / np.sqrt(2.0) for tensor in shared}
    for tensor in shared:
        neither = ~np.isfinite(a[tensor]) & ~np.isfinite(b[tensor])  # each failed there on its own
        apart = np.where(np.isfinite(difference[tensor]), np.abs(difference[tensor]), np.inf)
        difference[tensor] = np.where(neither, 0.0, apart)
    flat = np.concatenate([difference[tensor].ravel() for tensor in shared], dtype=np.float64)
    n, largest = flat.size, float(flat.max())
    rms = float(np.sqrt(np.mean(np.square(flat)))) if np.isfinite(largest) else None
    limit, limit_rms = max_limit(n), RMS_LIMIT if n >= RMS_FROM else None
    wrong = largest > limit or (rms is not None and limit_rms is not None and rms > limit_rms)
    worst = max(shared, key=lambda tensor: float(difference[tensor].max()))
    index = np.unravel_index(int(np.argmax(difference[worst])), difference[worst].shape)
    name = worst.removeprefix("d ")
    return {
        "outcome": "failed" if wrong else "passed",
        "reason": f"{names[0]} and {names[1]} differ by {largest:.4g} noise units in {worst}" if wrong else "",
        "elements": n,
        "rms": rms,
        "max": largest if np.isfinite(largest) else None,
        "limit_rms": limit_rms,
        "limit_max": limit,
        "worst": Element(
            tensor=worst,
            index=tuple(int(i) for i in index),
            where=table[name].locate([int(i) for i in index]) if name in table else {},
            got=f"{a[worst][index]:.4g} noise units",
            want=f"{b[worst][index]:.4g} noise units",
            sigma=1.0,
            z=largest if np.isfinite(largest) else None,
        ),
    }
