"""A backend out of one decorated function: `f(config, parameters, inputs) -> outputs`, tensors of a framework by name.

Each backend package has a decorator of its own for its framework; this is what they share.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from importlib import import_module
from typing import Any

from gradassay._backend import OPERATORS, Backend, Gap, Mode, Model, Offer, Randomness
from gradassay._errors import UsageError
from gradassay._plugins import unknown
from gradassay._spec import Tensors
from gradassay._target import DTYPES, Target

Function = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Framework:
    """What runs functions: where, and in which modes, is static; the framework itself is imported by `module`.

    Attributes:
        host: a backend of the same framework, whose environment, devices, versions and random state are meant.
        modes: how a function can be run.
        module: its `load(function, config, parameters, target, **options)` makes a model of a function.
        options: what else the decorator was given.
    """

    host: Backend
    modes: tuple[Mode, ...]
    module: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self, function: Function, config: Any, parameters: Tensors, target: Target) -> Model:
        model: Model = import_module(self.module).load(function, config, parameters, target, **self.options)
        return model


class FunctionBackend:
    """A function that is a `Backend` as well; it can be called as before.

    Attributes:
        everywhere: its devices were not named: they are those of the framework that are here.
    """

    def __init__(
        self, function: Function, framework: Framework, name: str, offer: Offer, everywhere: bool = False
    ) -> None:
        update_wrapper(self, function)
        self.function, self.framework, self.name, self.everywhere = function, framework, name, everywhere
        self.offers = (offer,)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.function(*arguments, **named)

    def environment(self) -> Mapping[str, str]:
        return self.framework.host.environment()

    def devices(self) -> tuple[str, ...]:
        return self.framework.host.devices()

    def versions(self) -> Mapping[str, str]:
        return self.framework.host.versions()

    def random_state(self) -> Mapping[str, bytes]:
        host = self.framework.host
        return host.random_state() if isinstance(host, Randomness) else {}

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        return self.framework.load(self.function, config, parameters, target)


@dataclass(frozen=True)
class Decorator:
    """What a backend package exports as `backend`: it makes backends of functions of its framework's tensors.

    `operators` are what is offered of a function whose author does not say otherwise.
    """

    framework: Framework
    devices: tuple[str, ...]
    modes: tuple[str, ...]
    operators: frozenset[str] = frozenset(OPERATORS)

    def __call__(
        self,
        spec: str,
        *,
        features: Collection[str] = (),
        name: str = "",
        dtypes: Sequence[str] = ("float64", "float32"),
        devices: Sequence[str] = (),
        modes: Sequence[str] = (),
        gradients: bool = True,
        operators: Collection[str] = (),
        gaps: Sequence[Gap] = (),
        promises: Collection[str] = (),
    ) -> Callable[[Function], FunctionBackend]:
        """Make a backend of a function `f(config, parameters, inputs) -> outputs`, which can still be called.

        Parameters, inputs and outputs are dicts of the framework's tensors, by the spec's names and in its layout;
        an input that is absent is not there. Derivatives are the framework's.

        Args:
            spec: the spec that it computes, such as "lstm"; its README has the names and the layout.
            features: what the function can do beyond the plain case, of the spec's features.
            name: of the backend; the function's own, if not given. A target in a file goes by its location.
            dtypes: what it can be given.
            devices: where it can run; all that are here, if none are named.
            modes: the framework's ways to run it: "eager" is as written.
            gradients: False for a forward pass alone.
            operators: of "forward", "vjp", "jvp", "jacobian" and "hvp"; all, if not given. What the framework refuses
                for this function is skipped, with its reason.
            gaps: combinations that it cannot do, each with its reason.
            promises: what it keeps to beyond the equations, of the spec's promises.

        Raises:
            UsageError: if it cannot be; the message says what can.
        """
        if not isinstance(spec, str):
            raise UsageError('@backend needs the name of a spec: write @backend(spec="lstm") above the function')
        known = {mode.name: mode for mode in self.framework.modes}
        sets = {"dtypes": dtypes, "devices": devices, "modes": modes, "operators": operators, "features": features}
        for what, value in (*sets.items(), ("promises", promises)):
            if isinstance(value, str):
                raise UsageError(f"@backend({what}={value!r}) should be a set of names: {what}={{{value!r}}}")
        there = {"dtype": (dtypes, DTYPES), "mode": (modes, tuple(known)), "operator": (operators, OPERATORS)}
        for what, (given, names) in there.items():
            if wrong := [one for one in given if one not in names]:
                raise UsageError(f"@backend: {unknown(what, wrong[0], names)}")
        offered = frozenset(operators) or (self.operators if gradients else frozenset({"forward"}))
        if "forward" not in offered:
            raise UsageError("@backend: operators should hold 'forward' at least")
        offer = Offer(
            spec=spec,
            features=frozenset(features),
            modes=tuple(known[mode] for mode in modes or self.modes),
            dtypes=tuple(dtypes),
            devices=tuple(devices) or self.devices,
            operators=offered,
            gaps=tuple(gaps),
            promises=frozenset(promises),
        )

        def decorate(function: Function) -> FunctionBackend:
            own = getattr(function, "__name__", type(function).__name__)
            try:
                inspect.signature(function).bind(None, {}, {})
            except TypeError as error:
                raise UsageError(f"{own} should take (config, parameters, inputs): {error}") from error
            return FunctionBackend(function, self.framework, name or own, offer, everywhere=not devices)

        return decorate


def call(
    function: Callable[..., Any],
    config: Any,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, Any],
    kind: type,
    words: str,
    cotangents: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Call a function, or with `cotangents` its VJP, and return a dictionary of tensors by name.

    Raises:
        TypeError: if it returned anything else; the message says what it is, and what it should be.
    """
    further = () if cotangents is None else (cotangents,)
    return named(function, function(config, parameters, inputs, *further), kind, words)


def named(function: object, found: object, kind: type, words: str) -> dict[str, Any]:
    """Return what a function returned, if it is a dictionary of tensors by name; raises as `call`."""
    own = getattr(function, "__name__", type(function).__name__)
    if not isinstance(found, Mapping):
        what = f"a tuple of {len(found)}" if isinstance(found, tuple) else _article(found)
        raise TypeError(f"{own} returned {what}; it should return a dict of {words} by name")
    for name, value in found.items():
        if not isinstance(value, kind):
            raise TypeError(f"{own} returned {name!r} as {_article(value)}; it should be a {words}")
    return dict(found)


def _article(value: object) -> str:
    return (
        "None" if value is None else f"a {type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")
    )
