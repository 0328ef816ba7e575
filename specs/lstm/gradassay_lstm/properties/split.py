"""A sequence in two calls, the states carried over and their gradients carried back, is the sequence in one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import Scales, added, same, truth
from gradassay_lstm._variations import carried, final_cotangents, steps_of

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array, Tensors
    from gradassay._subject import Subject


def _before(case: Case, cut: int, back: Tensors) -> Case:
    return steps_of(case, 0, cut, "before-the-cut", {}, back)


def _after(case: Case, cut: int, states: Tensors) -> Case:
    return steps_of(case, cut, case.call.steps, "after-the-cut", states, final_cotangents(case))


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    cut, final, over = case.call.steps // 2, final_cotangents(case), carried(case)
    before = _before(case, cut, final)
    subject.require(before)
    states = subject.of(before).vjp().outputs
    after = _after(case, cut, {state: states[output] for output, state in over.items()})
    subject.require(after)
    last = subject.of(after).vjp()
    back: dict[str, Array] = {}
    for output, state in over.items():
        pulled = last.gradients.get(state)
        if pulled is None or pulled.shape != after.table[state].shape:
            yield Finding(state, fault=f"got no gradient of the state that was carried over the cut before step {cut}")
            return
        back[output] = pulled
    first = subject.of(_before(case, cut, back)).vjp()
    whole, scales = subject.vjp(), truth(oracle, case)
    joined = replace(
        last,
        outputs=last.outputs | {"y": _joined(first.outputs.get("y"), last.outputs.get("y"))},
        gradients=first.gradients | {"x": _joined(first.gradients.get("x"), last.gradients.get("x"))},
    )
    what = f"the sequence cut before step {cut}"
    names = [name for name in (*case.outputs, *case.differentiable) if name not in case.parameters]
    yield from same(whole, joined, scales, case, what, names)
    parts, noise = [first.gradients, last.gradients], _noise(oracle, case, cut)
    yield from added(whole.gradients, parts, scales, noise, case.parameters, case, what, inherited=1)


def _noise(oracle: Oracle, case: Case, cut: int) -> list[Scales]:
    """Return the references of both parts, for their noise: with the exact states carried over, for every target."""
    dtype = case.tensors["x"].dtype
    exact, over = truth(oracle, _before(case, cut, final_cotangents(case))), carried(case)
    after = truth(
        oracle, _after(case, cut, {state: exact[output].high.astype(dtype) for output, state in over.items()})
    )
    back = {output: after[f"d {state}"].high.astype(dtype) for output, state in over.items()}
    return [truth(oracle, _before(case, cut, back)), after]


def _joined(before: Array | None, after: Array | None) -> Any:
    """Join two arrays of rows and steps along the steps."""
    if before is None or after is None or not before.ndim == after.ndim == 3 or before.shape[::2] != after.shape[::2]:
        return None
    return np.concatenate([before, after], axis=1)


split = Property(
    name="split",
    claim="A sequence in two calls, states carried over and their gradients carried back, is the sequence in one.",
    equation="f(x) = (f(x_1, s), f(x_2, s')) with s' = s_n(x_1, s), and dL/ds_n(x_1) = dL_2/ds'",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.steps > 1 and case.call.batch > 0 and not case.config.bidirectional,
    thorough=True,
    compiles=True,
)
