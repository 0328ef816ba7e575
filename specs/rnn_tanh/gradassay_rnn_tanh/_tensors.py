"""The canonical tensors of layers that carry one state, batch first, with a label on every axis."""

from __future__ import annotations

from gradassay._spec import Axis, Tensor
from gradassay_rnn_tanh._config import Call, Recurrent

DIRECTIONS = ("forward", "reverse")


def tensors(config: Recurrent, call: Call) -> tuple[Tensor, ...]:
    """Return what goes in and comes out of one call of Elman's network, in the order of the normative text."""
    return table(config, call, ())


def table(config: Recurrent, call: Call, gates: tuple[str, ...]) -> tuple[Tensor, ...]:
    """Return the same for a cell whose parameters hold a block of H rows for each of these gates; for none, one block.

    An h0 that is absent, and the lengths of a call that is not ragged, are not in the table. Layers and directions are
    named in `where` for what belongs to one of them, and by an axis for what stacks several.
    """
    row, step, unit = Axis("row", call.batch), Axis("step", call.steps), Axis("unit", config.hidden_size)
    direction = Axis("direction", config.directions, DIRECTIONS[: config.directions])
    cell = (Axis("layer", config.num_layers), direction)

    given = [Tensor("x", "input", ((row,), (step,), (Axis("feature", config.input_size),)))]
    if call.h0:
        given.append(Tensor("h0", "state", (cell, (row,), (unit,)), optional=True))
    if call.lengths is not None:
        given.append(Tensor("lengths", "index", ((row,),), optional=True))
    for layer, which, suffix in config.cells():
        given += _parameters(config, gates, layer, suffix, {"layer": layer, "direction": DIRECTIONS[which]})
    return (
        *given,
        Tensor("y", "output", ((row,), (step,), (direction, unit))),
        Tensor("h_n", "output", (cell, (row,), (unit,))),
    )


def _parameters(
    config: Recurrent, gates: tuple[str, ...], layer: int, suffix: str, where: dict[str, int | str]
) -> list[Tensor]:
    """The parameters of one cell. The axes summed over are 'feature' or 'from ..', the others what they feed."""
    feeds = ((Axis("gate", len(gates), gates),) if gates else ()) + (Axis("unit", config.hidden_size),)
    came_from = Axis("from unit", config.hidden_size)
    below = Axis("from direction", config.directions, DIRECTIONS[: config.directions])
    features = (Axis("feature", config.input_size),) if layer == 0 else (below, came_from)
    made = [
        Tensor(f"weight_ih{suffix}", "parameter", (feeds, features), where),
        Tensor(f"weight_hh{suffix}", "parameter", (feeds, (came_from,)), where),
    ]
    if config.bias:
        made += [Tensor(f"bias_{which}{suffix}", "parameter", (feeds,), where) for which in ("ih", "hh")]
    return made
