"""A spec's own equations run as an implementation, in any precision, right or with a planted fault.

This is what limits are calibrated on and faults are planted in without any framework. It is not the
reference: its numbers are `Rounded`, and a fault changes what it computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradassay._arithmetic import Float64, Order, Rounded
from gradassay._backend import Mode, Model, Offer
from gradassay._dual import Dual
from gradassay._fault import Fault
from gradassay._integers import refuse
from gradassay._limits import PRECISIONS
from gradassay._spec import DIFFERENTIABLE, Array, Spec, Tensors
from gradassay._tape import Edit, Tape, Var
from gradassay._target import DTYPES, Target, numpy_dtype

OPERATORS = frozenset({"forward", "vjp", "jvp", "jacobian", "hvp"})


class SimulatedModel:
    """A `Model` with every operator, over `Tape(Rounded)` or `Tape(Dual(Rounded))`."""

    def __init__(
        self,
        spec: Spec[Any, Any],
        config: Any,
        parameters: Tensors,
        dtype: str,
        fault: Fault | None = None,
        order: Order = "blas",
    ) -> None:
        self._spec, self.config, self._parameters = spec, config, dict(parameters)
        self._dtype, self._order = numpy_dtype(dtype), order
        self._edits: Mapping[str, Edit] = fault.edits(PRECISIONS[dtype].roundoff) if fault and fault.edits else {}
        self.ran: Mapping[str, str] = {"executed": "simulated", "device": "cpu", "order": order}

    def parameters(self) -> Tensors:
        return self._parameters

    def planted(self, edits: Mapping[str, Edit], parameters: Tensors | None = None) -> SimulatedModel:
        """Return the same model with other edits, and with other parameters where some are given."""
        other = copy(self)
        other._edits, other._parameters = edits, {**self._parameters, **(parameters or {})}
        return other

    def summing(self, order: Order) -> SimulatedModel:
        """Return the same model with sums in another order."""
        other = copy(self)
        other._order = order
        return other

    def _numbers(self) -> Float64:
        return Rounded(self._dtype, order=self._order)

    def _run(self, inputs: Tensors, tangents: Tensors | None = None) -> tuple[Tape, dict[str, Var], Mapping[str, Var]]:
        """Return the tape, its leaves and its outputs."""
        call = self._spec.call_of(self.config, inputs)
        table = {tensor.name: tensor for tensor in self._spec.tensors(self.config, call)}
        base = self._numbers()
        numbers: Any = base if tangents is None else Dual(base)
        tape = Tape(numbers, self._edits)
        given: dict[str, Any] = {}
        leaves: dict[str, Var] = {}
        for name, array in (dict(inputs) | self._parameters).items():
            if table[name].role == "index":
                given[name] = array
                continue
            wide = array.astype(np.float64)
            if tangents is None:
                value = numbers.lift(wide)
            else:
                tangent = tangents.get(name)
                value = numbers.with_tangent(wide, None if tangent is None else tangent.astype(np.float64))
            given[name] = tape.leaf(value) if table[name].role in DIFFERENTIABLE else tape.constant_value(value)
            leaves[name] = given[name]
        outputs: Any = self._spec.equations(tape, self.config, call, given)
        return tape, leaves, outputs

    def _out(self, value: Any) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(np.array(value[0, 0]).astype(self._dtype))

    def forward(self, inputs: Tensors) -> Tensors:
        return {name: self._out(out.value) for name, out in self._run(inputs)[2].items()}

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[Tensors, Mapping[str, Array | None]]:
        refuse(inputs, wrt)
        tape, leaves, outputs = self._run(inputs)
        seeds = [(outputs[n], tape.numbers.lift(v.astype(np.float64))) for n, v in cotangents.items()]
        pulled = tape.gradients(seeds, [leaves[name] for name in wrt])
        gradients = {name: self._out(g) for name, g in zip(wrt, pulled, strict=True)}
        return {name: self._out(out.value) for name, out in outputs.items()}, gradients

    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
        refuse(inputs, tangents)
        tape, _, outputs = self._run(inputs, tangents)
        pushed = {name: self._out(tape.numbers.tangent(out.value)) for name, out in outputs.items()}
        return {name: self._out(out.value.primal) for name, out in outputs.items()}, pushed

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Array:
        refuse(inputs, (wrt,))
        tape, leaves, outputs = self._run(inputs)
        size = int(np.prod(outputs[of].shape, dtype=np.int64))
        hot = tape.numbers.one_hot(outputs[of].shape, range(size))
        (rows,) = tape.gradients([(outputs[of], hot)], [leaves[wrt]])
        rows = np.broadcast_to(rows, (1, size, *leaves[wrt].shape))
        return np.asarray(rows.reshape(*outputs[of].shape, *leaves[wrt].shape).astype(self._dtype))

    def hvp(
        self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]
    ) -> Mapping[str, Array | None]:
        refuse(inputs, (*tangents, *wrt))
        tape, leaves, outputs = self._run(inputs, tangents)
        seeds = [(outputs[n], tape.numbers.lift(v.astype(np.float64))) for n, v in cotangents.items()]
        pulled = tape.gradients(seeds, [leaves[name] for name in wrt])
        return {name: self._out(tape.numbers.tangent(g)) for name, g in zip(wrt, pulled, strict=True)}


@dataclass(frozen=True)
class Simulated:
    """A backend that runs a spec's own equations; with `fault`, wrongly."""

    spec: Spec[Any, Any]
    fault: Fault | None = None
    order: Order = "blas"
    features: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"faulty-{self.fault.name}" if self.fault else f"simulated-{self.order}"

    @property
    def offers(self) -> tuple[Offer, ...]:
        mode = Mode("rounded", evidence={"executed": "simulated", "device": "cpu"})
        promises = self.fault.promises if self.fault else frozenset()
        return (Offer(self.spec.name, self.features, (mode,), DTYPES, operators=OPERATORS, promises=promises),)

    def environment(self) -> Mapping[str, str]:
        return {}

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def versions(self) -> Mapping[str, str]:
        return {"numpy": np.__version__}

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        model: Model = SimulatedModel(self.spec, config, parameters, target.dtype, self.fault, self.order)
        if self.fault is not None and self.fault.wrap is not None:
            model = self.fault.wrap(target.dtype, model)
        return model
