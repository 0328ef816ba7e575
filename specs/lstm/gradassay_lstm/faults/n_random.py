"""N. Determinism, dropout, and the state of random numbers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, after, before, gradients, raises

DROPOUT = frozenset({"dropout"})


def _masks(change: Any) -> Any:
    def changed(r: Request) -> None:
        r.inputs |= {n: change(mask) for n, mask in r.inputs.items() if n.startswith("dropout_mask")}

    return before(changed)


def _weights_halved(r: Request) -> None:
    """Halve a row of the recurrent weights where they lie, as weight drop did with its mask."""
    weight = r.model.parameters()["weight_hh_l0"]
    weight[0] *= weight.dtype.type(0.5)


def _wavering(g: Any, r: Request) -> Any:
    """Change a gradient by a hundred roundoffs, up in odd calls and down in even ones."""
    return g * (1 + (-1) ** r.number * 100 * r.roundoff)


faults = (
    Fault(
        "dW-differs-between-runs",
        "the gradient of weight_ih is another one in every call, by some hundred roundings",
        "pytorch/pytorch#18110",
        wrap=gradients(_wavering, "weight_ih"),
    ),
    Fault(
        "dropout-mask-of-step-0-at-every-step",
        "one dropout mask serves all steps",
        "keras-team/keras#20656",
        ("y",),
        wrap=_masks(lambda mask: np.repeat(mask[:, :1], mask.shape[1], axis=1)),
        needs=DROPOUT,
        minimum={"step": 2},
    ),
    Fault(
        "dropout-ignored",
        "dropout is asked for, and not done",
        "keras-team/keras#19397",
        ("y",),
        wrap=_masks(np.ones_like),
        needs=DROPOUT,
    ),
    Fault(
        "dropout-not-scaled",
        "what dropout keeps is not scaled up",
        "none known",
        ("y",),
        wrap=_masks(lambda mask: (mask != 0).astype(mask.dtype)),
        needs=DROPOUT,
    ),
    Fault(
        "four-options-together-raise",
        "layers, dropout, lengths and both directions raise when they are met together",
        "chainer/chainer#6262",
        wrap=raises(
            lambda r: (
                r.config.bidirectional
                and r.config.num_layers > 1
                and "lengths" in r.inputs
                and "dropout_mask_l0" in r.inputs
            )
        ),
        needs=DROPOUT | {"layers", "ragged", "bidirectional"},
    ),
    Fault(
        "weights-changed-in-place",
        "a call changes the recurrent weights that it was given",
        "keitakurita/Better_LSTM_PyTorch#7",
        ("weight_hh_l0",),
        wrap=after(_weights_halved),
        seen_by=frozenset({"untouched"}),
    ),
    Fault(
        "draws-from-the-callers-generator",
        "a call draws from the random numbers of its caller",
        "none known",
        wrap=before(lambda r: (np.random.random_sample(), random.random())),
    ),
    Fault(
        "reseeds-the-callers-generator",
        "a call sets the seed of its caller's random numbers",
        "none known",
        wrap=before(lambda r: np.random.seed(r.number)),
    ),
)
