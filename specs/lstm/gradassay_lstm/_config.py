"""The sizes and options of an LSTM: what loading needs (`LSTM`), and what changes between calls (`Call`)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class LSTM(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stack of LSTM layers. `projection` is the width P of h when it is not the width H of c; 0 means none."""

    input_size: int
    hidden_size: int
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    projection: int = 0

    def __post_init__(self) -> None:
        for name in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"LSTM.{name} is {getattr(self, name)}; it should be at least 1")
        if not 0 <= self.projection < self.hidden_size:
            if self.projection:
                raise ValueError(
                    f"LSTM.projection is {self.projection}; it should be 0 (none) or from 1 to "
                    f"hidden_size - 1 = {self.hidden_size - 1}"
                )

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def state_size(self) -> int:
        """Width of h: P with a projection, else H."""
        return self.projection or self.hidden_size

    @property
    def output_size(self) -> int:
        """Width of y: every direction's h, side by side."""
        return self.directions * self.state_size

    def cells(self) -> Iterator[tuple[int, int, str]]:
        """Yield (layer, direction, suffix) in the order of the leading axis of h0, c0, h_n and c_n."""
        for layer in range(self.num_layers):
            for direction in range(self.directions):
                yield layer, direction, f"_l{layer}" + ("_reverse" if direction else "")

    def layer_input_size(self, layer: int) -> int:
        return self.input_size if layer == 0 else self.output_size


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call: batch, steps, each sample's length (None: all are `steps`), and which optional tensors are given."""

    batch: int
    steps: int
    lengths: tuple[int, ...] | None = None
    h0: bool = True
    c0: bool = True
    dropout: bool = False

    def __post_init__(self) -> None:
        if self.batch < 0 or self.steps < 0:
            raise ValueError(f"Call has batch={self.batch}, steps={self.steps}; neither may be negative")
        if self.lengths is not None:
            if len(self.lengths) != self.batch:
                raise ValueError(f"Call.lengths has {len(self.lengths)} entries for a batch of {self.batch}")
            if wrong := [n for n in self.lengths if not 0 <= n <= self.steps]:
                raise ValueError(f"Call.lengths has {wrong[0]}; each should be from 0 to steps = {self.steps}")
