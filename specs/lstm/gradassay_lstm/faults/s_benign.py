"""S. What is no fault: other ways to compute the same function, which no property may accuse.

Each is exactly the same mathematics, rounded elsewhere or in another order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm._tensors import GATES
from gradassay_lstm.faults._around import Request, before, instead
from gradassay_lstm.faults._at_marks import Where, at, gate, seen

PADDING_SAFE = "nan-safe padding"
GATE_OF = {"input": "i", "forget": "f", "output": "o"}
ORDER = "iofg"


def _biases_first(tape: Any, gates: Any, where: Where) -> Any:
    """x W' + h U' + (b + b'): the biases are added to each other, and to no product before it is complete."""
    place = {key: where[key] for key in ("layer", "direction")}
    products = seen(tape, "x", where) @ seen(tape, "weight_ih", place).T
    products = products + seen(tape, "h_before", where) @ seen(tape, "weight_hh", place).T
    if "bias_ih" not in tape.marks:
        return products
    return products + (seen(tape, "bias_ih", place) + seen(tape, "bias_hh", place))


def _by_tanh(name: str) -> Any:
    """Return sigmoid(z) as (1 + tanh(z/2)) / 2 where |z| <= 2; further down that formula loses every digit."""

    def planted(tape: Any, value: Any, where: Where) -> Any:
        z = gate(seen(tape, "gates", where), GATE_OF[name])
        raw = z.value.primal if hasattr(z.value, "primal") else z.value
        near = np.abs(np.asarray(raw, dtype=np.float64)).max(axis=(0, 1)) <= 2.0
        return tape.where(near, (tape.tanh(z * 0.5) + 1.0) * 0.5, value)

    return planted


def _in_order(order: str) -> Any:
    """Sum in another order."""

    def call(r: Request) -> None:
        r.make(r.model.summing(order))

    return instead(call)


def _moved(r: Request) -> None:
    """Keep the gates in another order: weights move there, and their gradients and tangents back."""
    size = r.config.hidden_size

    def rows(order: str, into: str) -> Any:
        return np.concatenate([np.arange(size) + order.index(g) * size for g in into])

    there, back = rows("ifgo", ORDER), rows(ORDER, "ifgo")
    gated = {n for n in r.model.parameters() if not n.startswith("weight_hr")}
    edits = at("gates", lambda t, v, w: t.concatenate([_block(v, g) for g in GATES], axis=-1))(r.roundoff)
    r.tangents = {n: a[there] if n in gated else a for n, a in r.tangents.items()}
    r.make(r.model.planted(edits, {n: a[there] for n, a in r.model.parameters().items() if n in gated}))
    r.gradients = {n: a[back] if n in gated else a for n, a in r.gradients.items()}
    if r.by in gated:
        axis = r.jacobian.ndim - (1 if r.by.startswith("bias") else 2)
        r.jacobian = np.take(r.jacobian, back, axis=axis)


def _block(value: Any, name: str) -> Any:
    size, k = value.shape[-1] // 4, ORDER.index(name)
    return value[:, k * size : (k + 1) * size]


def _in_chunks(r: Request) -> None:
    """Go back chunk by chunk, each computed again from the state that it began in; one direction, all rows full."""
    half = r.steps // 2
    if r.config.bidirectional or "lengths" in r.inputs or not half or not r.cotangents:
        r.make()
        return
    of, given, wrt = r.model, r.inputs, r.wrt
    first, rest = ({n: _cut(a, n, part) for n, a in given.items()} for part in (slice(half), slice(half, None)))
    states = of.forward(first)
    rest |= {"h0": states["h_n"], "c0": states["c_n"]}
    late = {n: _cut(v, n, slice(half, None)) for n, v in r.cotangents.items()}
    after, pulled = of.vjp(rest, late, tuple(dict.fromkeys((*wrt, "h0", "c0"))))
    early = {n: _cut(v, n, slice(half)) for n, v in r.cotangents.items() if n == "y"}
    early |= {"h_n": pulled["h0"], "c_n": pulled["c0"]}
    before_, pulled_first = of.vjp(first, early, wrt)
    r.outputs = {**after, "y": np.concatenate([before_["y"], after["y"]], axis=1)}
    for n in wrt:
        if n in ("h0", "c0"):
            r.gradients[n] = pulled_first[n]
        elif n == "x":
            r.gradients[n] = np.concatenate([pulled_first[n], pulled[n]], axis=1)
        else:
            r.gradients[n] = pulled_first[n] + pulled[n]


def _cut(array: Any, name: str, steps: slice) -> Any:
    return array[:, steps] if name in ("x", "y") or name.startswith("dropout_mask") else array


def _cleared(r: Request) -> None:
    """Overwrite the padding of x with zeros before anything is computed."""
    if "lengths" in r.inputs:
        r.inputs["x"] = np.where(r.padding[:, :, None], 0, r.inputs["x"]).astype(r.inputs["x"].dtype)


benign = (
    Fault(
        "biases-added-to-each-other-first",
        "b_ih + b_hh is rounded once, before anything is added to it",
        "none known",
        edits=at("gates", _biases_first),
    ),
    Fault(
        "sigmoid-by-tanh",
        "sigmoid(z) is (1 + tanh(z/2)) / 2 where z is from -2 to 2",
        "none known",
        edits=lambda u: {name: at(name, _by_tanh(name))(u)[name] for name in GATE_OF},
    ),
    Fault("sums-one-by-one", "sums run from the first term to the last", "none known", wrap=_in_order("sequential")),
    Fault("sums-from-the-last", "sums run from the last term to the first", "none known", wrap=_in_order("reversed")),
    Fault("sums-in-blocks", "sums are made of pairs, and pairs of pairs", "none known", wrap=_in_order("pairwise")),
    Fault(
        "gates-in-another-order",
        "gates stand in the order i, o, f, g, with the weights moved along",
        "none known",
        wrap=instead(_moved),
    ),
    Fault(
        "computed-again-in-chunks",
        "the backward pass goes back chunk by chunk, each computed again from the state it began in",
        "none known",
        wrap=instead(_in_chunks, "vjp"),
    ),
    Fault(
        "padding-cleared-first",
        "the padding of x is overwritten with zeros, and nothing on it is promised to count",
        "none known",
        wrap=before(_cleared),
        promises=frozenset({PADDING_SAFE}),
    ),
)
