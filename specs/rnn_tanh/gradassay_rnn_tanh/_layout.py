"""Where each framework keeps the parameters of cells with one state: orders, transposes, signs and biases, as data.

`gradassay_lstm._layout` has one bias or two for a whole cell. A GRU whose reset gate comes after the product has both
for its candidate and may have their sum for its gates, so here an array is made gate by gate. Every conversion is
linear: `forward` is P u, and `adjoint` is P', so <P u, v> = <u, P' v>. Framework arrays go by the framework's own name
and the cell's suffix: 'kernel_l0', 'recurrent_l0_reverse'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gradassay._spec import Array, Tensors
from gradassay_lstm._layout import stack_directions, unstack_directions

SOURCES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_SUFFIX = re.compile(r"_l\d+(_reverse)?$")

Blocks = dict[str, Array | None]  # by gate: the H rows of one source


@dataclass(frozen=True)
class Form:
    """One framework array: canonical tensors of a cell, gate by gate.

    Attributes:
        sources: the canonical tensors in it.
        how: one after the other along the gates ("join"), as the rows of a matrix ("rows"), or added ("sum").
        gates: the gates that it holds; all, if empty.
        summed: of a sum, the gates at which all sources are added, where others have the first alone; all, if empty.
    """

    sources: tuple[str, ...]
    how: Literal["join", "rows", "sum"] = "join"
    gates: str = ""
    summed: str = ""

    def terms(self, gate: str) -> tuple[str, ...]:
        """Return the sources that are added at a gate."""
        return self.sources if not self.summed or gate in self.summed else self.sources[:1]


@dataclass(frozen=True)
class Layout:
    """One framework's convention."""

    arrays: Mapping[str, Form]  # by the framework's name; '{gate}' in a name: an array for each gate
    canonical: str = "h"  # the order of the gate blocks of the spec, a letter each
    gates: str = "h"  # and of the framework
    transposed: bool = False  # matrices are (in, gates) in place of (gates, in)
    negated: str = ""  # gates whose blocks have the other sign: sigmoid(-a) = 1 - sigmoid(a)
    stacked_directions: bool = False  # a leading axis of directions, in place of arrays of their own
    bias_required: bool = False  # without a bias, the framework still has one, which is then zero

    def forward(self, parameters: Tensors) -> dict[str, Array]:
        """Return the framework's arrays for canonical `parameters`, in their dtype; a sum of biases is rounded once."""
        made: dict[str, Array] = {}
        for suffix in _suffixes(parameters):
            cell = self._cell(parameters, suffix)
            for name, form in self._forms():
                if all(source in cell for source in form.sources):
                    made[name + suffix] = np.ascontiguousarray(self._put(form, cell))
        return stack_directions(made) if self.stacked_directions else made

    def adjoint(self, gradients: Mapping[str, Array | None], names: Iterable[str]) -> dict[str, Array | None]:
        """Return the gradients of the canonical parameters `names` from those of the framework's arrays.

        Every term of a sum has the gradient of the sum. A None stays None, and so does a gate's among others.

        Raises:
            KeyError: if a framework's array that holds a parameter is not in `gradients`.
        """
        found = dict(self._sources(gradients, every_term=True))
        return {name: found[name] for name in names}

    def inverse(self, weights: Tensors) -> dict[str, Array]:
        """Return canonical parameters that give these framework arrays; the first term of a sum has all of it."""
        return {name: array for name, array in self._sources(weights, every_term=False) if array is not None}

    def _forms(self) -> Iterator[tuple[str, Form]]:
        for name, form in self.arrays.items():
            held = form.gates or self.gates
            if "{gate}" in name:
                yield from ((name.format(gate=gate), replace(form, gates=gate)) for gate in held)
            else:
                yield name, replace(form, gates=held)

    def _cell(self, parameters: Tensors, suffix: str) -> dict[str, dict[str, Array]]:
        """The parameters of one cell as blocks, by source and gate, signed as the framework has them."""
        cell = {source: parameters[source + suffix] for source in SOURCES if source + suffix in parameters}
        if self.bias_required and "bias_ih" not in cell:
            cell |= dict.fromkeys(("bias_ih", "bias_hh"), np.zeros_like(cell["weight_hh"][:, 0]))
        count = len(self.canonical)
        return {
            source: {
                gate: self._signed(gate, part)
                for gate, part in zip(self.canonical, np.split(array, count), strict=True)
            }
            for source, array in cell.items()
        }

    def _signed(self, gate: str, block: Array) -> Array:
        return -block if gate in self.negated else block

    def _put(self, form: Form, cell: Mapping[str, Mapping[str, Array]]) -> Array:
        """Make one framework array from blocks."""
        if form.how == "sum":
            sums = [[cell[source][gate] for source in form.terms(gate)] for gate in form.gates]
            whole = np.concatenate([sum(terms[1:], terms[0]) for terms in sums])
        else:
            parts = [np.concatenate([cell[source][gate] for gate in form.gates]) for source in form.sources]
            whole = np.stack(parts) if form.how == "rows" else np.concatenate(parts)
        return whole.T if self._is_turned(form) else whole

    def _is_turned(self, form: Form) -> bool:
        return self.transposed and form.sources[0].startswith("weight")

    def _take(self, form: Form, array: Array | None) -> dict[str, Blocks]:
        """Undo `_put` for every source; of a sum each has all of it."""
        count = len(form.gates)
        if array is None:
            return {source: dict.fromkeys(form.gates) for source in form.sources}
        whole = array.T if self._is_turned(form) else array
        if form.how == "rows":
            parts = list(whole)
        elif form.how == "join":
            parts = np.split(whole, len(form.sources))
        else:
            parts = [whole] * len(form.sources)
        return {
            source: {
                gate: self._signed(gate, block) for gate, block in zip(form.gates, np.split(part, count), strict=True)
            }
            for source, part in zip(form.sources, parts, strict=True)
        }

    def _sources(self, arrays: Mapping[str, Array | None], every_term: bool) -> Iterator[tuple[str, Array | None]]:
        """Yield (canonical name, array) of every source all of whose blocks are in the framework's arrays.

        `every_term`: each term of a sum has the whole, or the first alone, and the others zeros.
        """
        flat = unstack_directions(arrays) if self.stacked_directions else arrays
        for suffix in _suffixes(flat):
            found: dict[str, Blocks] = {}
            for name, form in self._forms():
                if name + suffix not in flat:
                    continue
                for position, (source, blocks) in enumerate(self._take(form, flat[name + suffix]).items()):
                    for gate, block in blocks.items():
                        if form.how != "sum" or source in form.terms(gate):
                            kept = every_term or form.how != "sum" or position == 0 or block is None
                            found.setdefault(source, {})[gate] = block if kept else np.zeros_like(block)
            for source in (source for source in SOURCES if found.get(source, {}).keys() == set(self.canonical)):
                parts = [block for gate in self.canonical if (block := found[source][gate]) is not None]
                yield source + suffix, np.concatenate(parts) if len(parts) == len(self.canonical) else None


