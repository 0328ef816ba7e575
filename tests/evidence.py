"""Bundled backends asked in this process: one offer of one of them in one mode, with all of its gaps open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gradassay import _plugins
from gradassay._backend import Backend, Model, Offer
from gradassay._case import build
from gradassay._oracle import Oracle
from gradassay._process import Local
from gradassay._record import Verdict
from gradassay._single import in_memory, verify_case
from gradassay._spec import CaseTemplate, Spec, Tensors
from gradassay._subject import Subject
from gradassay._target import Target
from gradassay_lstm import LSTM, Call

PROPERTY = {"forward": "values", "vjp": "gradients", "jvp": "jvp", "jacobian": "jacobian", "hvp": "hvp"}
PLAIN = CaseTemplate(
    "plain", LSTM(3, 4), Call(2, 3), "unit", 11, ask={"jacobian": [["c_n", "weight_ih_l0"]], "hvp": True}
)
"""The smallest case that has each feature for which a gap is declared."""
WITH = {
    "dropout": (LSTM(3, 4, 2), Call(2, 3, dropout=True)),
    "partial_states": (LSTM(3, 4), Call(2, 3, c0=False)),
    "zero_length": (LSTM(3, 4), Call(2, 3, lengths=(3, 0))),
    "no_steps": (LSTM(3, 4), Call(2, 0)),
    "no_batch": (LSTM(3, 4), Call(0, 3)),
    "projection": (LSTM(3, 4, projection=2), Call(2, 3)),
    "ragged": (LSTM(3, 4), Call(2, 3, lengths=(3, 1))),
}
oracle: Oracle = in_memory()


@dataclass(frozen=True)
class Alone:
    """A backend with one of its offers, in one mode on one device; what it lacks is not said, so that it is asked."""

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


def alone(backend: Backend, spec: str, mode: str, dtype: str, device: str = "cpu") -> Alone:
    offer = next(
        offer
        for offer in backend.offers
        if offer.spec == spec and dtype in offer.dtypes and device in offer.devices
        if mode in [m.name for m in offer.modes]
    )
    return Alone(backend, replace(offer, modes=(offer.mode(mode),), devices=(device,), dtypes=(dtype,), gaps=()))


def spec_of(name: str) -> Spec[Any, Any]:
    spec: Spec[Any, Any] = _plugins.find("spec", name).load()
    return spec


def template(feature: str = "") -> CaseTemplate:
    config, call = WITH[feature] if feature else (PLAIN.config, PLAIN.call)
    return replace(PLAIN, name=feature or "plain", config=config, call=call)


def verdicts(one: Alone, feature: str, *properties: str) -> tuple[Verdict, ...]:
    return verify_case(
        one, spec_of(one.offer.spec), template(feature), one.offer.dtypes[0], properties=properties, oracle=oracle
    )


def subject(one: Alone, session: Local, feature: str = "") -> Subject:
    (mode,), (device,), (dtype,) = one.offer.modes, one.offer.devices, one.offer.dtypes
    case = build(spec_of(one.offer.spec), "single", template(feature), dtype)
    return Subject(session, case, Target(one.name, mode.name, device, dtype), one.offer.operators, mode)
