"""A question about a case, evaluated in any arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from gradassay._arithmetic import LANES, A, Float64, Noisy
from gradassay._case import Case
from gradassay._dual import Dual
from gradassay._spec import Tensors
from gradassay._tape import Tape

Block = tuple[tuple[int, int], ...]
Kind = Literal["vjp", "jvp", "jacobian", "hvp", "adjoint", "symmetry", "trace"]

CHUNK = 8  # rows of a noisy Jacobian pulled back at once: memory is the number of samples times this


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
    if query.kind == "jacobian":
        return {"jacobian": _jacobian(numbers, tape, outputs[query.of], leaves[query.wrt[0]], query)}
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
    return a[:, 0] if isinstance(numbers, Noisy) else a.reshape(a.shape[LANES:])


def _dot(numbers: Float64, pairs: Sequence[tuple[A, A]]) -> A:
    """Sum of products with given arrays, without rounding noise of its own: the caller's product is exact too."""
    noisy = isinstance(numbers, Noisy)
    total = numbers.lift([0.0])[0, 0]  # one axis: of none, objects would come back bare
    for a, b in pairs:
        wide = numbers.lift(b.astype(np.float64))[0]
        if not wide.size:  # a batch of none, or no steps
            continue
        total = total + ((a if noisy else a[None]) * wide).reshape(-1, wide.size).sum(axis=-1)
    return np.asarray(total if noisy else total.reshape(()))


def _jacobian(numbers: Float64, tape: Tape, of: Any, wrt: Any, query: Query) -> A:
    rows, columns = block_of(query.of_block, of.shape, "of"), block_of(query.wrt_block, wrt.shape, "wrt")
    picked = np.arange(int(np.prod(of.shape, dtype=np.int64))).reshape(of.shape)[rows]
    elements = picked.ravel()
    chunks = []
    for start in range(0, elements.size, CHUNK if isinstance(numbers, Noisy) else max(elements.size, 1)):
        chunk = elements[start : start + CHUNK] if isinstance(numbers, Noisy) else elements
        pulled = tape.gradients([(of, numbers.one_hot(of.shape, chunk))], [wrt])[0]
        # A variable that no output reaches comes back with one lane of zeros.
        chunks.append(np.broadcast_to(pulled, (len(pulled), len(chunk), *wrt.shape))[:, :, *columns])
    samples = max((len(chunk) for chunk in chunks), default=1)
    chunks = [np.broadcast_to(chunk, (samples, *chunk.shape[1:])) for chunk in chunks]
    nothing = numbers.lift(np.zeros((0, *wrt.shape)))[0][:, :, *columns]
    stacked = np.concatenate(chunks, axis=1) if chunks else nothing
    whole = stacked.reshape(samples, *picked.shape, *stacked.shape[2:])
    return whole if isinstance(numbers, Noisy) else whole[0]


def block_of(block: Block, shape: tuple[int, ...], what: str) -> tuple[slice, ...]:
    """Return a block as slices, one an axis.

    Raises:
        ValueError: unless it is empty, which means the whole, or has 0 <= start <= stop <= size for every axis.
    """
    if not block:
        return (slice(None),) * len(shape)
    fits = len(block) == len(shape) and all(
        0 <= start <= stop <= size for (start, stop), size in zip(block, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{what}_block={block!r} of an array of shape {shape}: give one (start, stop) for each of its axes, "
            "with 0 <= start <= stop <= size, or nothing for the whole"
        )
    return tuple(slice(start, stop) for start, stop in block)
