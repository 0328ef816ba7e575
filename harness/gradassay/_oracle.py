"""Truth and noise of a case: what the exact answer is, proved, and how far a correct implementation strays from it."""

from __future__ import annotations

import inspect
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gradassay import _arithmetic, _ball, _dual, _limits, _tape
from gradassay._arithmetic import LANES, A, Float64, Noisy
from gradassay._ball import Ball, Enclosure
from gradassay._cache import Cache, key
from gradassay._case import Case
from gradassay._dual import Dual
from gradassay._limits import BLIND, PRECISIONS, RADIUS, SAMPLES
from gradassay._spec import Tensors
from gradassay._tape import Tape
from gradassay._words import Words

Floats = npt.NDArray[np.float64]
Kind = Literal["vjp", "jvp", "jacobian", "hvp", "adjoint", "trace"]

FIRST_BITS, LAST_BITS = 128, 8192
CHUNK = 8  # rows of a noisy Jacobian pulled back at once: memory is SAMPLES times this
MADE_BY = (_arithmetic, _ball, _dual, _limits, _tape)


@dataclass(frozen=True)
class Query:
    """What is asked of a case. Arrays are in the case's dtype; their bytes are part of the question.

    "vjp" answers with the outputs and, for each of `wrt`, the pulled-back `cotangents`; "jvp" with the outputs'
    tangents; "jacobian" with d `of` / d `wrt[0]`; "hvp" with the derivative of the VJP in the direction
    `tangents`; "adjoint" with <v, J u> and <J'v, u>; "trace" with the cotangents of every mark named in `wrt`.
    """

    kind: Kind
    cotangents: Tensors = field(default_factory=dict)
    tangents: Tensors = field(default_factory=dict)
    wrt: tuple[str, ...] = ()
    of: str = ""


@dataclass(frozen=True)
class Reference:
    """The certified value of one tensor, with its noise scale.

    The truth is `high + low` within `radius`; `zero` marks elements that are exactly 0. `sigma` is the noise
    scale, absolute. `blind` says why a verdict on it would mean nothing; empty when it means something.
    """

    high: Floats
    low: Floats
    radius: Floats
    zero: npt.NDArray[np.bool_]
    sigma: Floats
    blind: str
    rung: str
    bits: int
    roundoff: float


class Oracle:
    """Answers queries about cases, each computed once and kept."""

    def __init__(self, cache: Cache | None = None) -> None:
        self.cache = cache if cache is not None else Cache()
        self.seconds = {"truth": 0.0, "noise": 0.0}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def ask(self, case: Case, query: Query) -> dict[str, Reference]:
        """Return references by name: outputs as "y", what was pulled back as "d x", a Jacobian as "jacobian"."""
        name = question_key(case, query)
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            with self._lock:  # the cache is one thread's at a time
                entry = self.cache.get(name)
            if entry is not None:
                return _unpack(*entry)
            answer = self._answer(case, query, name)
            with self._lock:
                self.cache.put(name, *_pack(answer))
            return answer

    def _answer(self, case: Case, query: Query, name: str) -> dict[str, Reference]:
        start = time.perf_counter()
        truth, bits = self._truth(case, query, FIRST_BITS)
        self._spend("truth", start)
        while True:
            start = time.perf_counter()
            answer = {}
            noise = _noise(case, query, truth, name)
            overflow = _overflow(case)
            for tensor, exact in truth.items():
                sigma, blind, roundoff = noise[tensor]
                answer[tensor] = Reference(
                    exact.high, exact.low, exact.radius, exact.zero, sigma, overflow or blind, "ball", bits, roundoff
                )
            self._spend("noise", start)
            if all(np.all(r.radius <= RADIUS * r.sigma) or r.blind for r in answer.values()):
                return answer
            if bits >= LAST_BITS:
                raise ArithmeticError(f"balls of {bits} bits are still wider than {RADIUS:.1e} of the noise")
            start = time.perf_counter()
            truth, bits = self._truth(case, query, 2 * bits)
            self._spend("truth", start)

    def _spend(self, what: str, start: float) -> None:
        with self._lock:
            self.seconds[what] += time.perf_counter() - start

    def _truth(self, case: Case, query: Query, bits: int) -> tuple[dict[str, Enclosure], int]:
        while True:
            ball = Ball(bits)
            with ball.precision():
                try:
                    found = evaluate(ball, case, query)
                    return {tensor: ball.enclose(array) for tensor, array in found.items()}, bits
                except ArithmeticError:
                    if bits >= LAST_BITS:
                        raise
                    bits *= 2


# --- evaluation in any arithmetic


