"""Some steps of a case as a case of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from gradassay._spec import Array
from gradassay_lstm._variations import made, moved, taking

if TYPE_CHECKING:
    from gradassay._case import Case


def steps_of(
    case: Case,
    start: int,
    stop: int,
    what: str,
    cotangents: Mapping[str, Array],
    instead: Mapping[str, Array] | None = None,
) -> Case:
    """Return steps start..stop of a case.

    Args:
        cotangents: of the whole case's outputs; of y the same steps are taken.
        instead: a vector and states that take the place of the case's, which are those of step 0.
    """
    config = msgspec.structs.replace(case.config, steps=stop - start)
    move = taking(case, {"step": range(start, stop)})
    tensors = moved(case, case.tensors, move) | dict(instead or {})
    call = msgspec.structs.replace(case.call, h0="h0" in tensors, c0="c0" in tensors)
    return made(case, what, tensors, moved(case, cotangents, move), call=call, config=config)
