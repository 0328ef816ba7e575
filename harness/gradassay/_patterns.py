"""Patterns that need no model: what a wrong array is of the right one, or that there is none, and the usual cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np
import numpy.typing as npt

from gradassay._case import Case
from gradassay._limits import RMS_FROM, RMS_LIMIT, max_limit
from gradassay._locate import named_axes
from gradassay._noise import root_mean_square
from gradassay._oracle import Reference
from gradassay._property import Finding
from gradassay._spec import Axis

Floats = npt.NDArray[np.float64]
WORK = 2e7  # elements that may be compared to find which slices of an axis are which

NONE = "None, which says 'no gradient': not watched or not marked as differentiated, or no part of the graph"
NON_LEAF = "; of a tensor that is itself a result, a framework keeps none unless asked to (retain_grad)"
ZERO = "exactly 0 everywhere, where it should not be: cut off (detached, stopped), or a None that was filled up"
STRANGE = "not finite: an uninitialised buffer, an overflow, or 0 times Inf where a mask multiplies"


@dataclass(frozen=True)
class Pattern:
    """What a tensor is, in words that follow its name; `size` and `largest` are what is left over in noise units."""

    words: str
    size: float = 0.0
    largest: float = 0.0

    @property
    def kind(self) -> str:
        """What stays the same from case to case: no sizes, no places."""
        return kind_of(self.words)


def kind_of(words: str) -> str:
    """Return what of a pattern's words stays the same from case to case: no numbers, no places."""
    return next((kind for kind in KINDS if words.startswith(kind)), "times")


KINDS = (
    "None",
    "exactly 0 everywhere",
    "exactly 0 at",
    "not finite",
    "what ",
    "transposed",
    "right in memory",
    "moved",
    "reversed",
    "with ",
)


@dataclass(frozen=True)
class _Match:
    """Compares what was got with what it might be: an array and its noise."""

    got: Floats

    def left(self, might: Floats, sigma: Floats) -> tuple[float, float] | None:
        """Return (RMS, largest) of what is left over in noise units, or None when it is more than noise."""
        with np.errstate(all="ignore"):
            z = np.where(self.got == might, 0.0, np.abs(self.got - might) / np.abs(sigma))
        if not np.all(np.isfinite(z)):
            return None
        size, largest = float(root_mean_square(z)), float(z.max(initial=0.0))
        if largest > max_limit(z.size) or (z.size >= RMS_FROM and size > RMS_LIMIT):
            return None
        return size, largest


def tensor_patterns(finding: Finding, case: Case, others: Mapping[str, Reference]) -> list[Pattern]:
    """Return every pattern that a failing finding fits within noise, the plainest first.

    Args:
        others: the references of the other tensors that were looked at with it, by name.
    """
    if finding.got is None or finding.reference is None:
        if "None" in finding.fault:
            return [Pattern(NONE + NON_LEAF)]
        return [Pattern(STRANGE)] if "not finite" in finding.fault else []
    got, truth = finding.got.astype(np.float64), finding.reference
    if not np.any(got):
        return [Pattern(ZERO)]
    if not np.all(np.isfinite(got)):
        return [Pattern(STRANGE)]
    found = [*_factor(got, truth, case), *_rearranged(finding, got, truth)]
    match = _Match(got)
    for name, other in others.items():
        if name != finding.tensor and other.high.shape == got.shape and (left := match.left(other.high, other.sigma)):
            found.append(Pattern(f"what {name} should be", *left))
    return found


