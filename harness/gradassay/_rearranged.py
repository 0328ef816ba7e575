"""Arrays whose numbers are right but stand elsewhere: axes that changed places, run backwards, or are not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

from gradassay._spec import Array, Axis, Tensor

Right = Callable[[Array], bool]  # whether an array has the numbers that it should have


def axes_of(tensor: Tensor) -> tuple[str, ...]:
    """Name the dimensions: `("layers x directions", "rows", "units")`; axes of size 1 only where nothing else is."""
    return tuple(_group([axis for axis in group if axis.size != 1] or list(group)) for group in tensor.axes)


def _group(axes: list[Axis]) -> str:
    return " x ".join(f"{axis.name}s" for axis in axes)


def reshaped(name: str, got: Array, tensor: Tensor, truth: Array, right: Right) -> str:
    """Say what is wrong with an array of another shape than its tensor's."""
    axes = axes_of(tensor)
    moved = [order for order in _orders(len(axes)) if got.shape == tuple(tensor.shape[k] for k in order)]
    moved.sort(key=lambda order: not right(np.transpose(got, np.argsort(order))))  # those that fit come first
    if moved:
        return _swapped(name, axes, moved[0])
    told = f"{name} has shape {got.shape}, should be {tensor.shape}: ({', '.join(axes)})"
    for number, group in enumerate(axes):
        if got.shape == tensor.shape[:number] + tensor.shape[number + 1 :]:
            return f"{told}; the axis of {group} is not there"
    return "; ".join(filter(None, [told, _lacking(got, tensor, truth, right)]))


def _lacking(got: Array, tensor: Tensor, truth: Array, right: Right) -> str:
    """Say which part of an axis is not there, or nothing."""
    whole = truth.astype(got.dtype).reshape(_sizes(tensor))
    number = 0
    for at, group in enumerate(tensor.axes):
        for axis in group:
            shape = (*tensor.shape[:at], tensor.shape[at] // axis.size, *tensor.shape[at + 1 :])
            if axis.size > 1 and got.shape == shape:
                held = []
                for label in range(axis.size):
                    filled = np.moveaxis(whole.copy(), number, 0)
                    filled[label] = got.reshape(filled.shape[1:])
                    if right(np.moveaxis(filled, 0, number).reshape(tensor.shape)):
                        held.append(label)
                lost = " and ".join(axis.label(label) for label in range(axis.size) if label not in held)
                return (
                    f"{axis.name} {lost} is not there" if held else f"one {axis.name} is there, should be {axis.size}"
                )
            number += 1
    return ""


def rearranged(name: str, got: Array, tensor: Tensor, right: Right) -> str:
    """Say how the numbers of an array of the right shape have changed places, or nothing if it is not that."""
    return next((said for moved, said in _rearrangements(name, got, tensor) if right(moved)), "")


def _rearrangements(name: str, got: Array, tensor: Tensor) -> Iterator[tuple[Array, str]]:
    """Yield the array put right in one way each, and what is wrong with it then."""
    axes, flat, wide = axes_of(tensor), [axis for group in tensor.axes for axis in group], got.reshape(_sizes(tensor))
    for order in _orders(len(axes)):
        if tuple(tensor.shape[k] for k in order) == tensor.shape:
            yield np.transpose(got, np.argsort(order)), _swapped(name, axes, order)
    for number, axis in enumerate(flat):
        if axis.size < 2:
            continue
        shown = ", ".join(axis.labels[::-1])
        how = f"has its {axis.name}s in the order {shown}" if shown else f"runs backwards in {axis.name}s"
        yield np.flip(wide, axis=number).reshape(got.shape), f"{name} {how}"
        for other, part in enumerate(flat):
            if other == number or not part.labels or part.size < 2 or axis.labels:
                continue
            for label in range(part.size):
                turned = np.moveaxis(wide.copy(), other, 0)
                turned[label] = np.flip(turned[label], axis=number - (other < number))
                back = np.moveaxis(turned, 0, other).reshape(got.shape)
                yield back, f"{name} runs backwards in {axis.name}s in {part.name} {part.label(label)}"
    for at, group in enumerate(tensor.axes):
        if len([axis for axis in group if axis.size > 1]) < 2:
            continue
        for order in _orders(len(group)):
            there = got.reshape(*got.shape[:at], *(group[k].size for k in order), *got.shape[at + 1 :])
            inverse = [at + int(k) for k in np.argsort(order)]
            back = there.transpose([*range(at), *inverse, *range(at + len(order), there.ndim)])
            is_, should = _group([group[k] for k in order]), _group(list(group))
            yield back.reshape(got.shape), f"{name} is {is_} in axis {at}, should be {should}"


def _sizes(tensor: Tensor) -> tuple[int, ...]:
    return tuple(axis.size for group in tensor.axes for axis in group)


def _orders(rank: int) -> Iterator[tuple[int, ...]]:
    """Yield every order of axes but the right one: exchanges of two first."""
    found = [order for order in permutations(range(rank)) if order != tuple(range(rank))]
    yield from sorted(found, key=lambda order: sum(k != at for at, k in enumerate(order)))


def _swapped(name: str, axes: tuple[str, ...], order: tuple[int, ...]) -> str:
    is_, moved = ", ".join(axes[k] for k in order), [axes[k] for at, k in enumerate(order) if k != at]
    how = (
        f"{' and '.join(sorted(moved, key=axes.index))} are swapped" if len(moved) == 2 else "they are in another order"
    )
    return f"{name} is ({is_}), should be ({', '.join(axes)}): {how}"
