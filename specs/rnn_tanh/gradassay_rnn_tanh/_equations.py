"""Elman's equations, once: h' = tanh(W x + b_ih + U h + b_hh). Elman 1990, "Finding structure in time"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradassay import Ops
from gradassay_rnn_tanh._config import RNN, Call
from gradassay_rnn_tanh._stack import At, Parameter, Step, affine, joined, stacked


def equations(ops: Ops, config: RNN, call: Call, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return y (B,T,D*H) and h_n (L*D,B,H) from the canonical tensors."""
    return stacked(ops, config, call, tensors, cell)


def cell(ops: Ops, bias: bool, parameter: Parameter) -> Step:
    """Return one step: x (B,in) and h (B,H) to the next h."""
    biases = [parameter(name) for name in ("bias_ih", "bias_hh")] if bias else []
    weights = joined(ops, [parameter("weight_ih"), parameter("weight_hh")], biases)

    def step(x: Any, h: Any, at: At) -> Any:
        return ops.tanh(ops.mark("drive", affine(ops, x, h, weights=weights, ones=len(biases)), **at))

    return step
