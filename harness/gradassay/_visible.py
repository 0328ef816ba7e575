"""The smallest error that a property sees: one tensor of every answer is scaled by 1 + k u, whole or in one element.

Some properties compare an answer with itself and cannot see a factor that is always there: it is also tried in every
call but the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from gradassay._fault import Fault
from gradassay._limits import PRECISIONS
from gradassay._plan import Question
from gradassay._power import Bench, _against
from gradassay._spec import Array, Tensors

KINDS = ("gradient", "output", "tangent", "second derivative", "Jacobian")
LARGEST = 0.5  # relative: whoever does not see that sees no factor
CLOSE = 1.1  # k is found to within this factor


class Visible(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest k that a property sees in one dtype, in unit roundoffs; None where it sees no such fault.

    Args:
        extent: "whole", or "element": one of typical size.
        kind: of what was scaled; `later` if only in calls after the first.
    """

    property: str
    dtype: str
    case: str
    extent: str
    k: float | None
    kind: str = ""
    later: bool = False


class Scaled:
    """A model that scales one tensor of its answers."""

    def __init__(self, model: Any, dtype: str, k: float, kind: str, extent: str, later: bool) -> None:
        self.model, self._kind, self._extent, self._later = model, kind, extent, later
        self._factor = 1.0 + k * PRECISIONS[dtype].roundoff
        self._calls: dict[str, int] = {}

    @property
    def ran(self) -> Mapping[str, str]:
        return self.model.ran  # type: ignore[no-any-return]  # the scaled model's own

    def _now(self, kind: str) -> bool:
        if kind != self._kind:
            return False
        self._calls[kind] = self._calls.get(kind, 0) + 1
        return not self._later or self._calls[kind] > 1

    def _one(self, array: Array) -> Array:
        factor = np.full(array.size, self._factor)
        if self._extent == "element" and array.size:
            sizes = np.abs(array.astype(np.float64)).reshape(-1)
            factor[:] = 1.0
            factor[np.argsort(sizes)[(array.size + np.count_nonzero(sizes == 0)) // 2]] = self._factor
        with np.errstate(over="ignore"):
            return np.asarray((array.astype(np.float64) * factor.reshape(array.shape)).astype(array.dtype))

    def _some(self, kind: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(arrays)
        if arrays and self._now(kind):
            name = max(arrays, key=lambda n: 0 if arrays[n] is None else arrays[n].size)
            found[name] = self._one(arrays[name])
        return found

    def forward(self, inputs: Tensors) -> Tensors:
        return self._some("output", self.model.forward(inputs))

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, dict[str, Any]]:
        outputs, gradients = self.model.vjp(inputs, cotangents, wrt)
        return self._some("output", outputs), self._some("gradient", gradients)

    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[Tensors, dict[str, Any]]:
        outputs, pushed = self.model.jvp(inputs, tangents)
        return self._some("output", outputs), self._some("tangent", pushed)

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Array:
        found: Array = self.model.jacobian(inputs, of, wrt)
        return self._one(found) if self._now("Jacobian") else found

    def hvp(self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]) -> dict[str, Any]:
        return self._some("second derivative", self.model.hvp(inputs, cotangents, tangents, wrt))


def visible(bench: Bench, name: str) -> tuple[Visible, ...]:
    """Return the smallest scaled faults that a property sees, of a whole tensor and of one element."""
    question = _question(bench, name)
    roundoff = PRECISIONS[bench.dtype].roundoff
    right = bench.right(question)

    def sees(k: float, kind: str, extent: str, later: bool) -> bool:
        fault = Fault("scaled", "", "", wrap=lambda dtype, model: Scaled(model, dtype, k, kind, extent, later))
        return bool(_against(bench.ask(question, fault), right, fault))

    found = []
    for extent in ("whole", "element"):
        best: dict[str, Any] = {"k": None}
        for kind in KINDS:
            for later in (False, True):
                ceiling = LARGEST / roundoff if best["k"] is None else best["k"] / CLOSE
                if not sees(ceiling, kind, extent, later):
                    continue
                low, high = 1.0, ceiling
                while high / low > CLOSE:
                    middle = (low * high) ** 0.5
                    low, high = (low, middle) if sees(middle, kind, extent, later) else (middle, high)
                best = {"k": round(high, 1), "kind": kind, "later": later}
                break  # what is seen always needs no second call
        found.append(Visible(property=name, dtype=bench.dtype, case=question.template.name, extent=extent, **best))
    return tuple(found)


def _question(bench: Bench, name: str) -> Question:
    """Return a property alone, asked of its first case of the pool, or of its first case."""
    asked = [q for suite in bench.suites for q in bench.questions[suite] if name in [p.name for p in q.properties]]
    one = next((question for question in asked if question.template.pool), asked[0])
    return Question(one.spec, one.suite, one.template, tuple(p for p in one.properties if p.name == name))
