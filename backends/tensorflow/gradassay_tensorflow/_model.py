"""A `Model` out of any differentiable function: parameters to the framework's layout and back, and a route a mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradassay._backend import Unsupported
from gradassay._integers import NOWHERE, refuse
from gradassay._spec import Array, Tensors
from gradassay_tensorflow import _derivatives as routes
from gradassay_tensorflow._convention import Convention
from gradassay_tensorflow._derivatives import Differentiable, Named
from gradassay_tensorflow._framework import to_array
from gradassay_tensorflow._modes import Execution


class TensorFlowModel:
    """Canonical arrays in, canonical arrays out; `ran` tells of the latest call.

    `instead` says of inputs of integers what to ask for in their place. `zeros`: what no output depends on has a
    gradient of zeros, as with `tape.gradient(unconnected_gradients=tf.UnconnectedGradients.ZERO)`.
    """

    def __init__(
        self,
        function: Differentiable,
        layout: Convention,
        execution: Execution,
        kernel: str,
        instead: Mapping[str, str] = NOWHERE,
        zeros: bool = False,
    ) -> None:
        self._function, self._layout, self._execution, self._kernel = function, layout, execution, kernel
        self._latest = execution
        self._graph = Execution("graph", execution.device, execution.dtype)
        self._route, self._instead, self._zeros = "", instead, zeros
        # Which variable holds a canonical parameter: one fused bias holds two.
        self._holder = {
            name: held for held, weight in self._weights().items() for name in layout.inverse({held: weight})
        }

    @property
    def ran(self) -> Mapping[str, str]:
        subnormals = self._latest.subnormals()
        return {**self._latest.evidence, "kernel": self._kernel, "route": self._route, "subnormals": subnormals}

    def parameters(self) -> dict[str, Array]:
        """Return the parameters that the variables hold now; of a fused bias, all stands in bias_ih."""
        return self._layout.inverse(self._weights())

    def forward(self, inputs: Tensors) -> Tensors:
        (outputs,) = self._run("call", (), lambda given: (self._function.call(given),), inputs)
        return _present(outputs)

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[Tensors, Mapping[str, Array | None]]:
        refuse(inputs, wrt, self._instead)
        by = self._framework_names(wrt)

        def pull(given: Named, along: Named) -> tuple[Named, Named]:
            return routes.vjp(self._function, given, along, by)

        outputs, gradients = self._run("GradientTape", by, pull, inputs, cotangents)
        return _present(outputs), self._canonical(self._filled(gradients, inputs), wrt)

    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
        refuse(inputs, tangents, self._instead)
        eager = self._execution.mode == "eager"
        push = routes.jvp_by_accumulator if eager else routes.jvp_by_double_vjp
        route = "ForwardAccumulator" if eager else "VJP of the VJP"
        along = self._framework_tangents(tangents)
        outputs, pushed = self._run(route, (), lambda given, u: push(self._function, given, u), inputs, along)
        return _present(outputs), _present(pushed)

    def hvp(
        self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]
    ) -> Mapping[str, Array | None]:
        refuse(inputs, (*tangents, *wrt), self._instead)
        eager = self._execution.mode == "eager"
        second = routes.hvp_forward_over_reverse if eager else routes.hvp_reverse_over_reverse
        route = "ForwardAccumulator over GradientTape" if eager else "GradientTape over GradientTape"
        by = self._framework_names(wrt)

        def differentiate(given: Named, v: Named, u: Named) -> tuple[Named]:
            return (second(self._function, given, v, u, by),)

        along = self._framework_tangents(tangents)
        (found,) = self._run(route, by, differentiate, inputs, cotangents, along)
        return self._canonical(self._filled(found, inputs), wrt)

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Array:
        refuse(inputs, (wrt,), self._instead)
        (by,) = self._framework_names([wrt])
        whole = self._stacked(inputs, of, by) if self._execution.mode == "xla" else self._by_pfor(inputs, of, by)
        if by not in self._function.variables:
            return whole
        width = self._function.variables[by].shape.rank
        rows = whole.reshape(-1, *whole.shape[whole.ndim - width :])
        found = [self._canonical({by: row}, [wrt])[wrt] for row in rows]
        canonical = self.parameters()[wrt]
        return np.array(found, dtype=canonical.dtype).reshape(whole.shape[: whole.ndim - width] + canonical.shape)

    def primal(self, inputs: Tensors) -> Tensors:
        with self._in_graph():
            return self.forward(inputs)

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Mapping[str, Array | None]:
        refuse(inputs, wrt, self._instead)
        """In a graph, eager models too: without one there is no pfor, and a loop on the tape takes far longer.

        Raises:
            Unsupported: in the mode "xla", which compiles no pfor over a loop.
        """
        lanes = len(next(iter(cotangents.values())))
        if self._execution.mode == "xla" and lanes > 1:
            raise Unsupported("XLA compiles no pfor over a loop")
        by = self._framework_names(wrt)

        def pull(given: Named, along: Named) -> tuple[Named]:
            return (routes.vjps(self._function, given, along, by),)

        with self._in_graph():
            (found,) = self._run("GradientTape under pfor", (*cotangents, "by", *by), pull, inputs, cotangents)
        if tuple(by) == tuple(wrt):
            return found
        rows = [self._canonical({name: _present(found)[name][k] for name in by}, wrt) for k in range(lanes)]
        return {name: np.stack([_present(row)[name] for row in rows]) for name in wrt}

    @contextmanager
    def _in_graph(self) -> Iterator[None]:
        """Within, what is eager otherwise runs in a graph."""
        plain = self._execution
        try:
            if plain.mode == "eager":
                self._execution = self._graph
            yield
        finally:
            self._execution = plain

    def _by_pfor(self, inputs: Tensors, of: str, by: str) -> Array:
        def differentiate(given: Named) -> tuple[Named]:
            return ({"jacobian": routes.jacobian_by_pfor(self._function, given, of, by)},)

        (found,) = self._run("GradientTape.jacobian by pfor", (of, by), differentiate, inputs)
        return _present(found)["jacobian"]

    def _stacked(self, inputs: Tensors, of: str, by: str) -> Array:
        """One call a row: the compiled function takes the row's number."""

        def differentiate(given: Named, at: Named) -> tuple[Named]:
            output, row = routes.jacobian_row(self._function, given, at["position"], of, by)
            return ({"output": output, "row": row},)

        rows: list[Array] = []
        size = 1
        while len(rows) < size:
            position = {"position": np.array(len(rows), dtype=np.int32)}
            (found,) = self._run("rows of GradientTape.gradient", (of, by), differentiate, inputs, position)
            output, row = _present(found)["output"], _present(found)["row"]
            size = output.size
            rows.append(row)
        return np.array(rows[:size], dtype=row.dtype).reshape(output.shape + row.shape)

    def _run(
        self, route: str, key: tuple[str, ...], function: Any, *groups: Tensors
    ) -> tuple[dict[str, Array | None], ...]:
        self._route, self._latest = route, self._execution
        return self._execution((route, key), function, *groups)

    def _weights(self) -> dict[str, Array]:
        return {name: to_array(variable) for name, variable in self._function.variables.items()}

    def _filled(self, gradients: Mapping[str, Array | None], inputs: Tensors) -> dict[str, Array | None]:
        if not self._zeros:
            return dict(gradients)
        held = {**self._weights(), **inputs}
        return {name: np.zeros_like(held[name]) if g is None else g for name, g in gradients.items()}

    def _framework_names(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._holder.get(name, name) for name in names))

    def _framework_tangents(self, tangents: Tensors) -> dict[str, Array]:
        """Tangents of what the function sees: a fused bias moves by the sum of its terms' tangents."""
        names = self._framework_names(list(tangents))
        filled = {name: np.zeros_like(array) for name, array in self.parameters().items()}
        moved = self._layout.forward({**filled, **{name: tangents[name] for name in tangents if name in filled}})
        return {name: moved[name] if name in moved else tangents[name] for name in names}

    def _canonical(self, gradients: Mapping[str, Array | None], wrt: Sequence[str]) -> dict[str, Array | None]:
        held = {name: array for name, array in gradients.items() if name in self._function.variables}
        parameters = self._layout.adjoint(held, [name for name in wrt if name in self._holder])
        return {name: parameters[name] if name in parameters else gradients[name] for name in wrt}


def _present(arrays: Mapping[str, Array | None]) -> dict[str, Array]:
    """Return the arrays; none of these may be missing.

    Raises:
        TypeError: if TensorFlow returned None where a tensor belongs.
    """
    if missing := [name for name, array in arrays.items() if array is None]:
        raise TypeError(f"TensorFlow returned None for {missing[0]}; it should return a tensor")
    return {name: array for name, array in arrays.items() if array is not None}
