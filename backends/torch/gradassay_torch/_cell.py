"""An LSTM from tensor operations: the cell, and the loop over steps, directions and layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradassay_lstm import LSTM
    from gradassay_torch._framework import Function, Named

    Step = Callable[[Named, str, torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def cell(
    tensors: Named, suffix: str, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One step: x (B,N), h (B,P or H), c (B,H) -> the next h and c. Gates i, f, g, o, as in `torch.nn.LSTM`."""
    gates = x @ tensors[f"weight_ih{suffix}"].T + h @ tensors[f"weight_hh{suffix}"].T
    if (bias := tensors.get(f"bias_ih{suffix}")) is not None:
        gates = gates + bias + tensors[f"bias_hh{suffix}"]
    i, f, g, o = gates.chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    if (projection := tensors.get(f"weight_hr{suffix}")) is not None:
        h = h @ projection.T
    return h, c


def loop(
    tensors: Named,
    suffix: str,
    reverse: bool,
    x: torch.Tensor,
    h: torch.Tensor,
    c: torch.Tensor,
    step: Step | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All steps of one direction: x (B,T,N), h, c -> y (B,T,P or H), h_n, c_n.

    Beyond its length a sample keeps its state, so that in reverse it starts from h at its own last
    step; there y is zero.
    """
    lengths = tensors.get("lengths")
    steps = range(x.shape[1])
    outputs = []
    for t in reversed(steps) if reverse else steps:
        h_next, c_next = (step or cell)(tensors, suffix, x[:, t], h, c)
        if lengths is None:
            h, c, y = h_next, c_next, h_next
        else:
            valid = (lengths > t)[:, None]
            h, c = torch.where(valid, h_next, h), torch.where(valid, c_next, c)
            y = torch.where(valid, h_next, torch.zeros_like(h_next))
        outputs.append(y)
    if reverse:
        outputs.reverse()
    # No step to stack when T = 0: y is then empty, and the state passes through.
    return torch.stack(outputs, dim=1) if outputs else x.new_zeros((x.shape[0], 0, h.shape[1])), h, c


def function(config: LSTM, step: Step | None = None) -> Function:
    """Return the LSTM as a function from canonical tensors to y, h_n and c_n; each step is `step`, or the cell."""
    cells = list(config.cells())
    directions = config.directions

    def lstm(tensors: Named) -> dict[str, torch.Tensor]:
        x = tensors["x"]
        batch = x.shape[0]
        h0 = tensors.get("h0")
        c0 = tensors.get("c0")
        h0 = x.new_zeros((len(cells), batch, config.state_size)) if h0 is None else h0
        c0 = x.new_zeros((len(cells), batch, config.hidden_size)) if c0 is None else c0
        h_n, c_n, sides = [], [], []
        for row, (layer, direction, suffix) in enumerate(cells):
            y, h, c = loop(tensors, suffix, direction == 1, x, h0[row], c0[row], step)
            h_n.append(h)
            c_n.append(c)
            sides.append(y)
            if len(sides) == directions:
                x = torch.cat(sides, dim=-1)
                sides = []
                if (mask := tensors.get(f"dropout_mask_l{layer}")) is not None:
                    x = x * mask
        return {"y": x, "h_n": torch.stack(h_n), "c_n": torch.stack(c_n)}

    return lstm
