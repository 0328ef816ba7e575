"""A stack is its layers, one after the other: each run alone on what the one below gave, and pulled back so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import same, truth
from gradassay_lstm._variations import carried, made, take

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._session import Answer
    from gradassay._spec import Array
    from gradassay._subject import Subject


def _layer(case: Case, layer: int, x: Array, bar_y: Array) -> Case:
    """Return one layer of a case as a model of its own, on this input and with this cotangent of its output."""
    config = msgspec.structs.replace(case.config, num_layers=1, input_size=x.shape[-1])
    masks = any(tensor.role == "mask" for tensor in case.table.values())
    call = msgspec.structs.replace(case.call, dropout=False) if masks else case.call
    tensors = {"x": x}
    for name, array in case.tensors.items():
        tensor = case.table[name]
        if tensor.role == "parameter" and tensor.where["layer"] == layer:
            tensors[name.replace(f"_l{layer}", "_l0")] = array
        elif tensor.role == "state":
            tensors[name] = take(tensor, array, {"layer": [layer]})
        elif tensor.role == "index":
            tensors[name] = array
    cotangents = {n: take(case.table[n], v, {"layer": [layer]}) for n, v in case.cotangents.items() if n != "y"}
    return made(case, f"layer-{layer}", tensors, cotangents | {"y": bar_y}, call=call, config=config)


def _masked(case: Case, layer: int, array: Array) -> Array:
    """Multiply by the dropout mask that stands between a layer and the next one, if there is one."""
    mask = case.tensors.get(f"dropout_mask_l{layer}")
    return array if mask is None else (array * mask).astype(array.dtype)


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    layers = range(case.config.num_layers)
    width = case.config.output_size
    nothing = np.zeros((case.call.batch, case.call.steps, width), case.tensors["x"].dtype)
    inputs = [case.tensors["x"]]
    for layer in layers[:-1]:
        one = _layer(case, layer, inputs[layer], nothing)
        subject.require(one)
        y = subject.of(one).vjp().outputs.get("y")
        if y is None or y.shape != nothing.shape:
            yield Finding(f"y of layer {layer} alone", fault=f"got no output of shape {nothing.shape}")
            return
        inputs.append(_masked(case, layer, y))
    bar_y = case.cotangents.get("y", nothing)
    answers: list[Answer] = []
    for layer in reversed(layers):
        answers.insert(0, subject.of(_layer(case, layer, inputs[layer], bar_y)).vjp())
        pulled = answers[0].gradients.get("x")
        if pulled is None or pulled.shape != inputs[layer].shape:
            yield Finding(f"x of layer {layer} alone", fault=f"got no gradient of shape {inputs[layer].shape}")
            return
        bar_y = _masked(case, layer - 1, pulled)
    second = _together(case, answers)
    yield from same(subject.vjp(), second, truth(oracle, case), case, "the layers one after the other")


def _together(case: Case, answers: list[Answer]) -> Answer:
    """Put the answers of the layers together as the stack gives them."""
    outputs: dict[str, Array] = {"y": answers[-1].outputs["y"]}
    gradients: dict[str, Array | None] = {"x": answers[0].gradients["x"]}
    for name in carried(case):
        outputs[name] = np.concatenate([answer.outputs[name] for answer in answers])
    for name in case.differentiable:
        tensor = case.table[name]
        if tensor.role == "parameter":
            layer = int(tensor.where["layer"])
            gradients[name] = answers[layer].gradients.get(name.replace(f"_l{layer}", "_l0"))
        elif tensor.role == "state":
            parts = [answer.gradients.get(name) for answer in answers]
            there = [part for part in parts if part is not None]
            gradients[name] = np.concatenate(there) if len(there) == len(parts) else None
    return replace(answers[-1], outputs=outputs, gradients=gradients)


stack = Property(
    name="stack",
    claim="A stack is its layers run one after the other, and pulled back one after the other.",
    equation="f = f_L o ... o f_1, J' = J_1' ... J_L', each layer a model of its own",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: case.config.num_layers > 1 and case.call.batch > 0 and case.call.steps > 0,
    thorough=True,
    compiles=True,
)
