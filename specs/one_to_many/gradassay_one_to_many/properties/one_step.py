"""Of one step, repeating and feeding back are the same: nothing has been given out that could be fed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from gradassay._property import Finding, Property
from gradassay_lstm._relations import same, truth
from gradassay_lstm._variations import made
from gradassay_one_to_many._steps import steps_of

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    first = steps_of(case, 0, 1, "first-step", dict(case.cotangents))
    config = msgspec.structs.replace(first.config, feedback=not first.config.feedback)
    other = made(first, "the-other-way", first.tensors, config=config)
    subject.require(first)
    subject.require(other)
    what = f"one step {'fed back' if config.feedback else 'repeated'}"
    yield from same(subject.of(first).vjp(), subject.of(other).vjp(), truth(oracle, first), first, what)


one_step = Property(
    name="one_step",
    claim="With one step, a repeated vector and a fed output give the same.",
    equation="f_repeated(x) = f_fed(x) for T = 1",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: not case.config.lstm.bidirectional and case.config.outputs == case.config.lstm.input_size,
    thorough=True,
    compiles=True,
)
