"""A planted fault: an edit of the equations at a mark, or a misbehaviour of the model around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradassay._backend import Model
    from gradassay._tape import Edit


@dataclass(frozen=True)
class Fault:
    """One way to be wrong, named.

    Args:
        name: short and stable.
        sentence: what is wrong.
        imitates: the public bug it imitates, or "none known".
        shows_in: names of the tensors (of any property) that must be among the wrong ones.
        edits: for a fault of the equations: from the dtype's unit roundoff to what happens at marks.
        wrap: for a fault of behaviour: from the dtype and a right model to a wrong one.
        needs: features that a case must have for the fault to change anything.
        dtypes: where it applies; all, when empty.
        minimum: smallest sizes for which it changes anything, by axis name: {"step": 17}.
        seen_by: properties that alone can see it, so that a case must be one for them; any, when empty.
        group: the letter of the kind of bug that it imitates.
        promises: what a backend with this fault promises, so that it can be held to it.
        ends_process: it crashes or hangs, and so has to run in a process of its own.
    """

    name: str
    sentence: str
    imitates: str
    shows_in: tuple[str, ...] = ()
    edits: Callable[[float], Mapping[str, Edit]] | None = None
    wrap: Callable[[str, Model], Model] | None = None
    needs: frozenset[str] = frozenset()
    dtypes: frozenset[str] = frozenset()
    minimum: Mapping[str, int] | None = None
    seen_by: frozenset[str] = frozenset()
    group: str = ""
    promises: frozenset[str] = frozenset()
    ends_process: bool = False


def scan(package: ModuleType, what: str = "faults") -> tuple[Fault, ...]:
    """Return the faults of a package, from each module that has them in a tuple; its first letter is their group's.

    Raises:
        ValueError: if two have one name.
    """
    found: dict[str, Fault] = {}
    for module in sorted(info.name for info in iter_modules(package.__path__) if not info.name.startswith("_")):
        for fault in getattr(import_module(f"{package.__name__}.{module}"), what, ()):
            if fault.name in found:
                raise ValueError(f"two faults are called {fault.name}; the second is in {module}.py")
            found[fault.name] = replace(fault, group=module[0].upper())
    return tuple(found.values())


def table(faults: Sequence[Fault]) -> str:
    """Return the faults as a Markdown table."""
    rows = ["| | fault | what is wrong | shows in | needs | imitates |", "|---|---|---|---|---|---|"]
    for fault in faults:
        sizes = [f"{name} >= {least}" for name, least in (fault.minimum or {}).items()]
        asked = [f"a case for `{name}`" for name in sorted(fault.seen_by)]
        needs = ", ".join([*sorted(fault.needs), *sizes, *asked, *sorted(fault.dtypes)])
        shows = ", ".join(f"`{name}`" for name in fault.shows_in)
        rows.append(f"| {fault.group} | `{fault.name}` | {fault.sentence} | {shows} | {needs} | {fault.imitates} |")
    return "\n".join(rows)
