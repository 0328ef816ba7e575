"""What each arithmetic makes of an exact result: how it rounds, how noisy it is, and what it refuses."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from flint import arb

from gradassay._arithmetic import Float64, Noisy, Rounded
from gradassay._ball import Ball, exact_dot
from gradassay._dual import Dual, Pair
from gradassay._limits import PRECISIONS
from gradassay._target import DTYPES, numpy_dtype
from gradassay._words import Words

ORDERS = ("blas", "sequential", "reversed", "pairwise")


def rng() -> np.random.Generator:
    return np.random.default_rng(20)


def lift(array: Any) -> Any:
    return np.asarray(array, dtype=np.float64)[None, None]


# --- Rounded


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ORDERS)
def test_every_result_is_a_number_of_the_dtype(dtype: str, order: Any) -> None:
    draw = rng()
    to = numpy_dtype(dtype)
    numbers = Rounded(to, order=order)
    a, b = (numbers.lift(draw.normal(size=(5, 5))) for _ in range(2))
    positive = numbers.add(numbers.multiply(a, a), numbers.lift(0.5))
    found = {
        "lift": a,
        "add": numbers.add(a, b),
        "subtract": numbers.subtract(a, b),
        "multiply": numbers.multiply(a, b),
        "divide": numbers.divide(a, b),
        "negate": numbers.negate(a),
        "sigmoid": numbers.sigmoid(a),
        "tanh": numbers.tanh(a),
        "exp": numbers.exp(a),
        "log": numbers.log(positive),
        "sqrt": numbers.sqrt(positive),
        "matmul": numbers.matmul(a, b),
        "sum": numbers.sum(a, (-1,)),
        "sum of all": numbers.sum(a, (-2, -1)),
        "scatter": numbers.scatter(a, [0, 1, 1, 0, 1], 3),
        "assemble": numbers.assemble((5,), [(slice(0, 5), a[:, :, 0]), (slice(0, 5), b[:, :, 0])]),
    }
    for name, array in found.items():
        assert np.array_equal(array, array.astype(to).astype(np.float64)), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_elementwise_result_is_off_by_half_a_unit_at_most(dtype: str) -> None:
    draw = rng()
    numbers, u = Rounded(numpy_dtype(dtype)), PRECISIONS[dtype].roundoff
    a, b = (numbers.lift(draw.uniform(1.0, 2.0, size=1000)) for _ in range(2))
    exact = a * b
    error = np.abs(numbers.multiply(a, b) - exact) / exact
    if dtype == "float64":
        assert not error.any()  # its products are NumPy's own
    else:
        assert u / 4 < error.max() <= u


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_orders_of_summation_differ_and_stay_within_their_bound(dtype: str) -> None:
    draw = rng()
    u = PRECISIONS[dtype].roundoff
    a, b = draw.normal(size=(4, 60)), draw.normal(size=(60, 3))
    first = Rounded(numpy_dtype(dtype))
    a, b = first.lift(a), first.lift(b)
    products, sums = {}, {}
    for order in ORDERS:
        numbers = Rounded(numpy_dtype(dtype), order=order)
        products[order], sums[order] = numbers.matmul(a, b), numbers.sum(a, (-1,))
        assert np.all(np.abs(products[order] - a @ b) <= 61 * u * (np.abs(a) @ np.abs(b)))
        assert np.all(np.abs(sums[order] - a.sum(-1)) <= 60 * u * np.abs(a).sum(-1))
    for found in (products, {order: sums[order] for order in ORDERS[1:]}):
        distinct = {array.tobytes() for array in found.values()}
        assert len(distinct) == len(found)


def test_the_orders_are_what_they_are_called() -> None:
    """Sums of 1, u, u, ... in float32: from the left the small ones are lost, from the right they are not."""
    u = 2.0**-24
    terms = lift([1.0, u, u, u, u, u])
    found = {order: float(Rounded(np.dtype("f4"), order=order).sum(terms, (-1,))[0, 0]) for order in ORDERS}
    assert found["sequential"] == found["blas"] == 1.0
    assert found["reversed"] == 1.0 + 4 * u  # 5 u + 1 is a tie, and goes to the even one
    assert found["pairwise"] == 1.0 + 4 * u  # ((1 + u) + (u + u)) + (u + u)
    row, ones = terms[:, :, None], lift(np.ones((6, 1)))
    for order in ("sequential", "reversed", "pairwise"):
        assert float(Rounded(np.dtype("f4"), order=order).matmul(row, ones)[0, 0, 0, 0]) == found[order]


def test_accumulation_may_be_wider_than_storage() -> None:
    terms = lift([1.0] + [2.0**-9] * 8)
    narrow = Rounded(np.dtype(ml_dtypes.bfloat16))
    wide = Rounded(np.dtype(ml_dtypes.bfloat16), accumulation=np.dtype("f4"))
    assert float(narrow.sum(terms, (-1,))[0, 0]) == 1.0
    assert float(wide.sum(terms, (-1,))[0, 0]) == 1.0 + 2.0**-6


@pytest.mark.parametrize("order", ORDERS)
def test_float16_overflows_to_infinity(order: Any) -> None:
    numbers = Rounded(np.dtype("f2"), order=order)
    a = numbers.lift([[300.0]])
    assert numbers.multiply(a, a).item() == np.inf
    assert numbers.matmul(a, a).item() == np.inf
    assert numbers.negate(numbers.exp(numbers.lift(12.0))).item() == -np.inf
    assert numbers.lift(65519.0).item() == 65504.0 and numbers.lift(65520.0).item() == np.inf


def test_sums_over_no_axes_are_what_they_were() -> None:
    for numbers in (Rounded(np.dtype("f2")), Noisy(0.1, 0.1, 0.0, 0.0, Words(1)), Ball(64)):
        a = numbers.lift([1.0, 2.0])
        assert numbers.sum(a, ()) is a


def test_sums_of_nothing_are_zero() -> None:
    for numbers in (Float64(), *(Rounded(np.dtype("f4"), order=order) for order in ORDERS), Ball(64)):
        assert float(numbers.sum(numbers.lift(np.zeros((0, 2))), (-2,))[0, 0, 1]) == 0.0, numbers
        product = numbers.matmul(numbers.lift(np.zeros((2, 0))), numbers.lift(np.zeros((0, 3))))
        assert product.shape == (1, 1, 2, 3) and float(product[0, 0, 1, 1]) == 0.0


# --- Noisy

MANY = 4000
U = 2.0**-20


def noisy(storage: float = U, accumulation: float = 0.0, operand: float = 0.0, tiny: float = 0.0) -> Noisy:
    return Noisy(storage, accumulation, operand, tiny, Words(5, "noise"), samples=MANY)


def deviation(samples: Any, exact: Any) -> Any:
    """Standard deviation about the exact result: known to 3 % (three of its own) from 4000 samples."""
    return np.sqrt(np.mean(np.square(samples[:, 0] - exact), axis=0))


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("multiply", lambda a: a * a),
        ("add", lambda a: a + a),
        ("divide", lambda a: a / a),
        ("tanh", np.tanh),
        ("sigmoid", lambda a: 1 / (1 + np.exp(-a))),
        ("exp", np.exp),
        ("log", np.log),
        ("sqrt", np.sqrt),
    ],
)
def test_an_elementwise_result_is_off_by_u_over_root_three(name: str, exact: Any) -> None:
    numbers = noisy()
    a = numbers.lift([0.3, 2.0, 700.0 if name not in ("exp", "tanh") else 7.0])
    operands = (a, a) if name in ("multiply", "add", "divide") else (a,)
    samples = getattr(numbers, name)(*operands)
    want = exact(a[0, 0])
    assert samples.shape == (MANY, 1, 3)
    assert np.all(np.abs(samples[:, 0] / want - 1) <= U * (1 + 1e-9))
    assert np.allclose(deviation(samples, want), U * np.abs(want) / np.sqrt(3), rtol=0.04)


def test_the_absolute_error_is_that_of_the_smallest_normal_number() -> None:
    numbers = noisy(storage=0.0, tiny=1e-300)
    samples = numbers.multiply(numbers.lift([0.0, 1e-310]), numbers.lift(1.0))
    assert np.allclose(deviation(samples * 1e300, [0.0, 1e-10]), 1 / np.sqrt(3), rtol=0.04)


@pytest.mark.parametrize("terms", [2, 30, 500])
@pytest.mark.parametrize("one_sign", [False, True])
@pytest.mark.parametrize("what", ["matmul", "sum"])
def test_a_reduction_is_as_noisy_as_recursive_summation(what: str, one_sign: bool, terms: int) -> None:
    """u' sqrt(n/2 sum p^2 + n/3 S^2) uniform: over root three that is what real partial sums lose."""
    draw = rng()
    p = Words(6).uniform((terms,))
    p = np.abs(p) if one_sign else p - p.mean()
    numbers = noisy(storage=0.0, accumulation=U)
    if what == "matmul":
        a = np.ones(terms) * 2.0
        samples = numbers.matmul(lift(a[None]), lift((p / 2)[:, None]))[..., 0, 0]
    else:
        samples = numbers.sum(lift(p), (-1,))
    want = U * np.sqrt(terms / 2 * np.sum(p * p) + terms / 3 * p.sum() ** 2) / np.sqrt(3)
    assert np.allclose(deviation(samples, p.sum()), want, rtol=0.04)
    if terms == 500:  # and real float32 sums, many of them in random orders, lose that much, within a factor of 2
        shuffled = np.stack([draw.permutation(p) for _ in range(300)]).astype(np.float32)
        real = np.cumsum(shuffled, axis=1, dtype=np.float32)[:, -1].astype(np.float64)
        lost = np.sqrt(np.mean(np.square(real - shuffled.astype(np.float64).sum(1)))) * U / 2.0**-24
        assert want / 2.5 <= lost <= want * 1.5


