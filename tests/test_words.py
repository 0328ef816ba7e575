"""Philox words and our map of them: the same bits everywhere, forever."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from gradassay._words import Words

MASK = 2**64 - 1
UNIFORM = [0.5020523741244953, 0.07642896500493279]
COARSE = [0.7438640107866377, 0.502052373951301, 0.16331567685119808]
NORMAL = [0.010117512162485742, -1.726332709391271]
INTEGERS = [3, 3, 9, 1]


def philox(counter: int, key: tuple[int, int]) -> list[int]:
    """Philox 4x64-10 in Python (Salmon et al. 2011, section 4.3): four words for one counter."""
    c, (k0, k1) = [counter & MASK, counter >> 64, 0, 0], key
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(second >> 64) ^ c[1] ^ k0, second & MASK, (first >> 64) ^ c[3] ^ k1, first & MASK]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return c


def test_our_philox_is_that_of_the_paper() -> None:
    """Known answers of the Random123 distribution, for a counter and a key of zeros."""
    known = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert philox(0, (0, 0)) == known


@pytest.mark.parametrize("path", [(), ("lstm", "unit"), ("lstm", "unit", "data", "x")])
def test_words_are_philox_of_the_hash_of_seed_and_path(path: tuple[str, ...]) -> None:
    digest = hashlib.sha256("\x1f".join(("42", *path)).encode()).digest()
    key = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")
    want = [word for block in (1, 2, 3) for word in philox(block, key)]  # NumPy counts from 1
    assert Words(42, *path).words((12,)).tolist() == want


def test_maps_are_those_of_the_first_day() -> None:
    """Exact numbers: if one changes, so does every case."""
    assert Words(1, "a").uniform((2,)).tolist() == UNIFORM
    assert Words(1, "a").coarse_uniform((3,)).tolist() == COARSE
    assert Words(1, "a").normal((2,)).tolist() == NORMAL
    assert Words(1, "a").integers((4,), 10).tolist() == INTEGERS


def test_uniform_is_the_upper_53_bits() -> None:
    word = int(Words(1, "a").words((1,))[0])
    assert Words(1, "a").uniform((1,))[0] == (2 * (word >> 11) + 1) / 2**53 - 1
    halves = Words(1, "a").coarse_uniform((2,))
    assert halves.tolist() == [(2 * (half + 0.5)) / 2**32 - 1 for half in (word & (2**32 - 1), word >> 32)]


@pytest.mark.parametrize(
    ("name", "variance", "bound"), [("uniform", 1 / 3, 1.0), ("coarse_uniform", 1 / 3, 1.0), ("normal", 1.0, 6.0)]
)
def test_moments(name: str, variance: float, bound: float) -> None:
    drawn = getattr(Words(2, name), name)((200, 500))
    assert drawn.shape == (200, 500) and np.abs(drawn).max() < bound
    assert abs(drawn.mean()) < 4 * np.sqrt(variance / drawn.size)
    assert drawn.var() == pytest.approx(variance, rel=0.02)
    assert np.corrcoef(drawn[:100].ravel(), drawn[100:].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_integers_are_below_their_bound_and_reach_all() -> None:
    assert set(Words(3).integers((1000,), 7).tolist()) == set(range(7))
    assert Words(3).integers((), 7).shape == () and Words(3).integers((5,), 1).tolist() == [0] * 5


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1, 1)])
@pytest.mark.parametrize("name", ["words", "uniform", "coarse_uniform", "normal"])
def test_shapes(name: str, shape: tuple[int, ...]) -> None:
    assert getattr(Words(1), name)(shape).shape == shape


def test_a_branch_does_not_depend_on_what_others_drew() -> None:
    root = Words(9, "case")
    before = root.branch("x").uniform((4,))
    root.uniform((100,))
    root.branch("y").uniform((100,))
    assert np.array_equal(root.branch("x").uniform((4,)), before)


def test_streams_of_other_names_and_seeds_are_others() -> None:
    streams: list[Any] = [Words(1), Words(2), Words(1, "a"), Words(1, "b"), Words(1, "a", "b"), Words(1, "ab")]
    assert len({stream.words((4,)).tobytes() for stream in streams}) == len(streams)


def test_a_stream_goes_on() -> None:
    whole, parts = Words(4), Words(4)
    assert np.array_equal(whole.words((6,)), np.concatenate([parts.words((2,)), parts.words((4,))]))