def evaluate(numbers: Float64, case: Case, query: Query, edits: Mapping[str, Any] | None = None) -> dict[str, A]:
    """Evaluate a query in an arithmetic. Arrays come back with the samples axis first, or without when it is 1.

    The cotangent lanes of a Jacobian are folded into its leading axes.
    """
    if query.kind == "adjoint":
        pushed = evaluate(numbers, case, replace(query, kind="jvp"), edits)
        pulled = evaluate(numbers, case, replace(query, kind="vjp", tangents={}), edits)
        return {
            "<v, J u>": _dot(numbers, [(pushed[n], v) for n, v in query.cotangents.items()]),
            "<J'v, u>": _dot(numbers, [(pulled[f"d {n}"], query.tangents[n]) for n in query.wrt]),
        }
    dual = query.kind in ("jvp", "hvp")
    over: Any = Dual(numbers) if dual else numbers
    tape = Tape(over, edits)
    leaves: dict[str, Any] = {}
    for name, array in case.tensors.items():
        if case.table[name].role == "index":
            leaves[name] = array
            continue
        plain = array.astype(np.float64)
        tangent = query.tangents.get(name)
        value = over.with_tangent(plain, None if tangent is None else tangent.astype(np.float64)) if dual else over.lift(plain)
        leaves[name] = tape.leaf(value) if name in case.differentiable else tape.constant_value(value)
    outputs = case.spec.equations(tape, case.config, case.call, leaves)

    def seeds() -> list[tuple[Any, Any]]:
        return [(outputs[n], over.lift(v.astype(np.float64))) for n, v in query.cotangents.items()]

    if query.kind == "jvp":
        return {name: _one(numbers, over.tangent(out.value)) for name, out in outputs.items()}
    if query.kind == "jacobian":
        return {"jacobian": _jacobian(numbers, tape, outputs[query.of], leaves[query.wrt[0]])}
    if query.kind == "hvp":
        pulled = tape.gradients(seeds(), [leaves[name] for name in query.wrt])
        return {f"d {name}": _one(numbers, over.tangent(g)) for name, g in zip(query.wrt, pulled, strict=True)}
    if query.kind == "trace":
        points = [(name, where, var) for name in query.wrt for where, var in tape.marks[name].items()]
        pulled = tape.gradients(seeds(), [var for _, _, var in points])
        return {
            " ".join([f"d {name}", *(f"{k}={v}" for k, v in where)]): _one(numbers, g)
            for (name, where, _), g in zip(points, pulled, strict=True)
        }
    answer = {name: _one(numbers, out.value) for name, out in outputs.items()}
    pulled = tape.gradients(seeds(), [leaves[name] for name in query.wrt])
    return answer | {f"d {name}": _one(numbers, g) for name, g in zip(query.wrt, pulled, strict=True)}


def _one(numbers: Float64, a: A) -> A:
    """Drop the cotangent lane, and the samples axis when there are none."""
    return a[:, 0] if isinstance(numbers, Noisy) else a.reshape(a.shape[LANES:])


def _dot(numbers: Float64, pairs: Sequence[tuple[A, A]]) -> A:
    """Sum of products with given arrays, without rounding noise of its own: the caller's product is exact too."""
    noisy = isinstance(numbers, Noisy)
    total = numbers.lift([0.0])[0, 0]  # one axis: of none, objects would come back bare
    for a, b in pairs:
        wide = numbers.lift(b.astype(np.float64))[0]
        total = total + ((a if noisy else a[None]) * wide).reshape(-1, wide.size).sum(axis=-1)
    return total if noisy else total.reshape(())


def _jacobian(numbers: Float64, tape: Tape, of: Any, wrt: Any) -> A:
    size = int(np.prod(of.shape, dtype=np.int64))
    step = CHUNK if isinstance(numbers, Noisy) else max(size, 1)
    rows = []
    for start in range(0, size, step):
        hot = numbers.one_hot(of.shape, start, min(start + step, size))
        rows.append(tape.gradients([(of, hot)], [wrt])[0])
    samples = max((len(row) for row in rows), default=1)
    rows = [np.broadcast_to(r, (samples, min(step, size - i * step), *wrt.shape)) for i, r in enumerate(rows)]
    stacked = np.concatenate(rows, axis=1) if rows else numbers.lift(np.zeros((0, *wrt.shape)))[0]
    whole = stacked.reshape(samples, *of.shape, *wrt.shape)
    return whole if isinstance(numbers, Noisy) else whole[0]


# --- noise


