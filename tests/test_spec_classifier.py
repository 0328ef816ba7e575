"""A classifier as a spec: its equations, tables, data and suites; its properties and faults; and three frameworks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import Any

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
from gradassay._target import DTYPES, numpy_dtype
from gradassay._words import Words
from gradassay.properties import properties_of
from gradassay_classifier import Call, Classifier, spec
from gradassay_lstm import LSTM, SuiteError
from gradassay_lstm._features import FEATURES
from gradassay_lstm._suites import read

FAULTS = {fault.name: fault for fault in spec.faults}
ORACLE = in_memory()
BOTH = Classifier(LSTM(3, 4, num_layers=2, bidirectional=True, projection=2), 3)
RAGGED = Call(3, 4, lengths=(4, 2, 1), dropout=True)


def case(config: Classifier = BOTH, call: Call = RAGGED, regime: str = "unit", dtype: str = "float64") -> Any:
    return build(spec, "single", CaseTemplate("one", config, call, regime, 7, thorough=True), dtype)


# --- the equations, set beside others


def cross_entropy(config: Classifier, call: Call, given: Mapping[str, Any]) -> tuple[Any, float]:
    """Return (logits, loss), written from the text: softmax, and the logarithm of the label's share."""
    lengths = call.lengths or (call.steps,) * call.batch
    last = [run(config.lstm, given, row, length)[1] for row, length in enumerate(lengths)]
    logits = np.array([given["head_weight"] @ h + given["head_bias"] for h in last])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return logits, float(np.mean([-np.log(share[label]) for share, label in zip(shares, given["labels"], strict=True)]))


CASES = [
    (BOTH, RAGGED),
    (Classifier(LSTM(2, 3, bidirectional=True), 2), Call(2, 4)),
    (Classifier(LSTM(2, 3, bias=False), 4), Call(3, 3, lengths=(3, 0, 1), h0=False)),
    (Classifier(LSTM(2, 3), 3), Call(2, 0)),
]


@pytest.mark.parametrize(("config", "call"), CASES)
def test_the_equations_are_those_of_the_text(config: Classifier, call: Call) -> None:
    one = case(config, call)
    found = SimulatedModel(spec, config, one.parameters, "float64").forward(one.inputs)
    logits, loss = cross_entropy(config, call, one.tensors)
    np.testing.assert_allclose(found["logits"], logits, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(found["loss"], loss, rtol=1e-13)


@pytest.mark.parametrize(("config", "call"), CASES[:3])
def test_the_gradient_is_that_of_differences(config: Classifier, call: Call) -> None:
    one = case(config, call)
    model = SimulatedModel(spec, config, one.parameters, "float64")
    _, gradients = model.vjp(one.inputs, {"loss": np.array(1.0)}, one.differentiable)
    for name in one.differentiable:
        along, gradient = one.tangents[name], gradients[name]
        assert gradient is not None
        found = slope(lambda given: cross_entropy(config, call, given)[1], one.tensors, name, along)
        np.testing.assert_allclose(np.sum(gradient * along), found, rtol=1e-6, atol=1e-9, err_msg=name)


def test_huge_logits_have_a_loss_and_a_gradient() -> None:
    """z = (0, 1000) with label 0: the loss is 1000, its gradient (-1, 1)."""
    config = Classifier(LSTM(1, 1), 2)
    zeros = {name: np.zeros_like(array) for name, array in case(config, Call(1, 1)).tensors.items()}
    given = zeros | {"head_bias": np.array([0.0, 1000.0])}
    held = [name for name in given if name.startswith(("weight", "bias", "head"))]
    model = SimulatedModel(spec, config, {name: given.pop(name) for name in held}, "float64")
    outputs, gradients = model.vjp(given, {"loss": np.array(1.0)}, ("head_bias",))
    assert outputs["loss"] == 1000.0 and np.array_equal(gradients["head_bias"], [-1.0, 1.0])  # type: ignore[arg-type]  # no None here


# --- tables, messages, data


def test_the_table() -> None:
    table = {tensor.name: tensor for tensor in spec.tensors(BOTH, RAGGED)}
    assert list(table)[:2] == ["x", "labels"] and list(table)[-4:] == ["head_weight", "head_bias", "logits", "loss"]
    assert {name: tensor.role for name, tensor in table.items() if name in ("labels", "head_weight", "logits")} == {
        "labels": "index",
        "head_weight": "parameter",
        "logits": "output",
    }
    shapes = {"labels": (3,), "head_weight": (3, 4), "head_bias": (3,), "logits": (3, 3), "loss": ()}
    assert {name: table[name].shape for name in shapes} == shapes
    assert table["head_weight"].locate((2, 3)) == {
        "class": "2",
        "from direction": "reverse",
        "from projected unit": "1",
    }
    assert table["logits"].locate((1, 0)) == {"row": "1", "class": "0"}


@pytest.mark.parametrize("classes", [1, 0, -2])
def test_one_class_is_refused(classes: int) -> None:
    with pytest.raises(ValueError, match=rf"Classifier\.classes is {classes}; it should be at least 2: of one class"):
        Classifier(LSTM(1, 1), classes)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="classifier has batch=0: a mean over no rows; there should be at least 1"):
        spec.tensors(BOTH, Call(0, 3))


