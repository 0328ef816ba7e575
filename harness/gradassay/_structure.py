"""What a spec promises of the shape of its Jacobians. A promise saves work only after a probe has confirmed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Structure:
    """Which entries of d output / d input are zero by the equations, and how a call is cut in two.

    Axes are named as in the spec's tensors. A tensor without the named axis is not spoken of: every row may depend on
    a parameter, and a loss without rows on every row. The default promises nothing.

    Attributes:
        rows: the axis whose positions know nothing of each other: an output at row r depends on row r alone of
            every tensor that has this axis. So a batch may also hold each row many times.
        causal: the axis along which nothing is seen in advance: an output at step t depends on the steps up to t
            alone of every tensor that has this axis. So a call without the later steps gives the same.
        carried: of a call that can be taken up again where another ended: the state that an output becomes, such as
            `{"h_n": "h0", "c_n": "c0"}`. Empty if a call has to begin at the first step.
    """

    rows: str = ""
    causal: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)
