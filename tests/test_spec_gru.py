"""The GRU as a spec, in both conventions: equations, tables, draws, layouts, properties, faults, live layers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from elman import forward, gradient, gru_after, gru_before, sigmoid
from evidence import alone
from hypothesis import given, settings

import gradassay
from gradassay._case import Case, build
from gradassay._changes import fits
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
from gradassay_gru import GRU, Call, layouts, spec
from gradassay_gru._features import FEATURES
from gradassay_gru._gates import held
from gradassay_gru._layout import AFTER, BEFORE
from gradassay_rnn_tanh import spec as rnn_tanh

CASES = {
    "plain": (GRU(3, 4), Call(2, 3)),
    "before": (GRU(3, 4, reset_after=False), Call(2, 3)),
    "deep": (GRU(2, 3, num_layers=2, bidirectional=True), Call(2, 3)),
    "ragged": (GRU(2, 2, num_layers=2, bidirectional=True, bias=False), Call(3, 3, lengths=(3, 0, 1))),
    "absent": (GRU(2, 3), Call(2, 3, h0=False)),
    "empty": (GRU(2, 3), Call(2, 0)),
    "before-ragged": (GRU(2, 3, bidirectional=True, reset_after=False), Call(3, 3, lengths=(3, 0, 1))),
}
HASHES = {
    "unit": "8cbd1fb83739bc28",
    "saturated": "d532e8171820116e",
    "small": "a2fcec2df170e5f8",
    "tiny": "bd5d132c225c295e",
    "underflow": "53250d37280bea09",
    "huge": "0ff6f0ecc8ab6565",
    "memory": "4aeadaeba496722d",
    "forgetful": "3b32dc1851f1fa0e",
    "zeros": "b524a29f15c37abc",
    "sparse": "465a2d821d895d1c",
    "positive": "c1549a2501e49249",
    "cancelling": "7aa09763841df305",
    "mixed": "3221eeeb7f002fc8",
    "spiky": "8cf348bcee148a84",
    "overflow": "5326331cf12b5b11",
}


def template(name: str, regime: str = "unit") -> CaseTemplate:
    config, call = CASES[name]
    return CaseTemplate(name, config, call, regime, 5, thorough=True)


def case(name: str, dtype: str = "float64") -> Case:
    return build(spec, "single", template(name), dtype)


@cache
def oracle() -> Any:
    return in_memory()


# --- equations


@pytest.mark.parametrize("name", CASES)
def test_the_equations_are_those_of_the_text(name: str) -> None:
    """Values and gradients against complex steps of a forward pass in NumPy, row by row."""
    one = case(name)
    cell = gru_after if one.config.reset_after else gru_before
    truth = oracle().ask(one, Query("vjp", cotangents=one.cotangents, wrt=one.differentiable))
    for output, want in forward(one, one.tensors, cell).items():
        np.testing.assert_allclose(truth[output].high, want.real, rtol=0, atol=1e-14, err_msg=output)
    for of in one.differentiable:
        np.testing.assert_allclose(truth[f"d {of}"].high, gradient(one, of, cell), rtol=0, atol=1e-13, err_msg=of)


def test_the_conventions_differ_but_for_one_unit_without_a_bias() -> None:
    for config, alike in ((GRU(2, 1, bias=False), True), (GRU(2, 1), False), (GRU(2, 3, bias=False), False)):
        drawn = spec.draw(config, Call(1, 2), "unit", Words(0))
        one = build(spec, "single", CaseTemplate("a", config, Call(1, 2), "unit", 5), "float64")
        after, before = (forward(one, drawn, cell)["y"] for cell in (gru_after, gru_before))
        assert np.allclose(after, before, rtol=1e-12) == alike


# --- tables, draws, suites


def test_the_table() -> None:
    table = {t.name: t for t in spec.tensors(GRU(3, 4, 2, True), Call(2, 5))}
    assert table["weight_ih_l0"].shape == (12, 3) and table["weight_hh_l1_reverse"].shape == (12, 4)
    assert table["bias_hh_l0"].locate((6,)) == {"layer": "0", "direction": "forward", "gate": "z", "unit": "2"}
    assert table["weight_hh_l1"].locate((11, 1))["gate"] == "n"
    assert [t.name for t in table.values() if t.role == "output"] == ["y", "h_n"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GRU(3, 0), r"GRU\.hidden_size is 0; it should be at least 1"),
        (lambda: GRU(0, 1), r"GRU\.input_size is 0; it should be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_features() -> None:
    assert spec.features(GRU(3, 4), Call(2, 5)) == frozenset()
    assert spec.features(GRU(3, 4, reset_after=False), Call(2, 0)) == {"reset_before", "no_steps"}
    asked = [spec.features(t.config, t.call) for found in spec.suites().values() for t in found]
    assert frozenset().union(*asked) == FEATURES


def digest(regime: str) -> str:
    sha = hashlib.sha256()
    for name, array in spec.draw(GRU(3, 4, 2, True), Call(3, 4, (4, 2, 1)), regime, Words(9)).items():
        sha.update(f"{name} {array.shape} {array.dtype.name}\n".encode())
        sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()[:16]


@pytest.mark.parametrize("regime", spec.regimes)
def test_the_same_bits_forever(regime: str) -> None:
    assert digest(regime) == HASHES[regime]


def test_there_is_a_hash_for_every_regime() -> None:
    assert tuple(HASHES) == spec.regimes


@pytest.mark.parametrize(("regime", "shift"), [("memory", 3.0), ("forgetful", -6.0), ("underflow", -12.0)])
def test_the_update_gate_is_shifted_and_no_other(regime: str, shift: float) -> None:
    config = GRU(3, 4)
    got, unit = (spec.draw(config, Call(2, 3), name, Words(0)) for name in (regime, "unit"))
    difference = (got["bias_ih_l0"] - unit["bias_ih_l0"]).reshape(3, 4)
    np.testing.assert_allclose(difference, np.repeat([[0], [shift], [0]], 4, axis=1), atol=1e-14)
    np.testing.assert_array_equal(got["bias_hh_l0"], unit["bias_hh_l0"])


@pytest.mark.parametrize("regime", spec.regimes)
def test_every_value_is_finite_in_float16(regime: str) -> None:
    drawn = spec.draw(GRU(3, 2), Call(4, 6), regime, Words(2))
    assert all(np.isfinite(array.astype(np.float16)).all() for array in drawn.values())


def test_suites_can_be_read() -> None:
    assert {name: len(found) for name, found in spec.suites().items()} == {"questions": 5, "smoke": 6, "wide": 31}
    assert all(t.question for t in spec.suites()["questions"])


def test_both_conventions_are_drawn_and_none_beyond_what_is_offered() -> None:
    seen: set[str] = set()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(spec.strategy(FEATURES, ()))
    def collect(drawn: CaseTemplate) -> None:
        seen.update(spec.features(drawn.config, drawn.call))

    collect()
    assert seen == FEATURES

    @settings(max_examples=20, deadline=None, database=None, derandomize=True)
    @given(spec.strategy(frozenset({"layers"}), ("unit",)))
    def held_to(drawn: CaseTemplate) -> None:
        assert spec.features(drawn.config, drawn.call) <= {"layers"} and drawn.regime == "unit"

    held_to()


# --- layouts

EVERY = [(True, name) for name in AFTER] + [(False, name) for name in BEFORE]


def parameters(config: GRU) -> dict[str, Any]:
    drawn = spec.draw(config, Call(1, 1), "unit", Words(3))
    return {name: array for name, array in drawn.items() if name not in ("x", "h0")}


@pytest.mark.parametrize("config", [GRU(3, 4), GRU(4, 4, 2, True), GRU(1, 1), GRU(3, 4, bias=False)], ids=str)
@pytest.mark.parametrize(("after", "framework"), EVERY)
def test_the_adjoint_is_the_adjoint_and_the_inverse_an_inverse(after: bool, framework: str, config: GRU) -> None:
    layout, u = layouts(after)[framework], parameters(config)
    made = layout.forward(u)
    v = {name: Words(1, name).normal(array.shape) for name, array in made.items()}
    back = layout.adjoint(v, u)
    assert {name: a.shape for name, a in back.items() if a is not None} == {name: a.shape for name, a in u.items()}
    pulled = sum(float(np.sum(u[name] * back[name])) for name in u)
    assert sum(float(np.sum(made[name] * v[name])) for name in made) == pytest.approx(pulled, rel=1e-12)
    canonical = layout.inverse(made)
    again = layout.forward(canonical)
    for name, array in made.items():
        np.testing.assert_allclose(again[name], array, rtol=1e-15, err_msg=name)
    for name in (name for name in u if name.startswith("weight")):
        np.testing.assert_array_equal(canonical[name], u[name])


def cell_of(framework: str, after: bool, a: dict[str, Any], x: Any, h: Any) -> Any:
    """One step of a framework's cell, written from its own code with its own arrays: an oracle apart from `_layout`."""
    if framework in ("torch", "paddle"):
        i_r, i_z, i_n = np.split(x @ a["weight_ih_l0"].T + a["bias_ih_l0"], 3, axis=1)
        h_r, h_z, h_n = np.split(h @ a["weight_hh_l0"].T + a["bias_hh_l0"], 3, axis=1)
        r, z = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
        n = np.tanh(i_n + r * h_n)
        return (h - n) * z + n
    if framework == "keras":
        bias, size = a["bias_l0"], h.shape[1]
        x_z, x_r, x_h = np.split(x @ a["kernel_l0"] + (bias[0] if after else bias), 3, axis=1)
        inner = h @ a["recurrent_l0"] + (bias[1] if after else 0)
        z, r = sigmoid(x_z + inner[:, :size]), sigmoid(x_r + inner[:, size : 2 * size])
        recurrent = r * inner[:, 2 * size :] if after else (r * h) @ a["recurrent_l0"][:, 2 * size :]
        return z * h + (1 - z) * np.tanh(x_h + recurrent)
    if framework == "flax":
        i = {gate: x @ a[f"i{gate}.kernel_l0"] + a[f"i{gate}.bias_l0"] for gate in "rzn"}
        g = {gate: h @ a[f"h{gate}.kernel_l0"] for gate in "rzn"}
        r, z = sigmoid(i["r"] + g["r"]), sigmoid(i["z"] + g["z"])
        return (1 - z) * np.tanh(i["n"] + r * (g["n"] + a["hn.bias_l0"])) + z * h
    if framework == "equinox":
        i_r, i_z, i_n = np.split(x @ a["weight_ih_l0"].T + a["bias_l0"], 3, axis=1)
        h_r, h_z, h_n = np.split(h @ a["weight_hh_l0"].T, 3, axis=1)
        n = np.tanh(i_n + sigmoid(i_r + h_r) * (h_n + a["bias_n_l0"]))
        return n + sigmoid(i_z + h_z) * (h - n)
    if framework == "haiku":
        z_x, r_x, a_x = np.split(x @ a["w_i_l0"], 3, axis=1)
        w_z, w_r, w_a = np.split(a["w_h_l0"], 3, axis=1)
        b_z, b_r, b_a = np.split(a["b_l0"], 3)
        z, r = sigmoid(z_x + h @ w_z + b_z), sigmoid(r_x + h @ w_r + b_r)
        return (1 - z) * h + z * np.tanh(a_x + (r * h) @ w_a + b_a)
    if framework == "onnx":
        w_z, w_r, w_h = np.split(a["W_l0"][0], 3)
        r_z, r_r, r_h = np.split(a["R_l0"][0], 3)
        wb_z, wb_r, wb_h, rb_z, rb_r, rb_h = np.split(a["B_l0"][0], 6)
        z, r = sigmoid(x @ w_z.T + h @ r_z.T + wb_z + rb_z), sigmoid(x @ w_r.T + h @ r_r.T + wb_r + rb_r)
        recurrent = r * (h @ r_h.T + rb_h) if after else (r * h) @ r_h.T + rb_h
        return (1 - z) * np.tanh(x @ w_h.T + recurrent + wb_h) + z * h
    raise AssertionError(f"no cell written for {framework}: add one from its code")


