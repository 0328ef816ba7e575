"""Q. Shapes and names of what comes back."""

from __future__ import annotations

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import after, gradients, outputs

faults = (
    Fault(
        "rows-and-steps-exchanged",
        "y comes back with steps first",
        "pytorch/pytorch#80306",
        wrap=outputs(lambda y, r: np.swapaxes(y, 0, 1), "y"),
    ),
    Fault(
        "states-without-their-first-axis",
        "the final states have no axis of layers",
        "pytorch/pytorch#6879",
        wrap=outputs(lambda h, r: h[-1], "h_n c_n"),
    ),
    Fault(
        "steps-flattened-into-units",
        "y is flattened to rows by everything else",
        "huggingface/candle#2542",
        wrap=outputs(lambda y, r: y.reshape(len(y), -1) if y.size else y, "y"),
    ),
    Fault(
        "weight-gradients-transposed",
        "the gradients of the input weights come back transposed",
        "none known",
        wrap=gradients(lambda g, r: g.T, "weight_ih"),
    ),
    Fault(
        "c_n-missing",
        "c_n does not come back",
        "none known",
        wrap=after(lambda r: r.outputs.pop("c_n"), "forward vjp jvp"),
    ),
    Fault(
        "more-than-was-asked",
        "an output comes back that the model has not",
        "none known",
        wrap=after(lambda r: r.outputs.update(gates=r.outputs["y"]), "forward vjp jvp"),
    ),
)
