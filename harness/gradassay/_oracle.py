"""Truth and noise of a case: what the exact answer is, proved, and how far a correct implementation strays from it."""

from __future__ import annotations

import inspect
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import flint
import numpy as np
import numpy.typing as npt

from gradassay import (
    _arithmetic,
    _ball,
    _case,
    _dual,
    _evaluate,
    _jacobian,
    _lanes,
    _limits,
    _noise,
    _precision,
    _reach,
    _sources,
    _spec,
    _tape,
    _words,
)
from gradassay._ball import Ball, Enclosure
from gradassay._cache import Cache, key
from gradassay._case import Case
from gradassay._evaluate import Query as Query
from gradassay._evaluate import evaluate as evaluate
from gradassay._jacobian import Swept, sweep
from gradassay._limits import RADIUS, SAMPLES
from gradassay._noise import noise, overflow, survey
from gradassay._precision import bits_for
from gradassay._reach import Reach, reach_of
from gradassay._sources import source_of as source_of
from gradassay._spec import Tensors

Floats = npt.NDArray[np.float64]

FIRST_BITS, LAST_BITS = 128, 8192
LONG = 40_000_000  # products, from which on a trial in balls costs more than to foretell its bits
MADE_BY = (
    _arithmetic,
    _ball,
    _case,
    _dual,
    _evaluate,
    _jacobian,
    _lanes,
    _limits,
    _noise,
    _precision,
    _reach,
    _sources,
    _spec,
    _tape,
    _words,
)


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
    overflow: bool = False  # blind because the dtype's range is left: not even finiteness is specified then


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
            answer = self._answer(case, query, asked_key(case, query))
            with self._lock:
                self.cache.put(name, *_pack(answer))
            return answer

    def _answer(self, case: Case, query: Query, seed: str) -> dict[str, Reference]:
        start = time.perf_counter()
        reach = reach_of(case, query) if query.kind == "jacobian" else None
        peak = survey(case, query, reach)
        beyond = overflow(peak, case.dtype)
        bits = max(FIRST_BITS, min(bits_for(case, query), LAST_BITS) if peak.products > LONG else 0)
        truth, bits = self._truth(case, query, bits, reach)
        self._spend("truth", start)
        while True:
            start = time.perf_counter()
            answer = {}
            scales = noise(case, query, truth, seed, reach)
            for tensor, exact in truth.items():
                sigma, blind, roundoff = scales[tensor]
                answer[tensor] = Reference(
                    high=exact.high,
                    low=exact.low,
                    radius=exact.radius,
                    zero=exact.zero,
                    sigma=sigma,
                    blind=beyond or blind,
                    overflow=bool(beyond),
                    rung="ball",
                    bits=bits,
                    roundoff=roundoff,
                )
            self._spend("noise", start)
            # Sums of these are compared with each other: when nothing rounds them, a pair cannot hold them exactly.
            between = query.kind in ("adjoint", "symmetry")
            if between or all(np.all(r.radius <= RADIUS * r.sigma) or r.blind for r in answer.values()):
                return answer
            if bits >= LAST_BITS:
                raise ArithmeticError(f"balls of {bits} bits are still wider than {RADIUS:.1e} of the noise")
            start = time.perf_counter()
            truth, bits = self._truth(case, query, 2 * bits, reach)
            self._spend("truth", start)

    def _spend(self, what: str, start: float) -> None:
        with self._lock:
            self.seconds[what] += time.perf_counter() - start

    def _truth(self, case: Case, query: Query, bits: int, reach: Reach | None) -> tuple[dict[str, Enclosure], int]:
        while True:
            ball = Ball(bits)
            with ball.precision():
                try:
                    if reach is not None:
                        return {"jacobian": _enclosed(ball, sweep(ball, case, query, reach))}, bits
                    found = evaluate(ball, case, query)
                    return {tensor: ball.enclose(array) for tensor, array in found.items()}, bits
                except ArithmeticError:
                    if bits >= LAST_BITS:
                        raise
                    bits *= 2


def _enclosed(ball: Ball, swept: Swept) -> Enclosure:
    """Enclose what was swept, and lay it out; what no sweep reaches is exactly 0."""
    found = ball.enclose(swept.array)
    high, low, radius = (replace(swept, array=part).whole()[0] for part in (found.high, found.low, found.radius))
    return Enclosure(high, low, radius, replace(swept, array=found.zero).whole(zero=True)[0])


def question_key(case: Case, query: Query) -> str:
    """Everything that decides an answer: sources, versions, samples, and what is asked."""
    return key(
        _own_source(),
        source_of(case.spec.equations),
        {"numpy": np.__version__, "flint": flint.__version__},
        {"samples": SAMPLES, "bits": FIRST_BITS},
        asked_key(case, query),
    )


def asked_key(case: Case, query: Query) -> str:
    """What is asked, without who answers: it seeds the noise, so that an edit of a comment moves no figure."""
    return key(
        case.spec.name,
        case.spec.version,
        repr(case.config),
        repr(case.call),
        dict(case.tensors),
        case.dtype,
        query.kind,
        dict(query.cotangents),
        dict(query.tangents),
        list(query.wrt),
        query.of,
        *([dict(query.against)] if query.against else []),
        *([query.of_block, query.wrt_block] if query.of_block or query.wrt_block else []),
    )


@lru_cache(maxsize=1)
def _own_source() -> str:
    return "\n".join(inspect.getsource(module) for module in (*MADE_BY, sys.modules[__name__]))


def _pack(answer: Mapping[str, Reference]) -> tuple[dict[str, Any], dict[str, Any]]:
    tensors: dict[str, Any] = {}
    for name, r in answer.items():
        parts = {"high": r.high, "low": r.low, "radius": r.radius, "zero": r.zero.astype(np.uint8), "sigma": r.sigma}
        tensors |= {f"{name}|{part}": np.asarray(array) for part, array in parts.items()}
    kept = ("blind", "overflow", "rung", "bits", "roundoff")
    facts = {name: {fact: getattr(r, fact) for fact in kept} for name, r in answer.items()}
    return {"references": facts}, tensors


def _unpack(metadata: Mapping[str, Any], tensors: Tensors) -> dict[str, Reference]:
    return {
        name: Reference(
            high=tensors[f"{name}|high"],
            low=tensors[f"{name}|low"],
            radius=tensors[f"{name}|radius"],
            zero=tensors[f"{name}|zero"].astype(bool),
            sigma=tensors[f"{name}|sigma"],
            blind=facts["blind"],
            overflow=facts["overflow"],
            rung=facts["rung"],
            bits=facts["bits"],
            roundoff=facts["roundoff"],
        )
        for name, facts in metadata["references"].items()
    }
