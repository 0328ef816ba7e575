"""Whose is this layer: every installed backend is asked, and none imports its framework to find out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gradassay import _plugins
from gradassay._backend import Adopts, Backend, Model, Unsupported
from gradassay._errors import UsageError
from gradassay._spec import Array, Tensors


@dataclass(frozen=True)
class Adopted:
    """A live layer as a model. `spec` is empty for a function, which follows whatever spec its author says."""

    backend: Backend
    spec: str
    config: Any
    parameters: Tensors
    model: Model

    def holds(self, parameters: Tensors) -> bool:
        """Whether these, bit for bit, are among the layer's own."""
        return all(same(self.parameters.get(name), array) for name, array in parameters.items())


@dataclass(frozen=True)
class Adopters:
    """The backends that take live layers, and why others that are installed could not be asked."""

    backends: tuple[Any, ...]  # each a Backend that is Adopts as well
    broken: tuple[str, ...] = ()

    @classmethod
    def installed(cls) -> Adopters:
        loaded, broken = _plugins.load_all(_plugins.backends().values())
        return cls(
            tuple(backend for backend in loaded.values() if isinstance(backend, Adopts)),
            tuple(one.message for one in broken),
        )

    @property
    def converts(self) -> tuple[Callable[[object], Array | None], ...]:
        return tuple(backend.to_numpy for backend in self.backends)

    def adopt(self, layer: object, config: Any, parameters: Mapping[str, object]) -> Adopted:
        """Return the layer as the first backend that knows it takes it.

        Raises:
            UsageError: if none does, or the one that knows it refuses it.
        """
        for backend in self.backends:
            try:
                found = backend.adopt(layer, config, parameters)
            except Unsupported as error:
                raise UsageError(f"{backend.name} cannot check {described(layer)}: {error}") from error
            if found is not None:
                return Adopted(backend, *found)
        raise UsageError(self._nobody(layer, parameters))

    def _nobody(self, layer: object, parameters: Mapping[str, object]) -> str:
        names = ", ".join(backend.name for backend in self.backends)
        kind = f"{type(layer).__module__}.{type(layer).__qualname__}"
        said = f"no backend takes {described(layer)} ({kind})"
        said += f"; those installed that take live layers are {names}" if names else "; none installed takes any"
        if callable(layer) and not parameters:
            said += ". A function of a framework is checked with config=... and its parameters as keywords"
        return "\n".join([said, *self.broken])


def same(own: Array | None, given: Array) -> bool:
    """Whether two arrays have the same dtype, shape and bits: -0.0 is not 0.0, and a NaN is itself."""
    if own is None or own.dtype != given.dtype or own.shape != given.shape:
        return False
    return own.tobytes() == given.tobytes()


def described(layer: object) -> str:
    """Return a short name of a layer: a function's own, else how the object shows itself."""
    name = getattr(layer, "__name__", None)
    lines = repr(layer).splitlines() if not isinstance(name, str) else [name]
    return lines[0] if lines else type(layer).__qualname__
