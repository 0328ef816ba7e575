"""An LSTM written once more, row by row and step by step, in NumPy's float64: nothing of the reference is in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradassay_lstm import LSTM

Named = Mapping[str, Any]


def run(config: LSTM, given: Named, row: int, length: int) -> tuple[Any, Any]:
    """Return a row's outputs (length, D*S) at its own length, and the last layer's last h, forward then reverse."""
    sequence, cell, last = list(given["x"][row, :length]), 0, []
    for layer in range(config.num_layers):
        sides, last = [], []
        for direction in range(config.directions):
            suffix = f"_l{layer}" + ("_reverse" if direction else "")
            h = given["h0"][cell, row] if "h0" in given else np.zeros(config.state_size)
            c = given["c0"][cell, row] if "c0" in given else np.zeros(config.hidden_size)
            outputs = []
            for x in sequence[::-1] if direction else sequence:
                a = given["weight_ih" + suffix] @ x + given["weight_hh" + suffix] @ h
                if config.bias:
                    a = a + given["bias_ih" + suffix] + given["bias_hh" + suffix]
                i, f, g, o = np.split(a, 4)
                c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
                h = np.tanh(c) / (1 + np.exp(-o))
                if config.projection:
                    h = given["weight_hr" + suffix] @ h
                outputs.append(h)
            sides.append(outputs[::-1] if direction else outputs)
            last.append(h)
            cell += 1
        sequence = [np.concatenate(parts) for parts in zip(*sides, strict=True)]
        if f"dropout_mask_l{layer}" in given and layer < config.num_layers - 1:
            masks = given[f"dropout_mask_l{layer}"][row]
            sequence = [y * mask for y, mask in zip(sequence, masks, strict=False)]
    return np.array(sequence).reshape(length, config.output_size), np.concatenate(last)


def slope(function: Callable[[Named], float], given: Named, name: str, along: Any, step: float = 2.0**-17) -> float:
    """Return the derivative of a number by one tensor in a direction, by central differences."""
    sides = [function({**given, name: given[name] + sign * step * along}) for sign in (1.0, -1.0)]
    return (sides[0] - sides[1]) / (2 * step)
