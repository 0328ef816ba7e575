"""`torch.nn.LSTM`: built from canonical parameters, and called with canonical tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from gradassay._backend import Unsupported
from gradassay_torch._framework import to_tensor

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_lstm import LSTM
    from gradassay_torch._framework import Function, Named

# (y or its packed form, (h_n, c_n))
Result = tuple[Any, tuple[torch.Tensor, torch.Tensor]]


def layer(config: LSTM, parameters: Tensors, device: str, batch_first: bool = True) -> torch.nn.LSTM:
    """Build the layer with copies of the parameters; their canonical layout is torch's own. Draws no random number."""
    given = {name: to_tensor(array, device) for name, array in parameters.items()}
    module = torch.nn.LSTM(
        config.input_size,
        config.hidden_size,
        config.num_layers,
        bias=config.bias,
        batch_first=batch_first,
        bidirectional=config.bidirectional,
        proj_size=config.projection,
        device="meta",  # no memory, so nothing is drawn to fill it
        dtype=given["weight_ih_l0"].dtype,
    ).to_empty(device=device)
    module.load_state_dict(given)  # strict: a name or shape that does not fit is an error
    return module


def facts(module: torch.nn.LSTM) -> Mapping[str, str]:
    """Return how a layer is set."""
    return {
        "training": "yes" if module.training else "no",
        "layout": "batch first" if module.batch_first else "time major",
    }


def function(module: torch.nn.LSTM) -> Function:
    """Return the layer as a function from canonical tensors (batch first) to y, h_n and c_n."""

    def lstm(tensors: Named) -> dict[str, torch.Tensor]:
        if any(name.startswith("dropout_mask") for name in tensors):
            raise Unsupported("nn.LSTM draws its dropout masks itself: it takes none")
        if ("h0" in tensors) != ("c0" in tensors):
            raise Unsupported("nn.LSTM takes both initial states or neither")
        state = (tensors["h0"], tensors["c0"]) if "h0" in tensors else None
        # Called plainly with its own parameters, as users do; others (dual numbers, say) are put in their place.
        own = dict(module.named_parameters())
        others = {name: tensors[name] for name in own if tensors[name] is not own[name]}

        def call(x: torch.Tensor | PackedSequence) -> Result:
            found: Result  # a name for mypy: both calls are untyped
            found = torch.func.functional_call(module, others, (x, state)) if others else module(x, state)
            return found

        x = tensors["x"] if module.batch_first else tensors["x"].transpose(0, 1).contiguous()
        # Packing refuses a batch of none, of which the lengths say nothing.
        ragged = "lengths" in tensors and tensors["lengths"].numel() > 0
        y, (h_n, c_n) = _ragged(call, x, tensors["lengths"], module.batch_first) if ragged else call(x)
        return {"y": y if module.batch_first else y.transpose(0, 1), "h_n": h_n, "c_n": c_n}

    return lstm


def _ragged(
    call: Callable[[PackedSequence], Result], x: torch.Tensor, lengths: torch.Tensor, batch_first: bool
) -> Result:
    if bool((lengths == 0).any()):
        raise Unsupported("torch's packed sequences refuse a sample of length 0")
    packed, final = call(pack_padded_sequence(x, lengths.cpu(), batch_first=batch_first, enforce_sorted=False))
    y, _ = pad_packed_sequence(packed, batch_first=batch_first, total_length=x.shape[1 if batch_first else 0])
    return y, final
