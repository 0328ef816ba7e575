"""The two plugin objects: static offers; torch is imported by the first method that needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradassay_torch._offers import CELL, NN_LSTM
from gradassay_torch.programs import programs

if TYPE_CHECKING:
    from gradassay._backend import Model, Offer
    from gradassay._spec import Array, Tensors
    from gradassay._target import Target
    from gradassay_lstm import LSTM


class _Torch:
    def environment(self) -> Mapping[str, str]:
        """One thread a process: two processes of two threads on two cores take ten times as long.

        Inductor would otherwise start a pool of compiler processes as soon as it is imported.
        """
        return {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}

    def devices(self) -> tuple[str, ...]:
        from gradassay_torch._framework import devices

        return devices()

    def versions(self) -> Mapping[str, str]:
        from gradassay_torch._load import versions

        return versions()

    def random_state(self) -> Mapping[str, bytes]:
        from gradassay_torch._random import random_state

        return random_state()


class TorchBackend(_Torch):
    """`torch.nn.LSTM`; also adopts a live one."""

    name = "torch"
    offers: tuple[Offer, ...] = NN_LSTM

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        from gradassay_torch._load import nn_lstm, program

        return (program if spec in programs else nn_lstm)(spec, config, parameters, target)

    def adopt(
        self, layer: object, config: object = None, parameters: Mapping[str, Any] | None = None
    ) -> tuple[str, Any, Tensors, Model] | None:
        if not _of_torch(layer):
            return None
        from gradassay_torch._adopt import adopt

        return adopt(layer)

    def to_numpy(self, tensor: object) -> Array | None:
        if not _of_torch(tensor):
            return None
        from gradassay_torch._adopt import to_numpy

        return to_numpy(tensor)


def _of_torch(value: object) -> bool:
    """Importing torch to look at an object of another framework would cost a second and half a gigabyte."""
    return any(base.__module__.partition(".")[0] == "torch" for base in type(value).__mro__)


class TorchCellBackend(_Torch):
    """An LSTM written from torch's tensor operations, eager and compiled."""

    name = "torch-cell"
    offers: tuple[Offer, ...] = CELL

    def load(self, spec: str, config: LSTM, parameters: Tensors, target: Target) -> Model:
        from gradassay_torch._load import cell

        return cell(spec, config, parameters, target)


torch_backend = TorchBackend()
torch_cell_backend = TorchCellBackend()
