"""A. What is detached: nothing, half of it, or too much."""

from __future__ import annotations

from typing import Any

from gradassay import Fault
from gradassay_lstm.faults._around import planted
from gradassay_lstm.faults._at_marks import Where, at, stop
from gradassay_truncated.faults._windowed import CUT, carried, entering, starts

LEAKS = entering(h0=carried("h0"), c0=carried("c0"))


def _below_alone(state: str) -> Any:
    """Detach layer 0, and leave the layers above connected."""

    def planted_(tape: Any, value: Any, where: Where) -> Any:
        return tape.concatenate([value[0:1], carried(state)(tape, value, where)[1:]], axis=-3)

    return planted_


def _second_step(tape: Any, value: Any, where: Where) -> Any:
    """Detach once more, one step after the window was entered."""
    return tape.stop(value) if where["step"] == starts(tape).get(where["window"], -2) + 1 else value


faults = (
    Fault(
        "not-detached",
        "the states are carried from window to window with their history: the gradient is that of the whole sequence",
        "none known",
        ("x",),
        edits=LEAKS,
        needs=CUT,
    ),
    Fault(
        "h-detached-c-not",
        "h is detached, and the gradient goes on through c",
        "none known",
        ("x",),
        edits=entering(c0=carried("c0")),
        needs=CUT,
    ),
    Fault(
        "c-detached-h-not",
        "c is detached, and the gradient goes on through h",
        "none known",
        ("x",),
        edits=entering(h0=carried("h0")),
        needs=CUT,
    ),
    Fault(
        "first-layer-alone-detached",
        "the states of layer 0 are detached, those of the layers above are not",
        "none known",
        ("x",),
        edits=entering(h0=_below_alone("h0"), c0=_below_alone("c0")),
        needs=CUT | {"layers"},
    ),
    Fault(
        "initial-states-detached",
        "the initial states are detached like those that are carried",
        "none known",
        ("h0", "c0"),
        edits=at("h0_initial c0_initial", stop),
    ),
    Fault(
        "final-states-detached",
        "the states are returned detached: a loss of h_n and c_n has no gradient",
        "none known",
        ("x",),
        edits=at("h_final c_final", stop),
    ),
    Fault(
        "detached-at-every-step",
        "within a window no gradient comes through time",
        "FluxML/Flux.jl#1209",
        ("x",),
        edits=at("h_before c_before", stop, step=lambda t: t > 0),
        minimum={"step": 2},
    ),
    Fault(
        "first-step-cut-off",
        "the states are detached one step after the window was entered too: it is one step shorter",
        "none known",
        ("x",),
        edits=at("h_before c_before", _second_step),
        needs=CUT,
    ),
    Fault(
        "tangents-not-detached",
        "forward mode goes through where the states are detached (as through torch.no_grad)",
        "none known",
        wrap=planted(LEAKS, lambda r: r.operator == "jvp", "jvp"),
        needs=CUT,
    ),
    Fault(
        "second-derivative-not-detached",
        "the second derivative is that of the whole sequence",
        "none known",
        wrap=planted(LEAKS, lambda r: r.operator == "hvp", "hvp"),
        needs=CUT,
    ),
)
