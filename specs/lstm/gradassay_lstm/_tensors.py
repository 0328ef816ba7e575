"""The canonical tensors of an LSTM, batch first, with a label on every axis."""

from __future__ import annotations

from gradassay._spec import Axis, Tensor
from gradassay_lstm._config import LSTM, Call

GATES = ("i", "f", "g", "o")
DIRECTIONS = ("forward", "reverse")


def tensors(config: LSTM, call: Call) -> tuple[Tensor, ...]:
    """Return what goes in and comes out of one call, in the order of the normative text.

    An absent state, the masks of a call without dropout, and the lengths of a call that is not ragged
    are not in the table. Layers and directions are named in `where` for what belongs to one of
    them, and by an axis for what stacks several.
    """
    row, step, unit = Axis("row", call.batch), Axis("step", call.steps), Axis("unit", config.hidden_size)
    cell = (Axis("layer", config.num_layers), _direction(config))
    state = _state_unit(config)

    table = [Tensor("x", "input", ((row,), (step,), (Axis("feature", config.input_size),)))]
    if call.h0:
        table.append(Tensor("h0", "state", (cell, (row,), (state,)), optional=True))
    if call.c0:
        table.append(Tensor("c0", "state", (cell, (row,), (unit,)), optional=True))
    if call.dropout:
        axes = ((row,), (step,), (_direction(config), state))
        table += [
            Tensor(f"dropout_mask_l{layer}", "mask", axes, {"layer": layer}) for layer in range(config.num_layers - 1)
        ]
    if call.lengths is not None:
        table.append(Tensor("lengths", "index", ((row,),), optional=True))
    for layer, direction, suffix in config.cells():
        table += _parameters(config, layer, suffix, {"layer": layer, "direction": DIRECTIONS[direction]})
    return (
        *table,
        Tensor("y", "output", ((row,), (step,), (_direction(config), state))),
        Tensor("h_n", "output", (cell, (row,), (state,))),
        Tensor("c_n", "output", (cell, (row,), (unit,))),
    )


def _direction(config: LSTM) -> Axis:
    return Axis("direction", config.directions, DIRECTIONS[: config.directions])


def _state_unit(config: LSTM) -> Axis:
    return Axis("projected unit" if config.projection else "unit", config.state_size)


def _parameters(config: LSTM, layer: int, suffix: str, where: dict[str, int | str]) -> list[Tensor]:
    """The parameters of one cell. The axes summed over are 'feature' or 'from ..', the others what they feed."""
    gates = (Axis("gate", len(GATES), GATES), Axis("unit", config.hidden_size))
    came_from = Axis(f"from {_state_unit(config).name}", config.state_size)
    below = Axis("from direction", config.directions, DIRECTIONS[: config.directions])
    features = (Axis("feature", config.input_size),) if layer == 0 else (below, came_from)

    table = [
        Tensor(f"weight_ih{suffix}", "parameter", (gates, features), where),
        Tensor(f"weight_hh{suffix}", "parameter", (gates, (came_from,)), where),
    ]
    if config.bias:
        table += [Tensor(f"bias_{which}{suffix}", "parameter", (gates,), where) for which in ("ih", "hh")]
    if config.projection:
        projection = ((_state_unit(config),), (Axis("unit", config.hidden_size),))
        table.append(Tensor(f"weight_hr{suffix}", "parameter", projection, where))
    return table
