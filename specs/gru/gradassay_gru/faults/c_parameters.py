"""C. Parameters and their gradients: the candidate's second bias above all."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_gru.faults._again import bias, from_h, has_bias
from gradassay_lstm.faults._around import Request, after, planted
from gradassay_lstm.faults._at_marks import Where, at, derivative, seen, started


def _without_r(tape: Any, part: Any, where: Where) -> Any:
    """What has the derivative 1 by b_hh, where r * (U h + b_hh) has r."""
    if not has_bias(tape):
        return part
    b = bias(tape, where, "hh")
    return seen(tape, "reset", where) * (from_h(tape, where) + tape.stop(b)) + b


def _one_bias(r: Request) -> None:
    """Return the gradient of bias_ih for both: right in an LSTM."""
    for name in [name for name in r.gradients if name.startswith("bias_hh")]:
        twin = r.gradients.get(name.replace("hh", "ih"))
        if twin is not None and r.config.reset_after:
            r.gradients[name] = np.array(twin)


def _skipped_at_first(tape: Any, recurrent: Any, where: Where) -> Any:
    """Leave U h + b out in a first step that begins in no state."""
    return recurrent if started(tape, "recurrent", where) else recurrent * 0.0


def _turned(tape: Any, value: Any, where: Where) -> Any:
    """Transpose the block of each gate."""
    size = value.shape[1]
    return tape.concatenate([value[k * size : (k + 1) * size].T for k in range(3)], axis=-2)


def _scratch(tape: Any, recurrent: Any, where: Where) -> Any:
    """Add to what the step before has left, where no bias is copied over it first."""
    back = where["step"] + (1 if where["direction"] == "reverse" else -1)
    key = tuple(sorted({**where, "step": back}.items()))
    left = tape.marks.get("recurrent", {}).get(key)
    return recurrent if left is None else recurrent + left


faults = (
    Fault(
        "second-bias-of-n-without-r",
        "the gradient of the candidate's recurrent bias is not multiplied by the reset gate",
        "none known",
        ("bias_hh_l0",),
        edits=at("reset_part", lambda t, v, w: v if "recurrent" not in t.marks else derivative(_without_r)(t, v, w)),
    ),
    Fault(
        "biases-taken-for-one",
        "the gradient of bias_hh is that of bias_ih, as in an LSTM",
        "none known",
        ("bias_hh_l0",),
        wrap=after(_one_bias),
    ),
    Fault(
        "bias-of-n-skipped-without-a-state",
        "without an initial state the first step has no recurrent bias in its candidate, in value and in gradient",
        "ml-explore/mlx#3249",
        ("y", "bias_hh_l0"),
        wrap=planted(at("recurrent", _skipped_at_first), lambda r: "h0" not in r.inputs),
        needs=frozenset({"absent_states"}),
    ),
    Fault(
        "weight_hh-transposed",
        "the recurrent weights of each gate are transposed, in value and in gradient",
        "none known",
        ("y",),
        edits=at("weight_hh", _turned),
        minimum={"unit": 2},
    ),
    Fault(
        "scratch-not-cleared-without-bias",
        "without a bias, U h of the candidate is added to that of the step before, in batches of 3 and more",
        "microsoft/onnxruntime#3893",
        ("y",),
        wrap=planted(at("recurrent", _scratch), lambda r: not r.config.bias and r.rows > 2),
        needs=frozenset({"no_bias"}),
        minimum={"row": 3, "step": 2},
    ),
)
