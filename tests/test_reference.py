"""The LSTM's reference against derivatives that share no code with the tape, and what its enclosures promise."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from rules import STEP

from gradassay._ball import FLINT, Ball, Enclosure
from gradassay._case import Case, build
from gradassay._evaluate import Query, evaluate
from gradassay._spec import CaseTemplate
from gradassay._tape import Tape
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._features import FEATURES
from gradassay_lstm._strategies import cases

Complex = npt.NDArray[np.complex128]


def drawn(template: CaseTemplate, dtype: str = "float64") -> Case:
    return build(spec, "drawn", template, dtype)


def case_of(config: LSTM, call: Call, regime: str = "unit", dtype: str = "float64", seed: int = 3) -> Case:
    return drawn(CaseTemplate("case", config, call, regime, seed), dtype)


# --- an LSTM of its own: sample by sample, complex, in plain NumPy


def sigmoid(z: Complex) -> Complex:
    small = np.exp(np.where(z.real >= 0, -z, z))
    return np.where(z.real >= 0, 1.0, small) / (1.0 + small)


def plain_lstm(config: LSTM, tensors: Mapping[str, Any]) -> dict[str, Complex]:
    """The textbook's equations for one sample after the other, each over its own steps only."""
    x = tensors["x"]
    batch, steps = x.shape[:2]
    H, S, D = config.hidden_size, config.state_size, config.directions
    y = np.zeros((batch, steps, D * S), dtype=complex)
    h_n = np.zeros((config.num_layers * D, batch, S), dtype=complex)
    c_n = np.zeros((config.num_layers * D, batch, H), dtype=complex)
    for b in range(batch):
        length = int(tensors["lengths"][b]) if "lengths" in tensors else steps
        below = [x[b, t] for t in range(length)]
        for layer in range(config.num_layers):
            above = [np.zeros(D * S, dtype=complex) for _ in range(length)]
            for direction in range(D):
                cell = layer * D + direction
                end = f"_l{layer}" + "_reverse" * direction
                h = tensors["h0"][cell, b] if "h0" in tensors else np.zeros(S)
                c = tensors["c0"][cell, b] if "c0" in tensors else np.zeros(H)
                for t in range(length)[:: -1 if direction else 1]:
                    a = tensors["weight_ih" + end] @ below[t] + tensors["weight_hh" + end] @ h
                    if config.bias:
                        a = a + tensors["bias_ih" + end] + tensors["bias_hh" + end]
                    c = sigmoid(a[H : 2 * H]) * c + sigmoid(a[:H]) * np.tanh(a[2 * H : 3 * H])
                    h = sigmoid(a[3 * H :]) * np.tanh(c)
                    if config.projection:
                        h = tensors["weight_hr" + end] @ h
                    above[t][direction * S : (direction + 1) * S] = h
                h_n[cell, b], c_n[cell, b] = h, c
            if f"dropout_mask_l{layer}" in tensors:
                above = [row * tensors[f"dropout_mask_l{layer}"][b, t] for t, row in enumerate(above)]
            below = above
        for t in range(length):
            y[b, t] = below[t]
    return {"y": y, "h_n": h_n, "c_n": c_n}


def by_complex_step(case: Case, moves: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tangent of every output for given tangents of inputs, states and parameters."""
    moved = {n: a + 1j * STEP * moves[n] if n in moves else a for n, a in case.tensors.items()}
    return {name: out.imag / STEP for name, out in plain_lstm(case.config, moved).items()}


def assert_gradients_by_complex_step(case: Case) -> None:
    """Each pulled-back cotangent, times a random direction, is the loss' change in that direction."""
    query = Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)
    ball = Ball(128)
    with ball.precision():
        found = {n: a.astype(np.float64) for n, a in evaluate(ball, case, query).items()}
    for name, value in plain_lstm(case.config, case.tensors).items():
        assert np.allclose(found[name], value.real, rtol=1e-11, atol=1e-13), name
    for name in case.differentiable:
        u = case.tangents[name]
        tangents = by_complex_step(case, {name: u})
        terms = np.concatenate([(case.cotangents[n] * tangents[n]).ravel() for n in case.cotangents])
        got, want = float(np.sum(found[f"d {name}"] * u)), float(terms.sum())
        scale = float(np.abs(terms).sum()) + float(np.abs(found[f"d {name}"] * u).sum())
        assert abs(got - want) <= 1e-10 * scale, f"d {name}: <g, u> = {got}, but {want} by complex step"


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(cases())
def test_gradients_are_those_of_an_independent_lstm(template: CaseTemplate) -> None:
    assert_gradients_by_complex_step(drawn(template))


