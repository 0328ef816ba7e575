"""Forward mode against reverse mode, which are written apart; and second derivatives against differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from rules import RULES, Plain, Rule, jacobians

from gradassay._arithmetic import Float64
from gradassay._ball import Ball
from gradassay._case import build
from gradassay._dual import Dual, Pair
from gradassay._evaluate import Query, evaluate
from gradassay._tape import Tape
from gradassay._words import Words
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._strategies import cases

# Forward mode knows neither: they are for faults, whose derivatives are pulled back.
PUSHED = [rule for rule in RULES if rule.operation not in ("stop", "splice")]
BOUNDED = settings(max_examples=12, derandomize=True, deadline=None, database=None)


def directions(arrays: Sequence[Any], name: str) -> list[Any]:
    return [Words(11, name, str(i)).uniform(np.shape(a)) for i, a in enumerate(arrays)]


def pushed(function: Callable[..., Any], operands: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Return (shape, J u) of a function over `Ops`, by duals of floats under a tape that records nothing."""
    dual = Dual(Float64())
    tape = Tape(dual)
    values = [tape.constant_value(dual.with_tangent(a, u)) for a, u in zip(operands, tangents, strict=True)]
    out = function(tape, *values)
    return np.asarray(dual.tangent(out.value)[0, 0])


def pulled(function: Callable[..., Any], operands: Sequence[Any], cotangent: Any) -> list[Any]:
    tape = Tape(Float64())
    leaves = [tape.leaf(a[None, None]) for a in operands]
    out = function(tape, *leaves)
    return [np.asarray(g[0, 0]) for g in tape.gradients([(out, np.asarray(cotangent)[None, None])], leaves)]


def inner(a: Sequence[Any], b: Sequence[Any]) -> float:
    return sum(float(np.sum(x * y)) for x, y in zip(a, b, strict=True))


def assert_adjoint(function: Callable[..., Any], operands: Sequence[Any], name: str) -> None:
    u = directions(operands, "u")
    forward = pushed(function, operands, u)
    v = Words(11, "v").uniform(forward.shape)
    back = pulled(function, operands, v)
    scale = float(np.abs(v * forward).sum()) + inner([abs(g) for g in back], [abs(x) for x in u])
    left, right = inner([v], [forward]), inner(back, u)
    assert abs(left - right) <= 1e-13 * scale, f"{name}: <v, Ju> = {left}, but <J'v, u> = {right}"


@pytest.mark.parametrize("rule", PUSHED, ids=lambda rule: rule.name)
def test_tangents_and_cotangents_of_a_rule_are_adjoint(rule: Rule) -> None:
    assert_adjoint(rule.apply, rule.operands(), rule.name)


@pytest.mark.parametrize("rule", PUSHED, ids=lambda rule: rule.name)
def test_tangents_of_a_rule_are_those_by_complex_step(rule: Rule) -> None:
    operands = rule.operands()
    u = directions(operands, "u")
    exact = jacobians(lambda *a: rule.apply(Plain(), *a), operands)
    want = sum(np.tensordot(j, x, axes=x.ndim) for j, x in zip(exact, u, strict=True))
    assert np.allclose(pushed(rule.apply, operands, u), want, rtol=1e-12, atol=1e-14)


def second(function: Callable[..., Any], operands: Sequence[Any], v: Any, u: Sequence[Any]) -> list[Any]:
    """Return d/de J(x + e u)' v by the tape over duals."""
    dual = Dual(Float64())
    tape = Tape(dual)
    leaves = [tape.leaf(dual.with_tangent(a, t)) for a, t in zip(operands, u, strict=True)]
    out = function(tape, *leaves)
    found = tape.gradients([(out, dual.lift(v))], leaves)
    return [np.broadcast_to(dual.tangent(g)[0, 0], a.shape) for g, a in zip(found, operands, strict=True)]


def richardson(function: Callable[[float], Any], step: float = 2.0**-5, rows: int = 5) -> Any:
    """Central differences at halved steps, extrapolated: an error of the order step^(2 rows)."""
    table = [(function(h) - function(-h)) / (2 * h) for h in (step / 2**k for k in range(rows))]
    for order in range(1, rows):
        table = [(4**order * b - a) / (4**order - 1) for a, b in pairwise(table)]
    return table[0]


