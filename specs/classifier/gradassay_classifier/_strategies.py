"""A Hypothesis strategy of classifiers: the LSTM's configurations and calls, with a number of classes."""

from __future__ import annotations

from typing import Any

from gradassay._spec import CaseTemplate
from gradassay_classifier._config import Classifier
from gradassay_classifier._draw import regimes


def strategy(offered: frozenset[str], among: tuple[str, ...]) -> Any:
    """Return a strategy of cases of these features and regimes (none: all); only this imports Hypothesis."""
    from hypothesis import strategies as st

    from gradassay_lstm._strategies import calls, configs

    @st.composite
    def cases(draw: st.DrawFn) -> CaseTemplate:
        config = Classifier(draw(configs(offered)), draw(st.integers(2, 5)))
        call = draw(calls(config.lstm, offered - {"no_batch"}))
        seed = draw(st.integers(0, 2**16 - 1))
        return CaseTemplate(f"drawn-{seed}", config, call, draw(st.sampled_from(among or regimes)), seed)

    return cases()