def _suffixes(names: Iterable[str]) -> list[str]:
    """The cells' suffixes among `names`, each once, in order."""
    return list(dict.fromkeys(match.group() for name in names if (match := _SUFFIX.search(name))))


BOTH_BIASES = Form(("bias_ih", "bias_hh"), "sum")
TWO_BIASES: Mapping[str, Form] = {source: Form((source,)) for source in SOURCES}
KERNELS: Mapping[str, Form] = {"kernel": Form(("weight_ih",)), "recurrent": Form(("weight_hh",))}

# Sources: the cells' code in each framework; for ONNX, the operator's text (W, R and B = [Wb, Rb]).
layouts: Mapping[str, Layout] = {
    "torch": Layout(TWO_BIASES),
    "paddle": Layout(TWO_BIASES),
    "keras": Layout({**KERNELS, "bias": BOTH_BIASES}, transposed=True),
    "flax": Layout(
        {"i.kernel": Form(("weight_ih",)), "h.kernel": Form(("weight_hh",)), "i.bias": BOTH_BIASES},
        transposed=True,
        bias_required=True,
    ),
    "onnx": Layout(
        {"W": Form(("weight_ih",)), "R": Form(("weight_hh",)), "B": Form(("bias_ih", "bias_hh"))},
        stacked_directions=True,
    ),
}
