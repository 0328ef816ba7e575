"""C. Parameters and their gradients, the biases above all."""

from __future__ import annotations

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, after, gradients
from gradassay_lstm.faults._at_marks import at, blocks, stop


def _biases_cleared(r: Request) -> None:
    for name, bias in r.model.parameters().items():
        if name.startswith("bias_hh"):
            bias[...] = 0


def _one_bias(r: Request) -> None:
    """Return the gradient of the sum of the biases for one of them, and zero for the other."""
    for name in [name for name in r.gradients if name.startswith("bias_hh")]:
        r.gradients[name] = np.zeros_like(r.gradients[name])


def _tile_lost(r: Request) -> None:
    """Lose the last tile of a bias gradient in every other call."""
    if "bias_ih_l0" in r.gradients and r.number % 2 == 0:
        r.gradients["bias_ih_l0"] = np.concatenate([r.gradients["bias_ih_l0"][:-1], [0]]).astype(
            r.gradients["bias_ih_l0"].dtype
        )


faults = (
    Fault(
        "bias_hh-zero-in-layer-2",
        "the gradient of bias_hh is zero in layer 2",
        "apache/mxnet#17818",
        ("bias_hh_l2",),
        edits=at("bias_hh", stop, layer=2),
        minimum={"layer": 3},
    ),
    Fault(
        "biases-cleared-by-the-backward-pass",
        "the backward pass overwrites the recurrent biases with zeros",
        "pytorch/pytorch#94889",
        ("bias_hh_l0",),
        wrap=after(_biases_cleared),
    ),
    Fault(
        "bias-gradient-none",
        "the biases have no gradient: None, which is not zero",
        "tracel-ai/burn#5235",
        wrap=gradients(lambda g, r: None, "bias"),
    ),
    Fault(
        "bias-added-twice",
        "the input's bias is added outside the loop over time and in it, in value and in gradient",
        "lisa-lab/DeepLearningTutorials#81",
        ("y", "bias_ih_l0"),
        edits=at("bias_ih", lambda t, v, w: v * 2.0),
    ),
    Fault(
        "output-gates-bias-in-the-forget-gate",
        "the forget gate adds the output gate's bias, in value and in gradient",
        "ddbourgin/numpy-ml#42",
        ("y", "bias_ih_l0"),
        edits=at("bias_ih", blocks("iogo")),
    ),
    Fault(
        "biases-in-another-order",
        "the blocks of bias_hh are read in the order i, g, f, o, in value and in gradient",
        "keras-team/keras#8720",
        ("y", "bias_hh_l0"),
        edits=at("bias_hh", blocks("igfo")),
    ),
    Fault(
        "bias-gradient-gains-an-axis",
        "the gradient of a bias has shape (1, 4H)",
        "pytorch/pytorch#1721",
        wrap=gradients(lambda g, r: g[None], "bias_ih"),
    ),
    Fault(
        "tile-of-db-lost-now-and-then",
        "a tile of a bias gradient is lost in some calls and not in others: threads race",
        "libxsmm/libxsmm#274",
        wrap=after(_tile_lost),
    ),
    Fault(
        "bias-gradients-of-i-and-o-from-f",
        "the bias gradients of the input and output gates are those of the forget gate",
        "hanbt/learn_dl#53",
        ("bias_ih_l0", "bias_hh_l0"),
        wrap=gradients(lambda g, r: np.concatenate([(q := np.split(g, 4))[1], q[1], q[2], q[1]]), "bias"),
    ),
    Fault(
        "second-bias-without-gradient",
        "one bias stands for both: its gradient is right, and that of bias_hh zero",
        "none known",
        ("bias_hh_l0",),
        wrap=after(_one_bias),
    ),
    Fault(
        "one-gate-of-dW_hh-scaled",
        "the candidate's block of dW_hh is too large by a half",
        "lmnt-com/haste#17",
        ("weight_hh_l0",),
        wrap=gradients(lambda g, r: g * np.repeat([1.0, 1.0, 1.5, 1.0], len(g) // 4)[:, None], "weight_hh"),
    ),
    Fault(
        "projection-weight-gradient-zero",
        "the gradient of the projection is zero",
        "none known",
        ("weight_hr_l0",),
        edits=at("weight_hr", stop),
        needs=frozenset({"projection"}),
    ),
)
