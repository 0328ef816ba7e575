"""A weighted loss as a spec: equations, tables, data and suites; its properties and faults; and three frameworks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

import msgspec
import numpy as np
import pytest
from evidence import alone
from plain_lstm import run, slope

from gradassay._case import build
from gradassay._fault import Fault
from gradassay._plan import Question
from gradassay._plugins import find
from gradassay._power import Bench
from gradassay._simulated import SimulatedModel
from gradassay._single import in_memory, verify_case
from gradassay._spec import CaseTemplate
from gradassay._words import Words
from gradassay.properties import properties_of
from gradassay_lstm import LSTM
from gradassay_lstm._features import FEATURES
from gradassay_weighted_loss import Call, WeightedLoss, spec
from gradassay_weighted_loss._mixed import divisor, mass, wide

FAULTS = {fault.name: fault for fault in spec.faults}
ORACLE = in_memory()
BOTH = LSTM(3, 4, num_layers=2, bidirectional=True, projection=2)
RAGGED = Call(3, 4, lengths=(4, 2, 1), dropout=True)
REDUCTIONS, WEIGHTS = ("sum", "mean", "weighted mean"), ("element", "step", "row")
OWN = frozenset({"sum", "mean", "weighted_mean", "step_weights", "row_weights"})


def case(config: WeightedLoss, call: Call = RAGGED, regime: str = "unit", dtype: str = "float64") -> Any:
    return build(spec, "single", CaseTemplate("one", config, call, regime, 7, thorough=True), dtype)


# --- the equations, set beside others


def by_hand(config: WeightedLoss, call: Call, given: Mapping[str, Any]) -> float:
    """Return the loss, summed element by element."""
    lengths = call.lengths or (call.steps,) * call.batch
    total = weights = count = 0.0
    for row, length in enumerate(lengths):
        y, _ = run(config.lstm, given, row, length)
        for step in range(call.steps):
            for unit in range(config.lstm.output_size):
                value = y[step, unit] if step < length else 0.0
                place = {"element": (row, step, unit), "step": (row, step), "row": (row,)}[config.weights]
                weight = given["weights"][place]
                total += weight * (value - given["target"][row, step, unit]) ** 2
                weights += weight
                count += 1
    return float(total / {"sum": 1.0, "mean": count, "weighted mean": weights}[config.reduction])


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_equations_and_their_gradient(reduction: Any, weights: Any) -> None:
    config = WeightedLoss(BOTH, reduction, weights)
    one = case(config)
    model = SimulatedModel(spec, config, one.parameters, "float64")
    outputs, gradients = model.vjp(one.inputs, {"loss": np.array(1.0)}, one.differentiable)
    np.testing.assert_allclose(outputs["loss"], by_hand(config, RAGGED, one.tensors), rtol=1e-13)
    for name in ("x", "target", "weights", "h0", "weight_hh_l1_reverse", "weight_hr_l0"):
        along, gradient = one.tangents[name], gradients[name]
        assert gradient is not None
        found = slope(lambda given: by_hand(config, RAGGED, given), one.tensors, name, along)
        np.testing.assert_allclose(np.sum(gradient * along), found, rtol=1e-6, atol=1e-9, err_msg=name)


# --- tables, messages, data


@pytest.mark.parametrize(("weights", "shape"), [("element", (3, 4, 4)), ("step", (3, 4)), ("row", (3,))])
def test_the_table(weights: Any, shape: tuple[int, ...]) -> None:
    table = {tensor.name: tensor for tensor in spec.tensors(WeightedLoss(BOTH, weights=weights), RAGGED)}
    assert list(table)[:3] == ["x", "target", "weights"] and list(table)[-1] == "loss"
    assert (table["weights"].role, table["weights"].shape) == ("input", shape)
    assert (table["target"].role, table["target"].shape) == ("input", (3, 4, 4))
    assert (table["loss"].role, table["loss"].shape) == ("output", ())
    assert list(table["weights"].locate((0,) * len(shape)))[: len(shape)] == ["row", "step", "direction"][: len(shape)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduction": "average"}, "WeightedLoss.reduction is 'average'; it should be one of 'sum', 'mean', 'weighted"),
        ({"weights": "batch"}, "WeightedLoss.weights is 'batch'; it should be one of 'element', 'step', 'row'"),
    ],
)
def test_an_unknown_word_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        WeightedLoss(BOTH, **options)


@pytest.mark.parametrize("call", [Call(0, 3), Call(2, 0)])
def test_a_loss_of_nothing_is_refused(call: Call) -> None:
    with pytest.raises(ValueError, match="a loss of no elements; both should be at least 1"):
        spec.tensors(WeightedLoss(BOTH), call)


def test_an_unknown_regime_is_refused() -> None:
    with pytest.raises(ValueError, match="no regime 'lively'; it should be one of unit, .*, masked, uneven"):
        spec.draw(WeightedLoss(BOTH), RAGGED, "lively", Words(1))


def digest(weights: Any, regime: str) -> str:
    sha = hashlib.sha256()
    for name, array in spec.draw(WeightedLoss(BOTH, weights=weights), RAGGED, regime, Words(7)).items():
        sha.update(f"{name} {array.shape} {array.dtype.name}\n".encode())
        sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()[:16]


# What seed 7 draws. A change here changes every case.
HASHES = {
    ("element", "unit"): "c6c1e759777eb048",
    ("step", "unit"): "f2f76224667bf5c7",
    ("row", "unit"): "dc32932011377c3a",
    ("element", "huge"): "bed171e661ae3325",
    ("step", "masked"): "458b448bddb0adec",
    ("element", "uneven"): "ee669aa12ee31eb0",
}


@pytest.mark.parametrize(("weights", "regime"), HASHES)
def test_the_same_bits_forever(weights: str, regime: str) -> None:
    assert digest(weights, regime) == HASHES[weights, regime]


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("seed", range(20))
def test_some_weights_are_zero_and_never_all_of_them(weights: Any, seed: int) -> None:
    drawn = spec.draw(WeightedLoss(BOTH, weights=weights), Call(8, 4), "unit", Words(seed))["weights"]
    assert np.all((drawn == 0) | ((drawn > 0.25) & (drawn < 1.75)))
    assert np.all(np.any(drawn != 0, axis=-1))
    assert weights == "row" or (drawn == 0).any()
    alone = spec.draw(WeightedLoss(LSTM(1, 1), weights=weights), Call(1, 1), "uneven", Words(seed))["weights"]
    assert alone.size == 1 and np.all(alone > 0)


@pytest.mark.parametrize("weights", ["element", "step"])
def test_masked_weights_are_zero_on_the_padding_alone(weights: Any) -> None:
    drawn = spec.draw(WeightedLoss(BOTH, weights=weights), RAGGED, "masked", Words(7))["weights"]
    padding = np.arange(4)[None, :] >= np.array([4, 2, 1])[:, None]
    zero = drawn == 0 if weights == "step" else (drawn == 0).all(axis=-1)
    assert np.array_equal(zero, padding) and np.array_equal((drawn == 0).any(axis=-1), padding) == (weights != "step")


def test_uneven_weights_are_uneven() -> None:
    drawn = spec.draw(WeightedLoss(BOTH), Call(8, 8), "uneven", Words(7))["weights"]
    assert drawn[drawn > 0].max() / drawn[drawn > 0].min() > 2**10


def test_the_suites_have_every_feature() -> None:
    every = [template for suite in spec.suites().values() for template in suite]
    seen = frozenset().union(*(spec.features(t.config, t.call) for t in every))
    assert seen == (FEATURES - {"no_batch", "no_steps", "partial_states"}) | OWN
    assert {"masked", "uneven"} <= {template.regime for template in every}
    assert all(template.question.endswith("?") for template in spec.suites()["questions"])


def test_cases_that_are_drawn_are_cases() -> None:
    from hypothesis import HealthCheck, find, settings

    strategy = spec.strategy
    assert strategy is not None
    quick = settings(database=None, suppress_health_check=list(HealthCheck), max_examples=50)
    only = frozenset({"sum", "row_weights"})
    found = find(strategy(only, ()), lambda template: template.config.weights == "row", settings=quick)
    assert (found.config.reduction, found.call.lengths) == ("sum", None)
    assert build(spec, "drawn", found, "float32").tensors["weights"].shape == (found.call.batch,)


def test_what_a_loss_is_divided_by() -> None:
    one = case(WeightedLoss(BOTH, "weighted mean", "step"))
    assert wide(one).shape == (3, 4, 4) and mass(one) == pytest.approx(wide(one).sum())
    by = [divisor(case(msgspec.structs.replace(one.config, reduction=reduction))) for reduction in REDUCTIONS]
    assert by == [1.0, 48.0, pytest.approx(wide(one).sum())]


# --- properties and faults


@cache
def bench(dtype: str) -> Bench:
    return Bench(spec, dtype, ("smoke", "questions", "wide"), ORACLE)


def asked(name: str, template: CaseTemplate, dtype: str, fault: Fault | None) -> set[str]:
    question = Question(spec, "single", template, (properties_of(spec)[name],))
    return {verdict.outcome for verdict in bench(dtype).ask(question, fault).verdicts}


def template(reduction: Any, weights: Any = "element") -> CaseTemplate:
    config = WeightedLoss(LSTM(2, 3), reduction, weights)
    return CaseTemplate(reduction.replace(" ", "-"), config, Call(3, 3), "unit", 3, thorough=True)


PLANTED = {
    "linear": ("mean", "weighted-mean-for-mean"),
    "homogeneous": ("weighted mean", "divisor-detached"),
    "zero_weight": ("sum", "weight-0-leaks"),
    "divisors": ("mean", "divided-by-rows"),
    "split": ("weighted mean", "mean-of-means"),
    "row_permutation": ("sum", "first-row-halved"),
}


def halved(gradient: Any, r: Any) -> Any:
    return np.concatenate([gradient[:1] * 0.5, gradient[1:]])


def test_every_property_has_a_fault_planted_for_it() -> None:
    assert PLANTED.keys() == {property_.name for property_ in spec.properties}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", PLANTED)
def test_a_property_sees_its_fault_and_accuses_nothing_right(name: str, dtype: str) -> None:
    from gradassay_lstm.faults._around import gradients

    reduction, of = PLANTED[name]
    more = Fault("first-row-halved", "", "none known", wrap=gradients(halved, "target"))
    assert asked(name, template(reduction), dtype, None) == {"passed"}
    assert asked(name, template(reduction), dtype, FAULTS.get(of, more)) & {"failed", "errored"}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_right_equations_have_every_property(reduction: str, weights: str) -> None:
    for name in PLANTED:
        assert asked(name, template(reduction, weights), "float32", None) == {"passed"}, name


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_killed(name: str, dtype: str) -> None:
    if FAULTS[name].dtypes and dtype not in FAULTS[name].dtypes:
        return
    killed = bench(dtype).run(FAULTS[name]).killed
    assert killed is not None, f"{name} lives in {dtype}"


@pytest.mark.parametrize("name", [fault.name for fault in spec.benign])
def test_nothing_accuses_what_is_right_and_it_is_something_else(name: str) -> None:
    variant = next(fault for fault in spec.benign if fault.name == name)
    some = [one for one in bench("float32").questions["smoke"] if one.template.name in ("weighted-mean", "masked")]
    assert all(bench("float32").ask(one, variant).accused == () for one in some)
    assert any(bench("float32").changes(one, variant) for one in some)


# --- frameworks

HERE = [name for name in ("torch", "tensorflow", "jax") if find_spec(name)]  # backends are called as frameworks are
REASONS = {
    "dropout": "it takes none",
    "partial_states": "both initial states or neither",
    "zero_length": "refuse a sample of length 0",
}
GAPS = {
    "dropout": (LSTM(2, 3, 2), Call(2, 3, dropout=True)),
    "partial_states": (LSTM(2, 3), Call(2, 3, c0=False)),
    "zero_length": (LSTM(2, 3), Call(2, 3, lengths=(3, 0))),
}


EACH = [("sum", "step"), ("weighted mean", "row"), ("mean", "row"), ("mean", "step"), ("weighted mean", "step")]
# JAX compiles for each.
ASKED = [(backend, *one) for backend in HERE for one in EACH[: 2 if backend == "jax" else None]]


@pytest.fixture
def x64() -> Any:
    """What JAX's own process is given by its environment."""
    if find_spec("jax") is None:
        yield
        return
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("backend", HERE)
def test_what_is_offered_are_features_of_the_spec(backend: str) -> None:
    offers = [offer for offer in find("backend", backend).load().offers if offer.spec == "weighted_loss"]
    assert offers and all(OWN <= offer.features <= FEATURES | OWN for offer in offers)


