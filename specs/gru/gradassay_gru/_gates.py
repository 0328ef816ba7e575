"""Cases whose gates are held open or shut: a bias so large that sigmoid is 0 or 1 to every digit of every dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradassay_gru._tensors import GATES
from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._spec import Array

BEYOND = 64.0  # sigmoid(-64) is 1.6e-28; next to 1 that is nothing in float64 too


def bound(case: Case) -> float:
    """Return a bias that no pre-activation of any cell, whatever its state, comes within `BEYOND` of."""
    size = max([1.0, *(float(np.max(np.abs(case.tensors[n].astype(np.float64)), initial=0.0)) for n in _data(case))])
    sums = [float(np.abs(a.astype(np.float64)).reshape(len(a), -1).sum(axis=1).max()) for a in case.parameters.values()]
    # A cell adds up two products and two biases; states stay between what they begin with and tanh.
    return float(2.0 ** np.ceil(np.log2(BEYOND + 4 * size * max(sums))))


def can_be_held(case: Case) -> bool:
    """Say whether there are biases to hold gates by, and steps to see it, in numbers that float16 can add up."""
    return bool(case.config.bias) and case.call.batch > 0 and case.call.steps > 0 and case.template.regime != "overflow"


def held(case: Case, what: str, **gates: float) -> Case:
    """Return the case with gates held: `held(case, "shut", z=1.0)` keeps every state; -1 is the other end."""
    large, tensors = bound(case), dict(case.tensors)
    for name in (name for name in case.parameters if name.startswith("bias_ih")):
        tensors[name] = _with(tensors[name], {gate: sign * large for gate, sign in gates.items()})
    return made(case, what, tensors)


def _with(bias: Array, gates: dict[str, float]) -> Array:
    blocks = np.split(bias, len(GATES))
    return np.concatenate(
        [
            np.full_like(block, gates[gate]) if gate in gates else block
            for gate, block in zip(GATES, blocks, strict=True)
        ]
    )


def _data(case: Case) -> list[str]:
    return [name for name in ("x", "h0") if name in case.tensors]
