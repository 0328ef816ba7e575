"""Integers have no derivative. Frameworks answer such a question with an error, with None, or with empty numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from gradassay._backend import Unsupported
from gradassay._spec import Tensors

NOWHERE: Mapping[str, str] = {}


def refuse(inputs: Tensors, names: Iterable[str], instead: Mapping[str, str] = NOWHERE) -> None:
    """Refuse a derivative with respect to inputs that are integers: tokens, labels, lengths.

    Args:
        inputs: what a model is called with.
        names: what is to be differentiated; parameters may be among them.
        instead: by the name of an input of integers, what to ask for in its place.

    Raises:
        Unsupported: if one of the named inputs is of an integer or boolean dtype.
    """
    for name in names:
        if name in inputs and np.issubdtype(inputs[name].dtype, np.integer) | (inputs[name].dtype == np.bool_):
            advice = f"; ask for {instead[name]}" if name in instead else ""
            raise Unsupported(f"{name} is an index of integers: no derivative exists{advice}")