def test_every_element_of_every_gradient_by_complex_step() -> None:
    config = LSTM(2, 3, num_layers=2, bidirectional=True, projection=2)
    case = case_of(config, Call(2, 3, lengths=(3, 1), dropout=True))
    query = Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)
    ball = Ball(128)
    with ball.precision():
        found = {n: a.astype(np.float64) for n, a in evaluate(ball, case, query).items()}
    for name in case.differentiable:
        for index in np.ndindex(case.tensors[name].shape):
            one = np.zeros(case.tensors[name].shape)
            one[index] = 1.0
            tangents = by_complex_step(case, {name: one})
            want = sum(float(np.sum(v * tangents[n])) for n, v in case.cotangents.items())
            assert abs(found[f"d {name}"][index] - want) <= 1e-12, (name, index)


@pytest.mark.parametrize("operation", ["sigmoid", "tanh", "multiply", "matmul", "index", "where"])
def test_a_wrong_rule_shows_in_the_lstm(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = getattr(Tape, operation)

    def wrong(tape: Tape, *args: Any) -> Any:
        out = right(tape, *args)
        n = tape.numbers
        factor = n.lift(1.0001)
        out.rules = [(v, lambda g, into, rule=rule: rule(n.multiply(g, factor), into)) for v, rule in out.rules]
        return out

    case = case_of(LSTM(2, 3), Call(2, 4, lengths=(4, 2)))
    assert_gradients_by_complex_step(case)
    monkeypatch.setattr(Tape, operation, wrong)
    with pytest.raises(AssertionError, match=r"d \w+: <g, u> = .*, but .* by complex step"):
        assert_gradients_by_complex_step(case)


# --- differences of the equations' own forward pass, in 400 bits


def dot(pairs: Any) -> arb:
    total = arb(0)
    for a, b in pairs:
        for x, y in zip(a.ravel().tolist(), np.asarray(b, dtype=np.float64).ravel().tolist(), strict=True):
            total += x * arb(y)
    return total


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(cases(among=("unit", "saturated", "zeros", "memory", "mixed")))
def test_gradients_are_differences_of_values_to_forty_digits(template: CaseTemplate) -> None:
    case = drawn(template)
    ball = Ball(400)
    with ball.precision():

        def loss(e: arb) -> arb:
            tape = Tape(ball)
            leaves: dict[str, Any] = {}
            for name, array in case.tensors.items():
                if case.table[name].role == "index":
                    leaves[name] = array
                    continue
                moved = ball.lift(array)
                if name in case.tangents:
                    moved = moved + e * ball.lift(case.tangents[name])
                leaves[name] = tape.constant_value(moved)
            outputs = spec.equations(tape, case.config, case.call, leaves)
            return dot((outputs[n].value, v) for n, v in case.cotangents.items())

        def slope(h: arb) -> arb:
            return (loss(h) - loss(-h)) / (2 * h)

        h = arb(2) ** -60
        want = (4 * slope(h / 2) - slope(h)) / 3  # what is left out is of the order h^4 = 2^-240
        pulled = evaluate(ball, case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
        got = dot((pulled[f"d {n}"], case.tangents[n]) for n in case.differentiable)
        assert abs(float(got - want)) <= 1e-40 * (1 + abs(float(want)))


# --- enclosures


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(cases(among=("unit", "saturated", "huge", "cancelling")))
def test_enclosures_of_more_bits_lie_within_those_of_fewer(template: CaseTemplate) -> None:
    case = drawn(template)
    query = Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)
    found = []
    for bits in (80, 160, 320):
        ball = Ball(bits)
        with ball.precision():
            found.append(evaluate(ball, case, query))
    with FLINT, ctx.workprec(1000):
        for coarse, fine in pairwise(found):
            for name in coarse:
                for a, b in zip(coarse[name].ravel().tolist(), fine[name].ravel().tolist(), strict=True):
                    assert a.overlaps(b) and b.rad() <= a.rad(), name


def difference(x: arb, pair: tuple[float, float]) -> arb:
    return x - arb(pair[0]) - arb(pair[1])


def assert_encloses(numbers: list[arb], found: Enclosure) -> None:
    """high + low, give or take the radius, holds the whole ball."""
    with FLINT, ctx.workprec(4000):
        for i, x in enumerate(numbers):
            mid, rad = arb(float(found.high[i])) + arb(float(found.low[i])), arb(float(found.radius[i]))
            assert abs(x.mid() - mid) + x.rad() <= rad, f"{x} is not within {found.radius[i]} of {mid}"
            assert bool(found.zero[i]) == x.is_zero()


EXPONENTS = st.integers(-1100, 900)


@st.composite
def balls(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """(mantissa, exponent, radius' mantissa, radius' exponent)."""
    radius = draw(st.sampled_from([0, 1, 3, 2**29 - 1]))
    return draw(st.integers(-(2**200), 2**200)), draw(EXPONENTS) - 200, radius, draw(EXPONENTS)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.lists(balls(), min_size=1, max_size=4), st.sampled_from([53, 128, 4000]))
def test_a_pair_never_understates_its_ball(given_balls: list[tuple[int, int, int, int]], bits: int) -> None:
    with FLINT, ctx.workprec(4000):
        numbers = [arb(m) * arb(2) ** e + arb(0, r) * arb(2) ** f for m, e, r, f in given_balls]
    array = np.empty(len(numbers), dtype=object)
    array[:] = numbers
    ball = Ball(bits)
    with ball.precision():
        found = ball.enclose(array)
    assert_encloses(numbers, found)


def test_the_pair_of_an_answer_holds_its_ball() -> None:
    case = case_of(LSTM(3, 4), Call(2, 5))
    query = Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)
    ball = Ball(128)
    with ball.precision():
        found = evaluate(ball, case, query)
        pairs = {name: ball.enclose(a) for name, a in found.items()}
    for name, pair in pairs.items():
        flat = Enclosure(*(getattr(pair, part).ravel() for part in ("high", "low", "radius", "zero")))
        assert_encloses(found[name].ravel().tolist(), flat)
        assert np.all(pair.radius <= 2.0**-100 * np.abs(pair.high) + 1e-300), name  # a pair holds about 106 bits


