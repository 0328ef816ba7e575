"""A decorated function as a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradassay import _decorated
from gradassay._spec import Array, Tensors
from gradassay._target import Target

if TYPE_CHECKING:
    from gradassay_numpy._decorator import Vjp


class FunctionModel:
    """A function and its VJP; see the protocols in `gradassay._backend` for their contracts."""

    def __init__(self, function: _decorated.Function, config: Any, parameters: Tensors, pull: Vjp | None) -> None:
        self._function, self._config, self._pull = function, config, pull
        self._parameters = {name: array.copy() for name, array in parameters.items()}
        self.ran: Mapping[str, str] = {}

    def parameters(self) -> dict[str, Array]:
        """Return copies of the parameters, as they are now."""
        return {name: array.copy() for name, array in self._parameters.items()}

    def forward(self, inputs: Tensors) -> dict[str, Array]:
        self.ran = {}
        outputs = _decorated.call(self._function, self._config, self._parameters, inputs, np.ndarray, "numpy.ndarray")
        self.ran = {"executed": "as written", "kernel": "numpy", "device": "cpu"}
        return outputs

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[dict[str, Array], dict[str, Array | None]]:
        outputs = self.forward(inputs)
        assert self._pull is not None  # it is not offered without
        along = {n: cotangents[n] if n in cotangents else np.zeros_like(array) for n, array in outputs.items()}
        found = _decorated.call(
            self._pull, self._config, self._parameters, inputs, np.ndarray, "numpy.ndarray", cotangents=along
        )
        return outputs, {name: found.get(name) for name in wrt}


def load(
    function: _decorated.Function, config: Any, parameters: Tensors, target: Target, pull: Vjp | None
) -> FunctionModel:
    return FunctionModel(function, config, parameters, pull)
