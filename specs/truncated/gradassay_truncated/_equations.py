"""Windows of the LSTM's own equations: the state that enters a window is a constant to the derivative.

Williams and Peng 1990, 'An efficient gradient-based algorithm for on-line training of recurrent network trajectories';
the names k1 and k2 are of Sutskever's thesis (2013, 2.8.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradassay import Ops
from gradassay_lstm import LSTM, Call
from gradassay_lstm._equations import equations as lstm_equations
from gradassay_truncated._config import Truncated
from gradassay_truncated._windows import Window, windows

State = dict[str, Any]  # h0 and c0, as far as they are given


def equations(ops: Ops, config: Truncated, call: Call, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return y (B,T,S), h_n (L,B,S) and c_n (L,B,H) of the whole LSTM, with the derivatives of the windows."""
    carried: State = {name: tensors[name] for name in ("h0", "c0") if name in tensors}
    blocks: list[Any] = []
    for number, window in enumerate(windows(config.k1, config.k2, call.steps)):
        run = _Run(ops, config.lstm, tensors, number)
        entering = _entering(ops, carried, number, window)
        before, carried = run(window.start, window.cut, entering)
        after, final = run(window.cut, window.stop, carried)
        joined = ops.concatenate([*before, *after], axis=-2)
        blocks.append(ops.mark("block", joined[:, window.own - window.start :], window=number))
        for name, state in final.items():
            ops.mark(f"{name}_leaving", state, window=number)
    h_n, c_n = ops.mark("h_final", final["h0"]), ops.mark("c_final", final["c0"])
    return {"y": ops.concatenate(blocks, axis=-2), "h_n": h_n, "c_n": c_n}


def _entering(ops: Ops, carried: State, window: int, at: Window) -> State:
    """Return the state that a window begins in: at step 0 the initial one, which is no constant."""
    if not at.start:
        return {name: ops.mark(f"{name}_initial", state, window=window) for name, state in carried.items()}
    entering: State = {}
    for name, state in carried.items():
        marked = ops.mark(f"{name}_carried", state, window=window, step=at.start)
        entering[name] = ops.mark(f"{name}_entering", ops.stop(marked), window=window, step=at.start)
    return entering


class _Run:
    """The LSTM's equations on some steps of a window."""

    def __init__(self, ops: Ops, lstm: LSTM, tensors: Mapping[str, Any], window: int) -> None:
        self._ops, self._lstm, self._tensors, self._window = ops, lstm, tensors, window

    def __call__(self, start: int, stop: int, state: State) -> tuple[list[Any], State]:
        """Return ([y], state) after the steps from `start` to `stop`; of no steps ([], the same state)."""
        if start == stop:
            return [], state
        given = {name: self._part(name, value, start, stop) for name, value in self._tensors.items()}
        batch = given["x"].shape[0]
        dropout = any(name.startswith("dropout_mask") for name in given)
        call = Call(batch, stop - start, h0="h0" in state, c0="c0" in state, dropout=dropout)
        ops: Any = _Placed(self._ops, self._window, start)
        found = lstm_equations(ops, self._lstm, call, {**given, **state})
        return [found["y"]], {"h0": found["h_n"], "c0": found["c_n"]}

    def _part(self, name: str, value: Any, start: int, stop: int) -> Any:
        return value[:, start:stop] if name == "x" or name.startswith("dropout_mask") else value


class _Placed:
    """The same operations; marks say in which window they are, and count steps from the start of the sequence.

    A window is run in two parts: what has no step, such as a weight, is marked in each, and so says from where on.
    """

    def __init__(self, ops: Ops, window: int, start: int) -> None:
        self._ops, self._window, self._start = ops, window, start

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)

    def mark(self, name: str, a: Any, /, **where: int | str) -> Any:
        at = {"step": self._start + int(where["step"])} if "step" in where else {"start": self._start}
        return self._ops.mark(name, a, **{**where, **at, "window": self._window})