def test_an_understated_radius_is_seen() -> None:
    with pytest.raises(AssertionError, match="is not within"):
        third = arb(1) / 3
        high = float(third.mid())
        assert_encloses([third], Enclosure(np.array([high]), np.zeros(1), np.array([1e-20]), np.zeros(1, dtype=bool)))


@pytest.mark.parametrize("number", [arb(2) ** 1100, arb("nan"), arb("inf"), arb(1) / arb(0, 1)])
def test_what_has_no_finite_pair_is_refused(number: arb) -> None:
    array = np.empty(1, dtype=object)
    array[0] = number
    with pytest.raises(ArithmeticError, match="outside float64's range, or its ball is unbounded"):
        Ball(128).enclose(array)


# --- exact zeros


def jacobian_zeros(case: Case) -> npt.NDArray[np.bool_]:
    ball = Ball(128)
    with ball.precision():
        found = ball.enclose(evaluate(ball, case, Query("jacobian", of="y", wrt=("x",)))["jacobian"])
    assert np.all(found.high[found.zero] == 0.0) and np.all(found.radius[found.zero] == 0.0)
    assert np.all(np.abs(found.high[~found.zero]) > found.radius[~found.zero])
    return found.zero


def expected_zeros(case: Case) -> npt.NDArray[np.bool_]:
    """Where a causal, batch-independent model has dy[b, t] / dx[a, s] = 0: other rows, the future, the padding."""
    B, T = case.call.batch, case.call.steps
    lengths = case.call.lengths or (T,) * B
    zero = np.ones((B, T, case.config.output_size, B, T, case.config.input_size), dtype=bool)
    S = case.config.state_size
    for b in range(B):
        for t in range(lengths[b]):
            zero[b, t, :S, b, : t + 1] = False
            if case.config.num_layers > 1 and case.config.bidirectional:
                zero[b, t, :, b, : lengths[b]] = False
            elif case.config.bidirectional:
                zero[b, t, S:, b, t : lengths[b]] = False
    return zero


@pytest.mark.parametrize(
    ("config", "call"),
    [
        (LSTM(2, 3), Call(2, 4)),
        (LSTM(2, 3, num_layers=2), Call(2, 3)),
        (LSTM(2, 3, bidirectional=True), Call(2, 4)),
        (LSTM(2, 3, bidirectional=True), Call(3, 4, lengths=(4, 2, 0))),
        (LSTM(2, 2, num_layers=2, bidirectional=True), Call(2, 3, lengths=(3, 2))),
        (LSTM(2, 3, projection=2), Call(1, 4, lengths=(3,))),
    ],
)
def test_a_ball_is_exactly_zero_where_causality_says_so_and_nowhere_else(config: LSTM, call: Call) -> None:
    case = case_of(config, call)
    assert np.array_equal(jacobian_zeros(case), expected_zeros(case))


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(cases(FEATURES - {"no_batch", "no_steps"}, among=("unit",)))
def test_padding_is_exactly_zero(template: CaseTemplate) -> None:
    case = drawn(template)
    query = Query("vjp", cotangents=case.cotangents, wrt=("x",))
    ball = Ball(96)
    with ball.precision():
        found = {name: ball.enclose(a) for name, a in evaluate(ball, case, query).items()}
    lengths = case.call.lengths or (case.call.steps,) * case.call.batch
    for b, length in enumerate(lengths):
        for name in ("y", "d x"):
            assert found[name].zero[b, length:].all(), name
        assert not found["y"].zero[b, :length].any()