def _factor(got: Floats, truth: Reference, case: Case) -> Iterator[Pattern]:
    """The right array times one number, found by regression in noise units."""
    ordinary = ~truth.zero
    weight = np.where(ordinary, truth.sigma, 1.0)
    with np.errstate(all="ignore"):
        a, b = got[ordinary] / weight[ordinary], truth.high[ordinary] / weight[ordinary]
        total = float(np.sum(b * b))
        factor = float(np.sum(a * b)) / total if total > 0 else np.nan
    if not np.isfinite(factor) or factor == 0.0:
        return
    doubt = max_limit(1) * max(abs(factor), 1.0) / np.sqrt(total)
    sizes = [(value, words) for value, words in _constants(case) if abs(value - factor) <= doubt]
    exact = sizes[0][0] if sizes else factor
    with np.errstate(all="ignore"):
        left = _Match(got).left(exact * truth.high, np.where(truth.zero, 0.0, max(abs(exact), 1.0) * truth.sigma))
    if left is None or (not sizes and int(ordinary.sum()) < 4):
        return
    named = f" ({'; or '.join(dict.fromkeys(words for _, words in sizes))})" if sizes else ""
    plain = f"{exact:.6g}" if abs(exact - 1.0) > 1e-4 else f"1 {'+' if exact > 1 else '-'} {abs(exact - 1.0):.2g}"
    yield Pattern(f"{plain} times what it should be{named}", *left)


def _constants(case: Case) -> list[tuple[float, str]]:
    """Numbers that a factor may well be: of the case's sizes, and plain ones."""
    axes = {axis.name: axis.size for tensor in case.table.values() for group in tensor.axes for axis in group}
    sizes = {f"the {size} {name}s": size for name, size in axes.items() if size > 1 and not name.startswith("from ")}
    if {"row", "step"} <= axes.keys() and min(axes["row"], axes["step"]) > 1:
        sizes[f"the {axes['row']} rows and {axes['step']} steps"] = axes["row"] * axes["step"]
    found = [(-1.0, "of the other sign"), (2.0, "counted twice"), (0.5, "halved")]
    found += [(1.0 / size, f"a mean over {words} in the place of a sum") for words, size in sizes.items()]
    return found + [(float(size), f"added up once more over {words}") for words, size in sizes.items()]


def _rearranged(finding: Finding, got: Floats, truth: Reference) -> Iterator[Pattern]:
    """The right numbers in other places: slices of a labelled axis moved, axes exchanged, memory read otherwise."""
    assert finding.got is not None  # the caller has looked
    axes = named_axes(finding.labels, got.shape)
    shape = [axis.size for axis in axes]
    high, sigma, fine = truth.high.reshape(shape), truth.sigma.reshape(shape), got.reshape(shape)
    match = _Match(fine)
    for number, axis in enumerate(axes):
        moved = _slices(np.moveaxis(fine, number, 0), np.moveaxis(high, number, 0), np.moveaxis(sigma, number, 0))
        if moved is not None and (words := _moves(axis, moved)):
            yield Pattern(words, *_left_of(match, high, sigma, number, moved))
    for a, b in combinations(range(len(axes)), 2):
        if shape[a] == shape[b] > 1 and (left := match.left(np.swapaxes(high, a, b), np.swapaxes(sigma, a, b))):
            yield Pattern(f"transposed: {axes[a].name} and {axes[b].name} are exchanged", *left)
    if got.ndim == 2 and min(got.shape) > 1:
        plain, (rows, columns) = _Match(got), got.shape
        if left := plain.left(truth.high.T.reshape(rows, columns), truth.sigma.T.reshape(rows, columns)):
            yield Pattern("right in memory, but read rows first", *left)
        if left := plain.left(truth.high.reshape(columns, rows).T, truth.sigma.reshape(columns, rows).T):
            yield Pattern("right in memory, but read columns first", *left)


def _slices(got: Floats, high: Floats, sigma: Floats) -> list[int | None] | None:
    """For each slice, which slice of the right array it is (None: exact zeros); None if some slice is none of them."""
    size = len(got)
    if size < 2 or size * got.size > WORK:
        return None
    got, high, sigma = (array.reshape(size, -1) for array in (got, high, sigma))
    limit, found = max_limit(got.size), list[int | None]()
    for number, own in enumerate(got):
        with np.errstate(all="ignore"):
            far = np.max(np.where(high == own, 0.0, np.abs(own - high) / sigma), axis=1, initial=0.0)
        fits = np.flatnonzero(far <= limit)
        if number in fits:
            found.append(number)
        elif len(fits):
            found.append(int(fits[np.argmin(far[fits])]))
        elif not np.any(own):
            found.append(None)
        else:
            return None
    return found