@pytest.mark.parametrize("rule", PUSHED, ids=lambda rule: rule.name)
def test_second_derivatives_of_a_rule(rule: Rule) -> None:
    """Against differences of first derivatives by complex step: neither tape nor duals have a part in it."""
    operands = rule.operands()
    u = directions(operands, "u")
    v = Words(11, "v").uniform(np.shape(rule.apply(Plain(), *operands)))

    def gradient(e: float) -> Any:
        moved = [a + e * x for a, x in zip(operands, u, strict=True)]
        exact = jacobians(lambda *a: rule.apply(Plain(), *a), moved)
        return np.concatenate([np.tensordot(v, j, axes=v.ndim).ravel() for j in exact])

    want = richardson(gradient)
    got = np.concatenate([h.ravel() for h in second(rule.apply, operands, v, u)])
    assert np.allclose(got, want, rtol=1e-9, atol=1e-10)


def test_a_wrong_tangent_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Dual.tanh

    def tanh(self: Dual, a: Pair) -> Pair:
        found = right(self, a)
        return Pair(found.primal, None if found.tangent is None else found.tangent * 1.0001)

    monkeypatch.setattr(Dual, "tanh", tanh)
    rule = next(rule for rule in RULES if rule.name == "tanh")
    with pytest.raises(AssertionError, match=r"tanh: <v, Ju> = .*, but <J'v, u> = "):
        assert_adjoint(rule.apply, rule.operands(), "tanh")


# --- random graphs

UNARY: dict[str, Callable[[Any, Any], Any]] = {
    "tanh": lambda ops, a: ops.tanh(a),
    "sigmoid": lambda ops, a: ops.sigmoid(a),
    "negate": lambda ops, a: -a,
    "transpose": lambda ops, a: a.T,
    "exp": lambda ops, a: ops.exp(ops.tanh(a)),
    "log": lambda ops, a: ops.log(ops.tanh(a) + 1.5),
    "sqrt": lambda ops, a: ops.sqrt(a * a + 1.0),
    "columns": lambda ops, a: ops.concatenate([a[:, 1:], a[:, :1]], axis=-1),
    "row": lambda ops, a: a - a[0],
    "rows": lambda ops, a: ops.gather(a, [1, 1]),
    "sum": lambda ops, a: a + ops.sum(a, -1),
    "logsumexp": lambda ops, a: ops.stack([ops.logsumexp(a, -1), ops.logsumexp(a, -2)], axis=-1),
    "where": lambda ops, a: ops.where(np.eye(2, dtype=bool), a, 1.0),
}
BINARY: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda ops, a, b: a + b,
    "multiply": lambda ops, a, b: a * ops.tanh(b),
    "divide": lambda ops, a, b: ops.divide(a, ops.tanh(b) + 2.0),
    "matmul": lambda ops, a, b: ops.tanh(a @ b),
}
STEPS = st.tuples(st.sampled_from([*UNARY, *BINARY]), st.integers(0, 20), st.integers(0, 20))


