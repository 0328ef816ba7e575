"""From answers and references to verdicts: every kind of number, and what the messages say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gradassay._judge import judge, locate, noise_units, visible
from gradassay._limits import RMS_FROM, RMS_LIMIT, max_limit
from gradassay._oracle import Reference
from gradassay._property import Finding, compare
from gradassay._record import Verdict, encode
from gradassay._spec import Axis, Tensor

U = 2.0**-24
ROW = Tensor("x", "input", ((Axis("row", 2),), (Axis("gate", 4, ("i", "f", "g", "o")), Axis("unit", 2))), {"layer": 1})


def reference(high: Any, sigma: Any = 1.0, **changes: Any) -> Reference:
    high = np.asarray(high, dtype=np.float64)
    told: dict[str, Any] = {
        "high": high,
        "low": np.zeros(high.shape),
        "radius": np.zeros(high.shape),
        "zero": np.zeros(high.shape, dtype=bool),
        "sigma": np.broadcast_to(np.asarray(sigma, dtype=np.float64), high.shape),
        "blind": "",
        "rung": "ball",
        "bits": 128,
        "roundoff": U,
    }
    return Reference(**(told | changes))


def found(got: Any, ref: Reference, dtype: Any = np.float64) -> dict[str, Any]:
    answer = judge(Finding("x", np.asarray(got, dtype=dtype), ref))
    encode(Verdict(target="t", spec="s", suite="s", case="c", property="p", tensor="x", **answer))  # it can be written
    return answer


# --- noise units


def test_a_noise_unit_is_one_sigma() -> None:
    z = noise_units(np.array([1.0, 2.5, 1.0]), reference([1.0, 2.0, 3.0], [1.0, 0.25, 4.0]))
    assert z.tolist() == [0.0, 2.0, -0.5]


def test_the_low_part_counts() -> None:
    z = noise_units(np.array([1.0]), reference([1.0], 2.0**-60, low=np.array([2.0**-59])))
    assert z.tolist() == [-2.0]


def test_a_radius_is_taken_off_the_distance() -> None:
    """An uncertain reference accuses nobody: to its edge an answer is right."""
    ref = reference([1.0] * 4, 0.5, radius=np.full(4, 0.25))
    assert noise_units(np.array([1.25, 0.8, 1.75, 0.0]), ref).tolist() == [0.0, 0.0, 1.0, -1.5]


def test_structural_zeros() -> None:
    zero = np.ones(5, dtype=bool)
    ref = reference(np.zeros(5), 0.0, zero=zero)
    z = noise_units(np.array([0.0, -0.0, 5e-324, np.nan, np.inf]), ref)
    assert z[:3].tolist() == [0.0, 0.0, np.inf] and np.isnan(z[3:]).all()


def test_what_is_not_finite_is_not_a_number() -> None:
    assert np.isnan(noise_units(np.array([np.nan, np.inf, -np.inf]), reference([1.0] * 3))).all()


def test_a_zero_that_is_no_structural_one_is_an_ordinary_number() -> None:
    z = noise_units(np.array([-0.0, 2e-38]), reference([0.0, 1e-38], 1e-38))
    assert z.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ml_dtypes.bfloat16])
def test_subnormals_and_flushed_ones_are_within_the_floor(dtype: Any) -> None:
    tiny = float(ml_dtypes.finfo(dtype).smallest_subnormal)
    floor = 2.0**-24 if dtype is np.float16 else 2.0**-126
    z = noise_units(np.array([tiny, 0.0], dtype=dtype), reference([tiny, tiny], floor))
    assert z[0] == 0.0 and -1.0 <= z[1] < 0.0


def test_differences_beyond_the_range_do_not_warn() -> None:
    assert np.isinf(noise_units(np.array([1.7e308]), reference([-1.7e308])))[0]


def test_a_scalar_has_a_noise_unit() -> None:
    assert noise_units(np.array(3.0), reference(1.0, 2.0)).tolist() == 1.0


# --- verdicts


def test_a_right_answer_passes_and_says_what_it_could_see() -> None:
    answer = found([1.0, 2.0], reference([1.0, 2.0], 0.25))
    assert (answer["outcome"], answer["reason"], answer["elements"]) == ("passed", "", 2)
    assert (answer["rms"], answer["max"], answer["limit_rms"], answer["limit_max"]) == (0.0, 0.0, None, max_limit(2))
    assert answer["truth"].rung == "ball" and answer["truth"].bits == 128 and answer["truth"].noise_roundoff == U


@pytest.mark.parametrize("n", [1, 15, 16, 400])
def test_the_largest_noise_unit_decides(n: int) -> None:
    limit, got = max_limit(n), np.zeros(n)
    got[n // 2] = limit * 0.999
    assert found(got, reference(np.zeros(n)))["outcome"] == "passed"
    got[n // 2] = -limit * 1.001
    answer = found(got, reference(np.zeros(n)))
    assert answer["outcome"] == "failed" and answer["max"] == pytest.approx(limit * 1.001)
    expected = f"1 of {n} elements are beyond {limit:.1f} noise units, the worst at {limit * 1.001:.4g}"
    assert answer["reason"] == expected
    assert answer["worst"].index == (n // 2,) and answer["worst"].z == pytest.approx(-limit * 1.001)


@pytest.mark.parametrize("n", [RMS_FROM - 1, RMS_FROM])
def test_the_root_mean_square_decides_from_sixteen_elements_on(n: int) -> None:
    answer = found(np.full(n, 4.01), reference(np.zeros(n)))
    assert answer["rms"] == pytest.approx(4.01)
    if n < RMS_FROM:
        assert (answer["outcome"], answer["limit_rms"]) == ("passed", None)
    else:
        assert (answer["outcome"], answer["limit_rms"]) == ("failed", RMS_LIMIT)
        assert answer["reason"] == "root mean square is 4.01 noise units; at most 4 is noise"
    assert found(np.full(n, 3.99), reference(np.zeros(n)))["outcome"] == "passed"


def test_structural_zeros_do_not_dilute_the_root_mean_square() -> None:
    zero = np.arange(1016) >= 16
    got = np.where(zero, 0.0, 4.01)
    answer = found(got, reference(np.zeros(1016), np.where(zero, 0.0, 1.0), zero=zero))
    assert answer["outcome"] == "failed" and answer["limit_max"] == max_limit(16)


def test_a_leak_into_a_structural_zero_fails_however_small() -> None:
    zero = np.array([False, True, True])
    answer = found([1.0, 0.0, 1e-300], reference([1.0, 0.0, 0.0], [0.1, 0.0, 0.0], zero=zero))
    assert (answer["outcome"], answer["reason"]) == ("failed", "1 of 2 elements that are exactly 0 are not")
    worst = answer["worst"]
    assert (worst.kind, worst.index, worst.z, worst.got, worst.want) == ("structural zero", (2,), None, "1e-300", "0")
    assert answer["max"] is None and answer["rms"] == 0.0


def test_nothing_but_structural_zeros() -> None:
    ref = reference(np.zeros(3), 0.0, zero=np.ones(3, dtype=bool))
    answer = found([0.0, -0.0, 0.0], ref)
    assert answer["outcome"] == "passed" and answer["rms"] is None and answer["visible_whole"] is None
    assert found([0.0, 1.0, 0.0], ref)["outcome"] == "failed"


@pytest.mark.parametrize(("bad", "text"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_what_is_not_finite_fails(bad: float, text: str) -> None:
    answer = found([[1.0, bad], [2.0, 3.0]], reference([[1.0, 1.0], [2.0, 3.0]]))
    assert (answer["outcome"], answer["reason"]) == ("failed", "1 of 4 elements are not finite")
    assert answer["worst"].kind == "not finite" and answer["worst"].got == text and answer["worst"].index == (0, 1)
    assert answer["rms"] is None and answer["max"] is None


def test_an_error_of_any_size_can_be_written() -> None:
    """z is 1e307 where the truth underflows: its square is beyond the range, the verdict is not."""
    answer = found(np.ones(20), reference(np.full(20, 1e-320), 2.0**-1022))
    assert answer["outcome"] == "failed" and "20 of 20 elements are beyond" in answer["reason"]
    assert answer["rms"] == pytest.approx(2.0**1022) and answer["max"] == 2.0**1022


def test_a_number_far_from_a_truth_with_no_noise_can_be_written() -> None:
    """What is only passed on has no noise but the floor: (8 - 4) / floor is beyond the range of z."""
    answer = found([8.0] * 16, reference([4.0] * 16, 2.0**-1022))
    assert answer["outcome"] == "failed" and answer["worst"].got == "8"


def test_a_blind_verdict_is_neither() -> None:
    answer = found([np.nan, 7.0], reference([1.0, 1.0], blind="there is too much noise"))
    assert (answer["outcome"], answer["reason"], answer["elements"]) == ("blind", "there is too much noise", 2)
    assert "rms" not in answer


def test_nothing_to_compare_passes_as_such() -> None:
    answer = found(np.zeros((2, 0)), reference(np.zeros((2, 0))))
    assert (answer["outcome"], answer["reason"]) == ("passed", "empty: there is nothing to compare")


def test_a_scalar_is_judged() -> None:
    assert found(1.0, reference(1.0, 0.1))["outcome"] == "passed"
    answer = found(9.0, reference(1.0, 0.1))
    assert answer["outcome"] == "failed" and answer["worst"].index == () and answer["elements"] == 1


def test_a_statement_is_judged_by_its_fault() -> None:
    assert judge(Finding("x")) == {"outcome": "passed", "reason": ""}
    assert judge(Finding("x", fault="got None")) == {"outcome": "failed", "reason": "got None"}


def test_the_radius_is_told_in_units_of_the_noise() -> None:
    ref = reference([1.0, 2.0, 0.0], [1.0, 4.0, 0.0], radius=np.array([0.001, 0.001, 0.0]))
    ref = reference(ref.high, ref.sigma, radius=ref.radius, zero=np.array([False, False, True]))
    assert found([1.0, 2.0, 0.0], ref)["truth"].radius == 0.001


def test_the_worst_element_is_named_in_words() -> None:
    got = np.zeros((2, 8))
    got[1, 5] = -100.0
    worst = judge(Finding("x", got, reference(np.zeros((2, 8))), (ROW,)))["worst"]
    assert worst.index == (1, 5) and worst.where == {"layer": "1", "row": "1", "gate": "g", "unit": "1"}
    assert (worst.got, worst.want, worst.sigma, worst.z) == ("-100", "0", 1.0, -100.0)


def test_an_element_of_a_jacobian_is_named_after_both_tensors() -> None:
    loss = Tensor("loss", "output", ())
    y = Tensor("y", "output", ((Axis("step", 3),),))
    assert locate((y, ROW), (2, 0, 7)) == {
        "y step": "2", "x layer": "1", "x row": "0", "x gate": "o", "x unit": "1"
    }  # fmt: skip
    assert locate((loss, y), (1,)) == {"y step": "1"}


def test_decimals_are_exact() -> None:
    worst = found([0.1], reference([1 / 3]))["worst"]
    assert float(worst.got) == 0.1 and float(worst.want) == 1 / 3


# --- what it could see


def noise_of(n: int, seed: int) -> tuple[Any, Reference]:
    """A right answer (its own error standard normal in noise units, but smaller) and its reference."""
    rng = np.random.default_rng(seed)
    high = rng.normal(size=n)
    sigma = 3.5 * U * (0.3 + rng.random(n)) * (np.abs(high) + 0.1)
    return high + 0.2 * sigma * rng.uniform(-1, 1, size=n), reference(high, sigma)


@pytest.mark.parametrize("n", [1, 9, 16, 100, 5000])
@pytest.mark.parametrize("seed", range(4))
def test_an_error_of_the_visible_size_fails_and_a_fifth_of_it_passes(n: int, seed: int) -> None:
    got, ref = noise_of(n, seed)
    plain = found(got, ref)
    assert plain["outcome"] == "passed"
    whole, element = plain["visible_whole"], plain["visible_element"]
    assert found(ref.high * (1 + whole * 1.01), ref)["outcome"] == "failed"
    assert found(ref.high * (1 - whole * 1.01), ref)["outcome"] == "failed"
    assert found(ref.high * (1 + whole * 0.99), ref)["outcome"] == "passed"
    assert found(got * (1 + whole * 0.2), ref)["outcome"] == "passed"
    signal = np.abs(ref.high / ref.sigma)
    typical = int(np.argmin(np.abs(signal - np.median(signal))))
    for factor, outcome in ((1.2, "failed"), (0.2, "passed")):
        one = got.copy()
        one[typical] *= 1 + element * factor
        assert found(one, ref)["outcome"] == outcome


def test_in_a_sane_regime_the_visible_is_what_the_documents_say() -> None:
    """A whole-tensor factor of about 14 u, and an element's of about 50 to 150 u."""
    high = np.random.default_rng(1).normal(size=1000)
    whole, element = visible(reference(high, 3.5 * U * np.abs(high)), max_limit(1000), RMS_LIMIT)
    assert whole == pytest.approx(14 * U) and element is not None and 50 * U < element < 150 * U


