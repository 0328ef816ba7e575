"""Gradients by regime: where their norm lies beside the limit, and how unequal they are.

Every tensor draws from a stream of its own. A power of two brings the norm to where a regime wants it, or one factor
that is rounded once; sums of squares are rounded once too (`math.fsum`), so that a case has the same bits everywhere.
No norm comes closer to the limit than a fifth, and by value no element closer than an eighth: at the kink there is no
derivative.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import frexp, fsum, sqrt

import numpy as np

from gradassay._spec import Array
from gradassay._words import Floats, Words
from gradassay_clip._config import Call, Clip
from gradassay_clip._tensors import tensors

# What the norm (by value: the largest magnitude) is of the limit: in [2, 4) by a power of two, and so on; or exactly.
ABOVE, BELOW = 2, -1  # exponents e of [2^(e-1), 2^e)
_PLACED: dict[str, int | float] = {
    "above": ABOVE,
    "below": BELOW,
    "closely-above": 1.25,
    "closely-below": 0.8,
    "alternating": ABOVE,  # where tensors are clipped on their own, every other one is below
    "uneven": ABOVE,
    "sparse": ABOVE,
    "tiny": 0,  # not placed
}
regimes: tuple[str, ...] = tuple(_PLACED)
HUGE, TINY, TINIER = 2.0**12, 2.0**-6, 2.0**-70


def draw(config: Clip, call: Call, regime: str, words: Words) -> dict[str, Array]:
    """Return every tensor that is there, float64.

    Raises:
        ValueError: if there is no such regime.
    """
    if regime not in _PLACED:
        raise ValueError(f"no regime {regime!r}; it should be one of {', '.join(regimes)}")
    given = [tensor for tensor in tensors(config, call) if tensor.role == "input"]
    if call.zero:
        return {tensor.name: np.zeros(tensor.shape) for tensor in given}
    if call.far:
        # At most 6 of it, with norms from 2^11 on: float16 holds each element, and not its square.
        return {tensor.name: words.branch(tensor.name).normal(tensor.shape) * HUGE for tensor in given}
    drawn = {
        tensor.name: _shaped(regime, number, words.branch(tensor.name).normal(tensor.shape))
        for number, tensor in enumerate(given)
    }
    if config.by == "norm":
        factor = _factor(config, regime, 0, drawn.values())
        return {name: array * factor for name, array in drawn.items()}
    placed = {
        name: array * _factor(config, regime, number, [array]) for number, (name, array) in enumerate(drawn.items())
    }
    if config.by == "each":
        return placed
    return {name: _off_the_kink(array, config.limit) for name, array in placed.items()}


def _shaped(regime: str, number: int, value: Floats) -> Floats:
    """Make a standard normal tensor unequal, as the regime wants it."""
    place = np.arange(value.size).reshape(value.shape)
    match regime:
        case "uneven":
            return value * 2.0 ** (4 - 5 * (number % 3))
        case "sparse":
            return np.where(place % 3 == number % 3, value, 0.0) if value.size > 2 else value
        case "tiny":
            return value * np.where(place == 0, TINY, TINIER)  # float32 holds each of them, and not the squares
        case _:
            return value


def _factor(config: Clip, regime: str, number: int, arrays: Iterable[Floats]) -> float:
    """Return what brings a norm to its place beside the limit."""
    place = _PLACED[regime]
    if not place:
        return 1.0
    if regime == "alternating" and config.by == "each" and number % 2:
        place = BELOW
    flat = [float(element) for array in arrays for element in array.ravel()]
    size = max(map(abs, flat)) if config.by == "value" else sqrt(fsum(element * element for element in flat))
    if isinstance(place, float):
        return place * config.limit / size
    return float(2.0 ** (place - frexp(size / config.limit)[1]))


def _off_the_kink(array: Floats, limit: float) -> Floats:
    """Move elements within an eighth of the limit to where three quarters of them are."""
    near = np.abs(np.abs(array) / limit - 1.0) < 0.125
    return np.where(near, array * 0.75, array)
