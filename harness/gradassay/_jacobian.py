"""A Jacobian, or a block of one, in any arithmetic: swept by rows or by columns, whichever are fewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradassay._arithmetic import A, Float64
from gradassay._case import Case
from gradassay._dual import Dual, Pair
from gradassay._lanes import Lanes, Seed
from gradassay._reach import Integers, Reach, leaves_of
from gradassay._tape import Edit, Tape

if TYPE_CHECKING:
    from gradassay._evaluate import Query


@dataclass(frozen=True)
class Swept:
    """What a sweep brings: an array (samples, lanes, *the other side's block), and where each entry lies in it."""

    array: A
    source: Integers
    shape: tuple[int, ...]

    def whole(self, zero: Any = 0.0) -> A:
        """Return the Jacobian: shape (samples, *of block, *wrt block)."""
        flat = self.array.reshape(len(self.array), -1)
        if not flat.shape[1]:
            return np.full((len(flat), *self.shape), zero, dtype=flat.dtype)
        found = np.where(self.source >= 0, flat[:, self.source.clip(0)], zero)
        return np.asarray(found, dtype=flat.dtype).reshape(len(flat), *self.shape)

    def folded(self, whole: A) -> A:
        """Lay a Jacobian's entries out as the sweep has them: shape (lanes, *the other side's block)."""
        out = np.zeros(self.array.shape[1:], dtype=whole.dtype)
        there = self.source >= 0
        out.reshape(-1)[self.source[there]] = whole.reshape(self.source.shape)[there]
        return out


def sweep(numbers: Float64, case: Case, query: Query, reach: Reach, edits: Mapping[str, Edit] | None = None) -> Swept:
    """Sweep a "jacobian" query in an arithmetic."""
    lanes, wrt = Lanes(numbers), query.wrt[0]
    over: Any = Dual(lanes) if reach.forward else lanes
    tape = Tape(over, edits, reach.useful)

    def leaf(name: str, array: Any) -> Any:
        if reach.forward:
            seed: Any = Seed(reach.wrt_elements) if name == wrt else None
            return tape.constant_value(Pair(numbers.lift(array), seed))
        return tape.leaf(numbers.lift(array)) if name == wrt else tape.constant_value(numbers.lift(array))

    leaves = leaves_of(case, tape, leaf)
    outputs: Mapping[str, Any] = case.spec.equations(tape, case.config, case.call, leaves)
    of = outputs[query.of]
    if reach.forward:
        found, block = over.tangent(of.value), reach.of_block
    else:
        (found,) = tape.gradients([(of, Seed(reach.of_elements))], [leaves[wrt]])
        block = reach.wrt_block
    array = lanes.array(found)[:, :, *block]
    source = reach.source(lanes.order, array.shape[1])
    return Swept(np.ascontiguousarray(array), source, reach.reached.shape)
