"""What is differentiated: a live layer, a decorated function or a target, at the point that the caller's data are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from gradassay import _plugins
from gradassay._adoption import Adopted, described
from gradassay._backend import OPERATORS, Backend, Model, Unsupported
from gradassay._case import Case
from gradassay._check import Request
from gradassay._decorated import FunctionBackend
from gradassay._errors import UsageError
from gradassay._given import to_arrays
from gradassay._location import split
from gradassay._spec import Tensors
from gradassay._structure import Structure
from gradassay._target import numpy_dtype, parse
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._side import alone

BATCHED = {"vjp": "vjps", "jvp": "jvps"}


@dataclass(frozen=True)
class Source:
    """A model and its data.

    Attributes:
        name: what it is, in a few words.
        case: the data as a case; its cotangents are of no matter here.
        operators: what the model may be asked for.
        load: the same model with other parameters; None for a live layer, which has its own.
    """

    name: str
    model: Model
    case: Case
    operators: frozenset[str]
    load: Callable[[Tensors], Model] | None = None

    @property
    def structure(self) -> Structure:
        """Return what the spec promises of this call."""
        found: Structure = self.case.spec.structure(self.case.config, self.case.call)
        return found


def source(
    layer: object,
    config: Any,
    spec: str | None,
    dtype: str | None,
    tensors: Mapping[str, object],
) -> Source:
    """Return what `gradassay.jacobian` was given, as a model at a point.

    Raises:
        UsageError: if nobody knows the layer or target, or a tensor is missing, unknown or of another shape or dtype.
    """
    if isinstance(layer, str | FunctionBackend):
        return _of_target(layer, config, spec, dtype, tensors)
    request = Request.of(layer, config, spec, dtype, None, None, (), tensors)
    adopted = request.adopt()
    able = {operator for operator in OPERATORS if hasattr(adopted.model, operator)}
    return Source(described(layer), adopted.model, request.case(adopted), _with_batched(adopted.model, able))


def linear_of(at: Source, refused: dict[str, str] | None = None) -> Linear:
    """Return the model as a linear map, with nothing asked of it yet but what it has refused before."""
    axes = [axis for axis in (at.structure.rows, at.structure.causal) if axis]

    def sized(inputs: Tensors) -> int:
        sizes: dict[str, int] = {}
        for name, array in inputs.items():
            for axis in axes:
                where = alone(at.case.table[name], axis) if name in at.case.table else None
                if where is not None:
                    sizes[axis] = array.shape[where]
        return prod(sizes.values())

    def loaded(moved: Tensors) -> Model:
        assert at.load is not None  # it is handed on only then
        return at.load({**at.case.parameters, **moved})

    other = None if at.load is None else loaded
    return Linear(at.model, set(at.operators), sized, load=other, refused=dict(refused or {}))


def _with_batched(model: Model, able: set[str] | frozenset[str]) -> frozenset[str]:
    return frozenset(able) | {many for one, many in BATCHED.items() if one in able and hasattr(model, many)}


def _of_target(
    layer: str | FunctionBackend, config: Any, spec: str | None, dtype: str | None, tensors: Mapping[str, object]
) -> Source:
    if config is None:
        raise UsageError("a target needs config=..., such as gradassay_lstm.LSTM(input_size=3, hidden_size=4)")
    backend, text = _backend(layer)
    request = Request.of(layer, config, spec, dtype, None, None, (), tensors)
    assert request.chosen is not None  # there is a configuration
    spec = request.chosen.spec.name
    parameters = to_arrays(request.parameters, request.adopters.converts)
    offers = [offer for offer in backend.offers if offer.spec == spec]
    if not offers:
        raise UsageError(f"{backend.name} does not offer {spec}")
    asked = parse(text, {backend.name: offers})
    named = dtype is not None or len({one.dtype for one in asked}) == 1
    own = next((array.dtype.name for array in parameters.values()), "") if dtype is None else dtype
    target = next((one for one in asked if one.dtype == own), asked[0])
    if named:  # data are rounded to a dtype that was named, and have to be in the parameters' otherwise
        to = numpy_dtype(target.dtype)
        parameters = {name: array.astype(to) for name, array in parameters.items()}
        request = replace(request, dtype=target.dtype)
    request = replace(request, parameters=parameters)
    offer = next(
        offer
        for offer in offers
        if target.mode in [mode.name for mode in offer.modes]
        and target.device in offer.devices
        and target.dtype in offer.dtypes
    )
    with _environment(backend):
        backend.devices()  # frameworks settle their devices when they are first asked
        try:
            model = backend.load(spec, config, parameters, target)
        except Unsupported as error:
            raise UsageError(f"{target} cannot load {spec}: {error}") from error
    case = request.case(Adopted(backend, "", config, parameters, model))
    able = {op for op in OPERATORS if offer.refusal(op, target.mode, target.dtype, case.features) is None}
    if "forward" not in able:
        raise UsageError(f"{target}: {offer.refusal('forward', target.mode, target.dtype, case.features)}")

    def load(other: Tensors) -> Model:
        return backend.load(spec, config, other, target)

    return Source(str(target), model, case, _with_batched(model, able), load)


def _backend(layer: str | FunctionBackend) -> tuple[Backend, str]:
    """Return the backend of a target, and the target's text by the backend's own name."""
    if isinstance(layer, FunctionBackend):
        return layer, layer.name
    name, parts = split(layer)
    plugin = _plugins.find("backend", name)
    backend: Backend = plugin.open() if isinstance(plugin, _plugins.Located) else plugin.load()
    return backend, "/".join((backend.name, *parts))


@contextmanager
def _environment(backend: Backend) -> Iterator[None]:
    """Within, the backend's variables are set: its framework reads them when it is imported, if it is not yet."""
    wanted = dict(backend.environment())
    before = {name: os.environ.get(name) for name in wanted}
    os.environ |= wanted
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
