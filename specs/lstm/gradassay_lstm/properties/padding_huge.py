"""What stands on the padding is arbitrary: huge finite values there change nothing, bit for bit.

A mask that multiplies, or that comes after a sum over steps, lets them through.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, log2
from typing import TYPE_CHECKING

import numpy as np

from gradassay._limits import PRECISIONS
from gradassay._property import Finding, Property
from gradassay._words import Words
from gradassay_lstm._relations import unchanged
from gradassay_lstm._variations import made, padding
from gradassay_lstm.properties.padding_zero import has_padding

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._session import Answer
    from gradassay._spec import Array, Tensors
    from gradassay._subject import Subject


def filled(case: Case, name: str, array: Array, value: float) -> Array:
    """Return an array with its padding filled: numbers of both signs, none equal, and at most `value` in size."""
    size = Words(case.template.seed, "padding", name).uniform(array.shape)
    fill = (np.sign(size) * (0.5 + np.abs(size) / 2) * value).astype(array.dtype)
    return np.where(padding(case, case.table[name]), fill, array).astype(array.dtype)


def huge(case: Case) -> float:
    """Return the largest power of two that no pre-activation of a first layer takes near the end of the dtype's range.

    Beyond it a difference of infinities would be no number, which is another promise.
    """
    weights = [a for name, a in case.parameters.items() if name.startswith("weight_ih_l0")]
    largest = max(1.0, *(float(np.max(np.abs(a.astype(np.float64)))) for a in weights))
    return 2.0 ** floor(log2(PRECISIONS[case.dtype].largest / (8 * case.config.input_size * largest)))


def alike(first: Answer, second: Answer, case: Case, what: str) -> Iterator[Finding]:
    """Set every array of two answers side by side, bit for bit."""
    for name in (*case.outputs, *(n for n in case.differentiable if first.gradients)):
        group = "outputs" if name in case.outputs else "gradients"
        one, other = getattr(first, group).get(name), getattr(second, group).get(name)
        everywhere = np.ones(case.table[name].shape, dtype=np.bool_)
        yield unchanged(f"{name} of {what}", one, other, everywhere, case.table[name])


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    tensors: Tensors = dict(case.tensors) | {"x": filled(case, "x", case.tensors["x"], huge(case))}
    other = subject.of(made(case, "huge-padding", tensors))
    if "vjp" not in subject.operators:
        yield from alike(subject.forward(), other.forward(), case, "huge x on the padding")
        return
    yield from alike(subject.vjp(), other.vjp(), case, "huge x on the padding")
    if "y" in case.cotangents:
        largest = 2.0 ** floor(log2(PRECISIONS[case.dtype].largest / 4))
        cotangents = dict(case.cotangents) | {"y": filled(case, "y", case.cotangents["y"], largest)}
        answer = subject.vjp(cotangents=cotangents)
        yield from alike(subject.vjp(), answer, case, "huge cotangents of y on the padding")


padding_huge = Property(
    name="padding_huge",
    claim="Huge finite values on the padding of x, and of the cotangent of y, change nothing, bit for bit.",
    equation="f(x + p) = f(x) and J(x + p)'(v + q) = J(x)'v for every p, q that are 0 off the padding",
    needs=frozenset({"forward"}),
    check=_check,
    applies=has_padding,
    thorough=True,
)
