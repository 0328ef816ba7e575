"""The backend object: what is offered, and how a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradassay._backend import OPERATORS, Mode, Offer
from gradassay._spec import Tensors
from gradassay._target import Target
from gradassay_lstm._features import FEATURES
from gradassay_numpy._backward import Backward
from gradassay_numpy._faults import FAULTS
from gradassay_numpy._lstm import LSTMPasses
from gradassay_numpy._model import NumpyModel
from gradassay_numpy._mse import MSEPasses


class NumpyBackend:
    """Plain NumPy on the CPU; `backward` are the reverse rules, the right ones unless a fault is planted."""

    def __init__(self, name: str = "numpy", backward: Backward | None = None) -> None:
        self.name = name
        self._backward = backward or Backward()

    @property
    def offers(self) -> tuple[Offer, ...]:
        return tuple(
            Offer(
                spec=spec,
                features=FEATURES if spec == "lstm" else FEATURES - {"no_steps", "no_batch"},  # a mean over nothing
                modes=(Mode("eager", {"executed": "eager"}),),
                dtypes=("float64", "float32"),
                operators=frozenset(OPERATORS),
                promises=frozenset({"nan-safe padding"} if spec == "lstm" else ()),
            )
            for spec in ("lstm", "mse")
        )

    def environment(self) -> Mapping[str, str]:
        """One thread of whichever BLAS NumPy was built with: matrices here are small."""
        return {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def versions(self) -> Mapping[str, str]:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return {"numpy": np.__version__, "blas": f"{blas['name']} {blas['version']}"}

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> NumpyModel:
        lstm = LSTMPasses(config, self._backward)
        return NumpyModel(lstm if spec == "lstm" else MSEPasses(lstm), parameters)


numpy_backend = NumpyBackend()


def faulty_backend(fault: str) -> NumpyBackend:
    """Return the backend with the planted fault of this name.

    Raises:
        KeyError: if `FAULTS` has no such fault.
    """
    return NumpyBackend(f"numpy-{fault}", FAULTS[fault].backward)
