"""The mean-squared error of y against a target, on top of the passes of the LSTM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradassay._spec import Array, Tensors
from gradassay_numpy import _lstm
from gradassay_numpy._backward import Adjoint
from gradassay_numpy._cell import Trace


@dataclass(frozen=True)
class Run:
    """`missed` (B,T,D·S) is y - target; `unused` are zeros of the shapes of h_n and c_n, which the loss ignores."""

    lstm: _lstm.Run
    missed: Array
    unused: Mapping[str, Array]


class MSEPasses:
    """The four passes of `gradassay_numpy._passes.Passes` for the spec `mse`.

    loss = sum (y - target)^2 / n over all n = B·T·D·S elements, padding (where y is 0) included; over no
    elements it is 0/0, NaN.
    """

    def __init__(self, lstm: _lstm.LSTMPasses) -> None:
        self._lstm = lstm

    def complete(self, values: Tensors) -> dict[str, Array]:
        return self._lstm.complete(values)

    def forward(self, values: Tensors) -> tuple[dict[str, Array], Run]:
        outputs, run = self._lstm.forward(values)
        missed = outputs["y"] - values["target"]
        unused = {name: np.zeros_like(outputs[name]) for name in ("h_n", "c_n")}
        return {"loss": self._mean(missed * missed)}, Run(run, missed, unused)

    def tangent(self, run: Run, tangents: Tensors) -> tuple[dict[str, Array], tuple[list[Trace], Array]]:
        d_outputs, d_traces = self._lstm.tangent(run.lstm, tangents)
        d_missed = d_outputs["y"] - tangents["target"]
        return {"loss": self._mean(2 * run.missed * d_missed)}, (d_traces, d_missed)

    def backward(self, run: Run, cotangents: Tensors) -> tuple[dict[str, Array], tuple[list[Adjoint], Array]]:
        bar_loss = cotangents["loss"]
        bar_y = self._spread(bar_loss, run.missed)
        gradients, adjoints = self._lstm.backward(run.lstm, self._only_y(run, bar_y))
        return {**gradients, "target": -bar_y}, (adjoints, bar_loss)

    def second(
        self,
        run: Run,
        tangent: tuple[list[Trace], Array],
        adjoint: tuple[list[Adjoint], Array],
        tangents: Tensors,
        d_cotangents: Mapping[str, Array],
    ) -> dict[str, Array]:
        (d_traces, d_missed), (adjoints, bar_loss) = tangent, adjoint
        d_bar_y = self._spread(bar_loss, d_missed) + self._spread(d_cotangents["loss"], run.missed)
        d_gradients = self._lstm.second(run.lstm, d_traces, adjoints, tangents, self._only_y(run, d_bar_y))
        return {**d_gradients, "target": -d_bar_y}

    @staticmethod
    def _mean(a: Array) -> Array:
        return np.asarray(a.sum() / a.dtype.type(a.size))

    @staticmethod
    def _spread(bar_loss: Array, missed: Array) -> Array:
        """The transpose of the mean of squares: (...) -> (..., B,T,D·S)."""
        return np.asarray(bar_loss[..., None, None, None] * (2 * missed / missed.dtype.type(missed.size)))

    @staticmethod
    def _only_y(run: Run, bar_y: Array) -> dict[str, Array]:
        lanes = bar_y.shape[:-3]
        return {"y": bar_y} | {name: np.broadcast_to(zero, lanes + zero.shape) for name, zero in run.unused.items()}
