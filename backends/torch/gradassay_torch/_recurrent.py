"""`torch.nn.GRU` and `torch.nn.RNN`: layers that carry one state, built and called with canonical parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from gradassay._backend import Unsupported
from gradassay_torch._framework import to_tensor

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_rnn_tanh import Recurrent
    from gradassay_torch._framework import Function, Named

Result = tuple[Any, torch.Tensor]  # y or its packed form, h_n


def layer(
    kind: Callable[..., torch.nn.RNNBase], config: Recurrent, parameters: Tensors, device: str
) -> torch.nn.RNNBase:
    """Build the layer with copies of the parameters; their canonical layout is torch's own. Draws no random number."""
    given = {name: to_tensor(array, device) for name, array in parameters.items()}
    module = kind(
        config.input_size,
        config.hidden_size,
        config.num_layers,
        bias=config.bias,
        batch_first=True,
        bidirectional=config.bidirectional,
        device="meta",  # no memory, so nothing is drawn to fill it
        dtype=given["weight_ih_l0"].dtype,
    ).to_empty(device=device)
    module.load_state_dict(given)  # strict: a name or shape that does not fit is an error
    return module


def function(module: torch.nn.RNNBase) -> Function:
    """Return the layer as a function from canonical tensors (batch first) to y and h_n."""

    def recurrent(tensors: Named) -> dict[str, torch.Tensor]:
        h0 = tensors.get("h0")
        # Called plainly with its own parameters, as users do; others (dual numbers, say) are put in their place.
        own = dict(module.named_parameters())
        others = {name: tensors[name] for name in own if tensors[name] is not own[name]}

        def call(x: torch.Tensor | PackedSequence) -> Result:
            found: Result  # a name for mypy: both calls are untyped
            found = torch.func.functional_call(module, others, (x, h0)) if others else module(x, h0)
            return found

        x = tensors["x"] if module.batch_first else tensors["x"].transpose(0, 1).contiguous()
        # Packing refuses a batch of none, of which the lengths say nothing.
        ragged = "lengths" in tensors and tensors["lengths"].numel() > 0
        y, h_n = _ragged(call, x, tensors["lengths"], module.batch_first) if ragged else call(x)
        return {"y": y if module.batch_first else y.transpose(0, 1), "h_n": h_n}

    return recurrent


def _ragged(
    call: Callable[[PackedSequence], Result], x: torch.Tensor, lengths: torch.Tensor, batch_first: bool
) -> Result:
    if bool((lengths == 0).any()):
        raise Unsupported("torch's packed sequences refuse a sample of length 0")
    packed, final = call(pack_padded_sequence(x, lengths.cpu(), batch_first=batch_first, enforce_sorted=False))
    y, _ = pad_packed_sequence(packed, batch_first=batch_first, total_length=x.shape[1 if batch_first else 0])
    return y, final
