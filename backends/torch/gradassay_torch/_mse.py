"""Mean-squared error on top of any LSTM function, by the framework's own `mse_loss`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from gradassay_torch._framework import Function, Named


def function(lstm: Function) -> Function:
    """Return the function whose only output is "loss", shape (): the mean over all elements of (y - target)^2."""

    def mse(tensors: Named) -> dict[str, torch.Tensor]:
        return {"loss": torch.nn.functional.mse_loss(lstm(tensors)["y"], tensors["target"])}

    return mse
