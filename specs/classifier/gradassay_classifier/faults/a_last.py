"""A. What is classified: which step, which state, which direction's end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, instead
from gradassay_lstm.faults._at_marks import Where, at, stop

RAGGED, BOTH = frozenset({"ragged"}), frozenset({"bidirectional"})
Build = Callable[[Any, Request], Any]  # from the tape and the request to what is classified


def outputs(tape: Any) -> Any:
    """Return y (B, T, D*S), the last layer's, zero on the padding."""
    return list(tape.marks["layer_output"].values())[-1]


def _of_states(tape: Any, mark: str, layer: int) -> Any:
    found = [v for where, v in tape.marks[mark].items() if dict(where)["layer"] == layer]
    return tape.concatenate(found, axis=-1)


def classified(build: Build) -> Any:
    """Return a fault's `wrap`: something else is classified, made by what the tape knows and the request says."""

    def call(r: Request) -> None:
        r.make(r.model.planted(at("last", lambda tape, v, where: build(tape, r))(r.roundoff)))

    return instead(call)


def _column(tape: Any, r: Request) -> Any:
    return outputs(tape)[:, -1]


def _reverse_column(tape: Any, r: Request) -> Any:
    """Take the reverse half of y[:, -1]: the reverse direction has seen one step there."""
    half = r.config.lstm.state_size
    right = _of_states(tape, "h_n", r.config.lstm.num_layers - 1)
    return tape.concatenate([right[:, :half], outputs(tape)[:, -1, half:]], axis=-1)


def _before(tape: Any, r: Request) -> Any:
    """Take y at the length less two, as if the length were an index; rows of one step keep their only one."""
    y = outputs(tape)
    rows = [y[row, max(int(length) - 2, 0)] for row, length in enumerate(r.lengths)]
    return tape.stack(rows, axis=-2)


def _mean_over_steps(tape: Any, r: Request) -> Any:
    y = outputs(tape)
    return tape.divide(tape.sum(y, axis=-2), tape.constant(float(y.shape[1])))


def _exchanged(tape: Any, value: Any, where: Where) -> Any:
    half = value.shape[1] // 2
    return tape.concatenate([value[:, half:], value[:, :half]], axis=-1)


faults = (
    Fault(
        "last-column-of-a-padded-batch",
        "y[:, -1] is classified, which is padding in every row but the longest",
        "keitakurita/practical-torchtext#5",
        ("logits",),
        wrap=classified(_column),
        needs=RAGGED,
        minimum={"step": 2},
    ),
    Fault(
        "reverse-direction-at-its-first-step",
        "of the reverse direction y[:, -1] is classified, where it has seen one step",
        "yunjey/pytorch-tutorial#149",
        ("logits",),
        wrap=classified(_reverse_column),
        needs=BOTH,
        minimum={"step": 2},
    ),
    Fault(
        "length-as-index-off-by-one",
        "each row's last output but one is classified",
        "none known",
        ("logits",),
        wrap=classified(_before),
        minimum={"step": 2},
    ),
    Fault(
        "mean-over-steps",
        "the mean of the outputs over all steps, padding included, is classified",
        "none known",
        ("logits",),
        wrap=classified(_mean_over_steps),
        minimum={"step": 2},
    ),
    Fault(
        "first-layer-classified",
        "h_n[0], the state of the first layer, is classified",
        "none known",
        ("logits",),
        wrap=classified(lambda tape, r: _of_states(tape, "h_n", 0)),
        needs=frozenset({"layers"}),
    ),
    Fault(
        "cell-state-classified",
        "c_n is classified for h_n",
        "none known",
        ("logits",),
        wrap=classified(
            lambda tape, r: _of_states(tape, "h_n" if r.config.lstm.projection else "c_n", r.config.lstm.num_layers - 1)
        ),
        minimum={"step": 1},
    ),
    Fault(
        "directions-exchanged",
        "the reverse direction's last output stands before the forward one's",
        "none known",
        ("logits",),
        edits=at("last", _exchanged),
        needs=BOTH,
    ),
    Fault(
        "last-output-detached",
        "no gradient comes from the linear map to the LSTM",
        "none known",
        ("x",),
        edits=at("last", stop),
        minimum={"step": 1},
    ),
)


def _gathered(tape: Any, r: Request) -> Any:
    """Take y at each row's own last step, and of the reverse direction at step 0; a row of none has no such step."""
    if not r.steps or not np.all(r.lengths):
        return _of_states(tape, "h_n", r.config.lstm.num_layers - 1)
    y, half = outputs(tape), r.config.lstm.state_size
    rows = [y[row, int(length) - 1, :half] for row, length in enumerate(r.lengths)]
    parts = [tape.stack(rows, axis=-2)] + ([y[:, 0, half:]] if r.config.lstm.bidirectional else [])
    return tape.concatenate(parts, axis=-1)


benign = (
    Fault(
        "last-output-gathered-from-y",
        "what is classified is looked up in y at each row's length, not taken from h_n",
        "none known",
        wrap=classified(_gathered),
    ),
)
