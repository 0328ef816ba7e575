"""Hypothesis strategies; they shrink towards one scalar above a limit of 1. Nothing imports this before it is asked."""

from __future__ import annotations

from hypothesis import strategies as st

from gradassay._spec import CaseTemplate
from gradassay_clip._config import Call, Clip
from gradassay_clip._draw import regimes
from gradassay_clip._features import TORCH_EPSILON, features

LIMITS = (1.0, 0.75, 3.0, 2.0**-7)
BY = {"global_norm": "norm", "norm_of_each": "each", "value": "value"}
EPSILONS = {"no_epsilon": 0.0, "epsilon_1e-6": TORCH_EPSILON, "another_epsilon": 2.0**-4}
# Where float16's range is left, or numbers of it are few, nothing but blind verdicts comes of a search.
SEARCHED = tuple(regime for regime in regimes if regime not in ("huge", "tiny"))


@st.composite
def _templates(draw: st.DrawFn, offered: frozenset[str], among: tuple[str, ...]) -> CaseTemplate:
    shape = st.lists(st.integers(1, 4), max_size=3).map(tuple)
    shapes = tuple(draw(st.lists(shape, min_size=1, max_size=3)))
    by = draw(st.sampled_from([way for word, way in BY.items() if word in offered]))
    epsilon = 0.0
    if by != "value":
        epsilon = draw(st.sampled_from([value for word, value in EPSILONS.items() if word in offered]))
    config = Clip(shapes, draw(st.sampled_from(LIMITS)), by, epsilon)  # type: ignore[arg-type]  # one of the three
    absent: tuple[int, ...] = ()
    if "absent" in offered and len(shapes) > 1 and draw(st.booleans()):
        absent = (draw(st.integers(0, len(shapes) - 1)),)
    regime, seed = draw(st.sampled_from(among or SEARCHED)), draw(st.integers(0, 2**16 - 1))
    # A loss that sees one of several independent tensors has no gradient (None) of the others in two frameworks.
    thorough = by == "norm" or len(shapes) - len(absent) == 1
    return CaseTemplate(f"drawn-{seed}", config, Call(absent), regime, seed, thorough=thorough)


def searched(offered: frozenset[str], among: tuple[str, ...]) -> st.SearchStrategy[CaseTemplate]:
    """Return cases whose features are all among those offered, of these regimes (none: all that are searched)."""
    return _templates(offered, among).filter(lambda case: features(case.config, case.call) <= offered)
