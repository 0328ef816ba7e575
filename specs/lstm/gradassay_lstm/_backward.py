"""Mistakes of a backward pass that was written by hand: a step left out of a sum, or another step's state in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gradassay import Fault, Tensors
from gradassay_lstm._config import LSTM
from gradassay_lstm.faults._at_marks import stop

Where = Mapping[str, int | str]
Edits = Mapping[str, Any]

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Planned:
    """A model whose edits depend on the call: how long it is, or what comes of it."""

    def __init__(self, model: Any, edits: Callable[[Any, Tensors], Edits]) -> None:
        self.model, self._edits = model, edits

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def _for(self, inputs: Tensors) -> Any:
        return self.model.planted(self._edits(self.model, inputs))

    def forward(self, inputs: Tensors) -> Any:
        return self._for(inputs).forward(inputs)

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
        return self._for(inputs).vjp(inputs, cotangents, wrt)

    def jvp(self, inputs: Tensors, tangents: Tensors) -> Any:
        return self._for(inputs).jvp(inputs, tangents)

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Any:
        return self._for(inputs).jacobian(inputs, of, wrt)

    def hvp(self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]) -> Any:
        return self._for(inputs).hvp(inputs, cotangents, tangents, wrt)


def mistakes(config: LSTM) -> Iterator[Fault]:
    """Return what a hand-written backward pass may have left out of a sum, or taken from another step."""

    def fault(name: str, sentence: str, edits: Callable[[Any, Tensors], Edits]) -> Fault:
        return Fault(
            name, sentence, "none known", (), wrap=lambda dtype, model: Planned(model, edits), minimum={"step": 1}
        )

    for parameter in PARAMETERS if config.bias else PARAMETERS[:2]:
        for which in ("first", "last"):
            said = f"the gradient of {parameter} leaves out the {which} step that is taken"
            yield fault(f"d{parameter}-without-{which}-step", said, _without(parameter, which))
    said = "the gradient of weight_hh takes h of the same step, h_t, where it should take that before, h_(t-1)"
    yield fault("dweight_hh-from-h_t", said, _late)
    said = "the gradient of c is assigned where it should be added: what comes back from later steps and c_n is lost"
    yield fault("dc-assigned", said, _assigned)
    if config.projection:
        said = "the gradient of h goes around the projection: the first units get it as it is"
        yield fault("projection-omitted-in-gradient", said, lambda model, inputs: {"h": _around_projection})
    if config.bidirectional:
        said = "what the reverse direction sends back to its input is not put back in the order of time"
        yield fault("dx-of-reverse-not-turned-back", said, _not_turned_back)


def _without(parameter: str, which: str) -> Callable[[Any, Tensors], Edits]:
    def edits(model: Any, inputs: Tensors) -> Edits:
        steps = inputs["x"].shape[1]

        def edit(tape: Any, v: Any, where: Where) -> Any:
            forward = where["direction"] == "forward"
            if where["step"] != (0 if (which == "first") == forward else steps - 1):
                return v
            return tape.splice(v, v - _share(tape, parameter, where, v.shape))

        return {"gates": edit}

    return edits


def _share(tape: Any, parameter: str, where: Where, shape: tuple[int, ...]) -> Any:
    """What a parameter adds to the pre-activations of a step, with a derivative by that parameter alone."""
    own = tape.marks[parameter][_cell(where)]
    if parameter.startswith("bias"):
        return tape.reshape(own, (1, *own.shape)) + tape.constant(np.zeros(shape))
    factor = tape.marks["x" if parameter == "weight_ih" else "h_before"][tuple(sorted(where.items()))]
    return tape.stop(factor) @ own.T


def _late(model: Any, inputs: Tensors) -> Edits:
    marks = model._run(inputs)[0].marks["h"]
    states = {where: var.value[0, 0] for where, var in marks.items()}

    def edit(tape: Any, v: Any, where: Where) -> Any:
        key = tuple(sorted(where.items()))
        weight, before = tape.marks["weight_hh"][_cell(where)], tape.marks["h_before"][key]
        return tape.splice(v, v + (tape.constant(states[key]) - tape.stop(before)) @ weight.T)

    return {"gates": edit}


def _assigned(model: Any, inputs: Tensors) -> Edits:
    last = inputs["x"].shape[1] - 1

    def before(tape: Any, v: Any, where: Where) -> Any:
        first = 0 if where["direction"] == "forward" else last
        return v if where["step"] == first else stop(tape, v, where)

    return {"c_before": before, "c_n": stop}


def _around_projection(tape: Any, v: Any, where: Where) -> Any:
    key = tuple(sorted(where.items()))
    exposed = tape.marks["output"][key] * tape.marks["squashed"][key]
    weight = tape.marks["weight_hr"][_cell(where)]
    return tape.splice(v, tape.stop(exposed) @ weight.T + exposed[:, : v.shape[1]])


def _not_turned_back(model: Any, inputs: Tensors) -> Edits:
    batch, steps = inputs["x"].shape[:2]
    lengths = inputs.get("lengths", np.full(batch, steps))

    def edit(tape: Any, v: Any, where: Where) -> Any:
        if where["direction"] == "forward":
            return v
        step = int(where["step"])
        turned = np.where(step < lengths, lengths - 1 - step, step)  # of each row, by its own length
        total = tape.constant(np.zeros(v.shape))
        for source in np.unique(turned):
            other = tape.marks["x"][tuple(sorted({**where, "direction": "forward", "step": int(source)}.items()))]
            total = total + tape.where((turned == source)[:, None], other, 0.0)
        return tape.splice(v, total)

    return {"x": edit}


def _cell(where: Where) -> tuple[tuple[str, int | str], ...]:
    return tuple(sorted((key, value) for key, value in where.items() if key != "step"))
