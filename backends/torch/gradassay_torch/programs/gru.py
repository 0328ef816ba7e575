"""`nn.GRU`, whose reset gate comes after the product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_gru._features import FEATURES
from gradassay_torch._program import Program, offers

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay_gru import GRU
    from gradassay_torch._framework import Function, Named


def build(config: GRU, parameters: Tensors, device: str) -> tuple[Function, Named]:
    """Return the function to `y` and `h_n`, and the layer's parameters by canonical name."""
    import torch

    from gradassay._backend import Unsupported
    from gradassay_torch import _recurrent

    if not config.reset_after:
        raise Unsupported("nn.GRU has its reset gate after the recurrent product alone")
    module = _recurrent.layer(torch.nn.GRU, config, parameters, device)
    return _recurrent.function(module), dict(module.named_parameters())


program = Program(
    offers(
        "gru",
        Gap("nn.GRU has its reset gate after the recurrent product alone", features=frozenset({"reset_before"})),
        Gap("torch's packed sequences refuse a sample of length 0", features=frozenset({"zero_length"})),
        Gap("nn.GRU refuses a sequence of length 0", features=frozenset({"no_steps"})),
        features=FEATURES,
        cudnn=True,
    ),
    build,
)
