"""The LSTM spec: its tensor table, its words for elements, its features, its errors, and its strategies."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import find, given, settings

from gradassay._arithmetic import Float64
from gradassay._case import build
from gradassay._oracle import Query, evaluate
from gradassay._spec import DIFFERENTIABLE
from gradassay._words import Words
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._features import FEATURES
from gradassay_lstm._strategies import calls, cases, configs

PLAIN = LSTM(input_size=3, hidden_size=4)
DEEP = LSTM(input_size=5, hidden_size=4, num_layers=3, bidirectional=True, projection=2)


def table(config, call):
    return {tensor.name: tensor for tensor in spec.tensors(config, call)}


def test_plain_table_in_order():
    shapes = {tensor.name: tensor.shape for tensor in spec.tensors(PLAIN, Call(batch=2, steps=7))}
    assert list(shapes.items()) == [
        ("x", (2, 7, 3)),
        ("h0", (1, 2, 4)),
        ("c0", (1, 2, 4)),
        ("weight_ih_l0", (16, 3)),
        ("weight_hh_l0", (16, 4)),
        ("bias_ih_l0", (16,)),
        ("bias_hh_l0", (16,)),
        ("y", (2, 7, 4)),
        ("h_n", (1, 2, 4)),
        ("c_n", (1, 2, 4)),
    ]


def test_deep_table():
    call = Call(batch=2, steps=7, lengths=(7, 0), dropout=True)
    shapes = {name: tensor.shape for name, tensor in table(DEEP, call).items()}
    assert shapes["h0"] == (6, 2, 2) and shapes["c0"] == (6, 2, 4)
    assert shapes["lengths"] == (2,)
    assert [name for name in shapes if name.startswith("dropout")] == ["dropout_mask_l0", "dropout_mask_l1"]
    assert shapes["dropout_mask_l1"] == (2, 7, 4)
    assert shapes["weight_ih_l0_reverse"] == (16, 5)
    assert shapes["weight_ih_l2_reverse"] == (16, 4)  # 2 directions of 2 projected units
    assert shapes["weight_hh_l1"] == (16, 2)
    assert shapes["weight_hr_l2"] == (2, 4)
    assert (shapes["y"], shapes["h_n"], shapes["c_n"]) == ((2, 7, 4), (6, 2, 2), (6, 2, 4))


def test_what_a_call_does_not_have_is_not_in_the_table():
    names = table(LSTM(3, 4, bias=False), Call(batch=2, steps=7, h0=False)).keys()
    assert not names & {"h0", "lengths", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0"}
    assert "c0" in names


def test_roles():
    call = Call(batch=2, steps=7, lengths=(7, 0), dropout=True)
    roles = {name: tensor.role for name, tensor in table(DEEP, call).items()}
    assert roles["lengths"] == "index" and roles["dropout_mask_l0"] == "mask" and roles["h0"] == "state"
    assert {name for name, role in roles.items() if role == "output"} == {"y", "h_n", "c_n"}
    assert {"x", "c0", "weight_hr_l1"} <= {name for name, role in roles.items() if role in DIFFERENTIABLE}


@pytest.mark.parametrize(
    ("name", "index", "words"),
    [
        ("x", (1, 6, 2), {"row": "1", "step": "6", "feature": "2"}),
        ("h0", (3, 1, 0), {"layer": "1", "direction": "reverse", "row": "1", "projected unit": "0"}),
        ("c_n", (4, 0, 3), {"layer": "2", "direction": "forward", "row": "0", "unit": "3"}),
        ("y", (0, 5, 3), {"row": "0", "step": "5", "direction": "reverse", "projected unit": "1"}),
        ("weight_ih_l0", (9, 4), {"layer": "0", "direction": "forward", "gate": "g", "unit": "1", "feature": "4"}),
        (
            "weight_ih_l1_reverse",
            (7, 2),
            {
                "layer": "1",
                "direction": "reverse",
                "gate": "f",
                "unit": "3",
                "from direction": "reverse",
                "from projected unit": "0",
            },
        ),
        (
            "weight_hh_l2",
            (15, 1),
            {"layer": "2", "direction": "forward", "gate": "o", "unit": "3", "from projected unit": "1"},
        ),
        ("bias_hh_l0_reverse", (4,), {"layer": "0", "direction": "reverse", "gate": "f", "unit": "0"}),
        ("weight_hr_l0", (1, 2), {"layer": "0", "direction": "forward", "projected unit": "1", "unit": "2"}),
        (
            "dropout_mask_l1",
            (0, 1, 2),
            {"layer": "1", "row": "0", "step": "1", "direction": "reverse", "projected unit": "0"},
        ),
        ("lengths", (1,), {"row": "1"}),
    ],
)
def test_an_element_in_words(name, index, words):
    call = Call(batch=2, steps=7, lengths=(7, 0), dropout=True)
    assert table(DEEP, call)[name].locate(index) == words


@settings(max_examples=50, deadline=None)
@given(cases())
def test_every_axis_of_a_tensor_has_a_name_of_its_own(case):
    """Otherwise the words of one would hide another's."""
    for tensor in spec.tensors(case.config, case.call):
        names = [axis.name for group in tensor.axes for axis in group]
        assert len(set(names)) == len(names), tensor.name
        assert not set(names) & tensor.where.keys(), tensor.name


