"""Changes that are alike, put together: hundreds of them in a few lines, as finely as there is room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from gradassay._location import backend_of
from gradassay.views._words import count, printable, some

NAMED = 3  # tensors or properties that are named

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """Changes that are alike: how many, of what, and what became of the worst."""

    number: int
    what: str
    how: str = ""
    replay: str = ""  # the command that asks the worst again


@dataclass(frozen=True)
class Item(Generic[T]):
    target: str
    property: str
    tensor: str
    of: T


def grouped(
    items: Sequence[Item[T]], most: int, how: Callable[[Sequence[T]], str], replay: Callable[[Sequence[T]], str]
) -> tuple[tuple[Entry, ...], str]:
    """Put together what is alike, as finely as the lines that there are allow."""
    keys: tuple[Callable[[Item[T]], tuple[str, ...]], ...] = (
        lambda item: (item.target, item.property, item.tensor),
        lambda item: (item.target, item.property),
        lambda item: (item.target,),
        lambda item: (backend_of(item.target),),
    )
    held: dict[tuple[str, ...], list[Item[T]]] = {}
    for key in keys:
        held = {}
        for item in items:
            held.setdefault(key(item), []).append(item)
        if len(held) <= most:
            break
    ranked = sorted(held.values(), key=len, reverse=True)
    of = [[item.of for item in own] for own in ranked]
    entries = tuple(
        Entry(len(own), what(own), how(each), replay(each)) for own, each in zip(ranked[:most], of, strict=False)
    )
    rest = ranked[most:]
    return entries, f"and {sum(map(len, rest)):,} more, of {count(len(rest), 'backend')}" if rest else ""


def what(items: Sequence[Item[T]]) -> str:
    """`numpy/eager/cpu/float32: gradients of x, h0 and 3 more`."""
    targets = list(dict.fromkeys(printable(item.target) for item in items))
    properties = [printable(name) or "everything" for name, _ in Counter(item.property for item in items).most_common()]
    tensors = [printable(name) for name, _ in Counter(item.tensor for item in items).most_common() if name]
    who = targets[0] if len(targets) == 1 else f"{printable(backend_of(items[0].target))}, {len(targets)} targets"
    if len(properties) > 1:
        return f"{who}: {some(properties, NAMED)}"
    named = f" of {', '.join(tensors)}" if len(tensors) <= NAMED else f" of {len(tensors)} tensors"
    return f"{who}: {properties[0]}{named if tensors else ''}"
