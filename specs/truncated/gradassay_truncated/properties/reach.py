"""No derivative comes from beyond a window: exactly 0, backwards, forwards, and in the Jacobian."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradassay._property import Finding, Property
from gradassay_lstm._relations import exactly_zero, named, truth
from gradassay_lstm._variations import where
from gradassay_truncated._windows import Window
from gradassay_truncated.properties._windows_of import asked_of, is_cut, overflows, windows_of

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject

JACOBIAN = 2048  # entries of dy/dx up to which all of them are looked at


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    last = windows_of(case)[-1]
    yield from named(_backwards(subject, case, oracle, last), f"the loss of the window at {last.own}")
    if "jvp" in subject.operators:
        yield from _forwards(subject, case, oracle, last)
    size = int(np.prod(case.table["x"].shape) * np.prod(case.table["y"].shape))
    if "jacobian" in subject.operators and size <= JACOBIAN and not subject.mode.compiled:
        yield _jacobian(subject, case, oracle)


def _backwards(subject: Subject, case: Case, oracle: Oracle, window: Window) -> Iterator[Finding]:
    """Pull the loss of the last window back: exactly 0 at the steps before it, and at the initial states."""
    early = asked_of(case, window)
    gradients, scales = subject.of(early).vjp().gradients, truth(oracle, early)
    for name in ("x", "h0", "c0"):
        if name not in case.tensors:
            continue
        tensor, got = case.table[name], gradients.get(name)
        if got is None or got.shape != tensor.shape:
            yield Finding(name, fault=f"got no gradient of shape {tensor.shape}; zeros are not None")
            continue
        before = where(tensor, lambda step: step < window.start, "step") if name == "x" else np.ones(got.shape, bool)
        yield exactly_zero(name, got, before, (tensor,), overflows(scales[f"d {name}"]))


def _forwards(subject: Subject, case: Case, oracle: Oracle, window: Window) -> Iterator[Finding]:
    """Push a tangent of the steps before the last window, and of the initial states: nothing arrives in it."""
    x = case.table["x"]
    tangents = {name: np.zeros_like(u) for name, u in case.tangents.items()}
    before = where(x, lambda step: step < window.start, "step")
    tangents["x"] = np.where(before, case.tangents["x"], 0).astype(case.tangents["x"].dtype)
    tangents |= {name: case.tangents[name] for name in ("h0", "c0") if name in case.tangents}
    pushed, scales = subject.jvp(tangents=tangents).tangents, truth(oracle, case)
    for name in case.outputs:
        tensor, got = case.table[name], pushed.get(name)
        if got is None or got.shape != tensor.shape:
            yield Finding(f"tangent of {name}", fault=f"got no tangent of shape {tensor.shape}")
            continue
        own = where(tensor, lambda step: step >= window.own, "step") if name == "y" else np.ones(got.shape, bool)
        what = f"tangent of {name} from before step {window.start}"
        yield exactly_zero(what, got, own, (tensor,), overflows(scales[name]))


def _jacobian(subject: Subject, case: Case, oracle: Oracle) -> Finding:
    """Look at every entry of dy/dx of which the input lies before the window of the output."""
    x, y = case.table["x"], case.table["y"]
    name = "dy_t/dx_s from before a window"
    got = subject.jacobian("y", "x")
    if got is None or got.shape != y.shape + x.shape:
        shape = "nothing" if got is None else f"shape {got.shape}"
        return Finding(name, fault=f"got {shape}; should be of shape {y.shape + x.shape}")
    beyond = np.zeros(got.shape, dtype=np.bool_)
    for window in windows_of(case):
        of = where(y, lambda step, w=window: (step >= w.own) & (step < w.stop), "step")
        beyond |= np.multiply.outer(of, where(x, lambda step, w=window: step < w.start, "step"))
    return exactly_zero(name, got, beyond, (y, x), overflows(truth(oracle, case)["d x"]))


reach = Property(
    name="reach",
    claim="No derivative reaches beyond a window: not backwards, not forwards, in no entry of the Jacobian.",
    equation="dy_t/dx_s = 0 for s < start(t); dL_j/dh_0 = dL_j/dc_0 = 0 for windows that start later",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=is_cut,
    thorough=True,
)
