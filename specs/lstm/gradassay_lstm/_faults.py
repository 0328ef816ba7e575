"""Ways for an LSTM to be wrong, each one line long. Planted at the marks of the equations, or around the model.

Layers count from 0, as in the names of tensors and in reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradassay import Fault
from gradassay_lstm._misbehaviour import Eager, InPlace, Leak, MeanForSum, StaleBuffer, wrap

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


faults: tuple[Fault, ...] = (
    Fault(
        "gates-i-f-swapped",
        "the input and forget gates are exchanged, in value and in gradient",
        "tensorflow/tfjs#6554",
        ("y", "weight_ih_l0", "x"),
        edits=lambda u: {"gates": lambda tape, v, where: _gates(tape, v, "figo")},
    ),
    Fault(
        "gates-g-o-gradient-swapped",
        "the outputs are right, but the gradients of the candidate and the output gate are exchanged",
        "tensorflow/tensorflow#36701",
        ("weight_ih_l0",),
        edits=lambda u: {"gates": lambda tape, v, where: tape.splice(v, _gates(tape, v, "ifog"))},
    ),
    Fault(
        "c_n-cotangent-dropped",
        "the gradient that arrives at c_n is not passed on",
        "deeplearning4j/deeplearning4j#8838",
        ("c0",),
        edits=lambda u: {"c_n": lambda tape, v, where: tape.stop(v)},
    ),
    Fault(
        "h_n-cotangent-dropped",
        "the gradient that arrives at h_n is not passed on",
        "none known",
        ("h0",),
        edits=lambda u: {"h_n": lambda tape, v, where: tape.stop(v)},
    ),
    Fault(
        "dc0-without-forget-factor",
        "dL/dc0 is not multiplied by the first forget gate",
        "none known",
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
        "NX-AI/mlstm_kernels#16",
        ("x",),  # and h0 and c0, but only where gradients live through sixteen steps
        edits=lambda u: {
            mark: _only(lambda where: where["step"] == 16, lambda tape, v, where: tape.stop(v))
            for mark in ("h_before", "c_before")
        },
        minimum={"step": 17},
    ),
    Fault(
        "bias_hh-zero-in-layer-2",
        "the gradient of bias_hh is zero in layer 2",
        "apache/mxnet#17818",
        ("bias_hh_l2",),
        edits=lambda u: {"bias_hh": _only(lambda where: where["layer"] == 2, lambda tape, v, where: tape.stop(v))},
        minimum={"layer": 3},
    ),
    Fault(
        "weight_hh-transposed",
        "each gate's recurrent weight is transposed, in value and in gradient",
        "huggingface/transformers#10712",
        ("y", "weight_hh_l0"),
        edits=lambda u: {"weight_hh": _transposed},
        minimum={"unit": 2, "step": 1},
    ),
    Fault(
        "reverse-off-by-one",
        "the outputs of the reverse direction stand one step too early",
        "none known",
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
        "none known",
        ("weight_hh_l0",),
        wrap=wrap(MeanForSum),
        minimum={"row": 2},
    ),
    Fault(
        "stale-buffer",
        "dW_hh is added to what an earlier call of another shape left in its buffer",
        "Element-Research/rnn#204",
        ("weight_hh_l0",),
        wrap=wrap(StaleBuffer),
        seen_by=frozenset({"repeat"}),
    ),
    Fault(
        "compiled-runs-eagerly",
        "a mode that should be compiled falls back silently",
        "pytorch/pytorch#141184",
        (),
        wrap=wrap(Eager),
    ),
    Fault(
        "padding-leaks",
        "the gradient of x on the padding is 1e-3, where it is exactly 0",
        "apache/mxnet#4986",
        ("x",),
        wrap=wrap(Leak),
        needs=frozenset({"ragged"}),
    ),
    Fault(
        "weights-changed-in-place",
        "a call changes the recurrent weights that it was given",
        "keitakurita/Better_LSTM_PyTorch#7",
        ("weight_hh_l0",),
        wrap=wrap(InPlace),
        seen_by=frozenset({"untouched"}),
    ),
)
