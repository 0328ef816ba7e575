"""Backends that misbehave, named by what they do, and a spec for them: `y = 2 x`, and parameters that nothing reads.

They run in real workers, as "fakes:crasher" and so on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from gradassay._backend import Unsupported
from gradassay._spec import Array, Tensors
from gradassay._target import Target

TARGET = Target("fake", "eager", "cpu", "float64")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int
    name: str = ""


spec = SimpleNamespace(name="fake", config=Config)


@dataclass
class Model:
    """y = 2 x and its derivatives; each method can be replaced."""

    config: Config
    weights: dict[str, Array]
    ran: Any = field(default_factory=lambda: {"kernel": "fake"})
    calls: int = 0

    def forward(self, inputs: Tensors) -> Any:
        self.calls += 1
        return {"y": 2 * inputs["x"], "calls": np.array(self.calls)}

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
        return self.forward(inputs), {name: 2 * cotangents["y"] if name == "x" else None for name in wrt}

    def jvp(self, inputs: Tensors, tangents: Tensors) -> Any:
        return self.forward(inputs), {"y": 2 * tangents["x"]}

    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Any:
        return 2 * np.eye(inputs[wrt].size)

    def hvp(self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]) -> Any:
        return {name: np.zeros_like(inputs[name]) for name in wrt}


@dataclass(frozen=True)
class Backend:
    """A well-behaved backend, but for the methods of its model that `does` replaces."""

    does: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    on_load: Callable[[], Any] = lambda: None
    name: str = "fake"
    offers: tuple[Any, ...] = ()

    def environment(self) -> Mapping[str, str]:
        return {}

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def versions(self) -> Mapping[str, str]:
        return {"fake": "1.0", "GRADASSAY_FAKE": os.environ.get("GRADASSAY_FAKE", "unset")}

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        assert spec == "fakes:spec" and isinstance(config, Config) and isinstance(target, Target)
        self.on_load()
        model = Model(config, dict(parameters))
        for method, function in self.does.items():
            setattr(model, method, lambda *args, f=function: f(model, *args))
        return model


def _print(model: Model, inputs: Tensors) -> Any:
    print("a cheerful message on stdout")
    os.write(1, b"and one that goes around Python\n")
    subprocess.run(["echo", "a child's"], check=True)
    assert sys.stdin.read() == ""  # nothing waits there, and no frame is eaten
    return {"y": 2 * inputs["x"]}


def _refuse(*_: object) -> Any:
    raise Unsupported("no forward pass on Sundays")


def _raise(*_: object) -> Any:
    raise ValueError("shapes (3,) and (4,) do not match")


def _exit(*_: object) -> Any:
    print("last words")  # on stdout, whose pipe is the frames'
    sys.exit(3)


def _abort(*_: object) -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)


def _crash_on_negative(model: Model, inputs: Tensors) -> Any:
    return _abort() if inputs["x"].min() < 0 else Model.forward(model, inputs)


def _sleep(model: Model, inputs: Tensors) -> Any:
    time.sleep(float(inputs["x"].flat[0]))
    return {"y": 2 * inputs["x"]}


def _hang_with_child(*_: object) -> Any:
    child = subprocess.Popen(["sleep", "600"])
    print(f"child {child.pid}", file=sys.stderr)
    time.sleep(600)


def _scribble(model: Model, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
    inputs["x"][0] = np.nan
    cotangents["y"][...] += 1
    model.weights["w"] *= 2
    return {"y": inputs["x"]}, {"x": cotangents["y"]}


def _same_bytes(model: Model, inputs: Tensors) -> Any:
    inputs["x"][...] = inputs["x"] + 0.0  # -0.0 becomes 0.0: equal, but for the bytes
    return {"y": inputs["x"]}


def _noise_on_the_wire(*_: object) -> Any:
    import fcntl

    for number in range(3, 20):  # a backend that writes to every pipe that it finds
        try:
            if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_WRONLY:
                os.write(number, b"garbage! " * 4)
        except OSError:
            continue
    time.sleep(600)


def _drift(model: Model, *_: object) -> Any:
    model.held["w"] = model.held["w"] + 1  # type: ignore[attr-defined]  # it holds copies, as a framework does
    return {}


class Holder(Backend):
    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        model = super().load(spec, config, parameters, target)
        model.held = {name: array.copy() for name, array in parameters.items()}  # type: ignore[attr-defined]
        model.parameters = lambda: model.held  # type: ignore[attr-defined]
        return model


good = Backend()
printer = Backend({"forward": _print})
refuser = Backend({"forward": _refuse})
raiser = Backend({"forward": _raise})
leaver = Backend({"forward": _exit})
crasher = Backend({"forward": _crash_on_negative})
crashes_on_load = Backend(on_load=_abort)
slow = Backend({"forward": _sleep})
hanger = Backend({"forward": _hang_with_child})
scribbler = Backend({"vjp": _scribble})
zero_signer = Backend({"forward": _same_bytes})
drifter = Holder({"forward": _drift})
noisy_on_the_wire = Backend({"forward": _noise_on_the_wire})
half_jvp = Backend({"jvp": lambda model, inputs, tangents: {"y": inputs["x"]}})
no_mapping = Backend({"forward": lambda model, inputs: inputs["x"]})
no_array = Backend({"forward": lambda model, inputs: {"y": [1.0, 2.0]}})
none_output = Backend({"forward": lambda model, inputs: {"y": None}})
scalar_output = Backend({"forward": lambda model, inputs: {"y": np.float64(1.0)}})
no_text_name = Backend({"forward": lambda model, inputs: {1: inputs["x"]}})
complex_output = Backend({"forward": lambda model, inputs: {"y": inputs["x"] * 1j}})
no_evidence = Backend({"forward": lambda model, inputs: setattr(model, "ran", {"graphs": 1}) or {}})
none_jacobian = Backend({"jacobian": lambda *_: None})
