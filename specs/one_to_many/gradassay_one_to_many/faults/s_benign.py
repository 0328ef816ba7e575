"""S. What is no fault: other ways to compute the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import instead
from gradassay_lstm.faults._at_marks import Where, at, seen


def _bias_apart(tape: Any, value: Any, where: Where) -> Any:
    """Add the bias to a product that is complete."""
    return seen(tape, "hidden", where) @ seen(tape, "weight_out", {}).T + seen(tape, "bias_out", {})


def _by_product(tape: Any, value: Any, where: Where) -> Any:
    """Repeat by a product with a one: exact, and a sum of one term in the derivative."""
    return tape.constant(np.ones((1, 1))) * value


benign = (
    Fault("bias-added-afterwards", "the linear layer adds its bias to a product that is complete", "none known",
          edits=at("y_t", _bias_apart)),
    Fault("repeated-by-a-product", "each repeat is the vector times 1", "none known", edits=at("given", _by_product)),
    Fault("sums-one-by-one", "sums run from the first term to the last", "none known",
          wrap=instead(lambda r: r.make(r.model.summing("sequential")))),
)  # fmt: skip
