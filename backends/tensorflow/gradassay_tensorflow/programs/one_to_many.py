"""`keras.layers.RepeatVector`, `LSTM` and `Dense`, or `LSTMCell` in a loop that feeds what `Dense` made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradassay._backend import Gap, Unsupported
from gradassay_one_to_many._features import FEATURES
from gradassay_tensorflow._program import Built, Program, offers

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradassay._spec import Tensors
    from gradassay_one_to_many import OneToMany
    from gradassay_tensorflow._derivatives import Differentiable, Named
    from gradassay_tensorflow._framework import Tensor

    Layer = Callable[[Tensor], Tensor]

OWN = frozenset({"weight_out", "bias_out"})


def build(config: OneToMany, parameters: Tensors, dtype: str, compiled: bool) -> Built:
    """Return the function to `y` (B,T,M), `h_n` and `c_n`, and how its variables hold the parameters."""
    import keras

    from gradassay_tensorflow import _lstm
    from gradassay_tensorflow._convention import AsNamed, Joined
    from gradassay_tensorflow._derivatives import Differentiable
    from gradassay_tensorflow._framework import to_tensor

    dense = keras.layers.Dense(config.outputs, dtype=dtype)
    dense.build((None, config.lstm.output_size))
    variables = {"weight_out": dense.kernel.value, "bias_out": dense.bias.value}
    convention = Joined(OWN.__contains__, AsNamed("weight_out"), _lstm.LAYOUT)
    inside = {name: array for name, array in parameters.items() if name not in OWN}
    if config.feedback:
        function, kernel = _fed_back(config, dtype, dense), "keras.layers.LSTMCell"
        variables |= function.variables
        arrays = convention.forward(parameters)
    else:
        layers, kernel = _lstm.lstm(config.lstm, inside, dtype, compiled)
        function = _repeated(config, layers, dense, dtype)
        arrays = convention.forward({name: parameters[name] for name in OWN})
    for name, array in arrays.items():
        variables[name].assign(to_tensor(array))
    return Built(Differentiable(function.call, {**function.variables, **variables}), convention, kernel)


def _repeated(config: OneToMany, layers: Differentiable, dense: Layer, dtype: str) -> Differentiable:
    import keras

    from gradassay_tensorflow._derivatives import Differentiable

    repeat = keras.layers.RepeatVector(config.steps, dtype=dtype)

    def one_to_many(inputs: Named) -> Named:
        sequence = repeat(inputs["x"])
        if "shift" in inputs:
            sequence = sequence + inputs["shift"]
        states = {name: inputs[name] for name in ("h0", "c0") if name in inputs}
        found = layers.call({"x": sequence, **states})
        return {**found, "y": dense(found["y"])}

    return Differentiable(one_to_many, layers.variables)


def _fed_back(config: OneToMany, dtype: str, dense: Layer) -> Differentiable:
    import keras
    import tensorflow as tf

    from gradassay_tensorflow._derivatives import Differentiable

    inside = config.lstm
    if inside.projection:
        raise Unsupported("keras.layers.LSTMCell has no projection")
    cells: list[Any] = []
    variables: dict[str, Any] = {}
    for layer, _, suffix in inside.cells():
        cell = keras.layers.LSTMCell(
            inside.hidden_size,
            use_bias=inside.bias,
            # The default, orthogonal, has no bfloat16; these weights are replaced anyhow.
            kernel_initializer="zeros",
            recurrent_initializer="zeros",
            dtype=dtype,
        )
        cell.build((None, inside.layer_input_size(layer)))
        variables |= {f"kernel{suffix}": cell.kernel.value, f"recurrent{suffix}": cell.recurrent_kernel.value}
        if inside.bias:
            variables[f"bias{suffix}"] = cell.bias.value
        cells.append(cell)

    def one_to_many(inputs: Named) -> Named:
        if ("h0" in inputs) != ("c0" in inputs):
            raise Unsupported("keras.layers.LSTMCell takes both states")
        fed, outputs = inputs["x"], list[Any]()
        if "h0" in inputs:
            states = [list(pair) for pair in zip(tf.unstack(inputs["h0"]), tf.unstack(inputs["c0"]), strict=True)]
        else:
            states = [cell.get_initial_state(batch_size=fed.shape[0]) for cell in cells]
        for step in range(config.steps):
            h = fed + inputs["shift"][:, step] if "shift" in inputs else fed
            for number, cell in enumerate(cells):
                h, states[number] = cell(h, states[number])
            fed = dense(h)
            outputs.append(fed)
        h_n, c_n = (tf.stack(list(part)) for part in zip(*states, strict=True))
        return {"y": tf.stack(outputs, axis=1), "h_n": h_n, "c_n": c_n}

    return Differentiable(one_to_many, variables)


program = Program(
    offers(
        "one_to_many",
        Gap(
            "keras.layers.LSTM and LSTMCell take both initial states or neither", features=frozenset({"partial_states"})
        ),
        features=FEATURES - {"projection", "feedback_projection"},
    ),
    build,
    zeros=True,  # the linear layer has no part in the states
)
