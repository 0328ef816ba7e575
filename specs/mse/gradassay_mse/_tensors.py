"""The LSTM's inputs and parameters, a target of the output's shape, and a loss that is a number."""

from __future__ import annotations

from dataclasses import replace

from gradassay._spec import Tensor
from gradassay_lstm import LSTM, Call
from gradassay_lstm import spec as lstm


def tensors(config: LSTM, call: Call) -> tuple[Tensor, ...]:
    """Return the table: the LSTM's without its outputs, `target` (B, T, D*state) after `x`, and `loss` ().

    Raises:
        ValueError: if B or T is 0, for then the mean is over no elements.
    """
    if not call.batch or not call.steps:
        raise ValueError(
            f"mse has batch={call.batch}, steps={call.steps}: a mean over no elements; both should be at least 1"
        )
    x, *rest = lstm.tensors(config, call)
    y = next(tensor for tensor in rest if tensor.name == "y")
    target = replace(y, name="target", role="input")
    given = [tensor for tensor in rest if tensor.role != "output"]
    return (x, target, *given, Tensor("loss", "output", ()))
