"""Pairs of targets: what two right ones differ by, and what is said when they do not agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradassay._agreement import agree
from gradassay._cache import Cache
from gradassay._fault import Fault
from gradassay._limits import max_limit
from gradassay._record import Verdict, encode
from gradassay._run import verify
from gradassay._simulated import Simulated
from gradassay._spec import Axis, Tensor
from gradassay_lstm import spec
from gradassay_lstm._features import FEATURES

NAMES = ("torch/float32", "jax/float32")


def units(**tensors: Any) -> dict[str, Any]:
    return {name: np.asarray(z, dtype=np.float32) for name, z in tensors.items()}


def found(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    answer = agree(a, b, NAMES)
    encode(Verdict(target="t", spec="s", suite="s", case="c", property="agreement", tensor="", **answer))
    return answer


def test_the_difference_of_two_is_in_units_of_root_two() -> None:
    answer = found(units(y=[3.0, 0.0]), units(y=[-3.0, 0.0]))
    assert answer["max"] == pytest.approx(6 / np.sqrt(2)) and answer["rms"] == pytest.approx(3.0)
    assert (answer["outcome"], answer["elements"], answer["limit_rms"]) == ("passed", 2, None)


def test_two_draws_of_noise_agree() -> None:
    rng = np.random.default_rng(3)
    a, b = (units(y=rng.normal(size=(20, 5)), x=rng.normal(size=100)) for _ in range(2))
    answer = found(a, b)
    assert answer["outcome"] == "passed" and answer["reason"] == ""
    assert answer["rms"] == pytest.approx(1.0, abs=0.15) and answer["limit_max"] == max_limit(200)


@pytest.mark.parametrize("which", [0, 1])
def test_one_that_is_off_in_one_element_fails(which: int) -> None:
    pair = [units(y=np.zeros((3, 4)), x=np.zeros(5)) for _ in range(2)]
    pair[which]["y"][2, 1] = max_limit(17) * np.sqrt(2) * 1.01
    answer = found(*pair)
    assert answer["outcome"] == "failed"
    assert answer["reason"] == f"torch/float32 and jax/float32 differ by {max_limit(17) * 1.01:.4g} noise units in y"
    worst = answer["worst"]
    assert (worst.tensor, worst.index) == ("y", (2, 1))
    assert {worst.got, worst.want} == {f"{pair[which]['y'][2, 1]:.4g} noise units", "0 noise units"}
    pair[which]["y"][2, 1] = max_limit(17) * np.sqrt(2) * 0.99
    assert found(*pair)["outcome"] == "passed"


def test_one_that_is_off_a_little_everywhere_fails() -> None:
    answer = found(units(y=np.full(16, 5.7)), units(y=np.zeros(16)))
    assert answer["outcome"] == "failed" and answer["rms"] == pytest.approx(5.7 / np.sqrt(2), rel=1e-6)
    assert found(units(y=np.full(16, 5.6)), units(y=np.zeros(16)))["outcome"] == "passed"
    assert found(units(y=np.full(15, 5.7)), units(y=np.zeros(15)))["outcome"] == "passed"


def test_opposite_errors_that_each_pass_may_not_agree() -> None:
    """Each 14 noise units away, one above and one below: 20 apart."""
    assert found(units(y=[14.0]), units(y=[-14.0]))["outcome"] == "failed"


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_leak_or_what_is_not_finite_fails(bad: float) -> None:
    for a, b in (([bad, 0.0], [0.0, 0.0]), ([0.0, 0.0], [bad, 0.0])):
        answer = found(units(y=a), units(y=b))
        assert answer["outcome"] == "failed" and answer["max"] is None and answer["worst"].index == (0,)


def test_errors_of_any_size_can_be_written() -> None:
    answer = found(units(y=np.full(20, 3e38)), units(y=np.zeros(20)))
    assert answer["outcome"] == "failed" and answer["rms"] == pytest.approx(3e38 / np.sqrt(2), rel=1e-6)


def test_only_what_both_have_is_compared() -> None:
    answer = found(units(y=[0.0], x=[50.0], h=[[9.0]]), units(y=[0.0], c=[50.0], h=[90.0]))
    assert (answer["outcome"], answer["elements"]) == ("passed", 1)


@pytest.mark.parametrize(("a", "b"), [({}, {}), (units(x=[0.0]), units(y=[0.0])), (units(y=[]), units(y=[]))])
def test_nothing_in_common_is_not_applicable(a: Any, b: Any) -> None:
    answer = found(a, b)
    reason = "nothing that both have answered has elements to compare"
    assert answer == {"outcome": "not applicable", "reason": reason}


def test_a_scalar_is_compared() -> None:
    assert found(units(loss=1.0), units(loss=-1.0))["worst"].index == ()


# --- in a run


def agreements(*backends: Simulated, dtype: str = "float32", cases: Any = ("plain",)) -> list[Verdict]:
    store = Cache()
    store.directory = None
    records = verify(
        [f"{backend.name}/{dtype}" for backend in backends],
        specs=["lstm"],
        suites=["smoke"],
        cases=cases,
        objects=backends,
        cache=store,
    )
    return [record for record in records if isinstance(record, Verdict) and record.property == "agreement"]


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_every_pair_of_right_targets_agrees_on_every_case(dtype: str) -> None:
    orders = [Simulated(spec, order=order, features=FEATURES) for order in ("blas", "reversed", "pairwise")]
    verdicts = agreements(*orders, dtype=dtype, cases=("plain", "ragged"))
    assert len(verdicts) == 3 * 2 and {v.outcome for v in verdicts} == {"passed"}
    assert len({(v.case, frozenset((v.target, v.against))) for v in verdicts}) == 6
    for verdict in verdicts:
        assert f"verify {verdict.target} {verdict.against} --spec lstm --suite smoke --case " in verdict.replay
        assert verdict.max is not None and verdict.max > 0  # another order is another rounding


def test_a_wrong_one_agrees_with_nobody() -> None:
    class Wrong:
        def __init__(self, model: Any) -> None:
            self.model = model

        def vjp(self, *args: Any) -> Any:
            outputs, gradients = self.model.vjp(*args)
            return outputs, gradients | {"c0": gradients["c0"] * np.float32(1.01)}

        def __getattr__(self, name: str) -> Any:
            return getattr(self.model, name)

    fault = Fault("c0", "dc0 is 1 % too large", "none known", ("c0",), wrap=lambda dtype, model: Wrong(model))  # type: ignore[arg-type,return-value]
    right = [Simulated(spec, order=order, features=FEATURES) for order in ("blas", "reversed")]
    verdicts = agreements(Simulated(spec, fault, features=FEATURES), *right)
    outcomes = {frozenset((v.target.split("/")[0], v.against.split("/")[0])): v.outcome for v in verdicts}
    assert outcomes == {
        frozenset(("faulty-c0", "simulated-blas")): "failed",
        frozenset(("faulty-c0", "simulated-reversed")): "failed",
        frozenset(("simulated-blas", "simulated-reversed")): "passed",
    }
    assert {v.worst.tensor for v in verdicts if v.outcome == "failed" and v.worst is not None} == {"d c0"}


def test_dtypes_are_not_compared_with_each_other() -> None:
    store = Cache()
    store.directory = None
    backend = Simulated(spec, features=FEATURES)
    records = verify(specs=["lstm"], suites=["smoke"], cases=["one"], objects=[backend], cache=store)
    assert not [record for record in records if isinstance(record, Verdict) and record.property == "agreement"]


def test_what_neither_has_right_is_left_to_their_own_verdicts() -> None:
    both = {"y": np.array([1.0, np.inf, 0.5])}
    assert agree(both, both, ("a", "b"))["outcome"] == "passed"


def test_the_worst_element_is_named_by_the_labels_of_its_tensor() -> None:
    x = Tensor("x", "input", ((Axis("row", 2),), (Axis("step", 3),)))
    a, b = np.zeros((2, 3)), np.zeros((2, 3))
    b[1, 2] = 100.0
    found = agree({"d x": a}, {"d x": b}, ("a", "b"), {"x": x})
    assert found["outcome"] == "failed"
    assert found["worst"].where == {"row": "1", "step": "2"}
