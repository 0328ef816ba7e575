"""A dropout mask of ones is no dropout, and what a mask of zeros cuts off has no gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import exactly_zero, same, truth
from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array
    from gradassay._subject import Subject


def _masked(case: Case, value: float) -> Case:
    """Return the case with every mask filled with one value."""
    masks: dict[str, Array] = {
        name: np.full_like(array, value) for name, array in case.tensors.items() if case.table[name].role == "mask"
    }
    return made(case, f"masks-of-{value:.0f}", dict(case.tensors) | masks)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    ones = _masked(case, 1.0)
    call = msgspec.structs.replace(case.call, dropout=False)
    none = made(case, "no-dropout", {n: a for n, a in case.tensors.items() if case.table[n].role != "mask"}, call=call)
    subject.require(none)
    first, second = subject.of(none).vjp(), subject.of(ones).vjp()
    yield from same(first, second, truth(oracle, none), none, "masks of ones")
    zeros = _masked(case, 0.0)
    answer, scales = subject.of(zeros).vjp(), truth(oracle, zeros)
    for layer in range(1, case.config.num_layers):
        for name in (n for n in case.parameters if n.startswith(f"weight_ih_l{layer}")):
            got, tensor, scale = answer.gradients.get(name), case.table[name], scales[f"d {name}"]
            if got is None or got.shape != tensor.shape:
                shape = "nothing" if got is None else f"shape {got.shape}"
                yield Finding(f"{name} of masks of zeros", fault=f"got {shape}; should be of shape {tensor.shape}")
            else:
                everywhere = np.ones(got.shape, dtype=np.bool_)
                blind = scale.blind if scale.overflow else ""
                yield exactly_zero(f"{name} of masks of zeros", got, everywhere, (tensor,), blind)


dropout_of_ones = Property(
    name="dropout_of_ones",
    claim="Dropout masks of ones are no dropout; behind masks of zeros, weights have a gradient of exactly 0.",
    equation="f(x, m = 1) = f(x), dL/dW_ih_l = 0 for l > 0 and m = 0",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: bool(case.call.dropout) and case.config.num_layers > 1 and case.call.batch > 0,
    thorough=True,
    compiles=True,
)
