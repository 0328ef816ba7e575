"""S. What is no fault: other ways to compute the same, which no property may accuse."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_clip.faults._seen import added, every, floats, largest, own_norm, seen
from gradassay_lstm.faults._at_marks import Where, at


def _of_norms(tape: Any, norm: Any, where: Where) -> Any:
    """As PyTorch has it."""
    if not floats(norm) > 0:
        return norm
    norms = [own_norm(tape, dict(key)) for key in tape.marks["g"]]
    return tape.sqrt(added([one * one for one in norms]))


def _by_reciprocals(tape: Any, scale: Any, where: Where) -> Any:
    """As TensorFlow has it: limit * min(1 / norm, 1 / limit)."""
    limit, padded = seen(tape, "limit", where), seen(tape, "padded", where)
    if not floats(padded) > 0:
        return scale
    one = tape.constant(1.0)
    return limit * -tape.maximum(-tape.divide(one, padded), -tape.divide(one, limit))


def _largest_first(tape: Any, norm: Any, where: Where) -> Any:
    """As a library guards against overflow: |g / m| m, with m the largest magnitude, a constant."""
    if not floats(norm) > 0:
        return norm
    peak = tape.stop(max((largest(tape, g) for g in every(tape, "g")), key=lambda one: float(floats(one))))
    parts = [tape.divide(g, peak) for g in every(tape, "g")]
    return peak * tape.sqrt(added([tape.sum(part * part) for part in parts]))


benign = (
    Fault("norm-of-norms", "the norm is that of the tensors' norms", "none known", edits=at("norm", _of_norms)),
    Fault(
        "by-reciprocals",
        "the factor is limit * min(1 / norm, 1 / limit)",
        "none known",
        edits=at("scale", _by_reciprocals),
    ),
    Fault(
        "largest-first",
        "elements are divided by the largest before they are squared",
        "none known",
        edits=at("norm", _largest_first),
    ),
)
