"""Jacobians of a model between any two of its tensors, or blocks of them: computed, certified, estimated and drawn."""

from __future__ import annotations

from typing import Any

from gradassay.jacobians._certify import Certificate as Certificate
from gradassay.jacobians._linear import Cost as Cost
from gradassay.jacobians._plan import Plan as Plan
from gradassay.jacobians._result import Jacobian as Jacobian
from gradassay.jacobians._side import Asked as Asked
from gradassay.jacobians._sketch import Estimate as Estimate
from gradassay.jacobians._sketch import Estimates as Estimates
from gradassay.jacobians._source import linear_of
from gradassay.jacobians._source import source as _source
from gradassay.jacobians._states import state_blocks
from gradassay.jacobians._steps import StepBlocks as StepBlocks


def jacobian(
    layer: object,
    /,
    *,
    of: Asked,
    wrt: Asked,
    config: Any = None,
    spec: str | None = None,
    dtype: str | None = None,
    memory: int | None = None,
    tune: bool = False,
    **tensors: object,
) -> Jacobian:
    """Compute d of / d wrt, or a block of it, by the cheapest route that the backend has.

    Args:
        layer: a live layer, as `gradassay.check` takes; a function decorated by a backend package; or a target, which
            is loaded in this process: "jax/float64", "fast.py:lstm/float32".
        of: the output: a name, or (name, index). The index is one of NumPy's on the tensor's axes (`np.s_[:, 4:8]`), or
            positions by the names of its axes: `{"step": slice(4, 8), "unit": 0}`, `{"gate": "f"}`.
        wrt: the input, state or parameter, in the same way.
        config: for a function or a target, the spec's configuration.
        spec: the spec's name; needed if several fit.
        dtype: the dtype that data are rounded to.
        memory: bytes that may be used; half of what is free, if not given.
        tune: time the cheapest few routes, and take the fastest.
        tensors: the data by canonical names, in canonical layout; for a function or a target its parameters as well.

    Returns:
        The block, with its route, the reason for it, its cost, and what can be read off it. What the spec promises
        (rows are independent, nothing is seen in advance) is used after a probe of this model has confirmed it.

    Raises:
        UsageError: if a tensor is missing or unknown, an index is out of range, or the matrix does not fit.
    """
    found = jacobian_plan(
        layer, of=of, wrt=wrt, config=config, spec=spec, dtype=dtype, memory=memory, tune=tune, **tensors
    )
    return found()


def jacobian_plan(
    layer: object,
    /,
    *,
    of: Asked,
    wrt: Asked,
    config: Any = None,
    spec: str | None = None,
    dtype: str | None = None,
    memory: int | None = None,
    tune: bool = False,
    **tensors: object,
) -> Plan:
    """Return what `jacobian` would compute, to be called many times, streamed to a file, or asked for products alone.

    Takes what `jacobian` takes. The first call probes and chooses a route, which later ones take at once;
    `plan(x=other)` computes at other data of the same shapes.
    """
    return Plan.of_source(_source(layer, config, spec, dtype, tensors), of, wrt, memory, tune)


def state_jacobians(
    layer: object,
    /,
    *,
    of: str,
    wrt: str,
    config: Any = None,
    spec: str | None = None,
    dtype: str | None = None,
    **tensors: object,
) -> StepBlocks:
    """Return how the state after every step depends on the state before every other: d c_t / d c_s.

    Args:
        of: an output that the spec says is carried on, such as "c_n" of an LSTM: its state after step t.
        wrt: the state that such an output becomes, such as "c0": the state before step s. Other parts of it are held.

    Takes everything else as `jacobian` does.

    Raises:
        UsageError: if the spec does not say how a call is cut into steps.
    """
    at = _source(layer, config, spec, dtype, tensors)
    return state_blocks(at, linear_of(at), of, wrt)
