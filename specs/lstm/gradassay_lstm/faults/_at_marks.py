"""Edits at the marks of the equations, to be put together in one line: what happens, at which marks, where.

An edit is a function of the tape, the value at a mark, and where the mark stands (layer, direction, step).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Where = Mapping[str, Any]
Edit = Callable[[Any, Any, Where], Any]
Edits = Callable[[float], Mapping[str, Edit]]
STATES = "h_before c_before"


def at(marks: str, edit: Edit, **only: Any) -> Edits:
    """Return the edits of a `Fault`: the same one at each of some marks, where layer, direction and step are these.

    Args:
        only: a value, or a condition on it: `at("gates", edit, layer=2, step=lambda t: t > 0)`.
    """

    def holds(wanted: Any, found: Any) -> bool:
        return bool(wanted(found)) if callable(wanted) else bool(wanted == found)

    def planted(tape: Any, value: Any, where: Where) -> Any:
        there = all(holds(wanted, where.get(name)) for name, wanted in only.items())
        return edit(tape, value, where) if there else value

    return lambda u: dict.fromkeys(marks.split(), planted)


def stop(tape: Any, value: Any, where: Where) -> Any:
    """Send nothing back through it. Tangents pass, as they do where a backward pass alone is wrong."""
    return tape.splice(value, tape.stop(value))


def nothing(tape: Any, value: Any, where: Where) -> Any:
    """Make it zero, in value and in derivative."""
    return value * 0.0


def derivative(edit: Edit) -> Edit:
    """Keep the value, and take the derivative of what an edit makes of it."""
    return lambda tape, value, where: tape.splice(value, edit(tape, value, where))


def seen(tape: Any, mark: str, where: Where, **instead: Any) -> Any:
    """Return what an earlier mark had: at the same place, but for what is said otherwise."""
    return tape.marks[mark][tuple(sorted({**where, **instead}.items()))]


def first(tape: Any, mark: str, where: Where) -> Any:
    """Return what a mark had when it was first met in this layer and direction."""
    return next(_in_order(tape, mark, where))


def last(tape: Any, mark: str, where: Where) -> Any:
    """Return what a mark had when it was last met in this layer and direction."""
    return list(_in_order(tape, mark, where))[-1]


def _in_order(tape: Any, mark: str, where: Where) -> Any:
    place = {key: where[key] for key in ("layer", "direction")}.items()
    return (value for at, value in tape.marks.get(mark, {}).items() if place <= dict(at).items())


def started(tape: Any, mark: str, where: Where) -> bool:
    """Say whether a mark has been met in this layer and direction."""
    return any(True for _ in _in_order(tape, mark, where))


def blocks(order: str) -> Edit:
    """Put the four gates' blocks, along the last axis, into another order: "ioio" takes the blocks of i and o twice."""
    return lambda tape, value, where: tape.concatenate([gate(value, name) for name in order], axis=-1)


def gate(value: Any, name: str) -> Any:
    """Return one gate's block of pre-activations (..., 4H) or biases (4H,)."""
    size, k = value.shape[-1] // 4, "ifgo".index(name)
    return value[(slice(None),) * (len(value.shape) - 1) + (slice(k * size, (k + 1) * size),)]


def per_gate(i: float = 1.0, f: float = 1.0, g: float = 1.0, o: float = 1.0) -> Edit:
    """Scale the four gates' blocks along the last axis."""

    def scaled(tape: Any, value: Any, where: Where) -> Any:
        parts = [gate(value, name) * factor for name, factor in zip("ifgo", (i, f, g, o), strict=True)]
        return tape.concatenate(parts, axis=-1)

    return scaled


def turned(tape: Any, value: Any, where: Where) -> Any:
    """Transpose the H x H block of each gate; a projected (4H, P) weight is left alone."""
    size = value.shape[0] // 4
    if value.shape[1] != size:
        return value
    return tape.concatenate([value[k * size : (k + 1) * size].T for k in range(4)], axis=-2)


def backwards(tape: Any, value: Any, where: Where) -> Any:
    """Turn a sequence (B,T,S) around in time."""
    steps = value.shape[1]
    return tape.concatenate([value[:, t : t + 1] for t in reversed(range(steps))], axis=-2) if steps else value


def shifted(tape: Any, value: Any, where: Where) -> Any:
    """Move a sequence (B,T,S) by one step, the last becoming the first."""
    return value if value.shape[1] < 2 else tape.concatenate([value[:, 1:], value[:, :1]], axis=-2)


def affine(tape: Any, where: Where, keep: str) -> Any:
    """Compute the pre-activations (B,4H) again, with all but "weights" or "inputs" constant to the derivative."""
    stop_weights = tape.stop if keep == "inputs" else lambda v: v
    stop_inputs = tape.stop if keep == "weights" else lambda v: v
    place = {key: where[key] for key in ("layer", "direction")}
    total = stop_inputs(seen(tape, "x", where)) @ stop_weights(seen(tape, "weight_ih", place)).T
    total = total + stop_inputs(seen(tape, "h_before", where)) @ stop_weights(seen(tape, "weight_hh", place)).T
    for name in ("bias_ih", "bias_hh"):
        if name in tape.marks:
            total = total + stop_weights(seen(tape, name, place))
    return total


def frozen(tape: Any, value: Any) -> Any:
    """The same value and derivative, with a derivative that does not change along a tangent: for second order alone."""
    numbers = tape.numbers
    if not hasattr(numbers, "with_tangent"):
        return value
    constant = tape.constant_value(type(value.value)(value.value.primal, None))
    return tape.splice(constant, value)


def rounded(bits: int) -> Edit:
    """Round the value to a number of significant bits; the derivative passes."""

    def keep(array: Any) -> Any:
        mantissa, exponent = np.frexp(array)
        return np.ldexp(np.round(mantissa * 2.0**bits), exponent - bits)

    def planted(tape: Any, value: Any, where: Where) -> Any:
        raw = value.value
        pair = hasattr(raw, "primal")
        made = type(raw)(keep(raw.primal), raw.tangent) if pair else keep(raw)
        return tape.splice(tape.constant_value(made), value)

    return planted
