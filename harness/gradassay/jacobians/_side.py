"""One side of a Jacobian: which elements of a tensor are differentiated, or differentiated by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from gradassay._errors import UsageError
from gradassay._plugins import unknown
from gradassay._spec import Array, Axis, Tensor

# A name, or a name with an index on the tensor's axes, or with positions by the names of its labelled axes.
Asked = str | tuple[str, Any]


@dataclass(frozen=True)
class Side:
    """The chosen elements of one tensor of shape `shape`.

    Attributes:
        positions: for each axis of the array, which positions are chosen.
        at: where each of them stands in the block that was asked for; a part of a side keeps these.
        squeezed: axes that an integer chose: the block goes without them.
    """

    tensor: Tensor
    shape: tuple[int, ...]
    positions: tuple[tuple[int, ...], ...]
    at: tuple[tuple[int, ...], ...]
    squeezed: frozenset[int] = frozenset()

    @classmethod
    def of(cls, asked: Asked, table: Mapping[str, Tensor], names: Sequence[str], what: str) -> Side:
        """Read what a caller asks for.

        Args:
            asked: a name or (name, index).
            table: the tensors of the call.
            names: those that may be named here.
            what: the argument's name, for messages.

        Raises:
            UsageError: if there is no such tensor, or its axes have no such positions.
        """
        name, index = (asked, ()) if isinstance(asked, str) else asked
        if name not in names:
            raise UsageError(f"{what}: {unknown('tensor', name, names)}")
        tensor = table[name]
        chosen = _by_axis(tensor, index, what) if isinstance(index, Mapping) else _by_index(tensor, index, what)
        positions = tuple(tuple(int(i) for i in np.atleast_1d(found)) for found in chosen)
        for axis, found in enumerate(positions):
            if len(set(found)) < len(found):
                raise UsageError(f"{what}: axis {axis} of {name} names a position twice; each may be named once")
        at = tuple(tuple(range(len(found))) for found in positions)
        squeezed = frozenset(axis for axis, found in enumerate(chosen) if np.ndim(found) == 0)
        return cls(tensor, tensor.shape, positions, at, squeezed)

    @property
    def name(self) -> str:
        return self.tensor.name

    @property
    def block(self) -> tuple[int, ...]:
        """Return the sizes of the part, one for each axis of the array."""
        return tuple(len(found) for found in self.positions)

    @property
    def size(self) -> int:
        return prod(self.block)

    @property
    def whole(self) -> bool:
        return all(found == tuple(range(size)) for found, size in zip(self.positions, self.shape, strict=True))

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Return (start, stop) for each axis: the smallest box that holds the elements."""
        return tuple((min(found), max(found) + 1) if found else (0, 0) for found in self.positions)

    def axis(self, name: str) -> int | None:
        """Return which axis of the array is the labelled axis of this name, and that alone."""
        return alone(self.tensor, name) if name else None

    def part(self, axis: int, wanted: Sequence[int], shift: int = 0, size: int | None = None) -> Side:
        """Return the elements at the `wanted` positions of an axis, in a tensor that begins at `shift` there."""
        kept = set(wanted)
        pairs = [(p - shift, a) for p, a in zip(self.positions[axis], self.at[axis], strict=True) if p in kept]

        def put(old: tuple[tuple[int, ...], ...], new: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
            return old[:axis] + (new,) + old[axis + 1 :]

        shape = self.shape if size is None else (*self.shape[:axis], size, *self.shape[axis + 1 :])
        positions, at = (tuple(column) for column in zip(*pairs, strict=True)) if pairs else ((), ())
        return replace(self, shape=shape, positions=put(self.positions, positions), at=put(self.at, at))

    def renumbered(self, axis: int) -> Side:
        """Return the side in a tensor that holds, along an axis, only the positions that are chosen."""
        count = len(self.positions[axis])
        positions = (*self.positions[:axis], tuple(range(count)), *self.positions[axis + 1 :])
        return replace(self, shape=(*self.shape[:axis], count, *self.shape[axis + 1 :]), positions=positions)

    def pick(self, array: Array, lead: int = 0) -> Array:
        """Return the chosen elements of an array with `lead` axes in front of the tensor's own."""
        for axis, found in enumerate(self.positions):
            if found != tuple(range(array.shape[lead + axis])):
                array = np.take(array, found, axis=lead + axis)
        return array

    def __str__(self) -> str:
        if self.whole:
            return self.name
        words = (_words(found, size) for found, size in zip(self.positions, self.shape, strict=True))
        return f"{self.name}[{', '.join(words)}]"


def alone(tensor: Tensor, name: str) -> int | None:
    """Return which axis of a tensor's array is the labelled axis of this name, and no product with others."""
    return next((i for i, group in enumerate(tensor.axes) if [axis.name for axis in group] == [name]), None)


def _words(found: tuple[int, ...], size: int) -> str:
    if found == tuple(range(size)):
        return ":"
    if len(found) == 1:
        return str(found[0])
    if found and found == tuple(range(found[0], found[-1] + 1)):
        return f"{found[0]}:{found[-1] + 1}"
    return f"{len(found)} of {size}"


def _by_index(tensor: Tensor, index: Any, what: str) -> list[Any]:
    """Return for each axis what an index of NumPy's kind chooses: an integer, or an array of positions."""
    parts = index if isinstance(index, tuple) else (index,)
    rank = len(tensor.shape)
    if sum(part is Ellipsis for part in parts) == 1:
        place = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts = (*parts[:place], *[slice(None)] * (rank - len(parts) + 1), *parts[place + 1 :])
    if len(parts) > rank:
        raise UsageError(f"{what}: {tensor.name} has {rank} axes, but the index has {len(parts)}")
    parts = (*parts, *[slice(None)] * (rank - len(parts)))
    return [
        _along(size, part, f"{what}: axis {axis} of {tensor.name}")
        for axis, (size, part) in enumerate(zip(tensor.shape, parts, strict=True))
    ]


def _by_axis(tensor: Tensor, index: Mapping[str, Any], what: str) -> list[Any]:
    """Return for each axis of the array the positions that `index` names by labelled axis: numbers or labels."""
    names = [axis.name for group in tensor.axes for axis in group]
    for name in index:
        if name not in names:
            raise UsageError(f"{what}: {unknown(f'axis of {tensor.name}', name, names)}")
    chosen = []
    for group in tensor.axes:
        found = [_along(axis.size, _unlabelled(axis, index.get(axis.name, slice(None)), what), what) for axis in group]
        sizes = tuple(axis.size for axis in group)
        if len(group) == 1:
            chosen.append(found[0])
        elif group and all(np.ndim(part) == 0 for part in found):
            chosen.append(np.ravel_multi_index(found, sizes))
        else:
            grid = np.meshgrid(*[np.atleast_1d(part) for part in found], indexing="ij")
            chosen.append(np.ravel_multi_index([part.ravel() for part in grid], sizes))
    return chosen


def _unlabelled(axis: Axis, part: Any, what: str) -> Any:
    if not isinstance(part, str):
        return part
    if part not in axis.labels:
        raise UsageError(f"{what}: {unknown(f'position of {axis.name}', part, axis.labels)}")
    return axis.labels.index(part)


def _along(size: int, part: Any, where: str) -> Any:
    if not isinstance(part, int | np.integer | slice | list | tuple | np.ndarray | range) or isinstance(part, bool):
        raise UsageError(f"{where}: {part!r} chooses no positions; give an integer, a slice or a list of integers")
    try:
        return np.arange(size)[list(part) if isinstance(part, tuple | range) else part]
    except IndexError as error:
        raise UsageError(f"{where}: {error}") from error
