"""The suites of `suites/*.toml`, read as the LSTM's are, against this spec's own tensors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from gradassay._spec import CaseTemplate
from gradassay_lstm._suites import read
from gradassay_one_to_many._config import Call, OneToMany
from gradassay_one_to_many._draw import regimes
from gradassay_one_to_many._tensors import tensors


@cache
def suites() -> Mapping[str, tuple[CaseTemplate, ...]]:
    """Return the suites by name."""
    return read(files("gradassay_one_to_many") / "suites", tensors, OneToMany, Call, regimes)
