"""A Jacobian that does not fit into memory, written to a file part by part, in an order that can be taken up again.

The file is NumPy's own format: a part of it is read by `np.load(path, mmap_mode="r")`. Parts are positions along the
longest axis of `of`, from the first to the last. Beside it `PATH.progress` says, in JSON, what was asked for and how
many parts are there: with the same question and the same data a further run goes on after them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradassay._errors import UsageError
from gradassay._spec import Array
from gradassay.jacobians._memory import refuse, told
from gradassay.jacobians._side import Side

if TYPE_CHECKING:
    from gradassay.jacobians._plan import Plan


@dataclass(frozen=True)
class Streamed:
    """What was written.

    Attributes:
        path: the file; `array` opens it without reading it.
        parts: how many parts it has, and how many of them this run has computed.
        routes: those that were taken.
    """

    path: Path
    parts: int
    computed: int
    routes: tuple[str, ...]

    @property
    def array(self) -> Array:
        found: Array = np.load(self.path, mmap_mode="r")
        return found

    def __str__(self) -> str:
        size = told(self.path.stat().st_size)
        return f"{self.path}: {size} in {self.parts} parts, {self.computed} computed now ({', '.join(self.routes)})"


def stream(plan: Plan, path: str | Path) -> Streamed:
    """Write the block of a plan, without axes dropped; see the module.

    Raises:
        UsageError: if the dtype has no place in such a file, a single part does not fit into memory, or the file is
            that of another question.
    """
    path = Path(path)
    if plan.dtype.name == "bfloat16":
        raise UsageError("a .npy file has no bfloat16: ask in float32")
    axis = int(np.argmax(plan.of.block)) if plan.of.block else 0
    parts = list(_parts(plan, axis))
    shape = plan.of.block + plan.wrt.block
    progress, asked = path.with_name(path.name + ".progress"), _asked(plan, len(parts))
    done = _done(path, progress, asked)
    if done is None:
        np.lib.format.open_memmap(path, mode="w+", dtype=plan.dtype, shape=shape).flush()
        done = 0
        _note(progress, asked, done)
    routes: list[str] = []
    for number, (place, side) in enumerate(parts):
        if number < done:
            continue
        # A plan of its own: a part may need fewer steps and rows than the whole.
        found = plan.part(side)()
        whole = np.load(path, mmap_mode="r+")
        whole[(slice(None),) * axis + (place,)] = found.block
        whole.flush()
        del whole
        routes.append(found.route)
        _note(progress, asked, number + 1)
    return Streamed(path, len(parts), len(parts) - done, tuple(dict.fromkeys(routes)))


def _parts(plan: Plan, axis: int) -> Iterator[tuple[slice, Side]]:
    """Yield where each part goes and what it is: as many positions as take a quarter of the memory that may be used."""
    count = plan.of.block[axis] if plan.of.block else 1
    one = plan.size // max(count, 1)
    refuse(f"one position of {plan.name}", plan.shape, one, plan.budget, plan.source.case.dtype)
    many = max(1, min(count, plan.budget // 4 // max(one, 1)))
    if not plan.of.block:
        yield slice(None), plan.of
        return
    for start in range(0, count, many):
        wanted = plan.of.positions[axis][start : start + many]
        side = plan.of.part(axis, wanted)
        at = (*side.at[:axis], tuple(range(len(wanted))), *side.at[axis + 1 :])
        yield slice(start, start + len(wanted)), replace(side, at=at)


def _asked(plan: Plan, parts: int) -> dict[str, str | int]:
    """Return what decides the numbers of the file."""
    digest = hashlib.sha256()
    for name, array in sorted(plan.source.case.tensors.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode() + array.tobytes())
    question = f"{plan.source.name} {plan.of.positions} {plan.wrt.positions}"
    digest.update(question.encode())
    return {"what": plan.name, "of": plan.source.name, "data": digest.hexdigest(), "parts": parts}


def _done(path: Path, progress: Path, asked: dict[str, str | int]) -> int | None:
    """Return how many parts are there; None if there is no file yet."""
    if not path.exists() or not progress.exists():
        return None
    said = json.loads(progress.read_text(encoding="utf-8"))
    done = int(said.pop("done"))
    if said != asked:
        raise UsageError(
            f"{path} holds {said['what']} of {said['of']}, of other data or in other parts: remove it first"
        )
    return done


def _note(progress: Path, asked: dict[str, str | int], done: int) -> None:
    """Replace the note as a whole: a run that is killed leaves the one before."""
    fresh = progress.with_name(progress.name + ".new")
    fresh.write_text(json.dumps({**asked, "done": done}), encoding="utf-8")
    fresh.replace(progress)
