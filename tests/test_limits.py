"""The limits against published tables, and against closed forms in high precision."""

from __future__ import annotations

import math

import pytest
from flint import arb, ctx

from gradassay._ball import FLINT
from gradassay._limits import (
    BLIND,
    FALSE_ALARM,
    PRECISIONS,
    RADIUS,
    RMS_FROM,
    RMS_LIMIT,
    SAMPLES,
    max_limit,
    t_quantile,
    t_tails,
)
from gradassay._target import DTYPES, numpy_dtype


@pytest.mark.parametrize(
    ("freedom", "two_sided", "t"),
    [  # Abramowitz and Stegun, table 26.10, and any statistics text
        (1, 0.10, 6.314),
        (1, 0.05, 12.706),
        (1, 0.01, 63.657),
        (2, 0.05, 4.303),
        (5, 0.05, 2.571),
        (10, 0.05, 2.228),
        (10, 0.001, 4.587),
        (30, 0.05, 2.042),
        (30, 0.01, 2.750),
        (30, 0.001, 3.646),
        (40, 0.05, 2.021),
        (60, 0.05, 2.000),
        (120, 0.05, 1.980),
        (120, 0.001, 3.373),
    ],
)
def test_quantiles_of_the_tables(freedom: int, two_sided: float, t: float) -> None:
    assert t_quantile(two_sided, freedom) == pytest.approx(t, abs=6e-4)


@pytest.mark.parametrize("probability", [0.5, 1e-2, 1e-6, 1e-9, 1e-12])
def test_quantiles_of_one_and_two_degrees_have_closed_forms(probability: float) -> None:
    assert t_quantile(probability, 1) == pytest.approx(1 / math.tan(math.pi * probability / 2), rel=1e-9)
    t2 = (1 - probability) * math.sqrt(2 / (probability * (2 - probability)))
    assert t_quantile(probability, 2) == pytest.approx(t2, rel=1e-9)


def tails_of_even_freedom(t: float, freedom: int) -> float:
    """P(|T| > t) as a finite sum (Abramowitz and Stegun 26.7.4), in 300 bits: 1 minus it loses nothing there."""
    with FLINT, ctx.workprec(300):
        root = (arb(freedom) + arb(t) * arb(t)).sqrt()
        sine, cosine2 = arb(t) / root, arb(freedom) / (root * root)
        term = total = arb(1)
        for k in range(1, freedom // 2):
            term = term * cosine2 * (2 * k - 1) / (2 * k)
            total += term
        return float(1 - sine * total)


@pytest.mark.parametrize("t", [0.1, 1.0, 2.037, 6.0, 9.0, 11.5, 20.0])
@pytest.mark.parametrize("freedom", [2, 10, SAMPLES, 64])
def test_tails_by_a_finite_sum(t: float, freedom: int) -> None:
    assert t_tails(t, freedom) == pytest.approx(tails_of_even_freedom(t, freedom), rel=1e-11)


def test_both_tails_hold_everything_at_zero() -> None:
    assert t_tails(0.0, SAMPLES) == 1.0


@pytest.mark.parametrize(("elements", "rounded"), [(1, 12), (100, 15), (10_000, 19), (1_000_000, 23)])
def test_the_limits_of_the_design(elements: int, rounded: int) -> None:
    limit = max_limit(elements)
    assert round(limit) == rounded
    assert tails_of_even_freedom(limit / 2, SAMPLES) == pytest.approx(FALSE_ALARM / elements, rel=1e-6)


def test_more_elements_allow_more() -> None:
    limits = [max_limit(n) for n in (1, 2, 3, 10, 99, 100, 101, 10**4, 10**6, 10**9)]
    assert limits == sorted(limits) and len(set(limits)) == len(limits)
    assert max_limit(0) == max_limit(1)


def test_the_table() -> None:
    """Changing one of these is changing what a verdict means: it needs a calibration."""
    assert (SAMPLES, FALSE_ALARM, RMS_LIMIT, RMS_FROM, BLIND, RADIUS) == (32, 1e-6, 4.0, 16, 1 / 16, 2.0**-10)
    assert tuple(PRECISIONS) == DTYPES


@pytest.mark.parametrize("dtype", DTYPES)
def test_roundoffs_are_those_of_the_dtypes(dtype: str) -> None:
    import ml_dtypes

    info = ml_dtypes.finfo(numpy_dtype(dtype))
    precision = PRECISIONS[dtype]
    assert precision.roundoff == float(info.eps) / 2 and precision.largest == float(info.max)
    assert precision.floor == float(info.smallest_subnormal if dtype == "float16" else info.smallest_normal)
    assert list(precision.simulate) == sorted(precision.simulate, reverse=True)
    assert all(roundoff >= precision.roundoff for roundoff in precision.simulate)