@pytest.mark.parametrize(("after", "framework"), EVERY)
def test_every_framework_computes_the_same_cell(after: bool, framework: str) -> None:
    u = parameters(GRU(3, 4))
    x, h = Words(2, "x").normal((2, 3)), Words(2, "h").normal((2, 4))
    own = {name.removesuffix("_l0"): array for name, array in u.items()}
    want = [(gru_after if after else gru_before)(own, *row) for row in zip(x, h, strict=True)]
    got = cell_of(framework, after, layouts(after)[framework].forward(u), x, h)
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)


def test_a_bias_of_every_framework() -> None:
    u = parameters(GRU(3, 4))
    assert layouts(True)["keras"].forward(u)["bias_l0"].shape == (2, 12)
    assert layouts(False)["keras"].forward(u)["bias_l0"].shape == (12,)
    np.testing.assert_array_equal(layouts(True)["equinox"].forward(u)["bias_n_l0"], u["bias_hh_l0"][8:])
    np.testing.assert_array_equal(layouts(True)["flax"].forward(u)["in.bias_l0"], u["bias_ih_l0"][8:])
    np.testing.assert_array_equal(layouts(False)["haiku"].forward(u)["w_i_l0"][:, :4], -u["weight_ih_l0"][4:8].T)
    without = parameters(GRU(3, 4, bias=False))
    assert "bias_l0" not in layouts(True)["keras"].forward(without)
    assert not layouts(True)["flax"].forward(without)["hn.bias_l0"].any()


