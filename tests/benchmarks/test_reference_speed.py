"""How long a certified answer takes: gradients at B=2, T=16, N=8, H=16, in each arithmetic. `make bench` runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradassay._arithmetic import Float64, Noisy, Rounded
from gradassay._ball import Ball
from gradassay._case import Case, build
from gradassay._evaluate import Query, evaluate
from gradassay._spec import CaseTemplate
from gradassay._words import Words
from gradassay_lstm import LSTM, Call, spec

Benchmark = Callable[..., Any]


@pytest.fixture(scope="module")
def case() -> Case:
    template = CaseTemplate("bench", LSTM(8, 16), Call(batch=2, steps=16), "unit", seed=1)
    return build(spec, "bench", template, "float64")


def _gradient(case: Case) -> Query:
    return Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)


def test_float64(benchmark: Benchmark, case: Case) -> None:
    assert "d x" in benchmark(evaluate, Float64(), case, _gradient(case))


def test_noise_of_32_samples(benchmark: Benchmark, case: Case) -> None:
    def noisy() -> Any:
        return evaluate(Noisy(2.0**-24, 2.0**-24, 0.0, 2.0**-126, Words(1)), case, _gradient(case))

    assert benchmark(noisy)["d x"].shape[0] == 32  # samples


def test_rounded_to_float32(benchmark: Benchmark, case: Case) -> None:
    assert "d x" in benchmark(evaluate, Rounded(np.dtype(np.float32)), case, _gradient(case))


@pytest.mark.parametrize("kind", ["vjp", "hvp"])
def test_balls_of_128_bits(benchmark: Benchmark, case: Case, kind: Any) -> None:
    query = Query(kind, case.cotangents, case.tangents if kind == "hvp" else {}, case.differentiable)

    def certified() -> Any:
        ball = Ball(128)
        with ball.precision():
            return evaluate(ball, case, query)

    assert "d x" in benchmark(certified)
