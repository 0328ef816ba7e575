"""Ways for an LSTM to be wrong, each one line long. Planted at the marks of the equations, or around the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradassay import Fault, Model, Tensors

Where = Mapping[str, int | str]


def _gates(tape: Any, gates: Any, order: str) -> Any:
    """Put the four blocks of the pre-activations into another order."""
    size = gates.shape[-1] // 4
    blocks = {name: gates[:, k * size : (k + 1) * size] for k, name in enumerate("ifgo")}
    return tape.concatenate([blocks[name] for name in order], axis=-1)


def _seen(tape: Any, mark: str, where: Where) -> Any:
    return tape.marks[mark][tuple(sorted(where.items()))]


def _only(condition: Any, edit: Any) -> Any:
    """Edit a mark only where the condition on its place holds."""
    return lambda tape, value, where: edit(tape, value, where) if condition(where) else value


def _transposed(tape: Any, weight: Any, where: Where) -> Any:
    """Transpose the H x H block of each gate; a projected (4H, P) weight is left alone."""
    size = weight.shape[0] // 4
    if weight.shape[1] != size:
        return weight
    return tape.concatenate([weight[k * size : (k + 1) * size].T for k in range(4)], axis=-2)


def _shifted(tape: Any, y: Any, where: Where) -> Any:
    """Move a sequence (B,T,S) by one step, the last becoming the first."""
    if where["direction"] != "reverse" or y.shape[1] < 2:  # one step cannot be moved
        return y
    return tape.concatenate([y[:, 1:], y[:, :1]], axis=-2)


class _Wrapped:
    """A model that behaves as another, until a subclass says otherwise."""

    def __init__(self, dtype: str, model: Any) -> None:
        self.dtype, self.model = dtype, model

    @property
    def ran(self) -> Mapping[str, str]:
        return self.model.ran  # type: ignore[no-any-return]  # the wrapped model's own

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


class _MeanForSum(_Wrapped):
    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, dict[str, Any]]:
        outputs, gradients = self.model.vjp(inputs, cotangents, wrt)
        batch = inputs["x"].shape[0]
        scaled = {
            n: (g / batch).astype(g.dtype) if n.startswith(("weight", "bias")) else g for n, g in gradients.items()
        }
        return outputs, scaled


class _StaleBuffer(_Wrapped):
    """Keeps the largest buffer it was ever given for dW_hh, and never clears it."""

    stale: Any = None

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, dict[str, Any]]:
        outputs, gradients = self.model.vjp(inputs, cotangents, wrt)
        name = "weight_hh_l0"
        if name in gradients:
            fresh = gradients[name]
            if self.stale is not None and self.stale[0] != inputs["x"].shape:
                gradients = dict(gradients) | {name: (fresh + self.stale[1]).astype(fresh.dtype)}
            self.stale = (inputs["x"].shape, fresh)
        return outputs, gradients


class _Leak(_Wrapped):
    """dx on the padding is 1e-3 where it should be exactly 0."""

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, dict[str, Any]]:
        outputs, gradients = self.model.vjp(inputs, cotangents, wrt)
        if "x" in gradients and "lengths" in inputs:
            dx = np.array(gradients["x"])
            padding = np.arange(dx.shape[1])[None] >= inputs["lengths"][:, None]
            dx[padding] = np.asarray(1e-3).astype(dx.dtype)
            gradients = dict(gradients) | {"x": dx}
        return outputs, gradients


class _Eager(_Wrapped):
    """Says what it did, and did not do what it was asked: it fell back."""

    @property
    def ran(self) -> Mapping[str, str]:
        return dict(self.model.ran) | {"executed": "eager"}


class _InPlace(_Wrapped):
    """Multiplies the recurrent weights by its dropout mask in place, as weight drop did."""

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> tuple[Tensors, dict[str, Any]]:
        answer: tuple[Tensors, dict[str, Any]] = self.model.vjp(inputs, cotangents, wrt)
        weight = self.model.parameters()["weight_hh_l0"]
        weight[0] *= weight.dtype.type(0.5)
        return answer


def _wrap(kind: type[_Wrapped]) -> Any:
    def wrap(dtype: str, model: Model) -> Any:
        return kind(dtype, model)

    return wrap


faults: tuple[Fault, ...] = (
    Fault(
        "gates-i-f-swapped",
        "the input and forget gates are exchanged, in value and in gradient",
        "keras-team/keras#10179",
        ("y", "weight_ih_l0", "x"),
        edits=lambda u: {"gates": lambda tape, v, where: _gates(tape, v, "figo")},
    ),
    Fault(
        "gates-g-o-gradient-swapped",
        "the outputs are right, but the gradients of the candidate and the output gate are exchanged",
        "elixir-nx/axon#646",
        ("weight_ih_l0",),
        edits=lambda u: {"gates": lambda tape, v, where: tape.splice(v, _gates(tape, v, "ifog"))},
    ),
    Fault(
        "c_n-cotangent-dropped",
        "the gradient that arrives at c_n is not passed on",
        "eclipse/deeplearning4j#8838",
        ("c0",),
        edits=lambda u: {"c_n": lambda tape, v, where: tape.stop(v)},
    ),
    Fault(
        "h_n-cotangent-dropped",
        "the gradient that arrives at h_n is not passed on",
        "Theano/Theano#4915",
        ("h0",),
        edits=lambda u: {"h_n": lambda tape, v, where: tape.stop(v)},
    ),
    Fault(
        "dc0-without-forget-factor",
        "dL/dc0 is not multiplied by the first forget gate",
        "CaptainE/RNN-LSTM-in-numpy#1",
        ("c0",),
        edits=lambda u: {
            "carry": _only(
                lambda where: where["step"] == 0 and where["direction"] == "forward",
                lambda tape, v, where: tape.splice(
                    v,
                    _seen(tape, "c_before", where)
                    + _seen(tape, "forget", where) * tape.stop(_seen(tape, "c_before", where)),
                ),
            )
        },
    ),
    Fault(
        "carry-detached-at-16",
        "h and c are constants to the derivative when they enter step 16",
        "FluxML/Flux.jl#1209",
        ("x", "h0", "c0"),
        edits=lambda u: {
            mark: _only(lambda where: where["step"] == 16, lambda tape, v, where: tape.stop(v))  # that step
            for mark in ("h_before", "c_before")
        },
        minimum={"step": 17},
    ),
    Fault(
        "bias_hh-zero-in-layer-2",
        "the gradient of bias_hh is zero in the third layer",
        "apache/mxnet#17818",
        ("bias_hh_l2",),
        edits=lambda u: {
            "bias_hh": _only(lambda where: where["layer"] == 2, lambda tape, v, where: tape.stop(v))
        },  # that layer
        minimum={"layer": 3},
    ),
    Fault(
        "weight_hh-transposed",
        "each gate's recurrent weight is transposed, in value and in gradient",
        "keras-team/keras#3088",
        ("y", "weight_hh_l0"),
        edits=lambda u: {"weight_hh": _transposed},
        minimum={"unit": 2, "step": 1},
    ),
    Fault(
        "reverse-off-by-one",
        "the outputs of the reverse direction stand one step too early",
        "onnx/onnx-tensorflow#409",
        ("y",),
        edits=lambda u: {"y": _shifted},
        needs=frozenset({"bidirectional"}),
        minimum={"step": 2},
    ),
    Fault(
        "scaled-by-1-plus-50u",
        "the gradient of weight_hh is too large by a factor of 1 + 50 unit roundoffs",
        "none known",
        ("weight_hh_l0",),
        edits=lambda u: {"weight_hh": lambda tape, v, where: tape.splice(v, v * (1.0 + 50 * u))},
    ),
    Fault(
        "mean-for-sum",
        "parameter gradients are means over the batch where they should be sums",
        "pytorch/pytorch#635",
        ("weight_hh_l0",),
        wrap=_wrap(_MeanForSum),
        minimum={"row": 2},
    ),
    Fault(
        "stale-buffer",
        "dW_hh is added to what an earlier call of another shape left in its buffer",
        "Element-Research/rnn#204",
        ("weight_hh_l0",),
        wrap=_wrap(_StaleBuffer),
    ),
    Fault(
        "compiled-runs-eagerly",
        "a mode that should be compiled falls back silently",
        "pytorch/pytorch#158007",
        (),
        wrap=_wrap(_Eager),
    ),
    Fault(
        "padding-leaks",
        "the gradient of x on the padding is 1e-3, where it is exactly 0",
        "apache/mxnet#4986",
        ("x",),
        wrap=_wrap(_Leak),
        needs=frozenset({"ragged"}),
    ),
    Fault(
        "weights-changed-in-place",
        "a call changes the recurrent weights that it was given",
        "keitakurita/Better_LSTM_PyTorch#7",
        ("weight_hh_l0",),
        wrap=_wrap(_InPlace),
    ),
)
