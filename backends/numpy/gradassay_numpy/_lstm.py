"""Layers, directions, dropout masks and lengths around `_cell` and its three derivatives.

Inside, everything is time-major; the tensors that enter and leave are canonical (batch first).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradassay._spec import Array, Tensors
from gradassay_lstm import LSTM
from gradassay_numpy import _cell, _second, _tangent
from gradassay_numpy._backward import Adjoint, Backward
from gradassay_numpy._cell import Trace, Weights
from gradassay_numpy._time import live_and_order, reverse, swap_time_and_batch


@dataclass(frozen=True)
class Run:
    """One forward pass: `traces` in the order of `LSTM.cells`; `masks` by the layer whose output they multiply."""

    weights: list[Weights]
    traces: list[Trace]
    masks: Mapping[int, Array]
    live: Array
    order: Array


class LSTMPasses:
    """The four passes of `gradassay_numpy._passes.Passes` for the spec `lstm`."""

    def __init__(self, config: LSTM, backward: Backward) -> None:
        self.config, self._backward = config, backward
        self._cells = list(config.cells())

    def complete(self, values: Tensors) -> dict[str, Array]:
        """Absent states are zeros."""
        batch, cells = values["x"].shape[0], len(self._cells)
        return {
            "h0": np.zeros((cells, batch, self.config.state_size), values["x"].dtype),
            "c0": np.zeros((cells, batch, self.config.hidden_size), values["x"].dtype),
            **values,
        }

    def forward(self, values: Tensors) -> tuple[dict[str, Array], Run]:
        x = swap_time_and_batch(values["x"])
        live, order = live_and_order(values.get("lengths"), *x.shape[:2])
        masks = {
            layer: swap_time_and_batch(values[f"dropout_mask_l{layer}"])
            for layer in range(self.config.num_layers - 1)
            if f"dropout_mask_l{layer}" in values
        }
        run = Run([Weights.named(values, suffix) for _, _, suffix in self._cells], [], masks, live, order)

        def cell(number: int, x: Array) -> Trace:
            trace = _cell.forward(run.weights[number], x, values["h0"][number], values["c0"][number], live)
            run.traces.append(trace)
            return trace

        return self._stack(run, x, cell), run

    def tangent(self, run: Run, tangents: Tensors) -> tuple[dict[str, Array], list[Trace]]:
        d_traces: list[Trace] = []

        def cell(number: int, d_x: Array) -> Trace:
            w, d_w = run.weights[number], Weights.named(tangents, self._cells[number][2])
            d_h0, d_c0 = tangents["h0"][number], tangents["c0"][number]
            d_traces.append(_tangent.tangent(w, d_w, run.traces[number], d_x, d_h0, d_c0, run.live))
            return d_traces[-1]

        return self._stack(run, swap_time_and_batch(tangents["x"]), cell), d_traces

    def backward(self, run: Run, cotangents: Tensors) -> tuple[dict[str, Array], list[Adjoint]]:
        rules, gradients = self._backward, dict[str, Array]()

        def cell(number: int, bar_y: Array, bar_h_n: Array, bar_c_n: Array) -> Adjoint:
            w, trace = run.weights[number], run.traces[number]
            adjoint = rules.direction(w, trace, bar_y, bar_h_n, bar_c_n, run.live)
            gradients.update(rules.weights(w, trace, adjoint).names(self._cells[number][2]))
            return adjoint

        more, adjoints = self._unstack(run, cotangents, cell)
        return gradients | more, adjoints

    def second(
        self,
        run: Run,
        tangent: list[Trace],
        adjoint: list[Adjoint],
        tangents: Tensors,
        d_cotangents: Mapping[str, Array],
    ) -> dict[str, Array]:
        d_gradients = dict[str, Array]()

        def cell(number: int, d_bar_y: Array, d_bar_h_n: Array, d_bar_c_n: Array) -> Adjoint:
            suffix = self._cells[number][2]
            w, d_w = run.weights[number], Weights.named(tangents, suffix)
            trace, d_trace, known = run.traces[number], tangent[number], adjoint[number]
            d_adjoint = _second.direction(w, d_w, trace, d_trace, known, d_bar_y, d_bar_h_n, d_bar_c_n, run.live)
            d_gradients.update(_second.weights(w, trace, d_trace, known, d_adjoint).names(suffix))
            return d_adjoint

        # Between the cells all is linear with constant coefficients: tangents of cotangents go the same way.
        more, _ = self._unstack(run, d_cotangents, cell)
        return d_gradients | more

    def _stack(self, run: Run, x: Array, cell: Callable[[int, Array], Trace]) -> dict[str, Array]:
        """Send x (T,B,N), or its tangent, up through the layers."""
        h_n, c_n = list[Array](), list[Array]()
        y = x
        for layer in range(self.config.num_layers):
            sides = list[Array]()
            for direction in range(self.config.directions):
                trace = cell(len(h_n), reverse(x, run.order) if direction else x)
                sides.append(reverse(trace.y, run.order) if direction else trace.y)
                h_n.append(trace.h_n)
                c_n.append(trace.c_n)
            y = np.concatenate(sides, axis=-1)
            x = y * run.masks[layer] if layer in run.masks else y
        return {"y": swap_time_and_batch(y), "h_n": np.stack(h_n), "c_n": np.stack(c_n)}

    def _unstack(
        self, run: Run, cotangents: Tensors, cell: Callable[[int, Array, Array, Array], Adjoint]
    ) -> tuple[dict[str, Array], list[Adjoint]]:
        """Send the cotangents of y, h_n and c_n down through the layers; adjoints in the order of `cells`."""
        rules, number = self._backward, len(self._cells)
        bar_y = swap_time_and_batch(cotangents["y"])
        bar_h_n, bar_c_n = cotangents["h_n"], cotangents["c_n"]
        adjoints = dict[int, Adjoint]()
        bar_x = bar_y
        for layer in reversed(range(self.config.num_layers)):
            sides = np.split(bar_y, self.config.directions, axis=-1)
            parts = list[Array]()
            for direction in reversed(range(self.config.directions)):
                number -= 1
                side = reverse(sides[direction], run.order) if direction else sides[direction]
                adjoint = cell(number, side, bar_h_n[..., number, :, :], bar_c_n[..., number, :, :])
                parts.append(rules.restore(adjoint.bar_x, run.order) if direction else adjoint.bar_x)
                adjoints[number] = adjoint
            bar_x = parts[0] if len(parts) == 1 else parts[0] + parts[1]
            bar_y = rules.through_mask(bar_x, run.masks[layer - 1]) if layer - 1 in run.masks else bar_x
        ordered = [adjoints[number] for number in range(len(self._cells))]
        return {
            "x": swap_time_and_batch(bar_x),
            "h0": np.stack([adjoint.bar_h0 for adjoint in ordered], axis=-3),
            "c0": np.stack([adjoint.bar_c0 for adjoint in ordered], axis=-3),
        }, ordered
