"""A live `torch.nn.LSTM`, taken as it is: its own parameters, its own settings, no copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gradassay._backend import Unsupported
from gradassay_lstm import LSTM
from gradassay_torch import _lstm
from gradassay_torch._framework import to_array
from gradassay_torch._live import Live
from gradassay_torch._model import TorchModel

if TYPE_CHECKING:
    from gradassay._spec import Array


def adopt(layer: object) -> tuple[str, LSTM, dict[str, Array], TorchModel] | None:
    """Return ("lstm", config, parameters, model) for an `nn.LSTM`, batch first or not; None for anything else.

    Raises:
        Unsupported: if the layer draws random numbers, or its weights are computed from others.
    """
    if not isinstance(layer, torch.nn.LSTM):
        return None
    if layer.dropout and layer.training and layer.num_layers > 1:
        raise Unsupported(
            f"this nn.LSTM is in training mode with dropout={layer.dropout}: two calls draw two masks. "
            "Call layer.eval() first, or build it with dropout=0"
        )
    held = dict(layer.named_parameters())
    if missing := [name for name in layer._flat_weights_names if name not in held]:
        raise Unsupported(
            f"{missing[0]} of this nn.LSTM is no parameter of its own (weight_norm, or another parametrization): "
            "check the plain layer"
        )
    config = LSTM(
        layer.input_size,
        layer.hidden_size,
        layer.num_layers,
        bidirectional=layer.bidirectional,
        bias=bool(layer.bias),
        projection=layer.proj_size,
    )
    names = [name for name in layer._flat_weights_names if name]
    device = str(held[names[0]].device)
    # The live settings decide the kernel, so forward mode is not sure to exist: the double VJP is.
    model = TorchModel(Live(_lstm.function(layer)), {name: held[name] for name in names}, device, lambda inputs: False)
    return "lstm", config, model.parameters(), model


def to_numpy(tensor: object) -> Array | None:
    """Return a tensor of any dtype and device, with or without a graph, as an array; None for anything else."""
    return to_array(tensor) if isinstance(tensor, torch.Tensor) else None
