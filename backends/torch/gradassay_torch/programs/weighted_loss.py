"""`nn.LSTM` under `F.mse_loss` with its argument `weight`, whose "mean" divides by the sum of the weights.

The mean over the count of elements, which torch has not with weights, is written as its users write it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_lstm._features import FEATURES
from gradassay_torch._program import Program, offers

if TYPE_CHECKING:
    import torch

    from gradassay._spec import Tensors
    from gradassay_torch._framework import Function, Named
    from gradassay_weighted_loss import WeightedLoss

REDUCTIONS = {"sum": "sum", "weighted mean": "mean"}  # torch's word, by ours
OWN = frozenset({"sum", "mean", "weighted_mean", "step_weights", "row_weights"})


def build(config: WeightedLoss, parameters: Tensors, device: str) -> tuple[Function, Named]:
    """Return the function to `loss` (), and the layer's parameters."""
    import torch

    from gradassay_torch import _lstm

    layer = _lstm.layer(config.lstm, parameters, device)
    lstm = _lstm.function(layer)
    mse_loss = torch.nn.functional.mse_loss

    def loss(tensors: Named) -> torch.Tensor:
        y = lstm({name: value for name, value in tensors.items() if name not in ("target", "weights")})["y"]
        target, weights = tensors["target"], tensors["weights"]
        # torch refuses weights of another shape than y's.
        weights = weights.reshape(weights.shape + (1,) * (y.dim() - weights.dim())).expand_as(y)
        if config.reduction == "mean":
            return (weights * mse_loss(y, target, reduction="none")).mean()
        return mse_loss(y, target, reduction=REDUCTIONS[config.reduction], weight=weights)  # type: ignore[call-arg]  # torch's own stub lags

    return lambda tensors: {"loss": loss(tensors)}, dict(layer.named_parameters())


program = Program(
    offers(
        "weighted_loss",
        Gap("nn.LSTM draws its dropout masks itself: it takes none", features=frozenset({"dropout"})),
        Gap("nn.LSTM takes both initial states or neither", features=frozenset({"partial_states"})),
        Gap("torch's packed sequences refuse a sample of length 0", features=frozenset({"zero_length"})),
        features=(FEATURES - {"no_batch", "no_steps"}) | OWN,
        cudnn=True,
    ),
    build,
)
