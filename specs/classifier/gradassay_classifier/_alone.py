"""The loss alone: the logits are in it by nothing, so that what comes back is the gradient of cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradassay_lstm._variations import made

if TYPE_CHECKING:
    from gradassay._case import Case


def loss_alone(case: Case) -> Case:
    """Return the case with a cotangent of the loss alone.

    That of the logits is there, and exactly 0: a mode that compiles has compiled this already.
    """
    cotangents = dict(case.cotangents) | {"logits": np.zeros_like(case.cotangents["logits"])}
    return made(case, "loss-alone", case.tensors, cotangents)


def absent(got: object, shape: tuple[int, ...]) -> str:
    """Say what was got in the place of an array of this shape."""
    there = "nothing" if got is None else f"shape {getattr(got, 'shape', ())}"
    return f"got {there}; should be of shape {shape}"
