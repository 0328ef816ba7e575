"""The suites of `suites/*.toml`, read as the LSTM's are, against this spec's own tensors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from gradassay._spec import CaseTemplate
from gradassay_gru._config import GRU, Call
from gradassay_gru._draw import regimes
from gradassay_gru._tensors import tensors
from gradassay_lstm._suites import read


@cache
def suites() -> Mapping[str, tuple[CaseTemplate, ...]]:
    """Return the suites by name."""
    return read(files("gradassay_gru") / "suites", tensors, GRU, Call, regimes)
