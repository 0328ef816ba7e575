"""Each sample of a ragged batch is that sample alone at its own length, down to a length of 0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import added, of_rows, placed, same, scales_of, truth, unchanged
from gradassay_lstm._variations import alone, carried, lengths_of, taking

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._session import Answer
    from gradassay._subject import Subject

MOST = 8  # samples that are run one by one; of a larger batch those of the most different lengths


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    whole, scales = subject.vjp(), truth(oracle, case)
    lengths = lengths_of(case)
    some = sorted((row for row in range(case.call.batch) if lengths[row]), key=lambda row: lengths[row])
    chosen = some if len(some) <= MOST else [*some[: MOST // 2], *some[-MOST // 2 :]]
    if subject.mode.compiled:  # each length would be compiled: the shortest has the most padding
        chosen = some[:1]
    parts, references = [], []
    for row in chosen:
        one, keep = alone(case, row), taking(case, {"row": [row], "step": range(lengths[row])})
        answer = subject.of(one).vjp()
        parts.append(answer.gradients)
        references.append(truth(oracle, one))
        names = [name for name in of_rows(case) if name != "lengths"]
        cut = {key: scale for key, scale in scales.items() if key.removeprefix("d ") in names}
        what = f"row {row} alone at its length {lengths[row]}"
        yield from same(placed(whole, case, keep), answer, scales_of(cut, case, keep), one, what, names)
    if chosen == some and some:
        what = "the rows alone at their lengths, summed"
        yield from added(whole.gradients, parts, scales, references, case.parameters, case, what)
    yield from _empty(whole, case, [row for row in range(case.call.batch) if not lengths[row]])


def _empty(whole: Answer, case: Case, rows: list[int]) -> Iterator[Finding]:
    """Look at samples of length 0: initial states come out as they went in, and their cotangents go back so."""
    for row in rows:
        for final, initial in carried(case).items():
            tensor = case.table[final]
            keep = taking(case, {"row": [row]})
            here = np.ones(keep(final, np.zeros(tensor.shape)).shape, dtype=np.bool_)
            zeros = np.zeros(tensor.shape, dtype=whole.outputs["y"].dtype)
            pairs = [(final, whole.outputs.get(final), case.tensors.get(initial, zeros))]
            if initial in case.tensors:
                pairs.append((initial, whole.gradients.get(initial), case.cotangents.get(final, zeros)))
            for name, got, given in pairs:
                there = None if got is None or got.shape != tensor.shape else keep(name, got)
                yield unchanged(f"{name} of row {row} of length 0", keep(final, given), there, here, tensor)


lengths = Property(
    name="lengths",
    claim="Each sample of a ragged batch is as if alone at its own length, its final states those of its last step.",
    equation="f(x, n)_b = f(x_b[:n_b]), dL/dW = sum_b dL_b/dW; for n_b = 0: h_n = h0 and dL/dh0 = dL/dh_n",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.call.lengths is not None and case.call.batch > 0,
    thorough=True,
    compiles=True,
)
