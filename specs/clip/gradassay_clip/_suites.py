"""The suites of `suites/*.toml`, read as the LSTM's are, against this spec's own tensors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from gradassay._spec import CaseTemplate
from gradassay_clip._config import Call, Clip
from gradassay_clip._draw import regimes
from gradassay_clip._tensors import tensors
from gradassay_lstm._suites import read


@cache
def suites() -> Mapping[str, tuple[CaseTemplate, ...]]:
    """Return the suites by name."""
    return read(files("gradassay_clip") / "suites", tensors, Clip, Call, regimes)
