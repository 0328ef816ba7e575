"""What reaches a state from later steps: dL/dh_t is dL/dy_t plus the gradient that the rest of the sequence sends back.

No framework hands out dL/dh_t of a layer, but every one can be asked for it: the sequence is cut after step t, and the
rest is run with the state that the first part ended in. Its gradient with respect to that state is the recurrent part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from gradassay import Tensor, Tensors
from gradassay._property import Finding, Property
from gradassay._spec import Array
from gradassay_lstm._tensors import tensors

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle, Reference
    from gradassay._subject import Subject

FORWARD = "direction=forward"


def _applies(case: Case) -> bool:
    """Where the marks are asked for, and a cut after a step cuts every layer: no reverse direction, no padding."""
    asked = "h" in case.template.ask.get("marks", ())
    return asked and case.call.steps > 1 and case.call.lengths is None and not case.config.bidirectional


def part(case: Case, start: int, stop: int, states: Tensors, cotangents: Tensors) -> Case:
    """Return steps start..stop of a case as a call of its own, with these initial states and final cotangents."""
    call = msgspec.structs.replace(
        case.call, steps=stop - start, h0=case.call.h0 or "h0" in states, c0=case.call.c0 or "c0" in states
    )
    given: dict[str, Array] = {}
    for tensor in tensors(case.config, call):
        if tensor.role == "output":
            continue
        given[tensor.name] = states[tensor.name] if tensor.name in states else case.tensors[tensor.name]
        if any(axis.name == "step" for group in tensor.axes for axis in group):
            given[tensor.name] = given[tensor.name][:, start:stop]
    template = replace(case.template, name=f"{case.template.name}-{start}-{stop}", call=call, ask={})
    seen = {"y": case.cotangents["y"][:, start:stop], **cotangents}
    return replace(case, template=template, tensors=given, cotangents=seen, tangents={})


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    from gradassay._oracle import Query  # the arithmetics: whoever only plans needs none of them

    steps, last = case.call.steps, case.config.num_layers - 1
    marks = ("h", "h_before", "c_before")
    truth = oracle.ask(case, Query("trace", cotangents=case.cotangents, wrt=marks))
    final = {name: v for name, v in case.cotangents.items() if name != "y"}
    # A compiled mode pays for every shape: there the sequence is cut once, in the middle.
    for t in [(steps - 1) // 2] if subject.mode.compiled else range(steps - 1):
        before = subject.of(part(case, 0, t + 1, {}, final)).vjp().outputs
        rest = part(case, t + 1, steps, {"h0": before["h_n"], "c0": before["c_n"]}, final)
        gradients = subject.of(rest).vjp().gradients
        h, c = gradients.get("h0"), gradients.get("c0")
        if h is None or c is None:
            yield Finding("h0" if h is None else "c0", fault=f"got no gradient for the state after step {t}")
            continue
        for layer in range(case.config.num_layers):
            at = f"{FORWARD} layer={layer} step={t + 1}"
            where = {"layer": layer, "after step": t}
            yield _finding(case, "recurrent part of dL/dh", "h_n", h[layer], truth[f"d h_before {at}"], where)
            yield _finding(case, "recurrent part of dL/dc", "c_n", c[layer], truth[f"d c_before {at}"], where)
        whole = case.cotangents["y"][:, t].astype(np.float64) + h[last].astype(np.float64)
        reference = truth[f"d h {FORWARD} layer={last} step={t}"]
        yield _finding(case, "dL/dh", "h_n", whole, reference, {"layer": last, "after step": t})


def _finding(
    case: Case, what: str, like: str, got: Array, reference: Reference, where: dict[str, int | str]
) -> Finding:
    """A gradient (B, width) of one layer's state after one step, labelled as the output `like` is."""
    _, *axes = case.table[like].axes
    name = f"{what} after step {where['after step']}"
    if case.config.num_layers > 1:
        name += f", layer {where['layer']}"
    return Finding(name, got, reference, (Tensor(name, "state", tuple(axes), where),))


recurrent = Property(
    name="recurrent",
    claim="The gradient of a state is that of its output plus what the rest of the sequence, run alone, sends back.",
    equation="dL/dh_t = dL/dy_t + dL_rest/dh0 with h0 = h_t, c0 = c_t",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=_applies,
)
