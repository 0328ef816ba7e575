"""Elman's network and the GRU in plain NumPy that takes complex numbers: a derivation apart from the tape.

The complex step: where f is analytic, dL/dv is the imaginary part of L(v + ih) / h, and no difference is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradassay._case import Case

Array = np.ndarray[Any, Any]
Cell = Callable[[Mapping[str, Array], Array, Array], Array]
STEP = 1e-200  # its square vanishes


def sigmoid(a: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-a)))


def elman(p: Mapping[str, Array], x: Array, h: Array) -> Array:
    return np.asarray(np.tanh(p["weight_ih"] @ x + p["bias_ih"] + p["weight_hh"] @ h + p["bias_hh"]))


def gru_after(p: Mapping[str, Array], x: Array, h: Array) -> Array:
    (w_r, w_z, w_n), (u_r, u_z, u_n), (b_r, b_z, b_n), (c_r, c_z, c_n) = _blocks(p)
    r, z = sigmoid(w_r @ x + b_r + u_r @ h + c_r), sigmoid(w_z @ x + b_z + u_z @ h + c_z)
    return np.asarray((1 - z) * np.tanh(w_n @ x + b_n + r * (u_n @ h + c_n)) + z * h)


def gru_before(p: Mapping[str, Array], x: Array, h: Array) -> Array:
    (w_r, w_z, w_n), (u_r, u_z, u_n), (b_r, b_z, b_n), (c_r, c_z, c_n) = _blocks(p)
    r, z = sigmoid(w_r @ x + b_r + u_r @ h + c_r), sigmoid(w_z @ x + b_z + u_z @ h + c_z)
    return np.asarray((1 - z) * np.tanh(w_n @ x + b_n + u_n @ (r * h) + c_n) + z * h)


def _blocks(p: Mapping[str, Array]) -> list[list[Array]]:
    return [np.split(p[name], 3) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def forward(case: Case, tensors: Mapping[str, Array], cell: Cell) -> dict[str, Array]:
    """Return y and h_n, row by row, each at its own length."""
    config, call = case.config, case.call
    size, count = config.hidden_size, config.num_layers * config.directions
    lengths = call.lengths or (call.steps,) * call.batch
    h_n = np.zeros((count, call.batch, size), complex) + tensors.get("h0", 0)
    y = np.zeros((call.batch, call.steps, config.output_size), complex)
    for row, length in enumerate(lengths):
        below = tensors["x"][row, :length].astype(complex)
        for layer in range(config.num_layers):
            out = np.zeros((length, config.output_size), complex)
            for direction in range(config.directions):
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                p = {name.removesuffix(suffix): a for name, a in tensors.items() if name.endswith(suffix)}
                p = {"bias_ih": np.zeros(len(p["weight_hh"])), "bias_hh": np.zeros(len(p["weight_hh"])), **p}
                k = layer * config.directions + direction
                for t in reversed(range(length)) if direction else range(length):
                    h_n[k, row] = out[t, direction * size : (direction + 1) * size] = cell(p, below[t], h_n[k, row])
            below = out
        y[row, :length] = below
    return {"y": y, "h_n": h_n}


def gradient(case: Case, name: str, cell: Cell) -> Array:
    """Return dL/d(name) for the case's cotangents, element by element."""
    found = np.zeros(case.tensors[name].shape)
    for index in np.ndindex(found.shape):
        moved = case.tensors[name].astype(complex)
        moved[index] += STEP * 1j
        outputs = forward(case, {**case.tensors, name: moved}, cell)
        loss = sum((outputs[of] * v).sum() for of, v in case.cotangents.items())
        found[index] = loss.imag / STEP
    return found