def test_an_unknown_regime_is_refused() -> None:
    with pytest.raises(ValueError, match="no regime 'lively'; it should be one of unit, saturated, .*, offset, sharp"):
        spec.draw(BOTH, RAGGED, "lively", Words(1))


def test_a_misspelt_field_of_a_case_is_named(tmp_path: Any) -> None:
    (tmp_path / "bad.toml").write_text(
        '[[case]]\nname = "a"\nseed = 1\nconfig = { lstm = { input_size = 1, hidden_size = 1 }, class = 2 }\n'
        "call = { batch = 1, steps = 1 }\n"
    )
    with pytest.raises(SuiteError, match="case 'a', field config: Object contains unknown field `class`"):
        read(tmp_path, spec.tensors, Classifier, Call, spec.regimes)


def digest(regime: str) -> str:
    sha = hashlib.sha256()
    for name, array in spec.draw(BOTH, RAGGED, regime, Words(7)).items():
        sha.update(f"{name} {array.shape} {array.dtype.name}\n".encode())
        sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()[:16]


# What seed 7 draws, in each regime of this spec's own and one of the LSTM's. A change here changes every case.
HASHES = {
    "unit": "ce4549292556c38d",
    "huge": "9c5a28031ebd4066",
    "offset": "58b39015ccd0ec48",
    "sharp": "c50a6681ec9ddeb4",
}


@pytest.mark.parametrize("regime", ["unit", "huge", "offset", "sharp"])
def test_the_same_bits_forever(regime: str) -> None:
    assert digest(regime) == HASHES[regime]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("regime", [name for name in spec.regimes if name != "overflow"])
def test_logits_are_finite_in_every_dtype(regime: str, dtype: str) -> None:
    one = case(regime=regime, dtype=dtype)
    assert all(np.isfinite(array.astype(np.float64)).all() for array in one.tensors.values())
    outputs = SimulatedModel(spec, BOTH, one.parameters, dtype).forward(one.inputs)
    assert all(np.isfinite(array.astype(np.float64)).all() for array in outputs.values())


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_neighbours_have_different_labels(classes: int) -> None:
    labels = spec.draw(Classifier(LSTM(1, 1), classes), Call(9, 1), "unit", Words(3))["labels"]
    assert labels.dtype == np.int64 and set(labels) <= set(range(classes)) and np.all(labels[1:] != labels[:-1])


def test_the_regimes_do_what_they_say() -> None:
    offset, unit = (spec.draw(BOTH, RAGGED, regime, Words(7)) for regime in ("offset", "unit"))
    assert np.all(offset["head_bias"] > 1000) and np.array_equal(offset["x"].shape, unit["x"].shape)
    one = case(regime="sharp")
    logits = SimulatedModel(spec, BOTH, one.parameters, "float64").forward(one.inputs)["logits"]
    with np.errstate(over="ignore"):
        assert np.isinf(np.exp(logits.astype(np.float32))).any()


def test_the_suites_have_every_feature_but_no_batch() -> None:
    every = [template for suite in spec.suites().values() for template in suite]
    seen = frozenset().union(*(spec.features(t.config, t.call) for t in every))
    assert seen == FEATURES - {"no_batch"}
    assert {"offset", "sharp"} <= {template.regime for template in every}
    assert all(template.question.endswith("?") for template in spec.suites()["questions"])


def test_cases_that_are_drawn_are_cases() -> None:
    from hypothesis import HealthCheck, find, settings

    strategy = spec.strategy
    assert strategy is not None
    quick = settings(database=None, suppress_health_check=list(HealthCheck), max_examples=50)
    found = find(strategy(FEATURES, ()), lambda template: template.config.classes > 3, settings=quick)
    assert found.config.classes == 4 and found.call.batch >= 1
    assert build(spec, "drawn", found, "float32").tensors["labels"].shape == (found.call.batch,)


# --- properties and faults


@cache
def bench(dtype: str) -> Bench:
    return Bench(spec, dtype, ("smoke", "questions"), ORACLE)


def question(template: CaseTemplate, *names: str) -> Question:
    every = properties_of(spec)
    return Question(spec, "single", template, tuple(every[name] for name in names))


def asked(name: str, template: CaseTemplate, dtype: str, fault: Fault | None) -> set[str]:
    found = bench(dtype).ask(question(template, name), fault).verdicts
    return {verdict.outcome for verdict in found}


SMALL = Classifier(LSTM(2, 3), 3)
PLAIN = CaseTemplate("plain", SMALL, Call(3, 3), "unit", 3, thorough=True)
PADDED = CaseTemplate("padded", SMALL, Call(3, 3, lengths=(3, 1, 2)), "unit", 3, thorough=True)


def leaking(gradient: Any, r: Any) -> Any:
    return np.where(r.padding[:, :, None], 1e-3, gradient)


def without_lengths(r: Any) -> None:
    r.inputs.pop("lengths", None)


