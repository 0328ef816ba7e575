"""A sequence in two calls is the sequence in one: states, and what is fed, go on where the first call ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import added, same, truth
from gradassay_one_to_many._steps import steps_of

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle, Reference
    from gradassay._spec import Array
    from gradassay._subject import Subject

CARRIED = {"h_n": "h0", "c_n": "c0"}


def _before(case: Case, cut: int, pulled: Mapping[str, Array] | None) -> Case:
    """Return the first call; `pulled` are the gradients of the second one's vector and states."""
    seen = dict(case.cotangents)
    if pulled is not None:
        seen |= {output: pulled[state] for output, state in CARRIED.items()}
        if case.config.feedback:
            y = seen["y"].copy()
            y[:, cut - 1] += pulled["x"]
            seen["y"] = y
    return steps_of(case, 0, cut, "before-the-cut", seen)


def _after(case: Case, cut: int, outputs: Mapping[str, Array]) -> Case:
    """Return the second call, which goes on from the first one's outputs."""
    instead = {state: outputs[output] for output, state in CARRIED.items()}
    if case.config.feedback:
        instead["x"] = np.ascontiguousarray(outputs["y"][:, -1])
    return steps_of(case, cut, case.config.steps, "after-the-cut", case.cotangents, instead)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    cut, what = case.config.steps // 2, f"the sequence cut before step {case.config.steps // 2}"
    start = subject.of(_before(case, cut, None)).vjp()
    after = _after(case, cut, start.outputs)
    subject.require(after)
    last = subject.of(after).vjp()
    back = {name: last.gradients.get(name) for name in ("x", "h0", "c0")}
    if lost := [name for name, array in back.items() if array is None or array.shape != after.table[name].shape]:
        yield Finding(lost[0], fault=f"got no gradient of what was carried over the cut before step {cut}")
        return
    pulled = {name: array for name, array in back.items() if array is not None}
    first = subject.of(_before(case, cut, pulled)).vjp()
    whole, scales = subject.vjp(), truth(oracle, case)
    joined = replace(
        last,
        outputs=last.outputs | {"y": _joined(first.outputs.get("y"), last.outputs.get("y"))},
        gradients=first.gradients | {"shift": _joined(first.gradients.get("shift"), last.gradients.get("shift"))},
    )
    summed = [*case.parameters, *([] if case.config.feedback else ["x"])]
    names = [name for name in (*case.outputs, *case.differentiable) if name not in summed]
    yield from same(whole, joined, scales, case, what, names)
    parts, noise = [first.gradients, last.gradients], _noise(oracle, case, cut)
    yield from added(whole.gradients, parts, scales, noise, summed, case, what, inherited=1)


def _noise(oracle: Oracle, case: Case, cut: int) -> list[dict[str, Reference]]:
    """Return the references of both parts, for their noise: with the exact states carried over, for every target."""
    dtype = case.tensors["x"].dtype

    def exact(found: Mapping[str, Reference], prefix: str, names: tuple[str, ...]) -> dict[str, Array]:
        return {name: found[prefix + name].high.astype(dtype) for name in names}

    start = truth(oracle, _before(case, cut, None))
    after = truth(oracle, _after(case, cut, exact(start, "", ("y", "h_n", "c_n"))))
    return [truth(oracle, _before(case, cut, exact(after, "d ", ("x", "h0", "c0")))), after]


def _joined(before: Array | None, after: Array | None) -> Any:
    """Join two arrays of rows and steps along the steps."""
    if before is None or after is None or not before.ndim == after.ndim == 3 or before.shape[::2] != after.shape[::2]:
        return None
    return np.concatenate([before, after], axis=1)


continued = Property(
    name="continued",
    claim="A sequence in two calls, states and the fed output carried over and pulled back, is the sequence in one.",
    equation="f(x, s) = (f(x, s), f(x', s_n)) with x' = x, or y_{t-1} fed back; dL/ds_n and dL/dy_{t-1} carried back",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.config.steps > 1 and not case.config.lstm.bidirectional,
    thorough=True,
    compiles=True,
)
