"""How much padding follows is nothing: a longer buffer, with lengths that end where the rows end, is the same batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from gradassay._property import Finding, Property
from gradassay._words import Words
from gradassay_lstm._relations import placed, same, truth
from gradassay_lstm._variations import axes, lengths_of, made, moved, taking

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array
    from gradassay._subject import Subject

MORE = 2  # steps of padding


def longer(case: Case) -> Case:
    """Return a case with more steps, which no row has: numbers stand there that should reach nothing."""
    steps, lengths = case.call.steps, tuple(lengths_of(case))

    def extend(name: str, array: Array) -> Array:
        if "step" not in axes(case.table[name]):
            return array
        shape = (array.shape[0], MORE, *array.shape[2:])
        rest = Words(case.template.seed, "longer", name).normal(shape).astype(array.dtype)
        return np.concatenate([array, rest], axis=1)

    tensors = moved(case, case.tensors, extend) | {"lengths": np.array(lengths, dtype=np.int64)}
    call = msgspec.structs.replace(case.call, steps=steps + MORE, lengths=lengths)
    return made(case, "longer", tensors, moved(case, case.cotangents, extend), call=call)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    other = longer(case)
    subject.require(other)
    cut = taking(other, {"step": range(case.call.steps)})
    second = placed(subject.of(other).vjp(), other, cut)
    yield from same(subject.vjp(), second, truth(oracle, case), case, f"{MORE} more steps of padding")


longer_padding = Property(
    name="longer_padding",
    claim="More padding changes nothing, and lengths that are all the steps there are change nothing either.",
    equation="f((x, p), n) = f(x, n) for any p, and f(x, n = T) = f(x)",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.batch > 0 and case.call.steps > 0,
    thorough=True,
    compiles=True,
)
