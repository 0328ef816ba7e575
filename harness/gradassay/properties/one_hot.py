"""A row of a Jacobian is the VJP of a one-hot cotangent: two routes of a framework to the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gradassay._case import Case
from gradassay._oracle import Oracle, Query, Reference
from gradassay._property import Finding, Property, between, compare
from gradassay._spec import Array, Tensor
from gradassay._stacked import stacked
from gradassay._subject import Subject
from gradassay._target import numpy_dtype
from gradassay.properties.jacobian import asked


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    for of, by in dict.fromkeys((of, by) for of, by, _ in asked(case)):
        name, output = f"d {of} / d {by}", case.table[of]
        scale = oracle.ask(case, Query("jacobian", of=of, wrt=(by,)))["jacobian"]
        matrix = between({"jacobian": subject.jacobian(of, by)}, {"jacobian": scale}).get("jacobian")
        if matrix is None:
            yield Finding(name, fault=f"there is no Jacobian of shape {scale.high.shape}, so that it has no rows")
            continue
        found: dict[str, list[Finding]] = {}
        for position in _positions(output):
            # Zeros for the other outputs, and gradients by everything: the same signature as any other VJP.
            hot = {n: np.zeros_like(v) for n, v in case.cotangents.items()} | {of: _picks(case, output, position)}
            gradients = subject.vjp(cotangents=hot).gradients
            row = " ".join(f"{axis}={at}" for axis, at in output.locate(position).items()) or "the only one"
            beside = compare(gradients, {by: _row(matrix, position)}, (by,), case)
            found[row] = [replace(finding, tensor=name) for finding in beside]
        yield from stacked(found, "row", "of")


def _positions(output: Tensor) -> list[tuple[int, ...]]:
    """The first, the middle and the last element."""
    size = int(np.prod(output.shape))
    flat = sorted({0, size // 2, size - 1}) if size else []
    return [tuple(int(i) for i in np.unravel_index(at, output.shape)) for at in flat]


def _picks(case: Case, output: Tensor, position: tuple[int, ...]) -> Array:
    hot = np.zeros(output.shape, dtype=numpy_dtype(case.dtype))
    hot[position] = 1
    return hot


def _row(matrix: Reference, position: tuple[int, ...]) -> Reference:
    parts = {name: getattr(matrix, name)[position] for name in ("high", "low", "radius", "zero", "sigma")}
    return replace(matrix, **parts)


one_hot = Property(
    name="one_hot",
    claim="A row of the Jacobian is the VJP of a one-hot cotangent.",
    equation="e_i'J = J'e_i for the first, the middle and the last i",
    needs=frozenset({"jacobian", "vjp"}),
    check=_check,
    applies=lambda case: bool(asked(case)),
    thorough=True,
)
