"""The tensors to be clipped, `g0`, `g1`, ..., what comes of each, and their norm."""

from __future__ import annotations

from gradassay._spec import Axis, Tensor
from gradassay_clip._config import Call, Clip


def tensors(config: Clip, call: Call) -> tuple[Tensor, ...]:
    """Return the table: each tensor that is there, each as clipped, and by the global norm that norm, ().

    Raises:
        ValueError: if a tensor is absent that there is not, or all of them are.
    """
    count = len(config.shapes)
    if wrong := [number for number in call.absent if number >= count]:
        raise ValueError(f"Call.absent has {wrong[0]}; there are tensors 0 to {count - 1}")
    there = present(config, call)
    if not there:
        raise ValueError("Call.absent has every tensor; one at least should be there")
    given = [_tensor(f"g{number}", "input", config, number, bool(call.absent)) for number in there]
    clipped = [_tensor(f"clipped_g{number}", "output", config, number, False) for number in there]
    norm = [Tensor("norm", "output", ())] if config.by == "norm" else []
    return (*given, *clipped, *norm)


def present(config: Clip, call: Call) -> tuple[int, ...]:
    """Return the numbers of the tensors that are there."""
    return tuple(number for number in range(len(config.shapes)) if number not in call.absent)


def _tensor(name: str, role: str, config: Clip, number: int, optional: bool) -> Tensor:
    axes = tuple((Axis(f"axis {at}", size),) for at, size in enumerate(config.shapes[number]))
    where = {"tensor": number}
    return Tensor(name, "input" if role == "input" else "output", axes, where, optional)
