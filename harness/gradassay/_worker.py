"""The side of a session where the backend lives: `python -m gradassay._worker` answers frames on stdin with frames.

Each request is a JSON object with "request": "open", "describe", "hello", "load", "unload" or "call", and tensors;
each answer has what was asked for, or "error". Only `Exception`s are answered: an exit or a crash ends the process.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import IO, Any

import msgspec
import numpy as np

from gradassay import _plugins
from gradassay._backend import Backend, Unsupported
from gradassay._decorated import FunctionBackend
from gradassay._errors import UsageError
from gradassay._frame import FrameError, decode, encode, read_frame, write_frame
from gradassay._session import BackendError, join, part
from gradassay._sideways import aliases, lay, named, watched_generators
from gradassay._spec import Array, Tensors
from gradassay._target import Target

Reply = tuple[dict[str, Any], dict[str, Array]]
Found = dict[str, dict[str, Array | None]]  # an answer, by groups


class MalformedError(Exception):
    """The backend returned what is no mapping of names to arrays."""


class Worker:
    """A backend and its models, by id."""

    def __init__(self, backend: Backend | None = None) -> None:
        self._backend = backend
        self._models: dict[int, tuple[Any, Tensors]] = {}
        self._returned: dict[str, tuple[Array, tuple[object, ...]]] = {}  # by the latest call, with the bytes it had

    @property
    def backend(self) -> Backend:
        if self._backend is None:
            raise RuntimeError("the first request should be 'open'")
        return self._backend

    def answer(self, metadata: Mapping[str, Any], tensors: Tensors) -> Reply:
        """Answer one request; raises what the backend raises."""
        match metadata["request"]:
            case "open":
                sys.path.extend(path for path in metadata["path"] if path not in sys.path)
                plugin = _plugins.find("backend", metadata["backend"])
                self._backend = plugin.open() if isinstance(plugin, _plugins.Located) else plugin.load()
                return {}, {}
            case "describe":
                return _description(self.backend), {}
            case "hello":
                devices, versions = self.backend.devices(), self.backend.versions()
                return {"devices": list(devices), "versions": dict(versions), "pid": os.getpid()}, {}
            case "load":
                spec = _plugins.find("spec", metadata["spec"]).load()
                config = msgspec.convert(metadata["config"], spec.config)
                target = msgspec.convert(metadata["target"], Target)
                given = dict(tensors)
                for first, *others in metadata.get("tied", ()):
                    given |= dict.fromkeys(others, given[first])
                model = self.backend.load(metadata["spec"], config, given, target)
                self._models[metadata["model"]] = (model, given)
                return {}, {}
            case "unload":
                del self._models[metadata["model"]]
                return {}, {}
            case "call":
                return self._call(metadata, tensors)
            case other:
                raise RuntimeError(f"there is no request {other!r}")

    def _call(self, metadata: Mapping[str, Any], tensors: Tensors) -> Reply:
        model, given = self._models[metadata["model"]]
        groups = {
            group: {name: lay(array, metadata["handed"]) for name, array in part(tensors, group).items()}
            for group in ("inputs", "cotangents", "tangents")
        }
        seen: dict[str, list[str]] = {}
        watching: AbstractContextManager[list[Found]] = nullcontext([])
        if metadata.get("watched", True):
            watching = self._watching(model, given, groups, seen)
        with watching as held:
            started = time.perf_counter()
            found = _ask(model, metadata, **groups)
            seconds = time.perf_counter() - started
            held.append(found)
        answer = {
            "ran": _evidence(model),
            "seconds": seconds,
            "none": [name for name, array in found.get("gradients", {}).items() if array is None],
            **seen,
        }
        arrays = {
            group: {name: array for name, array in answers.items() if array is not None}
            for group, answers in found.items()
        }
        return answer, arrays.pop("jacobian", {}) | join(arrays)

    @contextmanager
    def _watching(
        self, model: Any, given: Tensors, groups: Mapping[str, Tensors], seen: dict[str, list[str]]
    ) -> Iterator[list[Found]]:
        """Leave in `seen` what a call did beside its answer, which is put into the list that is yielded."""
        watched = _watched(model, given, groups)
        before = {name: _bytes(array) for name, array in watched.items()}
        reseeded: list[str] = []
        held: list[Found] = []
        with watched_generators(self.backend, reseeded):
            yield held
        (found,) = held
        overwritten = [name for name, (array, content) in self._returned.items() if _bytes(array) != content]
        returned = named(found)
        self._returned = {name: (array, _bytes(array)) for name, array in returned.items()}
        aliased = aliases(returned, groups, given)
        watched |= _parameters(model)
        touched = [name for name, content in before.items() if content != _bytes(watched[name])]
        seen |= {"touched": touched, "aliases": aliased, "overwritten": overwritten, "reseeded": reseeded}


def _description(backend: Backend) -> dict[str, Any]:
    """Return what is planned with. A function whose author named no device is offered on those that are here."""
    offers = backend.offers
    if isinstance(backend, FunctionBackend) and backend.everywhere:
        here = backend.devices()
        offers = tuple(replace(offer, devices=tuple(d for d in offer.devices if d in here)) for offer in offers)
    return {"offers": msgspec.to_builtins(offers), "environment": dict(backend.environment())}


def _ask(
    model: Any, metadata: Mapping[str, Any], inputs: Tensors, cotangents: Tensors, tangents: Tensors
) -> dict[str, dict[str, Array | None]]:
    """Call the model's operator and return its answer by group.

    Raises:
        MalformedError: if the answer is not of the operator's kind.
    """
    operator, wrt = metadata["operator"], tuple(metadata["wrt"])
    match operator:
        case "forward":
            return {"outputs": _arrays("forward's outputs", model.forward(inputs))}
        case "vjp":
            outputs, gradients = _pair("vjp", model.vjp(inputs, cotangents, wrt))
            found = _arrays("vjp's gradients", gradients, none=True)
            return {"outputs": _arrays("vjp's outputs", outputs), "gradients": found}
        case "jvp":
            outputs, derivatives = _pair("jvp", model.jvp(inputs, tangents))
            return {
                "outputs": _arrays("jvp's outputs", outputs),
                "tangents": _arrays("jvp's tangents", derivatives),
            }
        case "jacobian":
            jacobian = model.jacobian(inputs, metadata["of"], metadata["by"])
            return {"jacobian": _arrays("jacobian's answer", {"jacobian": jacobian})}
        case "hvp":
            gradients = model.hvp(inputs, cotangents, tangents, wrt)
            return {"gradients": _arrays("hvp's gradients", gradients, none=True)}
        case _:
            raise RuntimeError(f"there is no operator {operator!r}")


def _pair(what: str, answer: object) -> tuple[object, object]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise MalformedError(f"{what} returned {_kind(answer)}; it should return a tuple of two mappings")
    return answer


def _arrays(what: str, answer: object, none: bool = False) -> dict[str, Array | None]:
    if not isinstance(answer, Mapping):
        raise MalformedError(f"{what} should be a mapping of names to arrays, but are {_kind(answer)}")
    for name, array in answer.items():
        if not isinstance(name, str):
            raise MalformedError(f"{what} have a name that is {_kind(name)}; it should be text")
        if not isinstance(array, np.ndarray) and not (none and array is None):
            raise MalformedError(f"{what} have {name!r} as {_kind(array)}; it should be a numpy.ndarray")
    return dict(answer)


def _kind(value: object) -> str:
    name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else "None" if value is None else f"a {name}"


def _evidence(model: Any) -> dict[str, str]:
    ran = model.ran
    if not isinstance(ran, Mapping) or not all(isinstance(word, str) for item in ran.items() for word in item):
        raise MalformedError(f"ran is {ran!r}; it should be a mapping of text to text")
    return dict(ran)


def _watched(model: Any, given: Tensors, groups: Mapping[str, Tensors]) -> dict[str, Array]:
    """Return what a call may not change. `given` are the arrays that loading was given: a model may hold them."""
    return {
        **groups["inputs"],
        **{f"cotangent of {name}": array for name, array in groups["cotangents"].items()},
        **{f"tangent of {name}": array for name, array in groups["tangents"].items()},
        **given,
        **_parameters(model),
    }


def _parameters(model: Any) -> dict[str, Array]:
    """Return the parameters that the model says it holds now; none, if it does not say."""
    return dict(model.parameters()) if hasattr(model, "parameters") else {}


def _bytes(array: Array) -> tuple[object, ...]:
    return array.dtype, array.shape, array.tobytes()


def reply(worker: Worker, blob: bytes) -> bytes:
    """Answer one blob with one; what the backend raised is an answer too."""
    try:
        return encode(*worker.answer(*decode(blob)))
    except Exception as error:  # a backend may raise anything, and its process goes on
        return encode({"error": vars(failure(error))}, {})


def failure(error: Exception) -> BackendError:
    """Return what an exception of the backend is to the run."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, Unsupported):
        return BackendError("unsupported", str(error), trace)
    if isinstance(error, MalformedError | FrameError):
        return BackendError("malformed", str(error), trace)
    if isinstance(error, UsageError):
        return BackendError("exception", str(error), trace)
    return BackendError("exception", f"{type(error).__name__}: {error}", trace)


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the requests end."""
    worker = Worker()
    while (blob := read_frame(requests)) is not None:
        write_frame(answers, reply(worker, blob))


def main() -> None:
    # The frames keep copies of the two pipes; what the backend prints goes to stderr, what it reads is empty.
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    faulthandler.enable()
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    serve(requests, answers)


def end_with(parent: int) -> None:
    """End this process when its parent is gone, even while the backend computes or hangs."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    main()
