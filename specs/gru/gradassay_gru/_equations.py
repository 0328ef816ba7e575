"""The GRU's equations, once: Cho et al. 2014, the reset gate before the recurrent product or, as in cuDNN, after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradassay import Ops
from gradassay_gru._config import GRU, Call
from gradassay_rnn_tanh._stack import At, Cell, Parameter, Step, affine, joined, stacked

WEIGHTS = ("weight_ih", "weight_hh")
BIASES = ("bias_ih", "bias_hh")


def equations(ops: Ops, config: GRU, call: Call, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return y (B,T,D*H) and h_n (L*D,B,H) from the canonical tensors."""
    return stacked(ops, config, call, tensors, cell(config.hidden_size, config.reset_after))


def cell(size: int, reset_after: bool) -> Cell:
    """Return the cell of one convention, for states of a size."""

    def make(ops: Ops, bias: bool, parameter: Parameter) -> Step:
        own = {name: parameter(name) for name in (*WEIGHTS, *(BIASES if bias else ()))}
        biases = BIASES if bias else ()

        def rows(names: tuple[str, ...], start: int, stop: int) -> list[Any]:
            return [own[name][start * size : stop * size] for name in names]

        gated = joined(ops, rows(WEIGHTS, 0, 2), rows(biases, 0, 2))  # of r and z
        candidate = _reset_after(ops, rows, biases) if reset_after else _reset_before(ops, rows, biases)

        def step(x: Any, h: Any, at: At) -> Any:
            gates = ops.mark("gates", affine(ops, x, h, weights=gated, ones=len(biases)), **at)
            r = ops.mark("reset", ops.sigmoid(gates[:, :size]), **at)
            z = ops.mark("update", ops.sigmoid(gates[:, size:]), **at)
            n = ops.mark("candidate", ops.tanh(ops.mark("drive", candidate(x, h, r, at), **at)), **at)
            return ops.mark("fresh", (1.0 - z) * n, **at) + ops.mark("kept", z * h, **at)

        return step

    return make


def _reset_after(ops: Ops, rows: Any, biases: tuple[str, ...]) -> Any:
    """W x + b_ih + r * (U h + b_hh): two reductions."""
    from_x = joined(ops, rows(("weight_ih",), 2, 3), rows(biases[:1], 2, 3))
    from_h = joined(ops, rows(("weight_hh",), 2, 3), rows(biases[1:], 2, 3))

    def drive(x: Any, h: Any, r: Any, at: At) -> Any:
        recurrent = ops.mark("recurrent", affine(ops, h, weights=from_h, ones=len(biases[1:])), **at)
        return affine(ops, x, weights=from_x, ones=len(biases[:1])) + ops.mark("reset_part", r * recurrent, **at)

    return drive


def _reset_before(ops: Ops, rows: Any, biases: tuple[str, ...]) -> Any:
    """W x + b_ih + U (r * h) + b_hh: one reduction."""
    weights = joined(ops, rows(WEIGHTS, 2, 3), rows(biases, 2, 3))

    def drive(x: Any, h: Any, r: Any, at: At) -> Any:
        return affine(ops, x, ops.mark("reset_part", r * h, **at), weights=weights, ones=len(biases))

    return drive