def halved_row(gradient: Any, r: Any) -> Any:
    return np.concatenate([gradient[:1] * 0.5, gradient[1:]])


def planted() -> dict[str, tuple[CaseTemplate, Fault]]:
    """By property, a case and a fault that it sees, and that is not of the catalogue where that has none for it."""
    from gradassay_lstm.faults._around import before, gradients

    leak = Fault("leak", "", "none known", wrap=gradients(leaking, "x"))
    long = Fault("long", "", "none known", wrap=before(without_lengths))
    first = Fault("first-class", "", "none known", wrap=gradients(halved_row, "head_weight"))
    return {
        "class_permutation": (PLAIN, first),
        "logit_sum": (PLAIN, FAULTS["one-hot-missing-in-gradient"]),
        "shift": (PLAIN, FAULTS["softmax-overflows"]),
        "loss_of_logits": (PLAIN, FAULTS["softmax-twice"]),
        "row_permutation": (PLAIN, FAULTS["labels-of-an-earlier-call"]),
        "rows_mean": (PLAIN, FAULTS["sum-for-mean"]),
        "padding": (PADDED, leak),
        "longer_padding": (PADDED, long),
    }


def test_every_property_has_a_fault_planted_for_it() -> None:
    assert planted().keys() == {property_.name for property_ in spec.properties}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [property_.name for property_ in spec.properties])
def test_a_property_sees_its_fault_and_accuses_nothing_right(name: str, dtype: str) -> None:
    template, fault = planted()[name]
    assert asked(name, template, dtype, None) == {"passed"}
    assert asked(name, template, dtype, fault) & {"failed", "errored"}


@pytest.mark.parametrize("added", [4.0, 1024.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_shift_is_exact(dtype: str, added: float) -> None:
    from gradassay_classifier.properties.shift import pair, size

    bias = (np.linspace(-1, 1, 7) * added / 2 + 0.01).astype(numpy_dtype(dtype))
    shift = size(bias, dtype)
    plain, shifted = pair(bias, shift)
    assert np.all(shifted.astype(np.float64) - plain.astype(np.float64) == shift)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_killed(name: str, dtype: str) -> None:
    killed = bench(dtype).run(FAULTS[name]).killed
    assert killed is not None, f"{name} lives in {dtype}"


@pytest.mark.parametrize("name", [fault.name for fault in spec.benign])
def test_nothing_accuses_what_is_right(name: str) -> None:
    variant = next(fault for fault in spec.benign if fault.name == name)
    for one in bench("float32").questions["smoke"]:
        if one.template.name in ("plain", "ragged", "sharp"):
            assert bench("float32").ask(one, variant).accused == ()


def test_a_variant_changes_something() -> None:
    """The other two only look a number up, or add zeros to it: of those no bit differs."""
    (variant,) = (fault for fault in spec.benign if fault.name == "log-softmax-first")
    assert bench("float32").changes(question(replace(PLAIN, regime="offset"), "values", "gradients"), variant)


# --- frameworks

HERE = [
    name for name, package in (("torch", "torch"), ("tensorflow", "tensorflow"), ("jax", "jax")) if find_spec(package)
]
REASONS = {
    "dropout": "it takes none",
    "partial_states": "both initial states or neither",
    "zero_length": "refuse a sample of length 0",
    "no_steps": "larger than 0 in RNN|reads step 0|out of bounds|slice index",
}
GAPS = {
    "dropout": (Classifier(LSTM(2, 3, 2), 3), Call(2, 3, dropout=True)),
    "partial_states": (SMALL, Call(2, 3, c0=False)),
    "zero_length": (SMALL, Call(2, 3, lengths=(3, 0))),
    "no_steps": (SMALL, Call(2, 0)),
}


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
    offers = [offer for offer in find("backend", backend).load().offers if offer.spec == "classifier"]
    assert offers and all(offer.features <= FEATURES - {"no_batch"} for offer in offers)


# torch warns of things inside it, TensorFlow's own code of NumPy's.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("backend", HERE)
def test_a_framework_is_right(backend: str) -> None:
    wanted = ("values", "gradients", "loss_of_logits", "padding", "jvp", "hvp")
    found = verify_case(find("backend", backend).load(), spec, PADDED, "float32", properties=wanted, oracle=ORACLE)
    assert {verdict.outcome for verdict in found} == {"passed"}
    assert {verdict.property for verdict in found} == set(wanted)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("feature", GAPS)
@pytest.mark.parametrize("backend", [name for name in HERE if name != "jax"])
def test_every_gap_is_one(backend: str, feature: str) -> None:
    loaded = find("backend", backend).load()
    one = alone(loaded, "eager", "float32", spec="classifier")
    config, call = GAPS[feature]
    found = verify_case(one, spec, CaseTemplate("gap", config, call, "unit", 3), "float32", oracle=ORACLE)
    offers = [offer for offer in loaded.offers if offer.spec == "classifier"]
    declared = any(feature in gap.features for offer in offers for gap in offer.gaps)
    wrong = [verdict.reason for verdict in found if verdict.outcome != "passed"]
    assert bool(wrong) == declared
    assert all(re.search(REASONS[feature], reason) for reason in wrong)
