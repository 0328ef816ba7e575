"""What is not computed but estimated: norms from products, finite differences, each with an error bar that holds."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from liars import Honest, case, rows, source

import gradassay
from gradassay import UsageError
from gradassay.jacobians import Plan
from gradassay.jacobians import _difference as differences
from gradassay.jacobians import _sketch as sketch
from gradassay_lstm import LSTM, Call

NAMES = ("forward", "vjp", "vjps", "jvp")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path))


class Pushing(Honest):
    def jvp(self, inputs: Any, tangents: Any) -> Any:
        return self.model.jvp(inputs, tangents)


def plan(of: Any = "y", wrt: Any = "x", memory: int | None = None, kind: Any = Pushing, *operators: str) -> Plan:
    return Plan.of_source(source(kind, None, *(operators or NAMES)), of, wrt, memory, tune=False)


# --- products


def test_products_are_those_of_the_matrix() -> None:
    made = plan(("y", np.s_[:, 1:4]), ("x", np.s_[0, :, 1:]))
    matrix = made().block.reshape(made.of.size, made.wrt.size)
    v, u = np.random.default_rng(0).normal(size=made.of.block), np.random.default_rng(1).normal(size=made.wrt.block)
    assert np.allclose(made.vjp(v).ravel(), v.ravel() @ matrix, rtol=1e-12, atol=1e-14)
    assert np.allclose(made.jvp(u).ravel(), matrix @ u.ravel(), rtol=1e-12, atol=1e-14)
    with pytest.raises(
        UsageError, match=r"the direction has shape \(3,\); should be \(3, 3, 4\), that of y\[:, 1:4, :\]"
    ):
        made.vjp(np.zeros(3))


def test_a_missing_operator_is_told() -> None:
    made = plan("y", "x", None, Honest, "forward", "vjp")
    with pytest.raises(UsageError, match="Honest has no JVP: J u needs the matrix"):
        made.jvp(np.zeros(made.wrt.block))
    with pytest.raises(UsageError, match="Honest lacks a VJP or a JVP"):
        made.spectral_norm()


# --- norms


def held(estimates: list[sketch.Estimate], true: float) -> float:
    """Return the share of intervals that hold the true number."""
    return float(np.mean([one.low <= true <= one.high for one in estimates]))


@pytest.mark.parametrize("of", ["y", ("h_n", np.s_[0, 1, 2])])  # many singular values, and one alone
def test_the_interval_of_a_norm_holds_as_often_as_it_says(of: Any) -> None:
    made = plan(of, "x")
    true = float(np.linalg.norm(made().block))
    estimates = [made.norm(samples=16, confidence=0.9, seed=seed) for seed in range(300)]
    allowed = 3 * sqrt(0.9 * 0.1 / 300)
    assert held(estimates, true) >= 0.9 - allowed
    if of != "y":  # rank one: the interval is exact, and would be seen to be too narrow
        assert held(estimates, true) <= 0.9 + allowed
        narrow = [
            sketch.Estimate(e.value, e.value - (e.value - e.low) / 2, e.value + (e.high - e.value) / 2, 0, 0)
            for e in estimates
        ]
        assert held(narrow, true) < 0.9 - allowed
    assert estimates[0].products == 16 and "(90%: " in str(estimates[0])


def test_intervals_of_block_norms_hold() -> None:
    made = plan()
    true = made().block_norms()
    found = [made.block_norms(samples=16, confidence=0.9, seed=seed) for seed in range(40)]
    below = np.tril(np.ones(true.shape, bool))
    inside = np.array([(one.low <= true) & (true <= one.high) for one in found])[:, below]
    assert inside.mean() >= 0.9
    assert all(np.all(one.value[~below] == 0) for one in found)
    with pytest.raises(UsageError, match="h_n has no axis 'step'"):
        plan("h_n").block_norms()


def test_the_largest_singular_value_is_between_its_bounds() -> None:
    made = plan()
    true = float(np.linalg.norm(made().block.reshape(made.of.size, -1), 2))
    for iterations in (1, 4, 20):
        found = [made.spectral_norm(iterations, confidence=0.95, seed=seed) for seed in range(40)]
        assert all(one.low <= true * (1 + 1e-12) for one in found)
        assert np.mean([true <= one.high for one in found]) >= 0.95 - 3 * sqrt(0.05 * 0.95 / 40)
    assert found[0].high < 1.3 * true and found[0].low > 0.99 * true
    zero = plan(("y", np.s_[:, 0]), ("x", np.s_[:, 3])).spectral_norm()
    assert (zero.low, zero.high) == (0.0, 0.0)
    with pytest.raises(UsageError, match="iterations is 0; should be at least 1"):
        made.spectral_norm(0)


def test_quantiles_of_chi_square_are_those_of_tables() -> None:
    """Abramowitz and Stegun, table 26.8."""
    assert sketch.chi_square(0.95, 1) == pytest.approx(3.841459, rel=1e-6)
    assert sketch.chi_square(0.025, 10) == pytest.approx(3.246973, rel=1e-6)
    assert sketch.chi_square(0.975, 100) == pytest.approx(129.561197, rel=1e-6)


# --- differences


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("of", "wrt"), [("y", "x"), ("c_n", "h0"), ("h_n", "weight_hh_l0")])
def test_error_bars_of_differences_hold(of: str, wrt: str, dtype: str) -> None:
    given = case(Call(2, 5), LSTM(3, 4), dtype=dtype)
    at = source(Honest, given, "forward")
    numpy = gradassay.jacobian("numpy", of=of, wrt=wrt, config=given.config, **given.tensors)
    at = at.__class__(at.name, at.model, at.case, at.operators, lambda other: _loaded(given, other))
    found = Plan.of_source(at, of, wrt, None, tune=False)()
    assert found.route == "finite differences" and "central differences with steps" in found.why
    assert found.certified and found.certified.how == "error bars"
    assert found.error_bar is not None
    distance = np.abs(found.array.astype(float) - numpy.array)
    assert np.mean(distance <= found.error_bar) >= 0.95
    # Neither are the bars so wide that they would say nothing: a tenth of them would not do.
    assert np.mean(distance <= found.error_bar / 30) < 0.95
    assert float(np.median(found.error_bar)) < 30 * differences.step(given.tensors[wrt], dtype) ** 2


def _loaded(given: Any, other: Any) -> Any:
    from gradassay_numpy._backend import numpy_backend

    return numpy_backend.load("lstm", given.config, other, None)  # type: ignore[arg-type]  # it reads no target


def test_a_wrong_estimate_is_outside_its_bars() -> None:
    at = source(Honest, case(Call(2, 4)), "forward")
    found = Plan.of_source(at, "y", "x", None, tune=False)()
    assert found.certified
    right = found.block.copy()
    found.block[0, 2, 1, 0, 1, 2] *= 1.01
    failed = found.certify()
    assert failed.outcome == "failed" and "error bars away; at most" in failed.reason
    found.block[:] = right
    found.block[0, 2] *= 1.01
    failed = found.certify()
    assert failed.outcome == "failed" and "of the entries are within their error bars; 95% should be" in failed.reason
    assert "error bars" in str(failed) and "noise units" not in str(failed)


def test_a_live_layer_of_a_forward_pass_alone_has_its_own_parameters() -> None:
    at = source(Honest, None, "forward")
    with pytest.raises(UsageError, match="a live layer has a forward pass alone, and its own parameters"):
        Plan.of_source(at, "y", "weight_hh_l0", None, tune=False)()


def test_a_step_is_a_power_of_two_near_the_balance() -> None:
    array = np.full(4, 8.0)
    h = differences.step(array, "float64")
    assert np.log2(h) == round(np.log2(h)) and 0.5 < h / (8 * (3 * 2.0**-53) ** (1 / 3)) < 2
    assert differences.step(np.zeros(3), "float32") > 0


# --- what does not fit


def test_what_does_not_fit_is_refused_before_it_starts() -> None:
    made = plan("y", "x", 20_000)
    with pytest.raises(UsageError) as refused:
        made()
    assert str(refused.value).startswith(
        "d y / d x has shape (3, 6, 4, 3, 6, 3): 31.1 kB in float64, where 20 kB may be used"
    )
    assert "jacobian_plan(...).into('j.npy')" in str(refused.value)
    assert made.linear().cost.calls == 0 and made.way.piece is None  # nobody was asked


def test_a_block_is_streamed_and_taken_up_again(tmp_path: Path) -> None:
    want, path = rows(source()), tmp_path / "j.npy"
    made = plan("y", "x", 45_000)
    done = made.into(path)
    assert done.parts == 3 and done.computed == 3
    assert np.allclose(done.array, want, rtol=1e-12, atol=1e-15)
    assert str(done).startswith(f"{path}: 31.2 kB in 3 parts, 3 computed now (")
    # A run that was killed after the first part: what it wrote is kept, the rest is computed.
    note = path.with_name("j.npy.progress")
    note.write_text(note.read_text().replace('"done": 3', '"done": 1'))
    broken = np.load(path, mmap_mode="r+")
    broken[:, 0], broken[:, 2:] = 7.0, 0.0
    broken.flush()
    again = plan("y", "x", 45_000).into(path)
    assert again.computed == 2
    assert np.all(again.array[:, 0] == 7.0) and np.allclose(again.array[:, 2:], want[:, 2:], rtol=1e-12, atol=1e-15)
    with pytest.raises(UsageError, match="of Pushing, of other data or in other parts: remove it first"):
        plan(("y", np.s_[:, ::-1]), "x", 45_000).into(path)


def test_a_part_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one position of d y / d x has shape"):
        plan("y", "x", 1000).into(tmp_path / "j.npy")


def test_a_dtype_without_a_place_in_a_file_is_refused(tmp_path: Path) -> None:
    given = case(dtype="bfloat16")
    made = Plan.of_source(source(Honest, given), "y", "x", None, tune=False)
    with pytest.raises(UsageError, match="a .npy file has no bfloat16: ask in float32"):
        made.into(tmp_path / "j.npy")
