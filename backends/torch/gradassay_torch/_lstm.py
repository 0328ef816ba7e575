"""`torch.nn.LSTM`: built from canonical parameters, and called with canonical tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from gradassay._backend import Unsupported
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gradassay_torch._framework import to_tensor

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_lstm import LSTM

    from gradassay_torch._framework import Function, Named


def layer(config: LSTM, parameters: Tensors, device: str) -> torch.nn.LSTM:
    """Build the layer with copies of the parameters; their canonical layout is torch's own. Draws no random number."""
    given = {name: to_tensor(array, device) for name, array in parameters.items()}
    module = torch.nn.LSTM(
        config.input_size,
        config.hidden_size,
        config.num_layers,
        bias=config.bias,
        batch_first=True,
        bidirectional=config.bidirectional,
        proj_size=config.projection,
        device="meta",  # no memory, so nothing is drawn to fill it
        dtype=given["weight_ih_l0"].dtype,
    ).to_empty(device=device)
    module.load_state_dict(given)  # strict: a name or shape that does not fit is an error
    return module


@contextmanager
def substituted(module: torch.nn.LSTM, tensors: Named) -> Iterator[None]:
    """Within, the layer computes with the tensors of its parameters' names, if they are not its parameters themselves.

    `torch.func.functional_call` replaces `module.weight_ih_l0`, which `nn.LSTM.forward` does not read:
    it reads `_flat_weights`.
    """
    held = module._flat_weights
    wanted: list[torch.Tensor | None] = [tensors[name] for name in module._flat_weights_names]
    if all(a is b for a, b in zip(held, wanted, strict=True)):
        yield
        return
    module._flat_weights = wanted
    try:
        yield
    finally:
        module._flat_weights = held


def function(module: torch.nn.LSTM) -> Function:
    """Return the layer as a function from canonical tensors (batch first) to y, h_n and c_n."""

    def lstm(tensors: Named) -> dict[str, torch.Tensor]:
        if any(name.startswith("dropout_mask") for name in tensors):
            raise Unsupported("nn.LSTM draws its dropout masks itself: it takes none")
        if ("h0" in tensors) != ("c0" in tensors):
            raise Unsupported("nn.LSTM takes both initial states or neither")
        state = (tensors["h0"], tensors["c0"]) if "h0" in tensors else None
        x = tensors["x"] if module.batch_first else tensors["x"].transpose(0, 1)
        with substituted(module, tensors):
            if "lengths" in tensors:
                y, (h_n, c_n) = _ragged(module, x, tensors["lengths"], state)
            else:
                y, (h_n, c_n) = module(x, state)
        return {"y": y if module.batch_first else y.transpose(0, 1), "h_n": h_n, "c_n": c_n}

    return lstm


def _ragged(
    module: torch.nn.LSTM, x: torch.Tensor, lengths: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    if bool((lengths == 0).any()):
        raise Unsupported("torch's packed sequences refuse a sample of length 0")
    first = module.batch_first
    packed, final = module(pack_padded_sequence(x, lengths.cpu(), batch_first=first, enforce_sorted=False), state)
    y, _ = pad_packed_sequence(packed, batch_first=first, total_length=x.shape[1 if first else 0])
    return y, final
