"""Hypothesis strategies; they shrink towards one step of one unit. Nothing imports this before it is asked."""

from __future__ import annotations

from hypothesis import strategies as st

from gradassay._spec import CaseTemplate
from gradassay_lstm._draw import regimes
from gradassay_lstm._strategies import calls, configs
from gradassay_truncated._config import Truncated

# Of an LSTM's, what windows do not refuse.
REFUSED = frozenset({"bidirectional", "ragged", "zero_length", "no_steps", "no_batch"})


@st.composite
def searched(draw: st.DrawFn, offered: frozenset[str], among: tuple[str, ...]) -> CaseTemplate:
    """Cases whose features are all `offered`, of the regimes `among` (none: all)."""
    possible = offered - REFUSED
    lstm = draw(configs(possible))
    call = draw(calls(lstm, possible))
    k1 = draw(st.integers(1, 3) if "cut" in offered else st.just(call.steps))
    k2 = k1 + (draw(st.integers(0, 3)) if "overlap" in offered else 0)
    seed = draw(st.integers(0, 2**16 - 1))
    regime = draw(st.sampled_from(among or regimes))
    return CaseTemplate(f"drawn-{seed}", Truncated(lstm, k1, k2), call, regime, seed)
