"""A Hypothesis strategy of cases: the LSTM's configurations, run for some steps on one vector.

Nothing imports this before a strategy is asked for.
"""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from gradassay._spec import CaseTemplate
from gradassay_lstm._strategies import calls, configs
from gradassay_one_to_many._config import Call, OneToMany
from gradassay_one_to_many._draw import regimes
from gradassay_one_to_many._features import FEATURES


@st.composite
def searched(draw: st.DrawFn, offered: frozenset[str], among: tuple[str, ...]) -> CaseTemplate:
    """Small cases whose features are all `offered`, with data of the regimes `among` (none: any)."""
    known = offered & FEATURES
    lstm = draw(configs(known))
    feedback = "feedback" in known and draw(st.booleans())
    if feedback:
        projection = lstm.projection if "feedback_projection" in known else 0
        lstm = msgspec.structs.replace(lstm, bidirectional=False, projection=projection)
    inside = draw(calls(lstm, known))
    outputs = lstm.input_size if feedback else draw(st.integers(1, 4))
    config = OneToMany(lstm, steps=draw(st.integers(1, 5)), outputs=outputs, feedback=feedback)
    shift = draw(st.sampled_from((True, False))) if "no_shift" in known else True
    call = Call(inside.batch, h0=inside.h0, c0=inside.c0, shift=shift)
    seed = draw(st.integers(0, 2**16 - 1))
    return CaseTemplate(f"drawn-{seed}", config, call, draw(st.sampled_from(among or regimes)), seed)
