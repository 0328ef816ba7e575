"""The LSTM's inputs and parameters, a label for each row, the linear map, and two outputs: logits and a loss."""

from __future__ import annotations

from gradassay._spec import Axis, Tensor
from gradassay_classifier._config import Classifier
from gradassay_lstm import LSTM, Call
from gradassay_lstm import spec as lstm
from gradassay_lstm._tensors import DIRECTIONS


def tensors(config: Classifier, call: Call) -> tuple[Tensor, ...]:
    """Return the table: `x`, `labels` (B,), the LSTM's, `head_weight` (C, D*S), `head_bias` (C,); `logits`, `loss`.

    Raises:
        ValueError: if B is 0, for then the mean is over no rows.
    """
    if not call.batch:
        raise ValueError("classifier has batch=0: a mean over no rows; there should be at least 1")
    row, classes = Axis("row", call.batch), Axis("class", config.classes)
    x, *rest = lstm.tensors(config.lstm, call)
    given = [tensor for tensor in rest if tensor.role != "output"]
    return (
        x,
        Tensor("labels", "index", ((row,),)),
        *given,
        Tensor("head_weight", "parameter", ((classes,), _last(config.lstm))),
        Tensor("head_bias", "parameter", ((classes,),)),
        Tensor("logits", "output", ((row,), (classes,))),
        Tensor("loss", "output", ()),
    )


def _last(config: LSTM) -> tuple[Axis, Axis]:
    """What is classified: every direction's last h, side by side, the forward one first."""
    unit = "from projected unit" if config.projection else "from unit"
    directions = Axis("from direction", config.directions, DIRECTIONS[: config.directions])
    return directions, Axis(unit, config.state_size)


def features(config: Classifier, call: Call) -> frozenset[str]:
    """Return the LSTM's features of one case."""
    return lstm.features(config.lstm, call)
