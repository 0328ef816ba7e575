"""The reverse direction is the forward one, run on the reversed sequence: each direction can stand for the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import added, placed, same, scales_of, truth
from gradassay_lstm._variations import made, mirror, mirrored, moved, taking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._spec import Array
    from gradassay._subject import Subject

DIRECTIONS = ("forward", "reverse")


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    other = made(case, "exchanged", mirrored(case, case.tensors), mirrored(case, case.cotangents))
    answer = subject.of(other).vjp()
    outputs, gradients = mirrored(other, answer.outputs), mirrored(other, answer.gradients)
    second = replace(answer, outputs=outputs, gradients=gradients)
    yield from same(subject.vjp(), second, truth(oracle, case), case, "both directions exchanged")
    if case.config.num_layers == 1 and not subject.mode.compiled:  # it would compile another model
        yield from _each_alone(subject, case, oracle)


def _each_alone(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    """Run each direction as a layer that has no other, the reverse one forward, and put the two together."""
    answers, references = [], []
    for direction in range(2):
        one = _alone(case, direction)
        subject.require(one)
        answer, scales = subject.of(one).vjp(), truth(oracle, one)
        if direction:
            answer, scales = placed(answer, one, mirror(one)), scales_of(scales, one, mirror(one))
        answers.append(answer)
        references.append(scales)
    whole, scales = subject.vjp(), truth(oracle, case)
    forward, reverse = answers
    second = replace(
        forward,
        outputs=_beside(forward.outputs, reverse.outputs),
        gradients=_beside(forward.gradients, reverse.gradients),
    )
    names = [name for name in (*case.outputs, *case.differentiable) if name != "x"]
    yield from same(whole, second, scales, case, "each direction alone", names)
    pulled = [answer.gradients for answer in answers]
    yield from added(whole.gradients, pulled, scales, references, ("x",), case, "each direction alone, summed")


def _alone(case: Case, direction: int) -> Case:
    """Return one direction of a layer as a layer of one direction, on the reversed sequence if it is the reverse."""
    suffix = "_reverse" if direction else ""
    keep = taking(case, {"direction": [direction]})
    tensors = {
        name.removesuffix("_reverse"): array
        for name, array in moved(case, case.tensors, keep).items()
        if case.table[name].role != "parameter" or name.endswith("_reverse") == bool(suffix)
    }
    config = msgspec.structs.replace(case.config, bidirectional=False)
    what = f"{DIRECTIONS[direction]}-alone"
    one = made(case, what, tensors, moved(case, case.cotangents, keep), config=config)
    if not direction:
        return one
    move = mirror(one)
    return made(case, what, moved(one, one.tensors, move), moved(one, one.cotangents, move), config=config)


def _beside(forward: Mapping[str, Array | None], reverse: Mapping[str, Array | None]) -> dict[str, Any]:
    """Put the arrays of two directions together as one layer of both has them."""
    both: dict[str, Any] = {}
    for name, one in forward.items():
        other = reverse.get(name)
        if name not in ("y", "h_n", "c_n", "h0", "c0"):
            both |= {name: one, f"{name}_reverse": other}
        elif one is not None and other is not None and one.shape == other.shape:
            both[name] = np.concatenate([one, other], axis=-1 if name == "y" else 0)
    return both


reversal = Property(
    name="reversal",
    claim="The reverse direction is the forward one on the reversed sequence, and each alone is as beside the other.",
    equation="f(R x, W_reverse, W_forward) = R f(x, W_forward, W_reverse), R reversing each row within its length",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: bool(case.config.bidirectional),
    thorough=True,
    compiles=True,
)
