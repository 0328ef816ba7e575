"""Cases made of a case: with other windows, or with a loss that sees one window alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from gradassay._spec import Array
from gradassay_lstm._variations import made, where
from gradassay_truncated._windows import Window, windows

if TYPE_CHECKING:
    from gradassay._case import Case


def windows_of(case: Case) -> tuple[Window, ...]:
    return windows(case.config.k1, case.config.k2, case.call.steps)


def with_windows(case: Case, k1: int, k2: int) -> Case:
    """Return the same data with other windows."""
    config = msgspec.structs.replace(case.config, k1=k1, k2=k2)
    name = f"{case.template.name}-windows-{k1}-{k2}"
    return replace(case, template=replace(case.template, name=name, config=config, ask={}))


def plain(case: Case) -> Case:
    """Return the same data in one window: the LSTM as it is."""
    return with_windows(case, case.call.steps, case.call.steps)


def seen_by(case: Case, window: Window) -> dict[str, Array]:
    """Return the cotangents of a loss that sees the outputs of one window alone; the final states are the last one's.

    The other outputs are in the loss, by nothing: so all of it is connected, and a compiled mode has it already.
    """
    last = window.stop == case.call.steps
    found = {n: v if last else np.zeros_like(v) for n, v in case.cotangents.items() if n != "y"}
    if "y" in case.cotangents:
        own = where(case.table["y"], lambda step: (step >= window.own) & (step < window.stop), "step")
        found["y"] = np.where(own, case.cotangents["y"], 0).astype(case.cotangents["y"].dtype)
    return {name: found[name] for name in case.cotangents}


def asked_of(case: Case, window: Window) -> Case:
    """Return the case with a loss that sees one window alone."""
    return made(case, f"window-at-{window.own}", case.tensors, seen_by(case, window))


def overflows(reference: Any) -> str:
    """Say why nothing is specified, where the range of the dtype is left."""
    return str(reference.blind) if reference.overflow else ""


def is_cut(case: Case) -> bool:
    """Say whether any state is detached."""
    return any(window.start for window in windows_of(case))
