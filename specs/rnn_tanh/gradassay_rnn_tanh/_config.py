"""The sizes of layers that carry one state h, and one call of them: `RNN` here, and what `gradassay_gru` adds to it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class Recurrent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stack of layers in one or two directions, whose outputs are their states, of width H."""

    input_size: int
    hidden_size: int
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True

    def __post_init__(self) -> None:
        for name in ("input_size", "hidden_size", "num_layers"):
            if (size := getattr(self, name)) < 1:
                raise ValueError(f"{type(self).__name__}.{name} is {size}; it should be at least 1")

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Width of y: every direction's h, side by side."""
        return self.directions * self.hidden_size

    def cells(self) -> Iterator[tuple[int, int, str]]:
        """Yield (layer, direction, suffix) in the order of the leading axis of h0 and h_n."""
        for layer in range(self.num_layers):
            for direction in range(self.directions):
                yield layer, direction, f"_l{layer}" + ("_reverse" if direction else "")

    def layer_input_size(self, layer: int) -> int:
        return self.input_size if layer == 0 else self.output_size


class RNN(Recurrent, frozen=True, forbid_unknown_fields=True):
    """A stack of Elman's layers: h' = tanh(W x + b_ih + U h + b_hh)."""


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call: batch, steps, each sample's length (None: all are `steps`), and whether h0 is given."""

    batch: int
    steps: int
    lengths: tuple[int, ...] | None = None
    h0: bool = True

    def __post_init__(self) -> None:
        if self.batch < 0 or self.steps < 0:
            raise ValueError(f"Call has batch={self.batch}, steps={self.steps}; neither may be negative")
        if self.lengths is not None:
            if len(self.lengths) != self.batch:
                raise ValueError(f"Call.lengths has {len(self.lengths)} entries for a batch of {self.batch}")
            if wrong := [n for n in self.lengths if not 0 <= n <= self.steps]:
                raise ValueError(f"Call.lengths has {wrong[0]}; each should be from 0 to steps = {self.steps}")
