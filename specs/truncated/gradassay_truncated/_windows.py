"""Which steps a loss sees, and through which it is pulled back: plain numbers, for equations and backends alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Steps `start` to `stop` are run on the state that enters at `start`, detached unless `start` is 0.

    Attributes:
        own: the first step of its own: outputs of steps `own` to `stop` are its, and those before only lead there.
        cut: where the next window starts, `stop` if there is none: the state there is the one that is handed on.
    """

    start: int
    own: int
    cut: int
    stop: int


def windows(k1: int, k2: int, steps: int) -> tuple[Window, ...]:
    """Return the windows of a sequence, one for each block of k1 steps; the last block may be shorter."""
    owns = range(0, steps, k1)
    starts = [max(0, own + k1 - k2) for own in owns]
    stops = [min(own + k1, steps) for own in owns]
    cuts = [*starts[1:], steps]
    return tuple(Window(*places) for places in zip(starts, owns, cuts, stops, strict=True))
