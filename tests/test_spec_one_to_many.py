"""One vector in, a sequence out: the spec, its properties and faults, and three frameworks' answers."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import Any

import numpy as np
import pytest

from gradassay import Tensors
from gradassay._arithmetic import Float64
from gradassay._case import Case, build
from gradassay._evaluate import Query, evaluate
from gradassay._oracle import Oracle
from gradassay._power import Bench
from gradassay._record import Verdict
from gradassay._simulated import Simulated
from gradassay._single import in_memory, verify_case
from gradassay._spec import CaseTemplate
from gradassay._tape import Tape
from gradassay._words import Words
from gradassay_lstm import LSTM
from gradassay_one_to_many import Call, OneToMany, spec
from gradassay_one_to_many._features import FEATURES
from gradassay_one_to_many._tensors import tensors

REPEATED = OneToMany(LSTM(3, 4), steps=4, outputs=3)
FED = OneToMany(LSTM(3, 3), steps=4, outputs=3, feedback=True)
LAYERS = OneToMany(LSTM(2, 4, num_layers=2, projection=2), steps=3, outputs=2, feedback=True)
BOTH = OneToMany(LSTM(2, 3, num_layers=2, bidirectional=True), steps=3, outputs=4)
CASES = {
    "repeated": (REPEATED, Call(2)),
    "fed": (FED, Call(2)),
    "layers": (LAYERS, Call(3, h0=False, c0=False)),
    "both": (BOTH, Call(2, shift=False)),
}


def case_of(name: str, dtype: str = "float64", regime: str = "shifted") -> Case:
    config, call = CASES[name]
    return build(spec, "test", CaseTemplate(name, config, call, regime, 31), dtype)


# --- the equations, against others


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def cell(config: LSTM, given: Tensors, suffix: str, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """Return h and c after one step of one row."""
    gates = given[f"weight_ih{suffix}"] @ x + given[f"weight_hh{suffix}"] @ h
    gates = gates + given[f"bias_ih{suffix}"] + given[f"bias_hh{suffix}"]
    i, f, g, o = np.split(gates, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (given[f"weight_hr{suffix}"] @ h if config.projection else h), c


def states_of(config: LSTM, given: Tensors, row: int) -> list[list[Any]]:
    cells = range(config.num_layers * config.directions)
    sizes = {"h0": config.state_size, "c0": config.hidden_size}
    return [[given[n][k, row] if n in given else np.zeros(size) for n, size in sizes.items()] for k in cells]


def by_hand(config: OneToMany, given: Tensors) -> dict[str, Any]:
    """Return y, h_n and c_n, row by row: a repeated vector layer by layer, one that is fed back step by step."""
    lstm, batch = config.lstm, len(given["x"])
    shift = given.get("shift", np.zeros((batch, config.steps, lstm.input_size)))
    y, h_n, c_n = [], [], []
    for row in range(batch):
        states = states_of(lstm, given, row)

        def linear(h: Any) -> Any:
            return given["weight_out"] @ h + given["bias_out"]

        if config.feedback:
            outputs, u = [], given["x"][row]
            for t in range(config.steps):
                h = u + shift[row, t]
                for layer in range(lstm.num_layers):
                    states[layer] = [*cell(lstm, given, f"_l{layer}", h, *states[layer])]
                    h = states[layer][0]
                u = linear(h)
                outputs.append(u)
        else:
            sequence = [given["x"][row] + shift[row, t] for t in range(config.steps)]
            for layer in range(lstm.num_layers):
                sides = []
                for direction in range(lstm.directions):
                    number, suffix = layer * lstm.directions + direction, f"_l{layer}" + "_reverse" * direction
                    side: list[Any] = [None] * config.steps
                    for t in reversed(range(config.steps)) if direction else range(config.steps):
                        states[number] = [*cell(lstm, given, suffix, sequence[t], *states[number])]
                        side[t] = states[number][0]
                    sides.append(side)
                sequence = [np.concatenate(parts) for parts in zip(*sides, strict=True)]
            outputs = [linear(h) for h in sequence]
        y.append(outputs)
        h_n.append([h for h, _ in states])
        c_n.append([c for _, c in states])
    return {"y": np.array(y), "h_n": np.swapaxes(h_n, 0, 1), "c_n": np.swapaxes(c_n, 0, 1)}


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_a_loop_in_numpy(name: str) -> None:
    case = case_of(name)
    found = evaluate(Float64(), case, Query("vjp", cotangents=case.cotangents, wrt=()))
    for output, wanted in by_hand(case.config, case.tensors).items():
        np.testing.assert_allclose(found[output], wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_central_differences(name: str) -> None:
    case, size = case_of(name), 1e-5
    found = evaluate(Float64(), case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    for tensor in case.differentiable:
        ends = []
        for sign in (1, -1):
            moved = dict(case.tensors) | {tensor: case.tensors[tensor] + sign * size * case.tangents[tensor]}
            values = by_hand(case.config, moved)
            ends.append(sum(float(np.sum(values[n] * v)) for n, v in case.cotangents.items()))
        slope = (ends[0] - ends[1]) / (2 * size)
        assert float(np.sum(found[f"d {tensor}"] * case.tangents[tensor])) == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(("name", "uses"), [("repeated", slice(None)), ("fed", slice(0, 1))])
def test_the_gradient_of_the_vector_is_the_sum_over_its_uses(name: str, uses: slice) -> None:
    case = case_of(name)
    found = evaluate(Float64(), case, Query("vjp", cotangents=case.cotangents, wrt=("x", "shift")))
    np.testing.assert_allclose(found["d x"], found["d shift"][:, uses].sum(axis=1), rtol=1e-12, atol=1e-15)


def test_marks_stand_at_the_steps_of_the_whole() -> None:
    """A traced gate of a fed sequence has its own step, though the LSTM inside is asked for one step at a time."""
    case = case_of("fed")
    tape = Tape(Float64())
    spec.equations(tape, case.config, case.call, {n: tape.leaf(tape.numbers.lift(a)) for n, a in case.tensors.items()})
    assert [dict(where)["step"] for where in tape.marks["gates"]] == [0, 1, 2, 3]
    assert [dict(where)["step"] for where in tape.marks["fed"]] == [1, 2, 3]


# --- the table, and what is refused


def test_the_table_names_what_goes_in_and_comes_out() -> None:
    table = {tensor.name: tensor for tensor in tensors(BOTH, Call(2))}
    cells = [f"_l{layer}{side}" for layer in range(2) for side in ("", "_reverse")]
    inside = [f"{kind}{c}" for c in cells for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    assert list(table) == ["x", "shift", "h0", "c0", *inside, "weight_out", "bias_out", "y", "h_n", "c_n"]
    shapes = {"x": (2, 2), "shift": (2, 3, 2), "weight_out": (4, 6), "y": (2, 3, 4), "h_n": (4, 2, 3)}
    assert {name: table[name].shape for name in shapes} == shapes
    assert table["y"].locate((1, 2, 3)) == {"row": "1", "step": "2", "output": "3"}
    where = {"output": "0", "from direction": "reverse", "from unit": "1"}
    assert table["weight_out"].locate((0, 4)) == where


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OneToMany(LSTM(2, 3), 0, 2), "OneToMany.steps is 0; it should be at least 1"),
        (lambda: OneToMany(LSTM(2, 3), 2, 0), "OneToMany.outputs is 0; it should be at least 1"),
        (
            lambda: OneToMany(LSTM(2, 3), 2, 3, feedback=True),
            "OneToMany.outputs is 3; with feedback an output is the next input, so it should be lstm.input_size = 2",
        ),
        (
            lambda: OneToMany(LSTM(2, 3, bidirectional=True), 2, 2, feedback=True),
            "OneToMany.feedback with two directions: the reverse one would begin with an output that is not there yet; "
            "lstm.bidirectional should be false",
        ),
        (lambda: Call(0), "Call.batch is 0; it should be at least 1"),
    ],
)
def test_a_configuration_or_a_call_that_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_a_call_is_told_by_its_tensors_and_has_others_beside_it() -> None:
    for name, (config, call) in CASES.items():
        assert spec.call_of(config, case_of(name).tensors) == call
        other = spec.vary(config, call)
        assert other.batch == call.batch + 1 and spec.features(config, other) == spec.features(config, call)
        assert (spec.structure(config, call).rows, spec.structure(config, call).causal) == ("row", "")


# --- data

# sha256 of what seed 7 draws in each regime: a change here changes every case of every record.
HASHES = {
    "unit": "7c72b1edac8642d1",
    "saturated": "322100fd8f9232e0",
    "small": "407649a96692aec5",
    "tiny": "05b30a9e136887f8",
    "underflow": "2a9ef9fd998cc5f1",
    "huge": "689fa52eea702699",
    "memory": "e8929589971b3f4d",
    "forgetful": "18fd2667b2e793cd",
    "zeros": "ed3517d371cc6a00",
    "sparse": "fcb403f3679981d7",
    "positive": "18d254cb3f001eaf",
    "cancelling": "49cd9b373344a1a5",
    "mixed": "d4a9f1b8459d83df",
    "spiky": "7d906e2eccbd1e62",
    "overflow": "5090668ce1fde1e3",
    "shifted": "d5630853edeab5a0",
}


def digest(regime: str) -> str:
    sha = hashlib.sha256()
    for name, array in spec.draw(LAYERS, Call(3), regime, Words(7)).items():
        sha.update(f"{name} {array.shape} {array.dtype.name}\n".encode())
        sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()[:16]


@pytest.mark.parametrize("regime", spec.regimes)
def test_the_same_bits_forever(regime: str) -> None:
    assert digest(regime) == HASHES[regime]


def test_no_two_rows_are_equal_and_the_shift_is_zero_but_where_it_is_said() -> None:
    drawn = spec.draw(REPEATED, Call(3), "unit", Words(3))
    assert len(np.unique(drawn["x"], axis=0)) == 3 and not drawn["shift"].any()
    assert spec.draw(REPEATED, Call(3), "shifted", Words(3))["shift"].all()
    with pytest.raises(ValueError, match="no regime 'odd'; it should be one of unit, .*, shifted"):
        spec.draw(REPEATED, Call(3), "odd", Words(3))


def test_suites_have_every_feature_and_stay_small() -> None:
    every = [template for suite in spec.suites().values() for template in suite]
    assert set(spec.suites()) == {"smoke", "questions", "wide"}
    assert frozenset().union(*(spec.features(t.config, t.call) for t in every)) == FEATURES
    assert all(template.question for template in spec.suites()["questions"])
    assert {tuple(map(tuple, t.ask.get("jacobian", ()))) for t in spec.suites()["questions"]} >= {(("y", "x"),)}
    assert all(t.call.batch <= 3 and t.config.steps <= 17 for t in every)


# --- properties and faults


@cache
def oracle() -> Oracle:
    return in_memory()


def ask(backend: Any, name: str, *properties: str, dtype: str = "float64", regime: str = "unit") -> tuple[Verdict, ...]:
    template = CaseTemplate(name, *CASES[name], regime, 31, thorough=True)
    return verify_case(backend, spec, template, dtype, properties=properties, oracle=oracle())


OWN = {property_.name: property_ for property_ in spec.properties}
# By property, a fault that is against it, and a case in which both are.
AGAINST = {
    "every_input": ("gradient-of-last-repeat-alone", "repeated"),
    "as_shift": ("given-at-first-step-alone", "repeated"),
    "one_step": ("fed-without-bias", "fed"),
    "prefix": ("mean-over-repeats", "repeated"),
    "continued": ("feedback-detached", "fed"),
    "row_permutation": ("rows-mixed", "repeated"),
    "causality": ("feedback-counted-twice", "fed"),
}


def test_every_property_is_a_sentence_with_an_equation() -> None:
    assert set(OWN) == set(AGAINST)
    assert all(p.claim.endswith(".") and p.claim.count(". ") == 0 and p.equation for p in OWN.values())


@pytest.mark.parametrize(
    ("name", "dtype", "regime"),
    [("repeated", "float32", "unit"), ("fed", "float64", "shifted"), ("layers", "float32", "unit")],
)
def test_right_equations_have_every_property(name: str, dtype: str, regime: str) -> None:
    one = Simulated(spec, features=FEATURES)
    found = ask(one, name, "values", "gradients", "jvp", "hvp", *OWN, dtype=dtype, regime=regime)
    assert {verdict.outcome for verdict in found} <= {"passed", "blind"}, [v for v in found if v.outcome == "failed"]
    assert {verdict.property for verdict in found} >= {"every_input", "continued", "causality"}


@pytest.mark.parametrize("name", [name for name in AGAINST if name not in ("one_step", "row_permutation")])
def test_a_property_sees_a_fault_that_is_against_it(name: str) -> None:
    fault, case = AGAINST[name]
    planted = next(one for one in spec.faults if one.name == fault)
    found = ask(Simulated(spec, planted, features=FEATURES), case, name)
    assert "failed" in {verdict.outcome for verdict in found}


class Odd(Simulated):
    """Right but for gradients that something else decides: whether outputs are fed back, or which row is first."""

    def load(self, spec: str, config: Any, parameters: Any, target: Any) -> Any:
        model = super().load(spec, config, parameters, target)

        class Wrong:
            ran = model.ran

            def parameters(self) -> Any:
                return model.parameters()

            def forward(self, inputs: Any) -> Any:
                return model.forward(inputs)

            def vjp(self, inputs: Any, cotangents: Any, wrt: Any) -> Any:
                outputs, gradients = model.vjp(inputs, cotangents, wrt)
                factor = 1.5 if config.feedback or inputs["x"][0, 0] > 0 else 1.0
                return outputs, dict(gradients) | {"bias_out": gradients["bias_out"] * factor}

        return Wrong()


@pytest.mark.parametrize("name", ["one_step", "row_permutation"])
def test_a_property_sees_what_is_different_where_it_should_be_alike(name: str) -> None:
    case = case_of("repeated", regime="unit")
    assert (case.tensors["x"][:, 0] > 0).tolist() in ([True, False], [False, True]) or name == "one_step"
    found = ask(Odd(spec, features=FEATURES), "repeated", name)
    wrong = {verdict.tensor for verdict in found if verdict.outcome == "failed"}
    assert wrong and all(tensor.startswith("bias_out") for tensor in wrong)


@cache
def bench(dtype: str) -> Bench:
    return Bench(spec, dtype, ("smoke", "questions", "wide"), oracle())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("fault", spec.faults, ids=lambda fault: fault.name)
def test_every_fault_is_killed(fault: Any, dtype: str) -> None:
    assert bench(dtype).run(fault).killed is not None, f"{fault.name} lives"


@pytest.mark.parametrize("variant", spec.benign, ids=lambda variant: variant.name)
def test_what_is_right_in_another_way_is_not_accused(variant: Any) -> None:
    for name, dtype in (("repeated", "float64"), ("fed", "bfloat16")):
        found = ask(Simulated(spec, variant, features=FEATURES), name, "values", "gradients", *OWN, dtype=dtype)
        assert {verdict.outcome for verdict in found} <= {"passed", "blind"}


def test_hypothesis_draws_cases_of_what_is_offered() -> None:
    hypothesis = pytest.importorskip("hypothesis")

    @hypothesis.settings(max_examples=25, database=None, derandomize=True, deadline=None)
    @hypothesis.given(spec.strategy(FEATURES - {"feedback_projection"}, ("unit", "shifted")))
    def drawn(template: CaseTemplate) -> None:
        assert spec.features(template.config, template.call) <= FEATURES - {"feedback_projection"}
        case = build(spec, "drawn", template, "float32")
        assert spec.call_of(case.config, case.tensors) == case.call

    drawn()


# --- the frameworks


@pytest.mark.parametrize("name", ["torch", "jax", "tensorflow"])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_framework_is_right(name: str) -> None:
    pytest.importorskip(name)
    one = getattr(pytest.importorskip(f"gradassay_{name}"), f"{name}_backend")
    for case in ("repeated", "fed"):
        found = ask(one, case, "contract", "values", "gradients", "losses", "every_input", "causality", dtype="float32")
        assert {verdict.outcome for verdict in found} == {"passed"}, [v for v in found if v.outcome != "passed"]