def _noise(case: Case, query: Query, truth: Mapping[str, Enclosure], name: str) -> dict[str, tuple[Floats, str, float]]:
    """Return (sigma, blind, simulated roundoff) for each tensor: sigma is the spread of 32 samples about the truth."""
    precision = PRECISIONS[case.dtype]
    found: dict[str, tuple[Floats, str, float]] = {}
    for roundoff in precision.simulate:
        scale = precision.roundoff / roundoff
        noisy = Noisy(roundoff, roundoff, 0.0, precision.floor / scale, Words(0, name, str(roundoff)), SAMPLES)
        with np.errstate(over="ignore", invalid="ignore"):  # noise that overflows is blind, below
            samples = evaluate(noisy, case, query)
        for tensor, exact in truth.items():
            if tensor not in found or found[tensor][1]:
                spread = _root_mean_square(samples[tensor] - exact.high, axis=0)
                spread = np.broadcast_to(spread, exact.high.shape)
                ratio = _ratio(spread[~exact.zero], exact.high[~exact.zero])
                # Underflow: an error as small as the floor means nothing wherever the truth is not exactly 0.
                sigma = np.where(exact.zero, 0.0, np.hypot(spread * scale, precision.floor))
                why = f"noise is {ratio:.2g} of the value at roundoff {roundoff:.1e}" if not ratio <= BLIND else ""
                found[tensor] = (sigma, why, roundoff)
        if not any(blind for _, blind, _ in found.values()):
            break
    return found


def _root_mean_square(a: Floats, axis: int | None = None) -> Floats:
    """Root mean square that neither underflows nor overflows; 0 for nothing."""
    if a.size == 0:
        return np.zeros(()) if axis is None else np.zeros(a.shape[:axis] + a.shape[axis + 1 :])
    peak = np.max(np.abs(a), axis=axis, keepdims=True)
    safe = np.where(peak > 0, peak, 1.0)
    return np.asarray(np.sqrt(np.mean(np.square(a / safe), axis=axis)) * np.squeeze(safe * (peak > 0), axis=axis))


def _ratio(noise: Floats, truth: Floats) -> float:
    if truth.size == 0:
        return 0.0
    value = float(_root_mean_square(truth))
    return float(_root_mean_square(noise)) / value if value > 0 else float("inf")


def _overflow(case: Case) -> str:
    """Say whether a value on the way, or the answer, leaves the dtype's range; nothing is specified then."""
    largest = PRECISIONS[case.dtype].largest
    tape = Tape(Float64())
    leaves = {
        n: a if case.table[n].role == "index" else tape.constant(a.astype(np.float64)) for n, a in case.tensors.items()
    }
    with np.errstate(over="ignore", invalid="ignore"):
        case.spec.equations(tape, case.config, case.call, leaves)
    peak = tape.peak()
    return "" if peak < largest / 2 else f"a value on the way reaches {peak:.2g}, beyond {case.dtype}'s range"


# --- keeping


def question_key(case: Case, query: Query) -> str:
    """Everything that decides an answer: sources, configuration, data, question, dtype, samples."""
    return key(
        _own_source(),
        source_of(case.spec.equations),
        repr(case.config),
        repr(case.call),
        dict(case.tensors),
        case.dtype,
        query.kind,
        dict(query.cotangents),
        dict(query.tangents),
        list(query.wrt),
        query.of,
        {"samples": SAMPLES, "bits": FIRST_BITS},
    )


@lru_cache(maxsize=64)
def source_of(function: Callable[..., Any]) -> str:
    """Source of every module whose functions and classes the function's code may reach, the function's own first.

    The standard library, NumPy and the harness are left out: the harness' own modules are in the key by name.
    """
    seen: dict[str, str] = {}
    waiting: list[Any] = [function]
    while waiting:
        module = inspect.getmodule(waiting.pop())
        if module is None or module.__name__ in seen or module.__name__.split(".")[0] in _NOT_FOLLOWED:
            continue
        seen[module.__name__] = inspect.getsource(module)
        waiting += [m for m in vars(module).values() if inspect.isfunction(m) or inspect.isclass(m)]
    return "\n".join(seen.values())


_NOT_FOLLOWED = sys.stdlib_module_names | {"numpy", "gradassay", "msgspec"}


@lru_cache(maxsize=1)
def _own_source() -> str:
    functions = (evaluate, _dot, _jacobian, _noise, _root_mean_square)
    return "\n".join(inspect.getsource(part) for part in (*MADE_BY, *functions))


def _pack(answer: Mapping[str, Reference]) -> tuple[dict[str, Any], dict[str, Any]]:
    tensors: dict[str, Any] = {}
    for name, r in answer.items():
        parts = {"high": r.high, "low": r.low, "radius": r.radius, "zero": r.zero.astype(np.uint8), "sigma": r.sigma}
        tensors |= {f"{name}|{part}": np.asarray(array) for part, array in parts.items()}
    facts = {n: {"blind": r.blind, "rung": r.rung, "bits": r.bits, "roundoff": r.roundoff} for n, r in answer.items()}
    return {"references": facts}, tensors


def _unpack(metadata: Mapping[str, Any], tensors: Tensors) -> dict[str, Reference]:
    return {
        name: Reference(
            *(tensors[f"{name}|{part}"] for part in ("high", "low", "radius")),
            tensors[f"{name}|zero"].astype(bool),
            tensors[f"{name}|sigma"],
            **facts,
        )
        for name, facts in metadata["references"].items()
    }