def test_storage_and_accumulation_add_up() -> None:
    both, one = noisy(storage=U, accumulation=U), noisy(storage=U)
    p = lift(np.abs(Words(6).uniform((50,))))
    assert deviation(both.sum(p, (-1,)), p.sum()) > 2 * deviation(one.sum(p, (-1,)), p.sum())
    assert np.allclose(deviation(one.sum(p, (-1,)), p.sum()), U * p.sum() / np.sqrt(3), rtol=0.04)


@pytest.mark.parametrize("scale", [2.0**-700, 2.0**-40, 2.0**300])
def test_a_power_of_two_scales_the_noise_of_a_reduction_exactly(scale: float) -> None:
    """Also where the squares of its terms would underflow or overflow."""
    random = rng()
    a, b = random.normal(size=(3, 8)), random.normal(size=(8, 2))

    def draw(factor: float) -> list[Any]:
        numbers = noisy(storage=U, accumulation=U)
        return [numbers.matmul(lift(a * factor), lift(b)), numbers.sum(lift(a * factor), (-2,))]

    for plain, moved in zip(draw(1.0), draw(scale), strict=True):
        assert np.array_equal(plain * scale, moved)


def test_squares_do_not_underflow() -> None:
    numbers = noisy(storage=0.0, accumulation=U)
    p = np.full(10, 1e-200)
    for samples in (numbers.sum(lift(p), (-1,)), numbers.matmul(lift(p[None]), lift(np.ones((10, 1))))[..., 0, 0]):
        assert np.allclose(deviation(samples / 1e-200, 10.0), U * np.sqrt((50 + 1000 / 3) / 3), rtol=0.04)