def test_none_of_one_gate_is_none_of_what_has_it() -> None:
    u = parameters(GRU(3, 4))
    back = AFTER["flax"].adjoint({**AFTER["flax"].forward(u), "hn.bias_l0": None}, u)
    assert back["bias_hh_l0"] is None and back["bias_ih_l0"] is not None and back["weight_hh_l0"] is not None


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_dtypes_are_kept_and_arrays_are_contiguous_copies(dtype: Any) -> None:
    u = {name: array.astype(dtype) for name, array in parameters(GRU(3, 4, 2, True)).items()}
    before = {name: array.tobytes() for name, array in u.items()}
    for layout in (*AFTER.values(), *BEFORE.values()):
        made = layout.forward(u)
        assert {a.dtype for a in made.values()} == {np.dtype(dtype)} and all(
            a.flags.c_contiguous for a in made.values()
        )
        for array in made.values():
            array[...] = 7
    assert {name: array.tobytes() for name, array in u.items()} == before


# --- properties

OWN = tuple(property_.name for property_ in spec.properties)


def ask(name: str, *properties: str, fault: str = "", dtype: str = "float32") -> tuple[Verdict, ...]:
    planted = next((f for f in spec.faults if f.name == fault), None)
    assert bool(fault) == (planted is not None)
    backend = Simulated(spec, planted, features=FEATURES)
    return verify_case(backend, spec, template(name), dtype, properties=properties, oracle=oracle())


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("plain", "bfloat16"), ("before", "float16"), ("ragged", "float32"), ("before-ragged", "float64")],
)
def test_right_equations_have_every_property(name: str, dtype: str) -> None:
    found = ask(name, *OWN, dtype=dtype)
    assert {v.outcome for v in found} <= {"passed", "blind", "not applicable"}
    assert sum(v.outcome == "passed" for v in found) > 0.9 * len(found)
    assert {v.property for v in found} >= {p.name for p in spec.properties if p.applies(case(name)) and not p.promise}


