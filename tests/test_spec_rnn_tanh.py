"""Elman's network as a spec, and what it shares with the GRU: tables, draws, layouts, properties, faults, layers."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from elman import elman, forward, gradient
from evidence import alone
from hypothesis import given, settings

import gradassay
from gradassay import UsageError
from gradassay._case import Case, build
from gradassay._changes import fits, simplest
from gradassay._oracle import Query
from gradassay._plan import Question
from gradassay._power import Bench
from gradassay._record import Verdict
from gradassay._simulated import Simulated
from gradassay._single import in_memory, verify_case
from gradassay._spec import CaseTemplate
from gradassay._words import Words
from gradassay.properties import properties as generic
from gradassay.properties import properties_of
from gradassay_lstm import SuiteError
from gradassay_lstm._suites import read
from gradassay_rnn_tanh import RNN, Call, layouts, spec
from gradassay_rnn_tanh._features import FEATURES
from gradassay_rnn_tanh._layout import Form, Layout
from gradassay_rnn_tanh._strategies import cases, configs
from gradassay_rnn_tanh._tensors import tensors

CASES = {
    "plain": (RNN(3, 4), Call(2, 3)),
    "deep": (RNN(2, 3, num_layers=2, bidirectional=True), Call(2, 3)),
    "ragged": (RNN(2, 2, num_layers=2, bidirectional=True, bias=False), Call(3, 3, lengths=(3, 0, 1))),
    "absent": (RNN(2, 3), Call(2, 3, h0=False)),
    "empty": (RNN(2, 3), Call(2, 0)),
}
HASHES = {
    "unit": "84a9f3a5c23998a5",
    "saturated": "fd38dbd5ab6f71ee",
    "small": "8467fc8a3490b0f9",
    "tiny": "f601be9f130fa064",
    "underflow": "b23ed0a94bba2dfd",
    "huge": "aeced18e186af2ec",
    "zeros": "420246af522d3e8e",
    "sparse": "8ea8c1c9015d834a",
    "positive": "ee611d0a4a2f8776",
    "cancelling": "4796691e85e8b546",
    "mixed": "9470a715f4a74f94",
    "spiky": "8302cd6db63c3ee6",
    "overflow": "8d0373461d0b6a44",
}


def case(name: str, dtype: str = "float64", regime: str = "unit") -> Case:
    config, call = CASES[name]
    return build(spec, "single", CaseTemplate(name, config, call, regime, 5, thorough=True), dtype)


@cache
def oracle() -> Any:
    return in_memory()


# --- equations


@pytest.mark.parametrize("name", CASES)
def test_the_equations_are_those_of_the_text(name: str) -> None:
    """Values and gradients against complex steps of a forward pass in NumPy, row by row."""
    one = case(name)
    truth = oracle().ask(one, Query("vjp", cotangents=one.cotangents, wrt=one.differentiable))
    for output, want in forward(one, one.tensors, elman).items():
        np.testing.assert_allclose(truth[output].high, want.real, rtol=0, atol=1e-14, err_msg=output)
    for of in one.differentiable:
        np.testing.assert_allclose(truth[f"d {of}"].high, gradient(one, of, elman), rtol=0, atol=1e-13, err_msg=of)


# --- tables, calls, draws


def test_the_table_in_order() -> None:
    config = RNN(3, 4, num_layers=2, bidirectional=True)
    table = {tensor.name: tensor for tensor in spec.tensors(config, Call(2, 5, lengths=(5, 1)))}
    assert list(table)[:5] == ["x", "h0", "lengths", "weight_ih_l0", "weight_hh_l0"]
    assert list(table)[-2:] == ["y", "h_n"]
    assert table["weight_ih_l0"].shape == (4, 3) and table["weight_ih_l1_reverse"].shape == (4, 8)
    assert table["bias_hh_l1"].shape == (4,) and table["h_n"].shape == (4, 2, 4) and table["y"].shape == (2, 5, 8)
    assert table["weight_ih_l1"].locate((3, 5)) == {
        "layer": "1",
        "direction": "forward",
        "unit": "3",
        "from direction": "reverse",
        "from unit": "1",
    }
    roles = {name: tensor.role for name, tensor in table.items()}
    assert (roles["x"], roles["h0"], roles["lengths"], roles["y"]) == ("input", "state", "index", "output")


def test_what_a_call_does_not_have_is_not_in_the_table() -> None:
    names = {tensor.name for tensor in spec.tensors(RNN(3, 4, bias=False), Call(2, 5, h0=False))}
    assert names == {"x", "weight_ih_l0", "weight_hh_l0", "y", "h_n"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RNN(0, 4), r"RNN\.input_size is 0; it should be at least 1"),
        (lambda: RNN(3, 0), r"RNN\.hidden_size is 0; it should be at least 1"),
        (lambda: RNN(3, 4, num_layers=0), r"RNN\.num_layers is 0; it should be at least 1"),
        (lambda: Call(-1, 3), r"Call has batch=-1, steps=3; neither may be negative"),
        (lambda: Call(2, 3, lengths=(1,)), r"Call\.lengths has 1 entries for a batch of 2"),
        (lambda: Call(2, 3, lengths=(1, 4)), r"Call\.lengths has 4; each should be from 0 to steps = 3"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("config", "call", "features"),
    [
        (RNN(3, 4), Call(2, 5), set()),
        (RNN(3, 4, 2, True, False), Call(2, 5), {"layers", "bidirectional", "no_bias"}),
        (RNN(3, 4), Call(2, 5, (5, 0), h0=False), {"ragged", "zero_length", "absent_states"}),
        (RNN(3, 4), Call(0, 0), {"no_steps", "no_batch"}),
    ],
)
def test_features(config: RNN, call: Call, features: set[str]) -> None:
    assert spec.features(config, call) == features <= FEATURES


@pytest.mark.parametrize("call", [Call(2, 5), Call(3, 4, (4, 0, 2), h0=False), Call(0, 0), Call(0, 3, ())])
def test_a_call_is_known_by_its_tensors_and_varied(call: Call) -> None:
    drawn = spec.draw(RNN(3, 4), call, "unit", Words(1))
    assert spec.call_of(RNN(3, 4), drawn) == call
    other = spec.vary(RNN(3, 4), call)
    assert spec.features(RNN(3, 4), other) == spec.features(RNN(3, 4), call)
    assert (other.batch, other.steps) == (call.batch + bool(call.batch), call.steps + bool(call.steps))


def digest(regime: str) -> str:
    sha = hashlib.sha256()
    drawn = spec.draw(RNN(3, 4, 2, True), Call(3, 4, (4, 2, 1)), regime, Words(9))
    for name, array in drawn.items():
        sha.update(f"{name} {array.shape} {array.dtype.name}\n".encode())
        sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()[:16]


@pytest.mark.parametrize("regime", spec.regimes)
def test_the_same_bits_forever(regime: str) -> None:
    assert digest(regime) == HASHES[regime]


def test_there_is_a_hash_for_every_regime() -> None:
    assert tuple(HASHES) == spec.regimes and not {"memory", "forgetful"} & set(spec.regimes)


def test_an_unknown_regime_is_refused() -> None:
    with pytest.raises(ValueError, match="no regime 'memory'; it should be one of unit, saturated, "):
        spec.draw(RNN(3, 4), Call(2, 3), "memory", Words(0))


@pytest.mark.parametrize("regime", spec.regimes)
def test_every_value_is_finite_in_float16_and_no_two_rows_or_steps_are_equal(regime: str) -> None:
    drawn = spec.draw(RNN(3, 2), Call(4, 6), regime, Words(2))
    assert all(np.isfinite(array.astype(np.float16)).all() for array in drawn.values())
    rows = drawn["x"].reshape(-1, 3)
    assert len(np.unique(rows, axis=0)) == len(rows) and len(np.unique(drawn["h0"][0], axis=0)) == 4


def test_suites_can_be_read_and_ask_for_what_is_there() -> None:
    suites = spec.suites()
    assert {name: len(found) for name, found in suites.items()} == {"questions": 3, "smoke": 5, "wide": 22}
    asked = frozenset().union(*(spec.features(t.config, t.call) for found in suites.values() for t in found))
    assert asked == FEATURES
    assert all(template.question for template in suites["questions"])


def test_a_suite_that_asks_for_a_gate_is_refused(tmp_path: Any) -> None:
    text = '[[case]]\nname = "a"\nseed = 1\nconfig = { input_size = 1, hidden_size = 1, projection = 1 }\n'
    (tmp_path / "one.toml").write_text(text + "call = { batch = 1, steps = 1 }\n")
    with pytest.raises(
        SuiteError, match="one.toml, case 'a', field config: Object contains unknown field `projection`"
    ):
        read(tmp_path, tensors, RNN, Call, spec.regimes)


@settings(max_examples=25, deadline=None)
@given(cases(configs(RNN, frozenset({"layers", "ragged"})), frozenset({"layers", "ragged"}), ("unit",)))
def test_drawn_cases_ask_for_nothing_beyond_what_is_offered(template: CaseTemplate) -> None:
    assert spec.features(template.config, template.call) <= {"layers", "ragged"}
    assert build(spec, "drawn", template, "float32").tensors["x"].shape[0] == template.call.batch


def test_everything_that_is_offered_is_drawn() -> None:
    seen: set[str] = set()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(spec.strategy(FEATURES, ()))
    def collect(template: CaseTemplate) -> None:
        seen.update(spec.features(template.config, template.call))

    collect()
    assert seen == FEATURES


# --- layouts


def parameters(config: RNN) -> dict[str, Any]:
    drawn = spec.draw(config, Call(1, 1), "unit", Words(3))
    return {name: array for name, array in drawn.items() if name not in ("x", "h0")}


@pytest.mark.parametrize("config", [RNN(3, 4), RNN(4, 4, 2, True), RNN(1, 1), RNN(3, 4, bias=False)], ids=str)
@pytest.mark.parametrize("framework", layouts)
def test_the_adjoint_is_the_adjoint_and_the_inverse_an_inverse(framework: str, config: RNN) -> None:
    layout, u = layouts[framework], parameters(config)
    made = layout.forward(u)
    v = {name: Words(1, name).normal(array.shape) for name, array in made.items()}
    back = layout.adjoint(v, u)
    assert {name: a.shape for name, a in back.items() if a is not None} == {name: a.shape for name, a in u.items()}
    pulled = sum(float(np.sum(u[name] * back[name])) for name in u)
    assert sum(float(np.sum(made[name] * v[name])) for name in made) == pytest.approx(pulled, rel=1e-12)
    again = layout.forward(layout.inverse(made))
    for name, array in made.items():
        np.testing.assert_allclose(again[name], array, rtol=1e-15, err_msg=name)


def test_what_frameworks_hold() -> None:
    u = parameters(RNN(3, 4, 2, True))
    keras, onnx = layouts["keras"].forward(u), layouts["onnx"].forward(u)
    np.testing.assert_array_equal(keras["kernel_l1_reverse"], u["weight_ih_l1_reverse"].T)
    np.testing.assert_array_equal(keras["bias_l0"], u["bias_ih_l0"] + u["bias_hh_l0"])
    assert onnx["B_l0"].shape == (2, 8) and onnx["W_l1"].shape == (2, 4, 8)
    assert set(layouts["torch"].forward(u)) == set(u)
    without = parameters(RNN(3, 4, bias=False))
    assert "bias_l0" not in layouts["keras"].forward(without)
    assert not layouts["flax"].forward(without)["i.bias_l0"].any()


def test_none_stays_none_and_what_is_not_there_is_an_error() -> None:
    u = parameters(RNN(3, 4))
    gradients = {**layouts["keras"].forward(u), "bias_l0": None}
    back = layouts["keras"].adjoint(gradients, u)
    assert back["bias_ih_l0"] is None and back["bias_hh_l0"] is None and back["weight_ih_l0"] is not None
    with pytest.raises(KeyError, match="bias_ih_l0"):
        layouts["keras"].adjoint({"kernel_l0": np.ones((3, 4))}, ["bias_ih_l0"])


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_dtypes_are_kept_and_arrays_are_contiguous_copies(dtype: Any) -> None:
    u = {name: array.astype(dtype) for name, array in parameters(RNN(3, 4, 2, True)).items()}
    before = {name: array.tobytes() for name, array in u.items()}
    for layout in layouts.values():
        made = layout.forward(u)
        assert {a.dtype for a in made.values()} == {np.dtype(dtype)} and all(
            a.flags.c_contiguous for a in made.values()
        )
        for array in made.values():
            array[...] = 7
    assert {name: array.tobytes() for name, array in u.items()} == before


def test_a_wrong_layout_has_another_adjoint() -> None:
    """The test of the adjoint can fail: a bias that is handed back to one term alone is no adjoint of a sum."""
    right, u = layouts["keras"], parameters(RNN(3, 4))
    wrong = Layout({**right.arrays, "bias": Form(("bias_ih",))}, transposed=True)
    made = right.forward(u)
    with pytest.raises(KeyError, match="bias_hh_l0"):
        wrong.adjoint(made, u)


# --- properties


OWN = tuple(property_.name for property_ in spec.properties)


def ask(name: str, *properties: str, fault: str = "", dtype: str = "float32") -> tuple[Verdict, ...]:
    config, call = CASES[name]
    planted = next((f for f in spec.faults if f.name == fault), None)
    backend = Simulated(spec, planted, features=FEATURES)
    template = CaseTemplate(name, config, call, "unit", 5, thorough=True)
    return verify_case(backend, spec, template, dtype, properties=properties, oracle=oracle())


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("plain", "bfloat16"), ("deep", "float32"), ("ragged", "bfloat16"), ("absent", "float16"), ("empty", "float64")],
)
def test_right_equations_have_every_property(name: str, dtype: str) -> None:
    found = ask(name, *OWN, dtype=dtype)
    assert {v.outcome for v in found} <= {"passed", "blind", "not applicable"}
    assert {v.property for v in found} >= {p.name for p in spec.properties if p.applies(case(name)) and not p.promise}


@pytest.mark.parametrize(
    ("property_", "fault", "name"),
    [
        ("odd", "product-for-sum", "plain"),
        ("biases", "second-bias-without-gradient", "plain"),
        ("reversal", "reverse-uses-the-forward-weights", "deep"),
        ("stack", "layer-below-detached", "deep"),
        ("split", "carry-missing", "plain"),
        ("lengths", "h_n-at-the-padded-end", "ragged"),
        ("padding_zero", "padding-leaks", "ragged"),
        ("rows", "mean-for-sum", "plain"),
    ],
)
def test_a_property_sees_what_is_against_it(property_: str, fault: str, name: str) -> None:
    assert {v.outcome for v in ask(name, property_)} == {"passed"}
    assert "failed" in {v.outcome for v in ask(name, property_, fault=fault)}


def test_properties_have_names_claims_and_equations() -> None:
    assert len(set(OWN)) == len(OWN) == 18 and set(OWN) <= set(properties_of(spec))
    assert all(p.claim.endswith(".") and p.equation and "c0" not in p.equation for p in spec.properties)


# --- faults


@cache
def bench(dtype: str) -> Bench:
    return Bench(spec, dtype, tuple(spec.suites()), oracle())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("fault", [fault.name for fault in spec.faults])
def test_every_fault_is_killed_where_it_says_that_it_shows(fault: str, dtype: str) -> None:
    """By values and gradients alone, in the simplest case that it can show in; `gradassay power` asks everything."""
    planted = next(f for f in spec.faults if f.name == fault)
    suite, template = next((s, t) for s in ("smoke", "questions", "wide") if (t := simplest(spec, planted, s)))
    question = Question(spec, suite, template, tuple(generic()[name] for name in ("values", "gradients")))
    wrong = {verdict.tensor for verdict in bench(dtype).ask(question, planted).accused}
    assert wrong and set(planted.shows_in) <= wrong
    assert not bench(dtype).right(question).accused


def test_every_fault_has_a_case_and_a_source() -> None:
    every = [template for found in spec.suites().values() for template in found]
    assert len({fault.name for fault in spec.faults}) == len(spec.faults) == 24
    for fault in spec.faults:
        assert any(fits(spec, fault, template) for template in every), fault.name
        assert (fault.edits is None) != (fault.wrap is None)
        assert fault.imitates == "none known" or "#" in fault.imitates


@pytest.mark.parametrize("variant", [None, *spec.benign], ids=lambda fault: fault.name if fault else "as-they-are")
def test_what_is_right_is_not_accused(variant: Any) -> None:
    found = Bench(spec, "float32", ("smoke",), oracle()).benign(variant)
    assert found.verdicts > 100 and not found.false_alarms


# --- frameworks


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "dtype"), [("plain", "float64"), ("deep", "float32"), ("absent", "bfloat16")])
def test_torch_is_right(name: str, dtype: str) -> None:
    pytest.importorskip("torch")
    from gradassay_torch import torch_backend

    config, call = CASES[name]
    template = CaseTemplate(name, config, call, "unit", 5, thorough=True)
    names = ("contract", "values", "gradients", "hvp", "odd", "biases")
    found = verify_case(torch_backend, spec, template, dtype, properties=names, oracle=oracle())
    assert {v.outcome for v in found} == {"passed"} and {v.property for v in found} == set(names)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "gap", "instead"),
    [
        ("ragged", "torch's packed sequences refuse a sample of length 0", "refuse a sample of length 0"),
        ("empty", "nn.RNN refuses a sequence of length 0", "Expected sequence length to be larger than 0 in RNN"),
    ],
)
def test_a_gap_of_torch_is_one(name: str, gap: str, instead: str) -> None:
    """It is skipped with the gap's reason; whoever does not heed it gets a refusal or an error, and not a number."""
    pytest.importorskip("torch")
    from gradassay_torch import torch_backend

    config, call = CASES[name]
    template = CaseTemplate(name, config, call, "unit", 5)
    (said,) = {v.reason for v in verify_case(torch_backend, spec, template, "float32", properties=["values"])}
    assert said == gap
    one = alone(torch_backend, "eager", "float32", spec="rnn_tanh")
    found = verify_case(one, spec, template, "float32", properties=["values"])
    assert found and all(v.outcome in ("skipped", "errored") and instead in v.reason for v in found)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("options", [{}, {"batch_first": True, "bidirectional": True, "num_layers": 2, "bias": False}])
def test_a_live_layer_of_torch_is_checked(options: dict[str, Any], tmp_path: Any, monkeypatch: Any) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path))
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    found = gradassay.check(torch.nn.RNN(3, 4, **options), x=x, lengths=[4, 2])
    assert found and {v.spec for v in found.verdicts} == {"rnn_tanh"}


def test_another_nonlinearity_is_refused() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(UsageError, match="this nn.RNN has nonlinearity='relu'; the network of the spec has 'tanh'"):
        gradassay.check(torch.nn.RNN(3, 4, nonlinearity="relu"), x=np.zeros((2, 4, 3), np.float32))
