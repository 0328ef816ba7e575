"""The bundled backends, asked for one case: in one mode, on one device, in one dtype, and with all gaps open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gradassay import _plugins
from gradassay._backend import Backend, Gap, Model, Offer
from gradassay._record import Verdict
from gradassay._single import in_memory, verify_case
from gradassay._spec import CaseTemplate, Spec, Tensors
from gradassay._target import Target
from gradassay_lstm import LSTM, Call

PROPERTY = {"forward": "values", "vjp": "gradients", "jvp": "jvp", "jacobian": "jacobian", "hvp": "hvp"}
ASK = {"jacobian": [["c_n", "weight_ih_l0"]]}
# By feature, a small case of it: no feature, and every one that a bundled backend has a gap for.
CASES = {
    "plain": (LSTM(3, 4), Call(2, 3)),
    "dropout": (LSTM(3, 4, 2), Call(2, 3, dropout=True)),
    "partial_states": (LSTM(3, 4), Call(2, 3, c0=False)),
    "zero_length": (LSTM(3, 4), Call(2, 3, lengths=(3, 0))),
    "no_steps": (LSTM(3, 4), Call(2, 0)),
    "no_batch": (LSTM(3, 4), Call(0, 3)),
    "projection": (LSTM(3, 4, projection=2), Call(2, 3)),
    "ragged": (LSTM(3, 4), Call(2, 3, lengths=(3, 1))),
}
OF_LSTMS = ("lstm", "mse")
EMPTY = frozenset({"no_steps", "no_batch"})  # the spec `mse` itself refuses these: there is no such case
oracle = in_memory()


@dataclass(frozen=True)
class Alone:
    """One offer of a backend, narrowed to a mode, a device and a dtype; it owns to no gap, so that all is asked."""

    backend: Backend
    offer: Offer

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def offers(self) -> tuple[Offer, ...]:
        return (self.offer,)

    def environment(self) -> Mapping[str, str]:
        return self.backend.environment()

    def devices(self) -> tuple[str, ...]:
        return self.backend.devices()

    def versions(self) -> Mapping[str, str]:
        return self.backend.versions()

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        return self.backend.load(spec, config, parameters, target)


def alone(backend: Backend, mode: str, dtype: str, device: str = "cpu", spec: str = "lstm") -> Alone:
    offer = next(
        offer
        for offer in backend.offers
        if offer.spec == spec and dtype in offer.dtypes and device in offer.devices
        if mode in [known.name for known in offer.modes]
    )
    return Alone(backend, replace(offer, modes=(offer.mode(mode),), devices=(device,), dtypes=(dtype,), gaps=()))


def ask(one: Alone, case: str, *properties: str) -> tuple[Verdict, ...]:
    """Return the verdicts on one of `CASES`, reached in this process."""
    spec: Spec[Any, Any] = _plugins.find("spec", one.offer.spec).load()
    config, call = CASES[case]
    template = CaseTemplate(case, config, call, "unit", 11, thorough=True, ask=ASK if spec.name == "lstm" else {})
    return verify_case(one, spec, template, one.offer.dtypes[0], properties=properties, oracle=oracle)


def why(verdicts: tuple[Verdict, ...]) -> str:
    """Return the one reason why nothing was verified; every verdict must be `errored`."""
    assert verdicts and {verdict.outcome for verdict in verdicts} == {"errored"}, verdicts
    (reason,) = {verdict.reason for verdict in verdicts}
    return reason


def fell_back(mode: str, evidence: str, **found: str) -> str:
    """Return what is said of a mode that did not run."""
    ((key, value),) = found.items()
    return f"mode {mode} did not run: the evidence should be {evidence}, but is {key}={value}"


@dataclass(frozen=True)
class Opening:
    """A declared gap, and a request that falls into it."""

    one: Alone
    gap: Gap
    feature: str
    operator: str

    @property
    def id(self) -> str:
        return "-".join((self.one.name, self.one.offer.spec, self.one.offer.modes[0].name, self.feature, self.operator))


def openings(backend: Backend) -> Iterator[Opening]:
    """Yield a request for everything that the gaps of a backend name on a CPU, modes for sweeps excepted.

    Of the specs that there are `CASES` for: what a program lacks is for the tests of its spec.
    """
    for offer in (offer for offer in backend.offers if offer.spec in OF_LSTMS):
        for gap in offer.gaps:
            for mode in offer.modes:
                if "cpu" not in offer.devices or mode.sweep or (gap.modes and mode.name not in gap.modes):
                    continue
                one = alone(backend, mode.name, offer.dtypes[0], spec=offer.spec)
                for feature in sorted(gap.features or {"plain"}):
                    if offer.spec == "mse" and feature in EMPTY:
                        continue
                    for operator in sorted(gap.operators or {"forward", "vjp"}):
                        yield Opening(one, gap, feature, operator)


def assert_open(opening: Opening, instead: Mapping[str, str]) -> None:
    """Fail unless a gap's request comes to what `instead` has for the gap's reason, a regular expression."""
    found = ask(opening.one, opening.feature, PROPERTY[opening.operator])
    wrong = [verdict.reason for verdict in found if verdict.outcome not in ("passed", "blind")]
    assert wrong, f"{opening.id} is right, but declared as a gap: {opening.gap.reason}"
    for reason in wrong:
        assert re.search(instead[opening.gap.reason], reason), f"{opening.id}: {reason}"


class _Stray:
    """JAX, with all arrays on the first device, whichever was asked for."""

    name = "jax"
    offers: tuple[Offer, ...] = ()

    def environment(self) -> Mapping[str, str]:
        return {}

    def devices(self) -> tuple[str, ...]:
        return ("cpu", "cpu:1")

    def versions(self) -> Mapping[str, str]:
        return {}

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        from gradassay_jax import _framework, jax_backend

        place, first = _framework.place, _framework.available()["cpu"]
        _framework.place = lambda tensors, where: place(tensors, first)
        return jax_backend.load(spec, config, parameters, target)


stray_jax = _Stray()
