"""The calibration: what it counts, how it extrapolates, and that the committed one holds for the limits there are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from runs import failed, header, skipped, verdict

from gradassay import _calibrate, _limits
from gradassay._calibrate import ENOUGH, LEFT_OUT, QUICK, SUITE, Calibration, calibrate
from gradassay._case import build
from gradassay._oracle import Oracle, Query
from gradassay._plugins import specs
from gradassay._simulated import Simulated
from gradassay._tail import exponential, generalised_pareto, interval
from gradassay._target import DTYPES
from gradassay._words import Words
from gradassay.properties import properties as generic
from gradassay.views.calibration import files
from gradassay_lstm import spec

REPORT = Path(__file__).parent.parent / "reports" / "calibration"
CASES = spec.suites()[SUITE]


def uniform(count, name):
    """Uniform in (0, 1), the same everywhere."""
    return (Words(1, name).uniform((count,)) + 1.0) / 2.0


# --- the tail


def test_the_exponential_fit_recovers_its_scale_and_a_probability_that_was_never_seen():
    tail = exponential(-0.1 * np.log(uniform(40_000, "exponential")))
    assert tail.shape == 0.0 and tail.share == 0.01
    assert tail.scale == pytest.approx(0.1, rel=0.15)  # 400 values in the tail: 5 % of standard error
    assert np.log(tail.beyond(2.0)) == pytest.approx(-20.0, abs=3.0)


@pytest.mark.parametrize("shape", [-0.25, 0.0, 0.2])
def test_the_pareto_fit_recovers_its_shape(shape):
    u = uniform(40_000, f"pareto {shape}")
    sample = (u**-shape - 1.0) / shape if shape else -np.log(u)
    tail = generalised_pareto(sample)
    assert tail.shape == pytest.approx(shape, abs=0.2)
    x = float(np.quantile(sample, 0.9995))
    assert tail.beyond(x) == pytest.approx(5e-4, rel=0.3)
    assert tail.beyond(tail.threshold) == tail.share == 0.01


def test_a_tail_that_ends_has_nothing_beyond_its_end():
    tail = generalised_pareto(1.0 - uniform(40_000, "ends") ** 0.5)
    assert tail.shape < -0.2
    assert tail.beyond(1.5) == 0.0


def test_an_interval_holds_the_truth_and_widens_when_groups_repeat_their_values():
    sample = -np.log(uniform(4_000, "interval"))
    apart = [sample[i : i + 10] for i in range(0, 4_000, 10)]
    same = [np.repeat(sample[i : i + 1], 10) for i in range(400)]
    low, high = interval(apart, lambda s: float(s.mean()), Words(0, "apart"))
    wide = interval(same, lambda s: float(s.mean()), Words(0, "same"))
    assert low < 1.0 < high
    assert wide[1] - wide[0] > 2 * (high - low)


def test_a_sample_without_a_tail_is_refused():
    with pytest.raises(ValueError, match="a tail needs more than 50 values; there are 20"):
        exponential(np.arange(20.0))
    with pytest.raises(ValueError, match="they have no tail"):
        exponential(np.ones(1_000))


# --- the run


@pytest.fixture(scope="module")
def quick():
    return calibrate(specs_with_the_suite(), {}, quick=True, command="the command")


def specs_with_the_suite():
    return [plugin.load() for plugin in specs().values()]


def test_a_quick_calibration_asks_correct_implementations_in_every_dtype_and_order(quick):
    simulated = {f"simulated-{order}" for order in ("blas", "sequential", "pairwise", "reversed")}
    assert {tuple(v.target.split("/")[::3]) for v in quick.verdicts} == {(s, d) for s in simulated for d in DTYPES}
    assert len({v.case for v in quick.verdicts}) == QUICK
    assert {v.property for v in quick.verdicts} <= set(quick.properties)
    assert set(generic()) - LEFT_OUT <= set(quick.properties)
    assert len(quick.judged) > 500
    assert not quick.beyond and not quick.count("errored")


def test_an_implementation_that_is_wrong_does_not_go_unnoticed(monkeypatch):
    fault = next(fault for fault in spec.faults if fault.edits)
    monkeypatch.setattr(_calibrate, "Simulated", lambda spec, order, features: Simulated(spec, fault, order, features))
    found = calibrate([spec], {}, quick=True)
    assert found.beyond
    assert {v.target.split("/")[0] for v in found.beyond} == {f"faulty-{fault.name}"}


def test_its_report_says_what_was_counted(quick):
    written = files(quick)
    told = json.loads(written["summary.json"])
    assert told["limits"] == _limits.VERSION and told["command"] == "the command"
    assert told["verdicts"] == len(quick.judged)
    assert told["distinct"] < told["verdicts"]  # h_n is the last step of y
    assert told["bound"]["verdicts"] == pytest.approx(3.0 / told["verdicts"])
    assert len(told["tails"]) >= 2 and all(tail["low"] <= tail["high"] for tail in told["tails"])
    for name in ("targets.csv", "cases.csv"):
        rows = list(csv.DictReader(written[name].splitlines()))
        for figure in ("verdicts", "blind", "zero", "beyond"):
            assert sum(int(row[figure]) for row in rows) == told[figure]
    text = written["README.md"]
    assert text.startswith("# The calibration of the limits\n\n**None of ")
    assert "extrapolations" in text and "    the command\n" in text
    assert all(f"| simulated-blas/rounded/cpu/{dtype} |" in text for dtype in DTYPES)


def synthetic(*more):
    """A calibration of 200 verdicts whose figures differ, and `more`."""
    passed = [verdict(case="a", max=1.0 + i / 100, rms=0.5 + i / 1000, limit_max=14.0) for i in range(200)]
    told = header(machine={"system": "Linux", "python": "3.11"})
    return Calibration((told,), (*passed, *more), {("lstm", "a"): "unit", ("lstm", "b"): "small"}, "command", 1.0)


def test_a_verdict_beyond_the_limits_is_counted_named_and_takes_the_bound_away():
    written = files(synthetic(failed(case="b", tensor="c0", reason="too far", max=57.0, rms=12.0)))
    told = json.loads(written["summary.json"])
    assert told["beyond"] == 1 and told["bound"] is None and told["verdicts"] == 201
    assert "**1 of 201 verdicts are beyond the limits**" in written["README.md"]
    assert "* torch/native/cpu/float32, b, gradients of c0: too far" in written["README.md"]


def test_a_failure_without_a_number_is_beyond_too():
    found = synthetic(failed(case="b", tensor="c0", reason="got None", max=None, rms=None, elements=0, limit_max=None))
    written = files(found)
    assert json.loads(written["summary.json"])["beyond"] == 1
    (row,) = [row for row in csv.DictReader(written["cases.csv"].splitlines()) if row["case"] == "b"]
    assert (row["verdicts"], row["beyond"], row["max"]) == ("1", "1", "inf")


def test_what_is_blind_zero_or_skipped_is_no_evidence():
    blind = verdict(case="b", outcome="blind", rms=None, max=None, reason="noise")
    zero = verdict(case="b", rms=None, max=0.0)
    written = files(synthetic(blind, zero, skipped(case="b", reason="no such thing")))
    told = json.loads(written["summary.json"])
    assert (told["verdicts"], told["blind"], told["zero"], told["skipped"]) == (200, 1, 1, 1)
    assert "| torch: no such thing | 1 |" in written["README.md"]
    assert "| small | - | 1 of 1 | - | - |" in written["README.md"]


# --- the cases


def test_the_suite_has_every_regime_at_several_shapes_and_the_long_reductions():
    regimes = [regime for regime in spec.regimes if regime != "overflow"]  # in float16 that is blind throughout
    shapes = {regime: {(t.config, t.call) for t in CASES if t.regime == regime} for regime in regimes}
    assert min(map(len, shapes.values())) >= 7
    one_step = [t for t in CASES if t.call.steps == 1]
    assert max(t.config.input_size for t in one_step) == 4096
    assert max(t.config.hidden_size for t in one_step) == 4096
    assert max(t.call.batch for t in one_step) == 4096
    assert {t.call.batch * t.call.steps for t in CASES} >= {65_528, 65_536, 65_544}


def test_a_second_derivative_that_leaves_float16_is_blind_though_the_values_do_not():
    template = next(t for t in CASES if t.name == "step-mixed")
    case = build(spec, SUITE, template, "float16")
    oracle = Oracle()
    first = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    query = Query("hvp", cotangents=case.cotangents, tangents=case.tangents, wrt=case.differentiable)
    assert not any(reference.blind for reference in first.values())
    second = oracle.ask(case, query)
    assert np.max(np.abs(second["d weight_ih_l0"].high)) > 65_504
    assert all(reference.overflow and "float16's range" in reference.blind for reference in second.values())


# --- what is committed


def test_the_committed_calibration_is_of_these_limits_and_has_no_violation():
    told = json.loads((REPORT / "summary.json").read_text(encoding="utf-8"))
    assert told["limits"] == _limits.VERSION
    assert told["verdicts"] >= ENOUGH
    assert told["beyond"] == told["errored"] == 0
    for name in ("targets.csv", "cases.csv"):
        with (REPORT / name).open(encoding="utf-8", newline="") as table:
            rows = list(csv.DictReader(table))
        assert sum(int(row["verdicts"]) for row in rows) == told["verdicts"]
        assert sum(int(row["beyond"]) for row in rows) == 0
        assert max(float(row["max_of_limit"] or 0) for row in rows) < 1.0
        assert {row["case"] for row in rows} == {t.name for t in CASES} if name == "cases.csv" else True
    assert (REPORT / "README.md").read_text(encoding="utf-8").count(f"{told['verdicts']:,}") >= 1
