"""O. How arrays lie in memory: strides, aliases, and buffers that are used again."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_lstm.faults._around import Request, after, before, raises


def _as_if_contiguous(array: Any) -> Any:
    """Read as many elements as there are from where the array's memory begins."""
    if array.flags.c_contiguous:
        return array
    memory = array if array.base is None else array.base
    return np.asarray(memory).ravel(order="K")[: array.size].reshape(array.shape)


def _strides_ignored(r: Request) -> None:
    r.inputs = {name: _as_if_contiguous(array) for name, array in r.inputs.items()}


def _one_array(r: Request) -> None:
    for name in [name for name in r.gradients if name.startswith("bias_hh")]:
        if name.replace("_hh", "_ih") in r.gradients:
            r.gradients[name] = r.gradients[name.replace("_hh", "_ih")]


def _same_buffers(r: Request) -> None:
    """Write the gradients into the arrays that the last call returned."""
    for name, fresh in r.gradients.items():
        buffer = r.memory.setdefault((name, fresh.shape), np.empty_like(fresh))
        buffer[...] = fresh
        r.gradients[name] = buffer


def _same_output(r: Request) -> None:
    buffer = r.memory.setdefault(("y", r.outputs["y"].shape), np.empty_like(r.outputs["y"]))
    buffer[...] = r.outputs["y"]
    r.outputs["y"] = buffer


def _gradient_in_the_input(r: Request) -> None:
    """Return dx in the memory of x."""
    if "x" in r.gradients:
        r.inputs["x"][...] = r.gradients["x"]
        r.gradients["x"] = r.inputs["x"]


def _turned_in_place(r: Request) -> None:
    r.inputs["x"][...] = r.inputs["x"][:, ::-1].copy()


def _added_in_place(r: Request) -> None:
    if "h_n" in r.cotangents:
        r.cotangents["h_n"] += 1


faults = (
    Fault(
        "strides-ignored",
        "arrays are read as if they were contiguous",
        "allenai/allennlp#1486",
        wrap=before(_strides_ignored),
    ),
    Fault(
        "read-only-raises",
        "arrays that may not be written raise",
        "none known",
        wrap=raises(lambda r: not all(array.flags.writeable for array in r.inputs.values())),
    ),
    Fault(
        "bias-gradients-are-one-array",
        "the gradients of both biases are the same memory: whoever adds into one changes both",
        "none known",
        wrap=after(_one_array),
    ),
    Fault(
        "gradients-in-the-last-calls-arrays",
        "a call writes its gradients into the arrays that the last one returned",
        "none known",
        wrap=after(_same_buffers),
    ),
    Fault(
        "y-in-the-last-calls-array",
        "a call writes y into the array that the last one returned",
        "none known",
        wrap=after(_same_output, "forward vjp"),
    ),
    Fault(
        "dx-in-the-memory-of-x",
        "the gradient of x comes back in the memory of x",
        "none known",
        wrap=after(_gradient_in_the_input),
    ),
    Fault(
        "input-turned-in-place",
        "x is turned around in time where it lies, so that a second call sees another one",
        "soumith/cudnn.torch#169",
        wrap=after(_turned_in_place),
        minimum={"step": 2},
    ),
    Fault(
        "cotangent-added-to-in-place",
        "the backward pass adds into the cotangent of h_n that it was given",
        "none known",
        wrap=after(_added_in_place),
    ),
)