@settings(max_examples=80, derandomize=True, deadline=None, database=None)
@given(st.lists(STEPS, min_size=1, max_size=12))
def test_random_graphs_are_adjoint(program: list[tuple[str, int, int]]) -> None:
    def graph(ops: Any, *leaves: Any) -> Any:
        pool = list(leaves)
        for name, i, j in program:
            a, b = pool[i % len(pool)], pool[j % len(pool)]
            pool.append(UNARY[name](ops, a) if name in UNARY else BINARY[name](ops, a, b))
        return ops.stack([pool[-1], pool[len(pool) // 2]], axis=-1)

    operands = [Words(3, str(i)).uniform((2, 2)) for i in range(3)]
    assert_adjoint(graph, operands, str(program))
    u, w = directions(operands, "u"), directions(operands, "w")
    v = Words(3, "v").uniform((2, 2, 2))
    hu, hw = second(graph, operands, v, u), second(graph, operands, v, w)
    scale = inner([abs(h) for h in hu], [abs(x) for x in w]) + inner([abs(h) for h in hw], [abs(x) for x in u])
    assert abs(inner(hu, w) - inner(hw, u)) <= 1e-12 * scale


# --- the LSTM, in balls


def lstm(template: Any) -> Any:
    return build(spec, "drawn", template, "float64")


@BOUNDED
@given(cases(among=("unit", "saturated", "sparse")))
def test_the_lstm_is_adjoint(template: Any) -> None:
    case = lstm(template)
    query = Query("adjoint", cotangents=case.cotangents, tangents=case.tangents, wrt=case.differentiable)
    ball = Ball(200)
    with ball.precision():
        found = evaluate(ball, case, query)
        left, right = (found[name].item() for name in ("<v, J u>", "<J'v, u>"))
        assert left.overlaps(right) and float((left - right).rad()) <= 1e-50 * (1 + abs(float(left.mid())))


def dot(pairs: Any) -> arb:
    total = arb(0)
    for a, b in pairs:
        for x, y in zip(a.ravel().tolist(), np.asarray(b, dtype=np.float64).ravel().tolist(), strict=True):
            total += x * arb(y)
    return total


@BOUNDED
@given(cases(among=("unit", "saturated", "sparse")))
def test_the_second_derivative_of_the_lstm_is_symmetric(template: Any) -> None:
    """<w, H u> = <u, H w>, with H the Hessian of <v, f>."""
    case = lstm(template)
    other = {n: Words(5, n).uniform(a.shape) for n, a in case.tangents.items()}
    ball = Ball(200)
    with ball.precision():
        hu, hw = (
            evaluate(ball, case, Query("hvp", cotangents=case.cotangents, tangents=t, wrt=case.differentiable))
            for t in (case.tangents, other)
        )
        left = dot((hu[f"d {n}"], other[n]) for n in case.differentiable)
        right = dot((hw[f"d {n}"], case.tangents[n]) for n in case.differentiable)
        assert left.overlaps(right) and float((left - right).rad()) <= 1e-40 * (1 + abs(float(left.mid())))


def test_the_second_derivative_of_the_lstm_is_the_difference_of_its_values() -> None:
    """<w, H u> = d2/ds dt <v, f(x + s u + t w)>, by differences of the equations' forward pass in 400 bits."""
    config = LSTM(2, 3, num_layers=2, bidirectional=True, projection=2)
    template = next(iter(spec.suites()["smoke"]))
    template = type(template)("second", config, Call(2, 3, lengths=(3, 1), dropout=True), "unit", 5)
    case = lstm(template)
    other = {n: Words(5, n).uniform(a.shape) for n, a in case.tangents.items()}
    ball = Ball(400)
    with ball.precision():

        def value(s: arb, t: arb) -> arb:
            tape = Tape(ball)
            leaves: dict[str, Any] = {}
            for name, array in case.tensors.items():
                if case.table[name].role == "index":
                    leaves[name] = array
                    continue
                moved = ball.lift(array)
                if name in case.tangents:
                    moved = moved + s * ball.lift(case.tangents[name]) + t * ball.lift(other[name])
                leaves[name] = tape.constant_value(moved)
            outputs = spec.equations(tape, case.config, case.call, leaves)
            return dot((outputs[n].value, v) for n, v in case.cotangents.items())

        def mixed(h: arb) -> arb:
            return (value(h, h) - value(h, -h) - value(-h, h) + value(-h, -h)) / (4 * h * h)

        h = arb(2) ** -40
        want = (4 * mixed(h / 2) - mixed(h)) / 3  # the error is of the order h^4 = 2^-160
        query = Query("hvp", cotangents=case.cotangents, tangents=case.tangents, wrt=case.differentiable)
        got = evaluate(ball, case, query)
        found = dot((got[f"d {n}"], other[n]) for n in case.differentiable)
        assert abs(float(found - want)) <= 1e-40 * abs(float(want))


# --- pairs


def test_a_tangent_of_none_is_zero() -> None:
    dual = Dual(Float64())
    still = dual.lift(np.ones(2))
    assert still.tangent is None and dual.tangent(still).tolist() == [[[0.0, 0.0]]]
    for found in (dual.multiply(still, still), dual.divide(still, still), dual.sigmoid(still), dual.add(still, still)):
        assert found.tangent is None


def test_a_tangent_is_spread_to_the_shape_of_a_sum() -> None:
    dual = Dual(Float64())
    found = dual.add(dual.with_tangent(np.ones(1), np.ones(1)), dual.lift(np.ones((3, 2))))
    assert dual.tangent(found).shape == (1, 1, 3, 2) and dual.tangent(found).all()
