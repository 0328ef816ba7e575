"""Which steps carry loss: within their row's length, and with a target that is not to be ignored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from gradassay_seq2seq._config import Seq2Seq


def counted(config: Seq2Seq, targets: npt.NDArray[np.int64], lengths: Sequence[int] | Any | None) -> npt.NDArray[Any]:
    """Return (B, T): True where a step carries loss.

    Args:
        config: its `ignore_index`.
        targets: integers (B, T).
        lengths: of the rows; None: all are T.
    """
    batch, steps = targets.shape
    last = np.full(batch, steps) if lengths is None else np.asarray(lengths)
    within = np.arange(steps)[None, :] < last[:, None]
    return np.asarray(within if config.ignore_index is None else within & (targets != config.ignore_index))
