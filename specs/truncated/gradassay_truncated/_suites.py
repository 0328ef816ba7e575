"""The suites of `suites/*.toml`, read as the LSTM's are, against this spec's own configurations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from gradassay._spec import CaseTemplate
from gradassay_lstm import Call
from gradassay_lstm._suites import read
from gradassay_truncated._config import Truncated
from gradassay_truncated._tensors import tensors


@cache
def suites() -> Mapping[str, tuple[CaseTemplate, ...]]:
    """Return the suites by name."""
    return read(files("gradassay_truncated") / "suites", tensors, Truncated, Call)
