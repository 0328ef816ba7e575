"""A question about a case, evaluated in any arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from gradassay._arithmetic import LANES, A, Float64
from gradassay._case import Case
from gradassay._dual import Dual
from gradassay._jacobian import sweep
from gradassay._reach import reach_of
from gradassay._spec import Tensors
from gradassay._tape import Tape

Block = tuple[tuple[int, int], ...]
Kind = Literal["vjp", "jvp", "jacobian", "hvp", "adjoint", "symmetry", "trace"]


@dataclass(frozen=True)
class Query:
    """What is asked of a case. Arrays are in the case's dtype; their bytes are part of the question.

    "vjp" answers with the outputs and, for each of `wrt`, the pulled-back `cotangents`; "jvp" with the outputs'
    tangents; "jacobian" with d `of` / d `wrt[0]`, or a block of it; "hvp" with the derivative of the VJP in the
    direction `tangents`; "adjoint" with <v, J u> and <J'v, u>; "symmetry" with <w, H u> and <u, H w>, where H u is
    the "hvp" and w is `against`; "trace" with the cotangents of every mark named in `wrt`.

    `of_block` and `wrt_block` cut a Jacobian: one (start, stop) for each axis of `of` and of `wrt[0]`; empty is
    the whole. The answer has the block's shape, and its cost follows the block.
    """

    kind: Kind
    cotangents: Tensors = field(default_factory=dict)
    tangents: Tensors = field(default_factory=dict)
    wrt: tuple[str, ...] = ()
    of: str = ""
    against: Tensors = field(default_factory=dict)
    of_block: Block = ()
    wrt_block: Block = ()


def evaluate(numbers: Float64, case: Case, query: Query, edits: Mapping[str, Any] | None = None) -> dict[str, A]:
    """Evaluate a query in an arithmetic. Arrays come back with the samples axis first, or without when it is 1.

    The cotangent lanes of a Jacobian are folded into its leading axes.
    """
    if query.kind == "adjoint":
        forward = evaluate(numbers, case, replace(query, kind="jvp"), edits)
        reverse = evaluate(numbers, case, replace(query, kind="vjp", tangents={}), edits)
        return {
            "<v, J u>": _dot(numbers, [(forward[n], v) for n, v in query.cotangents.items()]),
            "<J'v, u>": _dot(numbers, [(reverse[f"d {n}"], query.tangents[n]) for n in query.wrt]),
        }
    if query.kind == "symmetry":
        u, w, hvp = query.tangents, query.against, replace(query, kind="hvp", against={})
        pushed, swapped = evaluate(numbers, case, hvp, edits), evaluate(numbers, case, replace(hvp, tangents=w), edits)
        return {
            "<w, H u>": _dot(numbers, [(pushed[f"d {n}"], w[n]) for n in query.wrt]),
            "<u, H w>": _dot(numbers, [(swapped[f"d {n}"], u[n]) for n in query.wrt]),
        }
    if query.kind == "jacobian":
        swept = sweep(numbers, case, query, reach_of(case, query, edits), edits)
        whole = swept.whole(numbers.lift(0.0)[0, 0])
        return {"jacobian": whole if numbers.sampled else whole[0]}
    dual = query.kind in ("jvp", "hvp")
    over: Any = Dual(numbers) if dual else numbers
    tape = Tape(over, edits)
    leaves: dict[str, Any] = {}
    for name, array in case.tensors.items():
        if case.table[name].role == "index":
            leaves[name] = array
            continue
        plain = array.astype(np.float64)
        tangent = query.tangents.get(name)
        value = (
            over.with_tangent(plain, None if tangent is None else tangent.astype(np.float64))
            if dual
            else over.lift(plain)
        )
        leaves[name] = tape.leaf(value) if name in case.differentiable else tape.constant_value(value)
    outputs: Mapping[str, Any] = case.spec.equations(tape, case.config, case.call, leaves)

    def seeds() -> list[tuple[Any, Any]]:
        return [(outputs[n], over.lift(v.astype(np.float64))) for n, v in query.cotangents.items()]

    if query.kind == "jvp":
        return {name: _one(numbers, over.tangent(out.value)) for name, out in outputs.items()}
    if query.kind == "hvp":
        pulled = tape.gradients(seeds(), [leaves[name] for name in query.wrt])
        return {f"d {n}": _one(numbers, over.tangent(g)) for n, g in zip(query.wrt, pulled, strict=True)}
    if query.kind == "trace":
        points = [(mark, where, var) for mark in query.wrt for where, var in tape.marks[mark].items()]
        pulled = tape.gradients(seeds(), [var for _, _, var in points])
        return {
            " ".join([f"d {mark}", *(f"{k}={v}" for k, v in where)]): _one(numbers, g)
            for (mark, where, _), g in zip(points, pulled, strict=True)
        }
    answer = {name: _one(numbers, out.value) for name, out in outputs.items()}
    pulled = tape.gradients(seeds(), [leaves[name] for name in query.wrt])
    return answer | {f"d {n}": _one(numbers, g) for n, g in zip(query.wrt, pulled, strict=True)}


def _one(numbers: Float64, a: A) -> A:
    """Drop the cotangent lane, and the samples axis when there are none."""
    return a[:, 0] if numbers.sampled else a.reshape(a.shape[LANES:])


def _dot(numbers: Float64, pairs: Sequence[tuple[A, A]]) -> A:
    """Sum of products with given arrays, without rounding noise of its own: the caller's product is exact too."""
    noisy = numbers.sampled
    total = numbers.lift([0.0])[0, 0]  # one axis: of none, objects would come back bare
    for a, b in pairs:
        wide = numbers.lift(b.astype(np.float64))[0]
        if not wide.size:  # a batch of none, or no steps
            continue
        total = total + ((a if noisy else a[None]) * wide).reshape(-1, wide.size).sum(axis=-1)
    return np.asarray(total if noisy else total.reshape(()))
