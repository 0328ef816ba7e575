"""A Hypothesis strategy of cases: the LSTM's configurations and calls, with a vocabulary and classes around them.

Nothing imports this before a strategy is asked for.
"""

from __future__ import annotations

from hypothesis import strategies as st

from gradassay._spec import CaseTemplate
from gradassay_lstm._strategies import calls, configs
from gradassay_seq2seq._config import Call, Seq2Seq
from gradassay_seq2seq._draw import regimes
from gradassay_seq2seq._features import FEATURES


@st.composite
def searched(draw: st.DrawFn, offered: frozenset[str], among: tuple[str, ...]) -> CaseTemplate:
    """Small cases whose features are all `offered`, with data of the regimes `among` (none: any)."""
    known = offered & FEATURES
    lstm = draw(configs(known))
    inside = draw(calls(lstm, known).filter(lambda call: any(call.lengths or (1,))))
    vocabulary = draw(st.integers(1, 6))
    config = Seq2Seq(
        lstm,
        vocabulary=vocabulary,
        classes=draw(st.integers(2, 5)),
        padding_index=draw(st.none() | st.integers(0, vocabulary - 1)) if "padding_index" in known else None,
        ignore_index=draw(st.sampled_from((None, -100))) if "ignore_index" in known else None,
    )
    shift = draw(st.sampled_from((True, False))) if "no_shift" in known else True
    call = Call(inside.batch, inside.steps, inside.lengths, h0=inside.h0, c0=inside.c0, shift=shift)
    seed = draw(st.integers(0, 2**16 - 1))
    return CaseTemplate(f"drawn-{seed}", config, call, draw(st.sampled_from(among or regimes)), seed)
