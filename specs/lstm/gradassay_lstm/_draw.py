"""Data by regime: fifteen ways for numbers to be, so that no one scale hides what another shows.

Every tensor draws from a stream of its own, and products are by powers of two or rounded once, so a case
has the same bits everywhere. No two batch rows and no two steps are equal, since real rounding is
coherent where they are. Every value stays finite when it is rounded to float16 (largest: 65504), and so does what
follows from it, in every regime but `overflow`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod, sqrt

import numpy as np
import numpy.typing as npt

from gradassay._spec import Array, Tensor
from gradassay._words import Floats, Words
from gradassay_lstm._config import LSTM, Call
from gradassay_lstm._tensors import GATES, tensors

Edit = Callable[[Tensor, Floats, Words], Floats]

DROPOUT = 0.25  # share of a dropout mask that is zero; the rest is 1 / (1 - DROPOUT)


def draw(config: LSTM, call: Call, regime: str, words: Words) -> dict[str, Array]:
    """Return every input, state, mask, index and parameter of a call by name: float64, and int64 for an index.

    Raises:
        ValueError: if there is no such regime.
    """
    if regime not in REGIMES:
        raise ValueError(f"no regime {regime!r}; it should be one of {', '.join(regimes)}")
    drawn: dict[str, Array] = {}
    for tensor in tensors(config, call):
        if tensor.role == "output":
            continue
        stream = words.branch(tensor.name)
        if tensor.role == "index":
            drawn[tensor.name] = np.array(call.lengths, dtype=np.int64)
        elif tensor.role == "mask":
            kept = stream.integers(tensor.shape, 2**16) >= round(DROPOUT * 2**16)
            drawn[tensor.name] = np.where(kept, 1.0 / (1.0 - DROPOUT), 0.0)
        elif tensor.role == "parameter":
            value = stream.uniform(tensor.shape) / sqrt(config.hidden_size)  # as torch initialises
            drawn[tensor.name] = REGIMES[regime](tensor, value, stream.branch("regime"))
        else:
            value = stream.normal(tensor.shape)
            drawn[tensor.name] = REGIMES[regime](tensor, value, stream.branch("regime"))
    return drawn


def is_data(tensor: Tensor) -> bool:
    return tensor.role in ("input", "state")


def is_matrix(tensor: Tensor) -> bool:
    return tensor.role == "parameter" and len(tensor.shape) == 2


def _kept(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """One place in every row (last axis), wandering with the row: what it holds keeps rows apart."""
    row = np.arange(prod(shape[:-1])).reshape((*shape[:-1], 1))
    kept: npt.NDArray[np.bool_] = row % shape[-1] == np.arange(shape[-1])
    return kept


def _powers(exponents: Iterable[int]) -> Floats:
    return np.array([2.0**exponent for exponent in exponents])


def _chosen(tensor: Tensor, words: Words, one_in: int) -> npt.NDArray[np.bool_]:
    chosen: npt.NDArray[np.bool_] = words.integers(tensor.shape, one_in) == 0
    return chosen


def _unit(tensor: Tensor, value: Floats, words: Words) -> Floats:
    return value


def _saturated(tensor: Tensor, value: Floats, words: Words) -> Floats:
    return value * 6.0 if tensor.role == "parameter" else value


def _small(tensor: Tensor, value: Floats, words: Words) -> Floats:
    return value * 2.0**-6 if tensor.role == "parameter" else value


def by_powers(tensor: Tensor, value: Floats, words: Words, exponents: tuple[int, ...]) -> Floats:
    """Scale data by powers of two: the first exponent at one place of every row, any of them elsewhere."""
    if not is_data(tensor):
        return value
    choice = np.where(_kept(tensor.shape), 0, words.integers(tensor.shape, len(exponents)))
    return value * _powers(exponents)[choice]


def _tiny(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """2^-16 is mostly subnormal in float16; the square of 2^-60 is just above float32's smallest normal, 2^-126."""
    return by_powers(tensor, value, words, (-16, -60))


