"""G. Rows, units and tiles: sizes that a kernel treats apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, before, gradients, outputs, planted, raises
from gradassay_lstm.faults._at_marks import at


def _tail(g: Any, r: Request) -> Any:
    """Zero what belongs to units beyond the last full eight: weights (4H, n)."""
    units = np.arange(len(g)) % r.config.hidden_size
    return np.where((units >= r.config.hidden_size // 8 * 8)[:, None], 0, g)


def _h0_of_row_0(r: Request) -> None:
    if "h0" in r.inputs:
        r.inputs["h0"] = np.repeat(r.inputs["h0"][:, :1], r.rows, axis=1)


def _turned_if_square(tape: Any, weight: Any, where: Any) -> Any:
    size = weight.shape[1]
    if weight.shape[0] != 4 * size:
        return weight
    return tape.concatenate([weight[k * size : (k + 1) * size].T for k in range(4)], axis=-2)


def _coupled(y: Any, r: Request) -> Any:
    """Mix a quarter of the batch's mean into every row."""
    return y + y.mean(axis=0, keepdims=True, dtype=np.float64) / 4


faults = (
    Fault(
        "raises-at-one-row",
        "a batch of one row raises in the backward pass",
        "deeplearning4j/deeplearning4j#1454",
        wrap=raises(lambda r: r.rows == 1, "vjp"),
    ),
    Fault(
        "dx-of-row-0-for-all",
        "every row gets the gradient of the first one",
        "twitter/torch-autograd#21",
        ("x",),
        wrap=gradients(lambda g, r: np.repeat(g[:1], r.rows, axis=0), "x"),
        minimum={"row": 2},
    ),
    Fault(
        "scratch-not-cleared-from-three-rows",
        "from the third row on, outputs hold what the row before them left",
        "microsoft/onnxruntime#3893",
        ("y",),
        wrap=outputs(lambda y, r: np.concatenate([y[:2], y[2:] + y[1:-1]]) if r.rows > 2 else y, "y"),
        minimum={"row": 3},
    ),
    Fault(
        "h0-of-row-0-for-all",
        "every row begins in the h0 of the first one",
        "llvm/torch-mlir#4741",
        ("y",),
        wrap=before(_h0_of_row_0),
        minimum={"row": 2},
    ),
    Fault(
        "rows-coupled",
        "a share of the batch's mean is added to every row",
        "pytorch/pytorch#177016",
        ("y",),
        wrap=outputs(_coupled, "y"),
        minimum={"row": 2},
    ),
    Fault(
        "row-4-is-row-0",
        "from the fifth row on, outputs are those of the rows of the first tile",
        "pytorch/pytorch#177834",
        ("y",),
        wrap=outputs(lambda y, r: y[np.arange(len(y)) % 4], "y"),
        minimum={"row": 5},
    ),
    Fault(
        "tail-rows-skipped",
        "rows beyond the last full eight have no gradient",
        "pytorch/pytorch#48070",
        ("x",),
        wrap=gradients(
            lambda g, r: np.where((np.arange(r.rows) < r.rows // 8 * 8)[:, None, None], g, 0), "x", lambda r: r.rows > 8
        ),
        minimum={"row": 9},
    ),
    Fault(
        "tail-units-skipped",
        "units beyond the last full eight have no gradient of their recurrent weights",
        "none known",
        ("weight_hh_l0",),
        wrap=gradients(_tail, "weight_hh", lambda r: r.config.hidden_size > 8 and r.config.hidden_size % 8),
        minimum={"unit": 9},
    ),
    Fault(
        "raises-at-one-unit",
        "a layer of one unit raises in the backward pass",
        "Lasagne/Lasagne#730",
        wrap=raises(lambda r: r.config.hidden_size == 1, "vjp"),
    ),
    Fault(
        "raises-without-rows",
        "an empty batch raises",
        "tensorflow/tensorflow#37795",
        wrap=raises(lambda r: r.rows == 0),
        needs=frozenset({"no_batch"}),
    ),
    Fault(
        "raises-without-steps",
        "a sequence of no steps raises",
        "pytorch/pytorch#50192",
        wrap=raises(lambda r: r.steps == 0),
        needs=frozenset({"no_steps"}),
    ),
    Fault(
        "weight_ih-transposed-where-square",
        "each gate's input weight is transposed where as many features as units make it square",
        "none known",
        ("y",),
        edits=at("weight_ih", _turned_if_square),
    ),
    Fault(
        "seventeenth-unit-without-carry",
        "the cell state of units beyond the sixteenth is forgotten at every step",
        "none known",
        ("y",),
        wrap=planted(
            at("carry", lambda t, v, w: t.concatenate([v[:, :16], v[:, 16:] * 0.0], axis=-1)),
            lambda r: r.config.hidden_size > 16,
        ),
        minimum={"unit": 17},
    ),
)
