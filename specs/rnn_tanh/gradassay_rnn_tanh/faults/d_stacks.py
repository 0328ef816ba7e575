"""D. Stacks of layers and directions, of any layer with one state."""

from __future__ import annotations

from gradassay import Fault
from gradassay_lstm.faults._around import Request, before
from gradassay_lstm.faults._at_marks import at, seen, shifted, stop

BOTH = frozenset({"bidirectional"})
STACK = frozenset({"layers"})


def _other_order(r: Request) -> None:
    """Read states in the order l + d L, where they stand in the order l D + d."""
    layers, directions = r.config.num_layers, r.config.directions
    if "h0" in r.inputs:
        order = [d * layers + k for k in range(layers) for d in range(directions)]
        r.inputs["h0"] = r.inputs["h0"][order]


faults = (
    Fault(
        "states-in-another-order",
        "initial states are read in the order l + d L, where they stand in the order l D + d",
        "pytorch/pytorch#22850",
        ("y",),
        wrap=before(_other_order),
        needs=STACK | BOTH,
    ),
    Fault(
        "reverse-off-by-one",
        "the outputs of the reverse direction stand one step too early",
        "none known",
        ("y",),
        edits=at("y", shifted, direction="reverse"),
        needs=BOTH,
        minimum={"step": 2},
    ),
    Fault(
        "reverse-uses-the-forward-weights",
        "the reverse direction uses the recurrent weights of the forward one, in value and in gradient",
        "apple/coremltools#824",
        ("y",),
        edits=at("weight_hh", lambda t, v, w: seen(t, "weight_hh", w, direction="forward"), direction="reverse"),
        needs=BOTH,
    ),
    Fault(
        "layer-below-detached",
        "no gradient comes from a layer to the one below it",
        "none known",
        ("x",),
        edits=at("layer_output", stop, layer=0),
        needs=STACK,
    ),
)
