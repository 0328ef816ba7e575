"""One vector a row, a shift for every step, the LSTM's states and parameters, the linear layer; y and the states."""

from __future__ import annotations

from gradassay._spec import Axis, Tensor
from gradassay_lstm import spec as lstm
from gradassay_one_to_many._config import Call, OneToMany


def tensors(config: OneToMany, call: Call) -> tuple[Tensor, ...]:
    """Return what goes in and comes out of one call, in the order of the normative text."""
    row, step = Axis("row", call.batch), Axis("step", config.steps)
    feature, output = Axis("feature", config.lstm.input_size), Axis("output", config.outputs)
    inside = lstm.tensors(config.lstm, call.lstm(config.steps))
    below = next(tensor for tensor in inside if tensor.name == "y").axes[-1]

    table = [Tensor("x", "input", ((row,), (feature,)))]
    if call.shift:
        table.append(Tensor("shift", "input", ((row,), (step,), (feature,)), optional=True))
    table += [tensor for tensor in inside if tensor.role != "output" and tensor.name != "x"]
    return (
        *table,
        Tensor("weight_out", "parameter", ((output,), tuple(Axis(f"from {a.name}", a.size, a.labels) for a in below))),
        Tensor("bias_out", "parameter", ((output,),)),
        Tensor("y", "output", ((row,), (step,), (output,))),
        *(tensor for tensor in inside if tensor.role == "output" and tensor.name != "y"),
    )
