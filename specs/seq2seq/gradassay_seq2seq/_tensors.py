"""Tokens and targets, the table, the LSTM's tensors without its `x`, the linear layer; logits and a loss."""

from __future__ import annotations

from gradassay._spec import Axis, Tensor
from gradassay_lstm import spec as lstm
from gradassay_seq2seq._config import Call, Seq2Seq

OWN = ("table", "weight_out", "bias_out")  # parameters that are not the LSTM's


def tensors(config: Seq2Seq, call: Call) -> tuple[Tensor, ...]:
    """Return what goes in and comes out of one call, in the order of the normative text."""
    row, step = Axis("row", call.batch), Axis("step", call.steps)
    token, classes = Axis("token", config.vocabulary), Axis("class", config.classes)
    embedded = Axis("feature", config.lstm.input_size)
    inside = lstm.tensors(config.lstm, call.lstm)
    below = next(tensor for tensor in inside if tensor.name == "y").axes[-1]

    table = [Tensor("tokens", "index", ((row,), (step,))), Tensor("targets", "index", ((row,), (step,)))]
    if call.shift:
        table.append(Tensor("shift", "input", ((row,), (step,), (embedded,)), optional=True))
    given = [tensor for tensor in inside if tensor.role != "output" and tensor.name != "x"]
    table += [tensor for tensor in given if tensor.role != "parameter"]
    table.append(Tensor("table", "parameter", ((token,), (embedded,))))
    table += [tensor for tensor in given if tensor.role == "parameter"]
    return (
        *table,
        Tensor("weight_out", "parameter", ((classes,), tuple(Axis(f"from {a.name}", a.size, a.labels) for a in below))),
        Tensor("bias_out", "parameter", ((classes,),)),
        Tensor("logits", "output", ((row,), (step,), (classes,))),
        Tensor("loss", "output", ()),
    )