def test_nothing_is_visible_of_zeros() -> None:
    assert visible(reference(np.zeros(3)), 12.0, None) == (None, None)


def test_what_has_no_noise_shows_every_error() -> None:
    """A state that is passed on exactly: its noise is the floor, and a large value over it is beyond the range."""
    whole, element = visible(reference([768.0] * 20, 2.0**-1022), 12.0, RMS_LIMIT)
    assert whole is not None and element is not None and whole < 1e-300 and element < 1e-300


# --- setting side by side


def test_compare_tells_none_from_nothing_and_from_another_shape() -> None:
    case: Any = SimpleNamespace(table=dict.fromkeys("abcde", ROW), dtype="float64")
    ones = np.ones((2, 8))
    references = {f"d {name}": reference(ones) for name in case.table}
    got = {"a": None, "c": np.ones((8, 2)), "d": ones, "e": ones.astype(np.float32)}
    findings = list(compare(got, references, tuple(case.table), case, prefix="d "))
    assert [finding.fault for finding in findings] == [
        "got None: 'no gradient', which is not zero; should be an array of shape (2, 8)",
        "got nothing; should be an array of shape (2, 8)",
        "got shape (8, 2); should be (2, 8)",
        "",
        "got dtype float32; should be float64",
    ]
    assert findings[3].got is not None and np.array_equal(findings[3].got, ones)
