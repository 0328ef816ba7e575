"""The LSTM's own tensors; what is refused of its calls."""

from __future__ import annotations

from gradassay._spec import Tensor
from gradassay_lstm import Call
from gradassay_lstm import spec as lstm
from gradassay_truncated._config import Truncated


def tensors(config: Truncated, call: Call) -> tuple[Tensor, ...]:
    """Return the table of the LSTM.

    Raises:
        ValueError: if there are lengths, no steps or no rows.
    """
    if not call.batch or not call.steps:
        raise ValueError(
            f"truncated has batch={call.batch}, steps={call.steps}: without steps there is no window; both should be "
            "at least 1"
        )
    if call.lengths is not None:
        raise ValueError(
            "truncated has lengths; windows cut a stream, of which every row has all steps: leave the lengths out"
        )
    return tuple(lstm.tensors(config.lstm, call))