@pytest.mark.parametrize(
    ("property_", "fault", "name"),
    [
        ("gate_biases", "reset-after-for-before", "before"),
        ("gate_biases", "biases-taken-for-one", ""),
        ("kept", "z-for-1-minus-z", "plain"),
        ("kept", "kept-state-detached", "before"),
        ("elman", "h-detached-in-the-candidate", "deep"),
        ("elman", "r-and-z-exchanged", "before"),
        ("absent_states", "bias-of-n-skipped-without-a-state", "absent"),
        ("reversal", "reverse-uses-the-forward-weights", "deep"),
        ("split", "carry-missing", "plain"),
        ("padding_zero", "padding-leaks", "ragged"),
    ],
)
def test_a_property_sees_what_is_against_it(property_: str, fault: str, name: str) -> None:
    if not name:  # equal where they should not be: nothing relates the two, but the exact gradient is known
        found = ask("plain", property_, "gradients", fault=fault)
        assert {v.property for v in found if v.outcome == "failed"} == {"gradients"}
        return
    assert {v.outcome for v in ask(name, property_)} == {"passed"}
    assert "failed" in {v.outcome for v in ask(name, property_, fault=fault)}


def test_held_gates_are_held_to_the_last_digit() -> None:
    one = held(case("plain", "float64"), "held", r=1.0, z=-1.0)
    large = one.tensors["bias_ih_l0"].reshape(3, 4)
    reach = np.abs(one.tensors["weight_ih_l0"]).sum(axis=1).max() * max(1.0, float(np.abs(one.tensors["x"]).max()))
    assert (large[0] == -large[1]).all() and large[0].min() > 64 + reach
    np.testing.assert_array_equal(large[2], case("plain").tensors["bias_ih_l0"].reshape(3, 4)[2])


