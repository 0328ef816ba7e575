"""A derivative with respect to integers is refused, by the harness' own models as by every bundled backend."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gradassay._backend import Unsupported
from gradassay._integers import refuse

INPUTS = {"tokens": np.zeros(3, dtype=np.int64), "mask": np.zeros(3, dtype=bool), "x": np.zeros(3)}


@pytest.mark.parametrize("name", ["tokens", "mask"])
def test_integers_are_refused(name: str) -> None:
    with pytest.raises(Unsupported, match=f"^{name} is an index of integers: no derivative exists$"):
        refuse(INPUTS, ("x", name))


def test_the_refusal_says_what_to_ask_for() -> None:
    message = "tokens is an index of integers: no derivative exists; ask for table (its rows)"
    with pytest.raises(Unsupported, match=f"^{re.escape(message)}$"):
        refuse(INPUTS, ("tokens",), {"tokens": "table (its rows)"})


def test_numbers_and_parameters_are_not() -> None:
    refuse(INPUTS, ("x", "weight"))
