"""TensorFlow backends of Gradassay; importing this imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradassay._backend import Offer
from gradassay._spec import Array, Tensors
from gradassay._target import Target
from gradassay_tensorflow._decorator import of
from gradassay_tensorflow._offers import KERAS, LOOP
from gradassay_tensorflow.programs import programs

if TYPE_CHECKING:
    from gradassay_tensorflow._model import TensorFlowModel

_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


@dataclass(frozen=True)
class TensorFlowBackend:
    """One of the two backends; its methods but for `environment` import TensorFlow."""

    name: str
    offers: tuple[Offer, ...]

    def environment(self) -> Mapping[str, str]:
        return _ENVIRONMENT

    def devices(self) -> tuple[str, ...]:
        from gradassay_tensorflow._framework import devices

        return devices()

    def versions(self) -> Mapping[str, str]:
        from gradassay_tensorflow._framework import versions

        return versions()

    def random_state(self) -> Mapping[str, bytes]:
        from gradassay_tensorflow._random import random_state

        return random_state()

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> TensorFlowModel:
        from gradassay_tensorflow._load import load

        return load(self.name, spec, config, parameters, target)


@dataclass(frozen=True)
class KerasBackend(TensorFlowBackend):
    """The backend that also takes live layers."""

    def adopt(
        self, layer: object, config: object = None, parameters: Mapping[str, Any] | None = None
    ) -> tuple[str, Any, Tensors, TensorFlowModel] | None:
        """Return (spec, config, canonical parameters, model) of a live Keras LSTM; None if it is none."""
        if not _is_of(layer, "keras"):
            return None
        from gradassay_tensorflow._adopt import adopt

        return adopt(layer)

    def to_numpy(self, tensor: object) -> Array | None:
        """Return a tensor or a variable of TensorFlow or Keras as an array; None if it is none."""
        if not _is_of(tensor, "tensorflow", "keras") or not hasattr(tensor, "numpy"):
            return None
        from gradassay_tensorflow._framework import to_array

        return to_array(tensor)


def _is_of(value: object, *packages: str) -> bool:
    """Tell without importing TensorFlow to find out."""
    return any(kind.__module__.partition(".")[0] in packages for kind in type(value).__mro__)


PROGRAMS = tuple(offer for program in programs.values() for offer in program.offers)
tensorflow_backend = KerasBackend("tensorflow", KERAS + PROGRAMS)
loop_backend = TensorFlowBackend("tensorflow-loop", LOOP)
backend = of(loop_backend)
