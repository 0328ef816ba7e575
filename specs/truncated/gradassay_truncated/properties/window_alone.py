"""Within a window the derivative is the plain LSTM's, run on the window's steps from the given state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay_lstm._relations import placed, same, scales_of, truth
from gradassay_lstm._variations import final_cotangents, steps_of, taking
from gradassay_truncated.properties._windows_of import asked_of, is_cut, plain, windows_of

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    window = windows_of(case)[-1]
    early = asked_of(case, window)
    lead = plain(steps_of(case, 0, window.start, "before-the-window", {}, final_cotangents(case)))
    subject.require(lead)
    states = subject.of(lead).forward().outputs
    carried = {"h0": states["h_n"], "c0": states["c_n"]}
    alone = plain(steps_of(early, window.start, window.stop, "window-alone", carried, final_cotangents(early)))
    subject.require(alone)
    second, keep = subject.of(alone).vjp(), taking(case, {"step": range(window.start, window.stop)})
    first, scales = placed(subject.of(early).vjp(), case, keep), scales_of(truth(oracle, early), case, keep)
    # Of y, what stands before the window's own steps is the same too: it was run once more, on the same numbers.
    names = ["y", "h_n", "c_n", "x", *case.parameters]
    yield from same(first, second, scales, alone, f"the window at {window.own} alone", names)


window_alone = Property(
    name="window_alone",
    claim="The loss of a window has the gradients of the plain LSTM, run on its steps alone from the state there.",
    equation="dL_j/dv = d(v' f(x_start..x_stop, s))/dv at s = s(x_0..x_start), a constant",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=is_cut,
    thorough=True,
    compiles=True,
)