# torch warns of things inside it, TensorFlow's own code of NumPy's.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("backend", "reduction", "weights"), ASKED)
def test_a_framework_is_right(backend: str, reduction: str, weights: str) -> None:
    """Padding in the batch: it counts, also where Keras ties a mask to the output."""
    one = msgspec.structs.replace(Call(3, 3), lengths=(3, 1, 2))
    asked = CaseTemplate("one", WeightedLoss(LSTM(2, 3), reduction, weights), one, "unit", 3)  # type: ignore[arg-type]  # literals
    wanted = ("values", "gradients", "homogeneous", "zero_weight")
    found = verify_case(find("backend", backend).load(), spec, asked, "float32", properties=wanted, oracle=ORACLE)
    assert {verdict.outcome for verdict in found} == {"passed"}
    assert {verdict.property for verdict in found} == set(wanted)


@pytest.mark.skipif("tensorflow" not in HERE, reason="no TensorFlow")
def test_the_mask_that_keras_ties_to_an_output_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    asked = CaseTemplate("masked", WeightedLoss(LSTM(2, 3), "mean", "step"), Call(3, 3, lengths=(3, 1, 2)), "unit", 3)
    monkeypatch.setattr(tf, "identity", lambda tensor: tensor)
    found = verify_case(find("backend", "tensorflow").load(), spec, asked, "float32", oracle=ORACLE)
    assert {verdict.tensor for verdict in found if verdict.outcome == "failed"} >= {"loss", "x"}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("feature", GAPS)
@pytest.mark.parametrize("backend", [name for name in HERE if name != "jax"])
def test_every_gap_is_one(backend: str, feature: str) -> None:
    loaded = find("backend", backend).load()
    one = alone(loaded, "eager", "float32", spec="weighted_loss")
    lstm, call = GAPS[feature]
    asked = CaseTemplate("gap", WeightedLoss(lstm), call, "unit", 3)
    found = verify_case(one, spec, asked, "float32", oracle=ORACLE)
    offers = [offer for offer in loaded.offers if offer.spec == "weighted_loss"]
    wrong = [verdict.reason for verdict in found if verdict.outcome != "passed"]
    assert bool(wrong) == any(feature in gap.features for offer in offers for gap in offer.gaps)
    assert all(re.search(REASONS[feature], reason) for reason in wrong)
