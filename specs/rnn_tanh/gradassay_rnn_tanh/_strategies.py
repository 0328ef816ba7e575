"""Hypothesis strategies for cases of layers with one state; they shrink towards T=1, B=1, H=1, one plain layer.

The only module of the spec that imports Hypothesis, and nothing imports it before a strategy is asked for.
"""

from __future__ import annotations

from typing import TypeVar

from hypothesis import strategies as st

from gradassay._spec import CaseTemplate
from gradassay_rnn_tanh._config import Call, Recurrent

Config = TypeVar("Config", bound=Recurrent)
LARGEST = {"input": 4, "hidden": 5, "layers": 3, "batch": 4, "steps": 6}


def option(feature: str, offered: frozenset[str]) -> st.SearchStrategy[bool]:
    return st.booleans() if feature in offered else st.just(False)


def _sizes(what: str, feature: str, offered: frozenset[str]) -> st.SearchStrategy[int]:
    """Sizes from 1, and 0 where it is offered: last in the order, so that shrinking ends at 1."""
    return st.sampled_from([*range(1, LARGEST[what] + 1), *([0] if feature in offered else [])])


def configs(kind: type[Config], offered: frozenset[str], **more: st.SearchStrategy[bool]) -> st.SearchStrategy[Config]:
    """Small configurations of a kind that ask for nothing beyond `offered`."""
    return st.builds(
        kind,
        input_size=st.integers(1, LARGEST["input"]),
        hidden_size=st.integers(1, LARGEST["hidden"]),
        num_layers=st.integers(1, LARGEST["layers"] if "layers" in offered else 1),
        bidirectional=option("bidirectional", offered),
        bias=option("no_bias", offered).map(lambda without: not without),
        **more,
    )


@st.composite
def calls(draw: st.DrawFn, offered: frozenset[str]) -> Call:
    """Small calls that ask for nothing beyond `offered`."""
    batch = draw(_sizes("batch", "no_batch", offered))
    steps = draw(_sizes("steps", "no_steps", offered))
    lengths = None
    zero_length = "zero_length" in offered or not batch
    if (steps or zero_length) and draw(option("ragged", offered)):
        length = st.sampled_from([*range(1, steps + 1), *([0] if zero_length else [])])
        lengths = tuple(draw(st.lists(length, min_size=batch, max_size=batch)))
    return Call(batch, steps, lengths, h0=not draw(option("absent_states", offered)))


@st.composite
def cases(
    draw: st.DrawFn, config: st.SearchStrategy[Recurrent], offered: frozenset[str], among: tuple[str, ...]
) -> CaseTemplate:
    """Cases whose features are all `offered`, with data of the regimes `among` (the first is the simplest)."""
    seed = draw(st.integers(0, 2**16 - 1))
    return CaseTemplate(f"drawn-{seed}", draw(config), draw(calls(offered)), draw(st.sampled_from(among)), seed)