def _underflow(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """Data down to float32's subnormals, and nothing carried: gradients leave float32's range within ten steps."""
    if tensor.name.startswith("weight_hh"):
        return value * 2.0**-12
    return _forget_bias(tensor, by_powers(tensor, value, words, (-16, -60, -126, -140)), -12.0)


def _huge(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """Inputs up to 768, by a power of two for each step of each row: some steps saturate, some do not."""
    if tensor.role != "input":
        return value
    return value * _powers(range(8))[words.integers((*tensor.shape[:-1], 1), 8)]


def _overflow(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """Half of the steps of `x` between 32,768 and 57,344, and the weights that they meet × 4.

    float16 holds each, but not their products: what is right in it then is not specified, but that it is no crash.
    """
    if tensor.name.startswith("weight_ih_l0"):
        return value * 4.0
    if tensor.role != "input":
        return value
    large = words.integers((*tensor.shape[:-1], 1), 2) == 0
    return np.where(large, np.copysign(np.abs(value) * 2.0**12 + 2.0**15, value), value)


def _forget_bias(tensor: Tensor, value: Floats, shift: float) -> Floats:
    """Shift the forget gate's bias. Without a bias there is nothing to shift."""
    if not tensor.name.startswith("bias_ih"):
        return value
    gates = value.reshape(len(GATES), -1)
    return (gates + np.where(np.array(GATES) == "f", shift, 0.0)[:, None]).reshape(value.shape)


def _memory(tensor: Tensor, value: Floats, words: Words) -> Floats:
    return _forget_bias(tensor, value, 6.0)


def _forgetful(tensor: Tensor, value: Floats, words: Words) -> Floats:
    return _forget_bias(tensor, value, -6.0)


def _zeros(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """Exact zeros: a third of the data (one place of every row is kept), and a row of each gate matrix."""
    if is_data(tensor):
        return np.where(_chosen(tensor, words, 3) & ~_kept(tensor.shape), 0.0, value)
    if is_matrix(tensor) and not tensor.name.startswith("weight_hr"):
        row = np.arange(tensor.shape[0])[:, None]
        return np.where(row == words.integers((), tensor.shape[0]), 0.0, value)
    return value


def _sparse(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """Data and matrices with three quarters of their entries exactly zero, but one place of every row."""
    if is_data(tensor) or is_matrix(tensor):
        return np.where(_chosen(tensor, words, 4) | _kept(tensor.shape), value, 0.0)
    return value


def _positive(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """Sums without cancellation."""
    return np.abs(value)


def _cancelling(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """Neighbouring columns: opposite in the data, equal in the matrices, both within 2^-6 relative."""
    if not (is_data(tensor) or is_matrix(tensor)):
        return value
    pairs = tensor.shape[-1] // 2
    nearly = words.uniform((*tensor.shape[:-1], pairs)) * 2.0**-6 + 1.0
    paired = value.copy()
    paired[..., 1 : 2 * pairs : 2] = value[..., 0 : 2 * pairs : 2] * (-nearly if is_data(tensor) else nearly)
    return paired


def _mixed(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """Input columns scaled by 2^-8 .. 2^8 and their weights by the inverse: gradients of very unequal columns."""
    if tensor.name != "x" and not tensor.name.startswith("weight_ih_l0"):
        return value
    exponents = [(5 * column + 8) % 17 - 8 for column in range(tensor.shape[-1])]
    return value * _powers(exponents if tensor.name == "x" else [-e for e in exponents])


def _spiky(tensor: Tensor, value: Floats, words: Words) -> Floats:
    """One entry in sixteen is large: data by 16, parameters by 4."""
    return np.where(_chosen(tensor, words, 16), value * (16.0 if is_data(tensor) else 4.0), value)


REGIMES: Mapping[str, Edit] = {
    "unit": _unit,
    "saturated": _saturated,
    "small": _small,
    "tiny": _tiny,
    "underflow": _underflow,
    "huge": _huge,
    "memory": _memory,
    "forgetful": _forgetful,
    "zeros": _zeros,
    "sparse": _sparse,
    "positive": _positive,
    "cancelling": _cancelling,
    "mixed": _mixed,
    "spiky": _spiky,
    "overflow": _overflow,
}

regimes: tuple[str, ...] = tuple(REGIMES)
