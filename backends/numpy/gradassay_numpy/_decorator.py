"""The decorator `backend`: a function of NumPy arrays as a backend, with a VJP written by hand or with none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from gradassay._backend import Gap, Mode
from gradassay._decorated import Decorator, Framework, Function, FunctionBackend
from gradassay._spec import Tensors
from gradassay_numpy._backend import numpy_backend

# (config, parameters, inputs, cotangents) -> gradients by name
Vjp = Callable[[Any, Tensors, Tensors, Tensors], Mapping[str, Any]]

MODES = (Mode("eager", {"executed": "as written"}),)


def backend(
    spec: str,
    *,
    vjp: Vjp | None = None,
    features: Collection[str] = (),
    name: str = "",
    dtypes: Sequence[str] = ("float64", "float32"),
    gaps: Sequence[Gap] = (),
    promises: Collection[str] = (),
) -> Callable[[Function], FunctionBackend]:
    """Make a backend of a function `f(config, parameters, inputs) -> outputs`, which can still be called.

    Parameters, inputs and outputs are dicts of arrays, by the spec's names and in its layout; an input that is absent
    is not there. NumPy derives nothing: without a `vjp` it is a forward pass alone, whose values are verified.

    Args:
        spec: the spec that it computes, such as "lstm"; its README has the names and the layout.
        vjp: `g(config, parameters, inputs, cotangents) -> gradients`, by the names of what is differentiated
            (parameters, inputs, states); a name that is not there has no gradient. Every output has a cotangent.
        features, name, dtypes, gaps, promises: as for every backend; see `gradassay._decorated.Decorator`.

    Raises:
        UsageError: if it cannot be; the message says what can.
    """
    framework = Framework(numpy_backend, MODES, "gradassay_numpy._function", {"pull": vjp})
    operators = frozenset({"forward", "vjp"} if vjp else {"forward"})
    decorator = Decorator(framework, devices=("cpu",), modes=("eager",), operators=operators)
    return decorator(spec, features=features, name=name, dtypes=dtypes, gaps=gaps, promises=promises)
