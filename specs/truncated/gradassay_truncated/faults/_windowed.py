"""What the faults are put together from: models with other windows, and what was carried before it was detached."""

from __future__ import annotations

from copy import copy
from typing import Any

import msgspec

from gradassay_lstm.faults._around import Request
from gradassay_lstm.faults._at_marks import Edit, Edits, seen

CUT, OVERLAP = frozenset({"cut"}), frozenset({"cut", "overlap"})


def with_windows(r: Request, k1: int, k2: int) -> Any:
    """Return the model with other windows."""
    other = copy(r.model)
    other.config = msgspec.structs.replace(r.config, k1=k1, k2=k2)
    return other


def carried(state: str) -> Edit:
    """Return the edit that lets a state in as it was carried, not detached."""
    return lambda tape, value, where: seen(tape, f"{state}_carried", where)


def entering(**edits: Edit) -> Edits:
    """Return edits of the states that enter a window: `entering(h0=edit, c0=edit)`."""
    return lambda u: {f"{state}_entering": edit for state, edit in edits.items()}


def starts(tape: Any) -> dict[int, int]:
    """Return the step at which each window was entered so far, of those that were."""
    return {dict(key)["window"]: dict(key)["step"] for key in tape.marks.get("h0_entering", {})}
