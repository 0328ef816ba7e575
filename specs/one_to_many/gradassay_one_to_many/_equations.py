"""The LSTM's own equations, on one vector at every step, or step by step on what the step before gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradassay import Ops
from gradassay_lstm._equations import equations as lstm_equations
from gradassay_one_to_many._config import Call, OneToMany


def equations(ops: Ops, config: OneToMany, call: Call, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return y (B,T,M), h_n and c_n, from the canonical tensors."""
    bias = ops.stack([ops.mark("bias_out", tensors["bias_out"])], axis=-1)
    weights = ops.concatenate([ops.mark("weight_out", tensors["weight_out"]), bias], axis=-1).T
    one = ops.constant(np.ones((call.batch, 1)))

    def linear(h: Any, step: int) -> Any:
        h = ops.mark("hidden", h, step=step)
        return ops.mark("y_t", ops.concatenate([h, one], axis=-1) @ weights, step=step)

    run = _fed_back if config.feedback else _repeated
    outputs, h_n, c_n = run(ops, config, call, tensors, linear)
    return {"y": ops.mark("y", ops.stack(outputs, axis=-2)), "h_n": h_n, "c_n": c_n}


def _repeated(ops: Ops, config: OneToMany, call: Call, tensors: Mapping[str, Any], linear: Any) -> tuple[Any, Any, Any]:
    given = [_shifted(call, tensors, ops.mark("given", tensors["x"], step=t), t) for t in range(config.steps)]
    found = lstm_equations(ops, config.lstm, call.lstm(config.steps), {**tensors, "x": ops.stack(given, axis=-2)})
    hidden = ops.mark("sequence", found["y"])
    return [linear(hidden[:, t], t) for t in range(config.steps)], found["h_n"], found["c_n"]


def _fed_back(ops: Ops, config: OneToMany, call: Call, tensors: Mapping[str, Any], linear: Any) -> tuple[Any, Any, Any]:
    inside, once = dict(tensors), call.lstm(1)
    outputs: list[Any] = []
    for t in range(config.steps):
        given = ops.mark("fed", outputs[-1], step=t) if outputs else ops.mark("given", tensors["x"], step=0)
        now = ops.stack([_shifted(call, tensors, given, t)], axis=-2)
        found = lstm_equations(_Later(ops, t), config.lstm, once, {**inside, "x": now})
        outputs.append(linear(found["y"][:, 0], t))
        states = {"h0": found["h_n"], "c0": found["c_n"]}
        inside |= {name: ops.mark(f"carried {name}", state, step=t) for name, state in states.items()}
        once = type(once)(call.batch, 1)  # from here on both states are there
    return outputs, inside["h0"], inside["c0"]


def _shifted(call: Call, tensors: Mapping[str, Any], given: Any, step: int) -> Any:
    return given + tensors["shift"][:, step] if call.shift else given


class _Later:
    """The operations of a call of one step, whose marks stand at the step that it is of the whole."""

    def __init__(self, ops: Ops, step: int) -> None:
        self._ops, self._step = ops, step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)

    def mark(self, name: str, a: Any, /, **where: int | str) -> Any:
        return self._ops.mark(name, a, **{**where, "step": self._step})
