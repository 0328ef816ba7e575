"""Random data from raw Philox words by our own map: the same case has the same bits everywhere, forever.

NumPy promises the words of a bit generator, not what its distributions make of them, so the maps
stand here. Source: Salmon et al., 'Parallel random numbers: as easy as 1, 2, 3', 2011.
"""

from __future__ import annotations

import hashlib
from math import prod

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Words:
    """A stream of 64-bit words, keyed by an integer seed and a path of names."""

    def __init__(self, seed: int, *path: str) -> None:
        self._seed, self._path = seed, path
        digest = hashlib.sha256("\x1f".join((str(seed), *path)).encode()).digest()
        key = np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64)
        self._bits = np.random.Philox(key=key)

    def branch(self, name: str) -> Words:
        """Return an independent stream: what one tensor draws does not depend on what another drew."""
        return Words(self._seed, *self._path, name)

    def words(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint64]:
        count = prod(shape)
        return np.asarray(self._bits.random_raw(count), dtype=np.uint64).reshape(shape)

    def uniform(self, shape: tuple[int, ...]) -> Floats:
        """Uniform in the open interval (-1, 1), on the odd multiples of 2^-53."""
        return ((self.words(shape) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-52 - 1.0

    def coarse_uniform(self, shape: tuple[int, ...]) -> Floats:
        """Uniform in (-1, 1) on the odd multiples of 2^-32, two numbers a word: enough for noise, and twice as fast."""
        count = prod(shape)
        numbers = (
            np.asarray(self._bits.random_raw((count + 1) // 2), dtype="<u8").view("<u4")[:count].astype(np.float64)
        )
        numbers *= 2.0**-31
        numbers += 2.0**-32 - 1.0
        return numbers.reshape(shape)

    def normal(self, shape: tuple[int, ...]) -> Floats:
        """Close to the standard normal, within (-6, 6): a sum of twelve uniforms on (-1/2, 1/2).

        Sums in a fixed order and products by powers of two only: no platform's `log` decides a bit.
        """
        total = np.zeros(shape)
        for _ in range(12):
            total = total + self.uniform(shape)
        return total * 0.5

    def integers(self, shape: tuple[int, ...], bound: int) -> npt.NDArray[np.int64]:
        """Integers in [0, bound); the bias of the remainder is below bound / 2^64."""
        return (self.words(shape) % np.uint64(bound)).astype(np.int64)


class Pool:
    """Uniform numbers drawn once and read from random places: for arrays so large that drawing costs most of the time.

    Neighbours in one array are independent, and two arrays agree in an element with a chance of one in `size`.
    """

    def __init__(self, words: Words, size: int = 1 << 20) -> None:
        self._words = words
        self._numbers = words.coarse_uniform((size,))
        self._numbers.flags.writeable = False

    def uniform(self, shape: tuple[int, ...]) -> Floats:
        """Uniform in (-1, 1); read-only."""
        count = prod(shape)
        room = self._numbers.size - count
        if room < self._numbers.size // 2:
            return self._words.coarse_uniform(shape)
        start = int(self._words.integers((), room))
        return self._numbers[start : start + count].reshape(shape)
