"""`nn.RNN`, whose nonlinearity is tanh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_rnn_tanh._features import FEATURES
from gradassay_torch._program import Program, offers

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_rnn_tanh import RNN
    from gradassay_torch._framework import Function, Named


def build(config: RNN, parameters: Tensors, device: str) -> tuple[Function, Named]:
    """Return the function to `y` and `h_n`, and the layer's parameters by canonical name."""
    import torch

    from gradassay_torch import _recurrent

    module = _recurrent.layer(torch.nn.RNN, config, parameters, device)
    return _recurrent.function(module), dict(module.named_parameters())


program = Program(
    offers(
        "rnn_tanh",
        Gap("torch's packed sequences refuse a sample of length 0", features=frozenset({"zero_length"})),
        Gap("nn.RNN refuses a sequence of length 0", features=frozenset({"no_steps"})),
        features=FEATURES,
        cudnn=True,
    ),
    build,
)
