"""What the run holds of a backend: requests and answers, and the models that are loaded, wherever it lives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import msgspec

from gradassay._frame import FrameError, decode, encode
from gradassay._spec import Array, Tensors
from gradassay._target import Target

Reply = tuple[dict[str, Any], dict[str, Array]]
_Known = TypeVar("_Known")
Kind = Literal["unsupported", "exception", "crash", "timeout", "malformed"]
Handed = Literal["plain", "read-only", "strided", "transposed"]


class _Seen(msgspec.Struct):
    ran: dict[str, str]
    seconds: float
    none: tuple[str, ...]  # names of the gradients that are None
    touched: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()
    reseeded: tuple[str, ...] = ()


class _Failure(msgspec.Struct):
    kind: Kind
    message: str
    traceback: str


class BackendError(Exception):
    """A request that got no answer.

    Attributes:
        kind: "unsupported" (the backend said so), "exception" (it raised), "crash" (its process ended),
            "timeout" (the deadline passed, and its process was killed), "malformed" (what came is no answer).
        message: what happened, in a line or two.
        traceback: the backend's own traceback, or the end of what its process wrote to stderr; may be empty.
    """

    def __init__(self, kind: Kind, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.traceback = kind, message, traceback


@dataclass(frozen=True)
class Answer:
    """What a call returned, and what was seen of it.

    Attributes:
        gradients: of a VJP, or of an HVP; None where the framework says that there is none.
        tangents: of the outputs, from a JVP.
        ran: what the model says about how it ran.
        touched: what changed byte for byte during the call: inputs and parameters by their names, others as
            "cotangent of y" and "tangent of x".
        aliases: arrays that share memory, in words: "gradient of b and gradient of c", "gradient of x and input x".
        overwritten: what the call before had returned, and this call changed: "output y", "gradient of x".
        reseeded: generators of random numbers whose state the call changed: "python", "numpy", a framework's own.
        seconds: inside the backend, without any conversion to or from bytes.
    """

    outputs: dict[str, Array] = field(default_factory=dict)
    gradients: dict[str, Array | None] = field(default_factory=dict)
    tangents: dict[str, Array] = field(default_factory=dict)
    jacobian: Array | None = None
    ran: dict[str, str] = field(default_factory=dict)
    touched: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()
    reseeded: tuple[str, ...] = ()
    seconds: float = 0.0


class Session(ABC):
    """A backend at work, as a context manager. One request at a time.

    A backend that is gone is started again by the next request, and a model that it had is loaded again
    when it is next called: a crash costs one answer. Every method that asks raises `BackendError`.
    """

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self._loads: dict[int, tuple[dict[str, Any], Tensors]] = {}  # how to load each model
        self._present: set[int] = set()  # the models that the backend has now
        self._next = 0

    @abstractmethod
    def _start(self) -> None:
        """Start the backend if it is not there."""

    @abstractmethod
    def _exchange(self, request: bytes) -> bytes:
        """Send one blob and return the one that answers it."""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def anew(self) -> Session:
        """Return another session with this backend: in a process of its own, where this one is; not started yet."""

    def hello(self) -> dict[str, Any]:
        """Return {"devices": [...], "versions": {...}, "pid": ...} of the backend where it runs."""
        return self._request({"request": "hello"})[0]

    def describe(self) -> dict[str, Any]:
        """Return {"offers": [...], "environment": {...}} of a backend that only its own process imports."""
        return self._request({"request": "describe"})[0]

    def load(
        self,
        spec_name: str,
        config_json: dict[str, Any],
        parameters: Tensors,
        target: Target,
        tied: Sequence[Sequence[str]] = (),
    ) -> int:
        """Load a model and return its id. The parameters of a group of `tied` are handed over as one array."""
        model, self._next = self._next, self._next + 1
        request = {
            "request": "load",
            "model": model,
            "spec": spec_name,
            "config": config_json,
            "target": msgspec.to_builtins(target),
            "tied": [list(group) for group in tied],
        }
        parameters = {name: array.copy() for name, array in parameters.items()}
        self._request(request, parameters)
        self._loads[model] = (request, parameters)
        self._present.add(model)
        return model

    def unload(self, model_id: int) -> None:
        del self._loads[model_id]
        if model_id in self._present:
            self._present.remove(model_id)
            self._request({"request": "unload", "model": model_id})

    def call(
        self,
        model_id: int,
        operator: str,
        *,
        inputs: Tensors,
        cotangents: Tensors | None = None,
        tangents: Tensors | None = None,
        wrt: Sequence[str] = (),
        of: str = "",
        by: str = "",
        handed: Handed = "plain",
        watched: bool = True,
    ) -> Answer:
        """Call one operator of `gradassay._backend.OPERATORS`; "jacobian" returns d of / d by.

        Args:
            handed: how arrays lie in memory when the model is given them.
            watched: look for what the call does beside its answer: to what it was given, to what the call before had
                returned, to random numbers. Otherwise the answer says nothing of these.

        Raises:
            KeyError: if no such model was loaded.
        """
        loading, parameters = self._loads[model_id]
        if model_id not in self._present:  # its process has ended since
            self._request(loading, parameters)
            self._present.add(model_id)
        request = {
            "request": "call",
            "model": model_id,
            "operator": operator,
            "wrt": list(wrt),
            "of": of,
            "by": by,
            "handed": handed,
            "watched": watched,
        }
        groups = {"inputs": inputs, "cotangents": cotangents or {}, "tangents": tangents or {}}
        metadata, arrays = self._request(request, join(groups))
        seen = self._checked(metadata, _Seen)
        return Answer(
            outputs=part(arrays, "outputs"),
            gradients=part(arrays, "gradients") | dict.fromkeys(seen.none),
            tangents=part(arrays, "tangents"),
            jacobian=arrays.get("jacobian"),
            ran=seen.ran,
            touched=seen.touched,
            aliases=seen.aliases,
            overwritten=seen.overwritten,
            reseeded=seen.reseeded,
            seconds=seen.seconds,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _request(self, metadata: Mapping[str, Any], tensors: Tensors | None = None) -> Reply:
        self._start()
        return self._ask(metadata, tensors or {})

    def _ask(self, metadata: Mapping[str, Any], tensors: Tensors) -> Reply:
        blob = self._exchange(encode(metadata, tensors))
        try:
            answer, arrays = decode(blob)
        except FrameError as error:
            raise BackendError("malformed", f"{self.backend}'s answer cannot be read: {error}") from error
        if "error" in answer:
            failure = self._checked(answer["error"], _Failure)
            raise BackendError(failure.kind, failure.message, failure.traceback)
        return answer, arrays

    def _checked(self, answer: object, kind: type[_Known]) -> _Known:
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError as error:
            raise BackendError("malformed", f"{self.backend}'s answer is not of its kind: {error}") from error


def join(groups: Mapping[str, Tensors]) -> dict[str, Array]:
    """Name tensors by their group: `{"inputs": {"x": a}}` becomes `{"inputs/x": a}`."""
    return {f"{group}/{name}": array for group, tensors in groups.items() for name, array in tensors.items()}


def part(tensors: Tensors, group: str) -> dict[str, Array]:
    """Return the tensors of one group, by their own names."""
    return {name.partition("/")[2]: array for name, array in tensors.items() if name.startswith(f"{group}/")}