@pytest.mark.parametrize(
    ("config", "call", "features"),
    [
        (PLAIN, Call(2, 7), set()),
        (PLAIN, Call(2, 7, dropout=True), set()),  # one layer: there is nothing between layers
        (PLAIN, Call(2, 7, (7, 1)), {"ragged"}),
        (PLAIN, Call(2, 7, (7, 0)), {"ragged", "zero_length"}),
        (PLAIN, Call(2, 7, h0=False, c0=False), {"absent_states"}),
        (PLAIN, Call(2, 7, c0=False), {"partial_states"}),
        (LSTM(3, 4, bias=False), Call(0, 0), {"no_bias", "no_steps", "no_batch"}),
        (DEEP, Call(2, 7, dropout=True), {"layers", "bidirectional", "projection", "dropout"}),
    ],
)
def test_features(config, call, features):
    assert spec.features(config, call) == features
    assert features <= FEATURES


def answer(name):
    """The reference's outputs and gradients for a case of the suite `wide`, with the case itself."""
    template = next(case for case in spec.suites()["wide"] if case.name == name)
    case = build(spec, "wide", template, "float64")
    query = Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)
    return case, evaluate(Float64(), case, query)


@pytest.mark.parametrize("name", ["no-steps", "all-empty-samples"])
def test_states_pass_through_where_there_is_nothing_to_do(name):
    case, got = answer(name)
    for state, final in (("h0", "h_n"), ("c0", "c_n")):
        np.testing.assert_array_equal(got[final], case.tensors[state])
        np.testing.assert_array_equal(got[f"d {state}"], case.cotangents[final])
    assert got["y"].shape == case.table["y"].shape and not got["y"].any() and not got["d x"].any()


@pytest.mark.parametrize("name", ["no-steps", "all-empty-samples", "no-batch", "no-steps-no-batch"])
def test_parameters_that_nothing_uses_have_gradients_of_zero(name):
    case, got = answer(name)
    for parameter, value in case.parameters.items():
        assert got[f"d {parameter}"].shape == value.shape and not got[f"d {parameter}"].any(), parameter
    for tensor in (*case.outputs, *(f"d {n}" for n in ("x", "h0", "c0"))):
        assert got[tensor].shape == case.table[tensor.removeprefix("d ")].shape, tensor


def test_padding_is_zero_and_has_no_gradient():
    case, got = answer("wide")
    for row, length in enumerate(case.call.lengths):
        assert not got["y"][row, length:].any() and not got["d x"][row, length:].any()
        assert got["y"][row, :length].all() and got["d x"][row, :length].all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(0, 4), "LSTM.input_size is 0; it should be at least 1"),
        (lambda: LSTM(3, -1), "LSTM.hidden_size is -1; it should be at least 1"),
        (lambda: LSTM(3, 4, num_layers=0), "LSTM.num_layers is 0; it should be at least 1"),
        (lambda: LSTM(3, 4, projection=4), r"LSTM.projection is 4; it should be 0 \(none\) or from 1 to .* = 3"),
        (lambda: Call(-1, 4), "Call has batch=-1, steps=4; neither may be negative"),
        (lambda: Call(2, 4, (1,)), "Call.lengths has 1 entries for a batch of 2"),
        (lambda: Call(2, 4, (1, 5)), "Call.lengths has 5; each should be from 0 to steps = 4"),
    ],
)
def test_a_wrong_size_says_what_would_be_right(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_configuration_with_an_unknown_field_is_refused():
    with pytest.raises(msgspec.ValidationError, match="hidden"):
        msgspec.convert({"input_size": 3, "hidden_size": 4, "hidden": 5}, LSTM)


@settings(max_examples=50, deadline=None)
@given(cases(FEATURES - {"dropout"}))
def test_the_call_is_known_from_its_tensors(case):
    assert spec.call_of(case.config, spec.draw(case.config, case.call, "unit", Words(1))) == case.call


def test_dropout_is_known_from_its_masks():
    call = Call(2, 3, dropout=True)
    assert spec.call_of(DEEP, spec.draw(DEEP, call, "unit", Words(1))) == call


@settings(max_examples=100, deadline=None)
@given(cases())
def test_a_varied_call_has_another_shape_and_the_same_features(case):
    varied = spec.vary(case.config, case.call)
    assert spec.features(case.config, varied) == spec.features(case.config, case.call)
    assert (varied != case.call) or (case.call.batch, case.call.steps) == (0, 0)


def test_importing_the_spec_imports_no_hypothesis_and_no_framework():
    program = """
import sys, gradassay_lstm
gradassay_lstm.spec.suites()
print(sorted(sys.modules.keys() & {"hypothesis", "torch", "tensorflow", "jax", "keras"}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.parametrize("offered", [frozenset(), frozenset({"layers", "ragged"}), FEATURES])
def test_strategies_draw_only_what_is_offered(offered):
    @settings(max_examples=50, deadline=None, database=None)
    @given(cases(offered))
    def check(case):
        assert spec.features(case.config, case.call) <= offered

    check()


@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_strategies_reach_every_feature(feature):
    fresh = settings(database=None)
    found = find(cases(), lambda case: feature in spec.features(case.config, case.call), settings=fresh)
    assert feature in spec.features(found.config, found.call)


def test_strategies_shrink_to_the_smallest_lstm():
    fresh = settings(database=None)  # an example kept from an earlier run is not shrunk again
    assert find(configs(), lambda config: True, settings=fresh) == LSTM(1, 1)
    assert find(calls(PLAIN), lambda call: True, settings=fresh) == Call(1, 1)
    case = find(cases(), lambda case: case.config.hidden_size >= 3 and case.call.steps >= 2, settings=fresh)
    assert (case.config, case.call, case.regime, case.seed) == (LSTM(1, 3), Call(1, 2), "unit", 0)
