"""Jacobians are right, entry by entry: also where causality or independence of rows makes them exactly zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gradassay._case import Case
from gradassay._oracle import Oracle, Query, Reference
from gradassay._property import Finding, Property
from gradassay._spec import Array, Tensor
from gradassay._subject import Subject
from gradassay._target import numpy_dtype


def asked(case: Case) -> list[tuple[str, str, Any]]:
    """Return (of, wrt, block or None) for each Jacobian that the case asks for."""
    pairs: list[tuple[str, str, Any]] = [(of, wrt, None) for of, wrt in case.template.ask.get("jacobian", ())]
    if block := case.template.ask.get("jacobian_block"):
        pairs.append((block["of"], block["wrt"], block))
    return pairs


def _steps(tensor: Tensor, steps: tuple[int, int]) -> tuple[slice, ...]:
    return tuple(slice(*steps) if any(a.name == "step" for a in group) else slice(None) for group in tensor.axes)


def _cut(reference: Reference, index: tuple[slice, ...]) -> Reference:
    parts = {name: getattr(reference, name)[index] for name in ("high", "low", "radius", "zero", "sigma")}
    return replace(reference, **parts)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    for of, wrt, block in asked(case):
        reference = oracle.ask(case, Query("jacobian", of=of, wrt=(wrt,)))["jacobian"]
        got: Array | None = subject.jacobian(of, wrt)
        name, labels = f"d {of} / d {wrt}", (case.table[of], case.table[wrt])
        if got is None or got.shape != reference.high.shape:
            shape = "nothing" if got is None else f"shape {got.shape}"
            yield Finding(name, fault=f"got {shape}; should be of shape {reference.high.shape}")
            continue
        if got.dtype != numpy_dtype(case.dtype):
            yield Finding(name, fault=f"got dtype {got.dtype}; should be {case.dtype}")
            continue
        if block is not None:
            index = _steps(labels[0], tuple(block["of_steps"])) + _steps(labels[1], tuple(block["wrt_steps"]))
            got, reference = np.asarray(got[index]), _cut(reference, index)
            name = f"{name}, steps {tuple(block['of_steps'])} by {tuple(block['wrt_steps'])}"
        yield Finding(name, got, reference, labels)


jacobian = Property(
    name="jacobian",
    claim="Every entry of the Jacobian is exact to within rounding noise, and 0 where the model makes it 0.",
    equation="|dy_i/dx_j - (dy_i/dx_j)*| <= limit * sigma_ij",
    needs=frozenset({"jacobian"}),
    check=_check,
    applies=lambda case: bool(asked(case)),
)