def test_an_operand_is_rounded_once_for_all_its_uses() -> None:
    numbers = noisy(storage=0.0, operand=U)
    weight, one = numbers.lift(np.full((1, 1), 3.0)), numbers.lift(np.ones((1, 1)))
    first, second = numbers.matmul(one, weight), numbers.matmul(one, weight)
    other = numbers.matmul(one, numbers.lift(np.full((1, 1), 3.0)))
    assert np.array_equal(first, second) and not np.array_equal(first, other)
    # Both operands are rounded, independently.
    assert np.allclose(deviation(first[..., 0, 0], 3.0), 3.0 * U * np.sqrt(2 / 3), rtol=0.04)


def test_moving_numbers_makes_no_noise() -> None:
    numbers = noisy()
    a = numbers.lift(np.arange(6.0).reshape(2, 3))
    moved = numbers.concatenate([numbers.transpose(a), numbers.reshape(a, (3, 2))], -1)
    kept = numbers.where(np.ones((3, 4), dtype=bool), numbers.negate(moved), moved)
    assert kept.shape == (1, 1, 3, 4) and np.array_equal(np.sort(-kept.ravel()), np.sort(np.repeat(np.arange(6.0), 2)))


def test_noise_is_the_same_for_the_same_words() -> None:
    first, second = (noisy().exp(lift([1.0])) for _ in range(2))
    assert np.array_equal(first, second)


def test_samples_are_lanes() -> None:
    """A sample is followed from the first operation to the last: noise is not averaged on the way."""
    numbers = noisy()
    a = numbers.add(numbers.lift([1.0]), numbers.lift([0.0]))
    assert np.array_equal(numbers.index(a, slice(0, 1)), a)
    difference = Float64().subtract(a, a)
    assert not difference.any() and a.shape == (MANY, 1, 1)


# --- comparisons


