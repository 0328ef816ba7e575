"""A planted fault as a backend that a worker can open: for faults that end their process, or never end.

The variable GRADASSAY_PLANTED names it, as "spec/fault".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from gradassay import _plugins
from gradassay._backend import Model, Offer
from gradassay._fault import Fault
from gradassay._process import Spawned
from gradassay._simulated import Simulated
from gradassay._spec import Spec, Tensors
from gradassay._target import Target

VARIABLE = "GRADASSAY_PLANTED"
DEADLINE = 6.0  # seconds: a worker starts in one or two


def faulty(spec: Spec[Any, Any], fault: Fault | None) -> Simulated:
    """Return a spec's equations as a backend, with a fault or none, that offers whatever any case of the spec asks."""
    templates = (template for suite in spec.suites().values() for template in suite)
    features = frozenset().union(*(spec.features(t.config, t.call) for t in templates))
    return Simulated(spec, fault, features=features)


def in_process_of_its_own(spec: Spec[Any, Any], fault: Fault) -> Spawned:
    """Return a session with a fault that has a process of its own, and a short deadline."""
    return Spawned(f"{__name__}:backend", {VARIABLE: f"{spec.name}/{fault.name}"}, DEADLINE)


class _Planted:
    """What the variable names."""

    name = "planted"
    offers: tuple[Offer, ...] = ()

    def environment(self) -> Mapping[str, str]:
        return {}

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def versions(self) -> Mapping[str, str]:
        return {}

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        of, _, name = os.environ[VARIABLE].partition("/")
        known: Spec[Any, Any] = _plugins.find("spec", of).load()
        (fault,) = (fault for fault in known.faults if fault.name == name)
        return Simulated(known, fault).load(spec, config, parameters, target)


backend = _Planted()