def test_properties_have_names_claims_and_equations() -> None:
    assert len(set(OWN)) == len(OWN) == 19 and set(OWN) <= set(properties_of(spec))
    assert all(p.claim.endswith(".") and p.equation and "c0" not in p.equation for p in spec.properties)


# --- faults


@cache
def bench(dtype: str) -> Bench:
    return Bench(spec, dtype, tuple(spec.suites()), oracle())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("fault", [fault.name for fault in spec.faults])
def test_every_fault_is_killed_where_it_says_that_it_shows(fault: str, dtype: str) -> None:
    """By values and gradients alone, in the first case that it shows in; `gradassay power` asks everything."""
    planted = next(f for f in spec.faults if f.name == fault)
    asked = tuple(generic()[name] for name in ("values", "gradients"))
    every = [(suite, one) for suite in ("smoke", "questions", "wide") for one in spec.suites()[suite]]
    for suite, one in ((suite, one) for suite, one in every if fits(spec, planted, one)):
        question = Question(spec, suite, one, asked)
        assert not bench(dtype).right(question).accused
        wrong = {verdict.tensor for verdict in bench(dtype).ask(question, planted).accused}
        if wrong and set(planted.shows_in) <= wrong:
            return
    raise AssertionError(f"{fault} lives")


def test_every_fault_has_a_case_and_a_source() -> None:
    every = [t for found in spec.suites().values() for t in found]
    assert len({fault.name for fault in spec.faults}) == len(spec.faults) == 34
    for fault in spec.faults:
        assert any(fits(spec, fault, one) for one in every), fault.name
        assert (fault.edits is None) != (fault.wrap is None)
        assert fault.imitates == "none known" or "#" in fault.imitates
    assert {fault.name for fault in spec.faults} & {fault.name for fault in rnn_tanh.faults} >= {"carry-missing"}


@pytest.mark.parametrize("variant", spec.benign, ids=lambda fault: fault.name)
def test_what_is_right_is_not_accused(variant: Any) -> None:
    asked = tuple(generic()[name] for name in ("values", "gradients", "jvp", "hvp"))
    for one in spec.suites()["smoke"]:
        question = Question(spec, "smoke", one, asked)
        found = bench("float32").ask(question, variant)
        assert found.verdicts and not found.accused


