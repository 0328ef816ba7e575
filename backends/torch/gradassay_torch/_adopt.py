"""A live `torch.nn.LSTM`, `nn.GRU` or `nn.RNN`, taken as it is: its own parameters, its own settings, no copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from gradassay._backend import Unsupported
from gradassay_torch import _lstm, _recurrent
from gradassay_torch._framework import to_array
from gradassay_torch._live import Live
from gradassay_torch._model import TorchModel

if TYPE_CHECKING:
    from gradassay._spec import Array


def adopt(layer: object) -> tuple[str, Any, dict[str, Array], TorchModel] | None:
    """Return (spec, config, parameters, model) for one of these layers, batch first or not; None for anything else.

    Raises:
        Unsupported: if the layer draws random numbers, its weights are computed from others, or no spec has its
            nonlinearity.
    """
    if not isinstance(layer, torch.nn.LSTM | torch.nn.GRU | torch.nn.RNN):
        return None
    kind = f"nn.{layer.mode.partition('_')[0]}"  # of a subclass too
    if layer.dropout and layer.training and layer.num_layers > 1:
        raise Unsupported(
            f"this {kind} is in training mode with dropout={layer.dropout}: two calls draw two masks. "
            "Call layer.eval() first, or build it with dropout=0"
        )
    held = dict(layer.named_parameters())
    if missing := [name for name in layer._flat_weights_names if name not in held]:
        raise Unsupported(
            f"{missing[0]} of this {kind} is no parameter of its own (weight_norm, or another parametrization): "
            "check the plain layer"
        )
    spec, config = _spec(layer)
    function = _lstm.function(layer) if isinstance(layer, torch.nn.LSTM) else _recurrent.function(layer)
    names = [name for name in layer._flat_weights_names if name]
    device = str(held[names[0]].device)
    # The live settings decide the kernel, so forward mode is not sure to exist: the double VJP is.
    model = TorchModel(Live(function), {name: held[name] for name in names}, device, lambda inputs: False)
    return spec, config, model.parameters(), model


def _spec(layer: torch.nn.RNNBase) -> tuple[str, Any]:
    """Return the spec that a layer follows, and its configuration."""
    sizes = (layer.input_size, layer.hidden_size, layer.num_layers, layer.bidirectional, bool(layer.bias))
    if isinstance(layer, torch.nn.LSTM):
        from gradassay_lstm import LSTM

        return "lstm", LSTM(*sizes, projection=layer.proj_size)
    if isinstance(layer, torch.nn.GRU):
        from gradassay_gru import GRU

        return "gru", GRU(*sizes)
    from gradassay_rnn_tanh import RNN

    if layer.nonlinearity != "tanh":
        raise Unsupported(f"this nn.RNN has nonlinearity={layer.nonlinearity!r}; the network of the spec has 'tanh'")
    return "rnn_tanh", RNN(*sizes)


def to_numpy(tensor: object) -> Array | None:
    """Return a tensor of any dtype and device, with or without a graph, as an array; None for anything else."""
    return to_array(tensor) if isinstance(tensor, torch.Tensor) else None
