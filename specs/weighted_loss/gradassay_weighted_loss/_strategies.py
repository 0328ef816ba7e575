"""A Hypothesis strategy of weighted losses: the LSTM's configurations and calls, a reduction, and kinds of weights."""

from __future__ import annotations

from typing import Any, get_args

from gradassay._spec import CaseTemplate
from gradassay_weighted_loss._config import Reduction, WeightedLoss, Weights
from gradassay_weighted_loss._draw import regimes


def strategy(offered: frozenset[str], among: tuple[str, ...]) -> Any:
    """Return a strategy of cases of these features and regimes (none: all); only this imports Hypothesis."""
    from hypothesis import strategies as st

    from gradassay_lstm._strategies import calls, configs

    reductions = [name for name in get_args(Reduction) if name.replace(" ", "_") in offered]
    kinds = [name for name in get_args(Weights) if name == "element" or f"{name}_weights" in offered]

    @st.composite
    def cases(draw: st.DrawFn) -> CaseTemplate:
        config = WeightedLoss(draw(configs(offered)), draw(st.sampled_from(reductions)), draw(st.sampled_from(kinds)))
        call = draw(calls(config.lstm, offered - {"no_batch", "no_steps"}))
        seed = draw(st.integers(0, 2**16 - 1))
        return CaseTemplate(f"drawn-{seed}", config, call, draw(st.sampled_from(among or regimes)), seed)

    return cases()