# --- frameworks


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "dtype"), [("plain", "float64"), ("deep", "float32"), ("absent", "bfloat16")])
def test_torch_is_right(name: str, dtype: str) -> None:
    pytest.importorskip("torch")
    from gradassay_torch import torch_backend

    names = ("contract", "values", "gradients", "hvp", "gate_biases", "elman")
    found = verify_case(torch_backend, spec, template(name), dtype, properties=names, oracle=oracle())
    assert {v.outcome for v in found} == {"passed"} and {v.property for v in found} == set(names)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "gap", "instead"),
    [
        ("before", "nn.GRU has its reset gate after the recurrent product alone", "after the recurrent product alone"),
        ("ragged", "torch's packed sequences refuse a sample of length 0", "refuse a sample of length 0"),
        ("empty", "nn.GRU refuses a sequence of length 0", "Expected sequence length to be larger than 0 in RNN"),
    ],
)
def test_a_gap_of_torch_is_one(name: str, gap: str, instead: str) -> None:
    """It is skipped with the gap's reason; whoever does not heed it gets a refusal or an error, and not a number."""
    pytest.importorskip("torch")
    from gradassay_torch import torch_backend

    (said,) = {v.reason for v in verify_case(torch_backend, spec, template(name), "float32", properties=["values"])}
    assert said == gap
    one = alone(torch_backend, "eager", "float32", spec="gru")
    found = verify_case(one, spec, template(name), "float32", properties=["values"])
    assert found and all(v.outcome in ("skipped", "errored") and instead in v.reason for v in found)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("options", [{}, {"batch_first": True, "bidirectional": True, "num_layers": 2, "bias": False}])
def test_a_live_layer_of_torch_is_checked(options: dict[str, Any], tmp_path: Any, monkeypatch: Any) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path))
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    found = gradassay.check(torch.nn.GRU(3, 4, **options), x=x, lengths=[4, 2])
    assert found and {v.spec for v in found.verdicts} == {"gru"}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_live_layer_that_detaches_its_state_is_wrong(tmp_path: Any, monkeypatch: Any) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path))

    class Detaches(torch.nn.GRU):  # type: ignore[misc]  # a module that may be absent has no types
        def forward(self, x: Any, h0: Any = None) -> Any:
            return super().forward(x, None if h0 is None else h0.detach())

    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(4, 2, 3)), "h0": rng.normal(size=(1, 4, 4))}
    found = gradassay.check(Detaches(3, 4, batch_first=True).double(), **data)
    assert not found and {v.tensor for v in found.verdicts if v.outcome == "failed"} >= {"h0"}


KERAS = """
import numpy as np, keras
import gradassay

x = np.random.default_rng(0).normal(size=(2, 4, 3))
both = keras.layers.Bidirectional
for layer in (
    keras.layers.GRU(4, dtype="float64"),
    keras.layers.GRU(4, reset_after=False, use_bias=False, dtype="float64"),
    both(keras.layers.GRU(4, reset_after=False, dtype="float64"), dtype="float64"),
    keras.layers.SimpleRNN(4, dtype="float64"),
    both(keras.layers.SimpleRNN(4, dtype="float64"), dtype="float64"),
):
    layer.build((None, None, 3))
    found = gradassay.check(layer, x=x, lengths=[4, 2])
    print(bool(found), sorted({v.spec for v in found.verdicts}), len(found.verdicts))
    try:  # what both programs declare as a gap
        layer(x[:, :0])
        print("no steps are taken")
    except Exception as error:
        print("slice index 0 of dim" in str(error))
different = both(
    keras.layers.GRU(4, return_sequences=True),
    backward_layer=keras.layers.GRU(4, reset_after=False, go_backwards=True, return_sequences=True),
)
for layer in (different, keras.layers.SimpleRNN(4, activation="relu"), keras.layers.GRU(4, recurrent_dropout=0.5)):
    layer.build((None, None, 3))
    try:
        gradassay.check(layer, x=x)
    except gradassay.UsageError as error:
        print(error)
"""


def test_live_layers_of_keras_are_checked() -> None:
    pytest.importorskip("gradassay_tensorflow")
    ended = subprocess.run([sys.executable, "-c", KERAS], capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[:10:2] == [
        "True ['gru'] 9",
        "True ['gru'] 7",
        "True ['gru'] 13",
        "True ['rnn_tanh'] 9",
        "True ['rnn_tanh'] 13",
    ]
    assert lines[1:10:2] == ["True"] * 5
    assert "the two directions differ: units=4, use_bias=True, reset_after=True and units=4" in lines[10]
    assert "the layer has activation=relu; the SimpleRNN of the spec has tanh" in lines[11]
    assert "the layer has recurrent_dropout=0.5; it should be 0.0" in lines[12]