def _left_of(match: _Match, high: Floats, sigma: Floats, axis: int, moved: Sequence[int | None]) -> tuple[float, float]:
    places = [0 if place is None else place for place in moved]
    gone = [number for number, place in enumerate(moved) if place is None]
    might, noise = np.take(high, places, axis), np.take(sigma, places, axis)
    np.moveaxis(might, axis, 0)[gone] = 0.0
    return match.left(might, noise) or (0.0, 0.0)


def _moves(axis: Axis, moved: Sequence[int | None]) -> str:
    """Name what happened to the slices of an axis; empty where nothing did."""
    size, held = len(moved), [place for place in moved if place is not None]
    gone = [axis.label(number) for number, place in enumerate(moved) if place is None]
    if all(place in (None, number) for number, place in enumerate(moved)):
        if not gone:
            return ""
        many = f"{axis.name}s {', '.join(gone)}" if len(gone) > 1 else f"{axis.name} {gone[0]}"
        kept = [axis.label(place) for place in held]
        only = f": only {axis.name} {kept[0]} comes through" if len(kept) == 1 else ""
        return f"exactly 0 at {many} and right elsewhere: cut off there (detached, stopped or truncated){only}"
    if gone:
        steps = {place - number for number, place in enumerate(moved) if place is not None}
        return f"moved by {next(iter(steps))} {axis.name}, with zeros at the end" if len(steps) == 1 else ""
    if len(set(held)) < size:
        return f"{axis.name} {axis.label(held[0])} everywhere" if len(set(held)) == 1 else ""
    if held == list(reversed(range(size))) and size > 2:
        return f"reversed along {axis.name}"
    shifts = {(place - number) % size for number, place in enumerate(held)}
    if len(shifts) == 1 and size > 2 and not axis.labels:
        return f"moved by {min(shifts)} {axis.name} around the end"
    wrong = [number for number, place in enumerate(held) if place != number]
    if axis.labels:
        return f"with its {axis.name}s in the order {', '.join(axis.label(place) for place in held)}"
    if len(wrong) == 2:
        return f"with {axis.name}s {wrong[0]} and {wrong[1]} exchanged"
    return f"with its {axis.name}s in another order ({', '.join(map(str, held[:8]))}{', ...' if size > 8 else ''})"


def joint(found: Mapping[str, Sequence[Pattern]]) -> list[tuple[str, float, float]]:
    """Return sentences that account for every tensor by patterns of each, with what is left over (RMS, largest).

    The pattern that most tensors share comes first.
    """
    if not found or not all(found.values()):
        return []
    common = Counter(words for patterns in found.values() for words in {p.words for p in patterns})
    chosen = {name: max(patterns, key=lambda p: common[p.words]) for name, patterns in found.items()}
    by_words: dict[str, list[str]] = {}
    for name, pattern in chosen.items():
        by_words.setdefault(pattern.words, []).append(name)
    sentence = "; ".join(f"{_names(names)}: {words}" for words, names in by_words.items())
    size = float(np.sqrt(np.mean([pattern.size**2 for pattern in chosen.values()])))
    return [(sentence, size, max(pattern.largest for pattern in chosen.values()))]


def _names(names: Iterable[str]) -> str:
    *most, last = list(names)
    if len(most) > 5:
        return f"{', '.join(most[:5])} and {len(most) - 4} more"
    return f"{', '.join(most)} and {last}" if most else last


def elements(case: Case) -> int:
    """How many numbers go into a case: what a simple one has few of."""
    return sum(prod(array.shape) for array in case.tensors.values())
