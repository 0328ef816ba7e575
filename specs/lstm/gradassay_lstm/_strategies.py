"""Hypothesis strategies for configurations, calls and cases; they shrink towards T=1, B=1, H=1, one plain layer.

The only module of the spec that imports Hypothesis, and nothing imports it before a strategy is asked for.
"""

from __future__ import annotations

from hypothesis import strategies as st

from gradassay._spec import CaseTemplate
from gradassay_lstm._config import LSTM, Call
from gradassay_lstm._draw import regimes
from gradassay_lstm._features import FEATURES

Draw = st.DrawFn

# Around what kernels tile on. One size at a time may be one of these: together they would be slow to certify.
TILES = {"hidden": (7, 8, 9, 15, 16, 17), "batch": (7, 8, 9), "steps": (15, 16, 17, 31, 32, 33)}
SMALL = {"hidden": 5, "batch": 4, "steps": 6}  # the largest of the other sizes


def _option(feature: str, offered: frozenset[str]) -> st.SearchStrategy[bool]:
    return st.booleans() if feature in offered else st.just(False)


def _sizes(largest: int, zero: bool) -> st.SearchStrategy[int]:
    """Sizes from 1, and 0 where it is offered: last in the order, so that shrinking ends at 1."""
    return st.sampled_from([*range(1, largest + 1), *([0] if zero else [])])


def _size(what: str, large: str, zero: bool = False) -> st.SearchStrategy[int]:
    """A small size; of what may be `large` also one near a tile, the small ones first."""
    small = _sizes(SMALL[what], zero)
    return small | st.sampled_from(TILES[what]) if what == large else small


@st.composite
def configs(draw: Draw, offered: frozenset[str] = FEATURES, large: str = "") -> LSTM:
    """Small configurations that ask for nothing beyond `offered`; `large` may be "hidden", one of `TILES`."""
    hidden = draw(_size("hidden", large))
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
def calls(draw: Draw, config: LSTM, offered: frozenset[str] | None = None, large: str = "") -> Call:
    """Small calls of `config` that ask for nothing beyond `offered` (None: anything); `large` as in `configs`."""
    offered = FEATURES if offered is None else offered
    batch = draw(_size("batch", large, "no_batch" in offered))
    steps = draw(_size("steps", large, "no_steps" in offered))
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


@st.composite
def searched(draw: Draw, offered: frozenset[str], among: tuple[str, ...]) -> CaseTemplate:
    """Cases as `cases` draws them, of which one size at a time may be near what kernels tile on."""
    large = draw(st.sampled_from(("", *TILES)))
    config = draw(configs(offered, large))
    call = draw(calls(config, offered, large))
    regime = draw(st.sampled_from(among or regimes))
    seed = draw(st.integers(0, 2**16 - 1))
    return CaseTemplate(f"drawn-{seed}", config, call, regime, seed)
