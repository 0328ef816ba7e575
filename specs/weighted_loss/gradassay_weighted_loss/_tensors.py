"""The LSTM's inputs and parameters, a target of the output's shape, its weights, and a loss that is a number."""

from __future__ import annotations

from dataclasses import replace

from gradassay._spec import Tensor
from gradassay_lstm import Call
from gradassay_lstm import spec as lstm
from gradassay_weighted_loss._config import WeightedLoss

AXES = {"element": 3, "step": 2, "row": 1}  # how many of y's dimensions the weights have


def tensors(config: WeightedLoss, call: Call) -> tuple[Tensor, ...]:
    """Return the table: `x`, `target` (B, T, D*state), `weights` (that, (B, T) or (B,)), the LSTM's, and `loss` ().

    Raises:
        ValueError: if B or T is 0, for then there is nothing to weigh.
    """
    if not call.batch or not call.steps:
        raise ValueError(
            f"weighted_loss has batch={call.batch}, steps={call.steps}: "
            "a loss of no elements; both should be at least 1"
        )
    x, *rest = lstm.tensors(config.lstm, call)
    y = next(tensor for tensor in rest if tensor.name == "y")
    target = replace(y, name="target", role="input")
    weights = replace(target, name="weights", axes=target.axes[: AXES[config.weights]])
    given = [tensor for tensor in rest if tensor.role != "output"]
    return (x, target, weights, *given, Tensor("loss", "output", ()))
