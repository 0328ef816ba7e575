"""Where each framework keeps an LSTM's parameters: gate orders, transposes and biases, each written once, as data.

A conversion is affine: `forward` is P u + offset, and `adjoint` is P', so <P u, v> = <u, P' v>.
Framework arrays go by the framework's own name and the cell's suffix: 'kernel_l0', 'recurrent_l0_reverse'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradassay._spec import Array, Tensors
from gradassay_lstm._tensors import GATES

SOURCES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
_SUFFIX = re.compile(r"_l\d+(_reverse)?$")


@dataclass(frozen=True)
class Form:
    """One framework array: canonical tensors of a cell, joined along the first axis, or summed."""

    sources: tuple[str, ...]
    how: Literal["join", "sum"] = "join"


@dataclass(frozen=True)
class Layout:
    """One framework's convention."""

    arrays: Mapping[str, Form]  # by the framework's name; '{gate}' in a name: an array for each gate
    gates: str = "ifgo"  # the order of the gate blocks
    transposed: bool = False  # matrices are (in, 4H) in place of (4H, in)
    stacked_directions: bool = False  # a leading axis of directions, in place of arrays of their own
    bias_required: bool = False  # without a bias, the framework still has one, which is then zero
    forget_offset: float = 0.0  # what the framework's code adds to the forget gate's bias

    def forward(self, parameters: Tensors) -> dict[str, Array]:
        """Return the framework's arrays for canonical `parameters`, in their dtype (a sum of biases is rounded once).

        Raises:
            ValueError: if the framework has no place for a parameter, such as a projection's.
        """
        made: dict[str, Array] = {}
        for suffix in _suffixes(parameters):
            cell = self._cell(parameters, suffix)
            for name, form in self.arrays.items():
                if parts := [self._arrange(source, cell[source]) for source in form.sources if source in cell]:
                    whole = np.concatenate(parts) if form.how == "join" else sum(parts[1:], parts[0])
                    names = self._names(name, suffix)
                    blocks = np.split(whole, len(names), axis=self._gate_axis)
                    made |= {key: np.ascontiguousarray(block) for key, block in zip(names, blocks, strict=True)}
        return stack_directions(made) if self.stacked_directions else made

    def adjoint(self, gradients: Mapping[str, Array | None], names: Iterable[str]) -> dict[str, Array | None]:
        """Return the gradients of the canonical parameters `names` from those of the framework's arrays.

        Every term of a sum has the gradient of the sum. A None stays None, and so does a gate's among others.

        Raises:
            KeyError: if the framework's array that holds a parameter is not in `gradients`.
        """
        found = {name: gradient for name, _, gradient in self._parts(gradients)}
        return {name: found[name] for name in names}

    def inverse(self, weights: Tensors) -> dict[str, Array]:
        """Return canonical parameters that give these framework arrays; the first term of a sum has all of it."""
        found: dict[str, Array] = {}
        for name, is_first, part in self._parts(weights):
            if part is not None:
                found[name] = part if is_first else np.zeros_like(part)
        return {name: self._shift(name, value, self.forget_offset) for name, value in found.items()}

    @property
    def _gate_axis(self) -> int:
        return -1 if self.transposed else 0

    def _names(self, name: str, suffix: str) -> list[str]:
        gates = self.gates if "{gate}" in name else self.gates[:1]
        return [name.format(gate=gate) + suffix for gate in gates]

    def _cell(self, parameters: Tensors, suffix: str) -> dict[str, Array]:
        """The parameters of one cell by source, with what the framework adds taken off."""
        cell = {source: parameters[source + suffix] for source in SOURCES if source + suffix in parameters}
        held = {source for form in self.arrays.values() for source in form.sources}
        if homeless := sorted(cell.keys() - held):
            raise ValueError(f"{homeless[0] + suffix} has no place among {', '.join(self.arrays)}")
        if self.bias_required and "bias_ih" not in cell:
            cell |= dict.fromkeys(("bias_ih", "bias_hh"), np.zeros_like(cell["weight_hh"][:, 0]))
        return {source: self._shift(source, value, -self.forget_offset) for source, value in cell.items()}

    def _shift(self, name: str, value: Array, offset: float) -> Array:
        if not offset or not name.startswith("bias_ih"):
            return value
        forget = np.repeat([gate == "f" for gate in GATES], value.shape[0] // len(GATES))
        return np.where(forget, value + value.dtype.type(offset), value)

    def _arrange(self, source: str, array: Array) -> Array:
        """Canonical to framework: gate order, then transpose. A projection has neither."""
        if source == "weight_hr":
            return array
        blocks = np.split(array, len(GATES))
        ordered = np.concatenate([blocks[GATES.index(gate)] for gate in self.gates])
        return ordered.T if self.transposed else ordered

    def _restore(self, source: str, array: Array) -> Array:
        """Framework to canonical: the inverse of `_arrange`, and its adjoint."""
        if source == "weight_hr":
            return array
        blocks = np.split(array.T if self.transposed else array, len(GATES))
        return np.concatenate([blocks[self.gates.index(gate)] for gate in GATES])

    def _parts(self, arrays: Mapping[str, Array | None]) -> Iterator[tuple[str, bool, Array | None]]:
        """Yield (canonical name, whether it is the first term, array) of every framework array that is there."""
        flat = unstack_directions(arrays) if self.stacked_directions else arrays
        for suffix in _suffixes(flat):
            for name, form in self.arrays.items():
                names = self._names(name, suffix)
                if any(key not in flat for key in names):
                    continue
                blocks = [block for key in names if (block := flat[key]) is not None]
                complete = len(blocks) == len(names)
                parts = self._separate(form, np.concatenate(blocks, axis=self._gate_axis)) if complete else ()
                for position, source in enumerate(form.sources):
                    part = self._restore(source, parts[position]) if parts else None
                    yield source + suffix, form.how == "join" or position == 0, part

    def _separate(self, form: Form, whole: Array) -> Sequence[Array]:
        """Undo a join; repeat a sum. Biases join in halves; below W_ih stands W_hh with its H rows of 4H."""
        if form.how == "sum":
            return [whole] * len(form.sources)
        if len(form.sources) == 1:
            return [whole]
        return np.split(whole, 2) if whole.ndim == 1 else np.split(whole, [-(whole.shape[1] // len(GATES))])


def _suffixes(names: Iterable[str]) -> list[str]:
    """The cells' suffixes among `names`, each once, in order."""
    return list(dict.fromkeys(match.group() for name in names if (match := _SUFFIX.search(name))))


def stack_directions(arrays: Tensors) -> dict[str, Array]:
    """Stack 'W_l0' and 'W_l0_reverse', if there is one, along a leading axis of directions."""
    return {
        name: np.stack([arrays[key] for key in (name, name + "_reverse") if key in arrays])
        for name in arrays
        if not name.endswith("_reverse")
    }


def unstack_directions(arrays: Mapping[str, Array | None]) -> dict[str, Array | None]:
    """Undo `stack_directions`; of None it is not known whether there were two."""
    flat: dict[str, Array | None] = {}
    for name, array in arrays.items():
        flat[name] = None if array is None else array[0]
        if array is None or len(array) == 2:
            flat[name + "_reverse"] = None if array is None else array[1]
    return flat


_TWO_BIASES = Layout({source: Form((source,)) for source in SOURCES})
_BOTH_BIASES = Form(("bias_ih", "bias_hh"), "sum")


def _one_bias(ih: str, hh: str, bias: str, *, transposed: bool = False, bias_required: bool = False) -> Layout:
    arrays = {ih: Form(("weight_ih",)), hh: Form(("weight_hh",)), bias: _BOTH_BIASES}
    return Layout(arrays, transposed=transposed, bias_required=bias_required)


# Sources: the cells' code in each framework; for ONNX, the operator's text (W, R and B = [Wb, Rb]).
layouts: Mapping[str, Layout] = {
    "torch": _TWO_BIASES,
    "paddle": _TWO_BIASES,
    "tinygrad": _TWO_BIASES,
    "keras": _one_bias("kernel", "recurrent", "bias", transposed=True),
    "flax": _one_bias("i{gate}.kernel", "h{gate}.kernel", "h{gate}.bias", transposed=True, bias_required=True),
    "flax-optimized": _one_bias(
        "dense_i.kernel", "dense_h.kernel", "dense_h.bias", transposed=True, bias_required=True
    ),
    "equinox": _one_bias("weight_ih", "weight_hh", "bias"),
    "haiku": Layout(
        {"w": Form(("weight_ih", "weight_hh")), "b": _BOTH_BIASES},
        gates="igfo",
        transposed=True,
        bias_required=True,
        forget_offset=1.0,
    ),
    "mlx": _one_bias("Wx", "Wh", "bias"),
    "onnx": Layout(
        {"W": Form(("weight_ih",)), "R": Form(("weight_hh",)), "B": Form(("bias_ih", "bias_hh"))},
        gates="iofg",
        stacked_directions=True,
    ),
}
