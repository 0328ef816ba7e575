"""Hypothesis strategies for configurations, calls and cases; they shrink towards T=1, B=1, H=1, one plain layer.

The only module that imports Hypothesis, and nothing of the package imports it.
"""

from __future__ import annotations

from hypothesis import strategies as st

from gradassay._spec import CaseTemplate
from gradassay_lstm._config import LSTM, Call
from gradassay_lstm._draw import regimes
from gradassay_lstm._features import FEATURES

Draw = st.DrawFn


def _option(feature: str, offered: frozenset[str]) -> st.SearchStrategy[bool]:
    return st.booleans() if feature in offered else st.just(False)


def _sizes(largest: int, zero: bool) -> st.SearchStrategy[int]:
    """Sizes from 1, and 0 where it is offered: last in the order, so that shrinking ends at 1."""
    return st.sampled_from([*range(1, largest + 1), *([0] if zero else [])])


@st.composite
def configs(draw: Draw, offered: frozenset[str] = FEATURES) -> LSTM:
    """Small configurations that ask for nothing beyond `offered`."""
    hidden = draw(st.integers(1, 5))
    projection = 0
    if "projection" in offered and hidden > 1:
        projection = draw(st.just(0) | st.integers(1, hidden - 1))
    return LSTM(
        input_size=draw(st.integers(1, 4)),
        hidden_size=hidden,
        num_layers=draw(st.integers(1, 3 if "layers" in offered else 1)),
        bidirectional=draw(_option("bidirectional", offered)),
        bias=not draw(_option("no_bias", offered)),
        projection=projection,
    )


@st.composite
def calls(draw: Draw, config: LSTM, offered: frozenset[str] | None = None) -> Call:
    """Small calls of `config` that ask for nothing beyond `offered` (None: anything)."""
    offered = FEATURES if offered is None else offered
    batch = draw(_sizes(4, "no_batch" in offered))
    steps = draw(_sizes(6, "no_steps" in offered))
    states = [(True, True)]
    states += [(False, False)] if "absent_states" in offered else []
    states += [(True, False), (False, True)] if "partial_states" in offered else []
    h0, c0 = draw(st.sampled_from(states))

    lengths = None
    zero_length = "zero_length" in offered
    if (steps or zero_length or not batch) and draw(_option("ragged", offered)):
        length = _sizes(steps, zero_length or not batch)
        lengths = tuple(draw(st.lists(length, min_size=batch, max_size=batch)))
    dropout = config.num_layers > 1 and draw(_option("dropout", offered))
    return Call(batch=batch, steps=steps, lengths=lengths, h0=h0, c0=c0, dropout=dropout)


@st.composite
def cases(draw: Draw, offered: frozenset[str] = FEATURES, among: tuple[str, ...] = regimes) -> CaseTemplate:
    """Cases whose features are all `offered`, with data of the regimes `among` (the first is the simplest)."""
    config = draw(configs(offered))
    call = draw(calls(config, offered))
    seed = draw(st.integers(0, 2**16 - 1))
    return CaseTemplate(f"drawn-{seed}", config, call, draw(st.sampled_from(among)), seed)