def test_a_comparison_that_noise_decides_is_refused() -> None:
    numbers = noisy()
    a = numbers.add(numbers.lift([1.0, 5.0]), numbers.lift(0.0))
    assert numbers.greater(a, numbers.lift([2.0, 2.0])).tolist() == [False, True]
    with pytest.raises(ArithmeticError, match="falls out differently within the rounding noise: keep away from ties"):
        numbers.greater(a, numbers.lift([1.0, 2.0]))


def test_a_comparison_of_balls_that_overlap_is_refused() -> None:
    ball = Ball(64)
    with ball.precision():
        wide = ball.divide(ball.lift([1.0]), ball.lift([3.0]))
        assert ball.greater(wide, ball.lift([0.25])).tolist() == [True]
        assert ball.greater(ball.lift([0.25]), ball.lift([0.25])).tolist() == [False]  # an exact tie is decided
        with pytest.raises(ArithmeticError, match="balls that overlap is undecided: keep away from ties"):
            ball.greater(wide, wide)
        with pytest.raises(ArithmeticError, match="balls that overlap is undecided"):
            ball.greater(ball.lift([0.0]), ball.lift([np.nan]))
        with pytest.raises(ArithmeticError, match="balls that overlap is undecided"):
            Dual(ball).greater(Pair(wide, None), Pair(wide, None))


# --- functions


def test_the_sigmoid_keeps_relative_accuracy_at_both_ends() -> None:
    x = np.array([-708.0, -300.0, -37.5, -15.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 15.0, 37.5, 300.0, 708.0])
    ball = Ball(200)
    with ball.precision():
        exact = ball.enclose(ball.sigmoid(ball.lift(x)))
    got = Float64().sigmoid(lift(x))
    assert np.all(np.abs(got - exact.high) <= 4 * 2.0**-53 * exact.high)
    careless = np.abs((1 + np.tanh(x / 2)) / 2 - exact.high[0, 0]) / exact.high[0, 0]
    assert careless[3] > 1e-12  # so the bound above can be missed


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "exp", "log", "sqrt"])
def test_functions_of_balls_enclose_those_of_floats(name: str) -> None:
    ball = Ball(120)
    x = np.array([1e-30, 0.1, 1.0, 20.0])
    with ball.precision():
        exact = ball.enclose(getattr(ball, name)(ball.lift(x)))
    got = getattr(Float64(), name)(lift(x))
    assert np.all(np.abs(got - exact.high) <= 4 * 2.0**-53 * np.abs(exact.high))
    assert np.all(exact.radius <= 2.0**-95 * np.abs(exact.high))


@pytest.mark.parametrize(
    "lanes", [((1, 1), (1, 1)), ((1, 5), (1, 1)), ((1, 1), (1, 5)), ((1, 5), (1, 5)), ((3, 1), (3, 5))]
)
def test_products_of_balls_are_those_of_floats_in_every_lane(lanes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    draw = rng()
    a, b = draw.integers(-9, 9, size=(*lanes[0], 2, 3)), draw.integers(-9, 9, size=(*lanes[1], 3, 4))
    ball = Ball(64)
    with ball.precision():
        objects = [np.frompyfunc(arb, 1, 1)(m.astype(np.float64)) for m in (a, b)]
        got = ball.matmul(*objects)
    assert np.array_equal(got.astype(np.float64), np.matmul(a, b))


def test_a_product_over_nothing_is_zero_in_every_lane() -> None:
    ball = Ball(64)
    for lanes in ((1, 1), (1, 3)):
        nothing = np.empty((*lanes, 0, 4), dtype=object)
        found = ball.matmul(np.empty((1, 1, 2, 0), dtype=object), nothing)
        assert found.shape == (*lanes, 2, 4) and all(x.is_zero() for x in found.flat)


def test_one_hot_cotangents_pick_one_element_a_lane() -> None:
    found = Float64().one_hot((2, 3), [1, 2, 4, 3])
    assert found.shape == (1, 4, 2, 3) and found.sum() == 4
    assert [np.flatnonzero(lane).tolist() for lane in found[0]] == [[1], [2], [4], [3]]


def test_an_exact_dot_is_rounded_once() -> None:
    a = np.array([2.0**600, 1.0, -(2.0**600), 2.0**-60])
    b = np.array([2.0**400, 1.0, 2.0**400, 1.0])
    assert exact_dot([(a, b), (np.array([3.0]), np.array([-0.25]))]) == float(Fraction(1, 4) + Fraction(1, 2**60))
    narrow = np.array([0.1], dtype=ml_dtypes.bfloat16)
    assert exact_dot([(narrow, narrow)]) == float(narrow[0]) ** 2
    with pytest.raises(ValueError, match="zip"):
        exact_dot([(np.ones(2), np.ones(3))])
