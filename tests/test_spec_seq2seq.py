"""Tokens in, a class at every step out: the spec, its properties and faults, and three frameworks' answers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from evidence import Alone

from gradassay import Tensors, Unsupported
from gradassay._arithmetic import Float64
from gradassay._case import Case, build
from gradassay._evaluate import Query, evaluate
from gradassay._oracle import Oracle
from gradassay._power import Bench
from gradassay._record import Verdict
from gradassay._simulated import Simulated
from gradassay._single import in_memory, verify_case
from gradassay._spec import CaseTemplate
from gradassay._target import Target
from gradassay._words import Words
from gradassay_lstm import LSTM, SuiteError
from gradassay_lstm._suites import read
from gradassay_seq2seq import Call, Seq2Seq, spec
from gradassay_seq2seq._features import FEATURES
from gradassay_seq2seq._tensors import tensors

INSIDE = LSTM(3, 4)
PLAIN = Seq2Seq(INSIDE, vocabulary=5, classes=4)
PADDED = Seq2Seq(INSIDE, vocabulary=5, classes=4, padding_index=2, ignore_index=-100)
BOTH = Seq2Seq(LSTM(2, 3, num_layers=2, bidirectional=True, projection=2), vocabulary=6, classes=3, ignore_index=1)
RAGGED = Call(3, 4, lengths=(4, 2, 1))
CASES = {
    "plain": (PLAIN, Call(2, 5)),
    "padded": (PADDED, RAGGED),
    "both": (BOTH, Call(2, 4, h0=False, c0=False, shift=False)),
}


def case_of(name: str, dtype: str = "float64", regime: str = "unit") -> Case:
    config, call = CASES[name]
    return build(spec, "test", CaseTemplate(name, config, call, regime, 31), dtype)


# --- the equations, against others


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def lstm_by_hand(config: LSTM, given: Tensors, x: Any, lengths: Any) -> Any:
    """Return y (B,T,D*S), row by row and step by step."""
    batch, steps, _ = x.shape
    for layer in range(config.num_layers):
        sides = []
        for direction in range(config.directions):
            cell, suffix = layer * config.directions + direction, f"_l{layer}" + "_reverse" * direction
            y = np.zeros((batch, steps, config.state_size))
            for row in range(batch):
                h = given["h0"][cell, row] if "h0" in given else np.zeros(config.state_size)
                c = given["c0"][cell, row] if "c0" in given else np.zeros(config.hidden_size)
                order = range(lengths[row])
                for t in reversed(order) if direction else order:
                    gates = given[f"weight_ih{suffix}"] @ x[row, t] + given[f"weight_hh{suffix}"] @ h
                    gates = gates + given[f"bias_ih{suffix}"] + given[f"bias_hh{suffix}"]
                    i, f, g, o = np.split(gates, 4)
                    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                    h = sigmoid(o) * np.tanh(c)
                    h = given[f"weight_hr{suffix}"] @ h if config.projection else h
                    y[row, t] = h
            sides.append(y)
        x = np.concatenate(sides, axis=-1)
    return x


def by_hand(config: Seq2Seq, given: Tensors, table: Any = None) -> dict[str, Any]:
    """Return logits and loss; `table`: what the padding's row is taken from, which no derivative moves."""
    tokens, targets = given["tokens"], given["targets"]
    batch, steps = tokens.shape
    lengths = given.get("lengths", np.full(batch, steps))
    x = np.zeros((batch, steps, config.lstm.input_size))
    for row, step in np.ndindex(batch, steps):
        constant = table is not None and tokens[row, step] == config.padding_index
        x[row, step] = (table if constant else given["table"])[tokens[row, step]]
    x = x + given.get("shift", 0)
    logits = lstm_by_hand(config.lstm, given, x, lengths) @ given["weight_out"].T + given["bias_out"]
    losses = []
    for row in range(batch):
        for t in range(lengths[row]):
            if targets[row, t] != config.ignore_index:
                z = logits[row, t]
                losses.append(np.log(np.exp(z - z.max()).sum()) + z.max() - z[targets[row, t]])
    return {"logits": logits, "loss": np.mean(losses)}


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_a_loop_in_numpy(name: str) -> None:
    case = case_of(name)
    found = evaluate(Float64(), case, Query("vjp", cotangents=case.cotangents, wrt=()))
    for output, wanted in by_hand(case.config, case.tensors).items():
        np.testing.assert_allclose(found[output], wanted, rtol=1e-12, atol=1e-14)


def along(case: Case, tangents: Tensors, size: float = 1e-5) -> float:
    """Return d/de of <cotangents, outputs> along tangents, by central differences of the loop in NumPy."""
    table, ends = case.tensors["table"], []
    for sign in (1, -1):
        moved = {n: a + sign * size * tangents[n] if n in tangents else a for n, a in case.tensors.items()}
        found = by_hand(case.config, moved, table)
        ends.append(sum(float(np.sum(found[n] * v)) for n, v in case.cotangents.items()))
    return (ends[0] - ends[1]) / (2 * size)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_central_differences(name: str) -> None:
    case = case_of(name)
    found = evaluate(Float64(), case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    for tensor in case.differentiable:
        slope = along(case, {tensor: case.tangents[tensor]})
        assert float(np.sum(found[f"d {tensor}"] * case.tangents[tensor])) == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_a_tangent_of_the_constant_row_moves_nothing(name: str) -> None:
    """Forward as in reverse: what is stopped has no tangent."""
    case = case_of(name)
    found = evaluate(Float64(), case, Query("jvp", tangents=case.tangents))
    slope = sum(float(np.sum(found[n] * v)) for n, v in case.cotangents.items())
    assert slope == pytest.approx(along(case, case.tangents), rel=1e-6)


def test_the_gradient_of_a_row_is_the_sum_over_its_places() -> None:
    case = case_of("plain")
    found = evaluate(Float64(), case, Query("vjp", cotangents=case.cotangents, wrt=("table", "shift")))
    tokens = case.tensors["tokens"]
    assert len(set(tokens.ravel())) < tokens.size  # some come back
    for token in range(PLAIN.vocabulary):
        np.testing.assert_allclose(
            found["d table"][token], found["d shift"][tokens == token].sum(axis=0), rtol=1e-12, atol=1e-15
        )


# --- the table, and what is refused


def test_the_table_names_what_goes_in_and_comes_out() -> None:
    table = {tensor.name: tensor for tensor in tensors(PADDED, RAGGED)}
    parameters = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_out", "bias_out"]
    given = ["tokens", "targets", "shift", "h0", "c0", "lengths", "table"]
    assert list(table) == [*given, *parameters, "logits", "loss"]
    roles = {"tokens": "index", "targets": "index", "shift": "input", "table": "parameter", "logits": "output"}
    assert {name: table[name].role for name in roles} == roles
    shapes = {"tokens": (3, 4), "shift": (3, 4, 3), "table": (5, 3), "weight_out": (4, 4), "logits": (3, 4, 4)}
    assert {name: table[name].shape for name in shapes} == shapes and table["loss"].shape == ()
    assert table["table"].locate((3, 1)) == {"token": "3", "feature": "1"}
    assert table["logits"].locate((2, 1, 3)) == {"row": "2", "step": "1", "class": "3"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Seq2Seq(INSIDE, 0, 4), "Seq2Seq.vocabulary is 0; it should be at least 1"),
        (lambda: Seq2Seq(INSIDE, 5, 1), "Seq2Seq.classes is 1; it should be at least 2: of one class the loss is 0"),
        (lambda: Seq2Seq(INSIDE, 5, 4, 5), "Seq2Seq.padding_index is 5; it should be a token, from 0 to 4"),
        (lambda: Call(0, 3), "Call has batch=0, steps=3: a mean over no steps; both should be at least 1"),
        (lambda: Call(2, 3, lengths=(0, 0)), "Call.lengths are all 0: a mean over no steps; one should be at least 1"),
        (lambda: Call(2, 3, lengths=(4, 1)), "Call.lengths has 4; each should be from 0 to steps = 3"),
    ],
)
def test_a_configuration_or_a_call_that_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tokens", 5, "tokens has 5 at row 0, step 0; each should be from 0 to 4"),
        ("targets", 4, "targets has 4 at row 0, step 0; each should be from 0 to 3, or -100 to be ignored"),
        ("targets", -100, "every target is -100, which is ignored: a mean over no steps"),
    ],
)
def test_data_that_make_no_call_are_refused(name: str, value: int, message: str) -> None:
    case = case_of("padded")
    given = dict(case.tensors) | {name: np.full_like(case.tensors[name], value)}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        spec.call_of(PADDED, given)


def test_a_call_is_told_by_its_tensors_and_has_others_beside_it() -> None:
    for name, (config, call) in CASES.items():
        assert spec.call_of(config, case_of(name).tensors) == call
        other = spec.vary(config, call)
        assert (other.batch, other.steps) == (call.batch + 1, call.steps + 1)
        assert spec.features(config, other) == spec.features(config, call)


def test_what_is_promised_of_jacobians() -> None:
    assert (spec.structure(PLAIN, Call(2, 3)).rows, spec.structure(PLAIN, Call(2, 3)).causal) == ("row", "step")
    assert spec.structure(PADDED, RAGGED).causal == spec.structure(BOTH, Call(2, 3)).causal == ""


# --- data

# sha256 of what seed 7 draws in each regime: a change here changes every case of every record.
HASHES = {
    "unit": "2a695e560aebd4ec",
    "saturated": "d5be442865d5ca57",
    "small": "447fcaa8585066c4",
    "tiny": "74d1fe832d8c95a4",
    "underflow": "d045ba0ec7fcfb0e",
    "huge": "563834ff6f41665c",
    "memory": "6d9085213d813643",
    "forgetful": "960aa382b11e3500",
    "zeros": "259e3f1d1b78c6e7",
    "sparse": "e2522920ac689200",
    "positive": "f3f2ff73d84a54a9",
    "cancelling": "5ecba3461324b1be",
    "mixed": "5f993a20b4c79617",
    "spiky": "e47afccf72d4dba2",
    "overflow": "096b15aebff052ce",
    "shifted": "d57ab38d90b136c4",
    "confident": "bce22cfca79c9efc",
}


def digest(regime: str) -> str:
    sha = hashlib.sha256()
    for name, array in spec.draw(PADDED, RAGGED, regime, Words(7)).items():
        sha.update(f"{name} {array.shape} {array.dtype.name}\n".encode())
        sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()[:16]


@pytest.mark.parametrize("regime", spec.regimes)
def test_the_same_bits_forever(regime: str) -> None:
    assert digest(regime) == HASHES[regime]


@pytest.mark.parametrize("seed", range(20))
def test_tokens_come_back_and_one_never_comes(seed: int) -> None:
    drawn = spec.draw(PLAIN, Call(3, 6), "unit", Words(seed))
    tokens = drawn["tokens"]
    assert 1 <= len(np.unique(tokens)) < PLAIN.vocabulary and len(np.unique(tokens[:, 0])) == 3
    assert np.unique(drawn["targets"]).min() >= 0 and not drawn["shift"].any()
    padded = spec.draw(PADDED, Call(3, 6, lengths=(1, 6, 2)), "unit", Words(seed))
    assert spec.call_of(PADDED, padded).lengths == (1, 6, 2)  # which checks that some step counts


def test_regimes_beside_the_lstms() -> None:
    assert spec.draw(PLAIN, Call(2, 3), "shifted", Words(1))["shift"].all()
    assert np.abs(spec.draw(PLAIN, Call(2, 3), "confident", Words(1))["weight_out"]).max() > 50
    with pytest.raises(ValueError, match="no regime 'odd'; it should be one of unit, .*, shifted, confident"):
        spec.draw(PLAIN, Call(2, 3), "odd", Words(1))


# --- suites


def every_template() -> list[CaseTemplate]:
    return [template for suite in spec.suites().values() for template in suite]


def test_suites_have_every_feature_and_stay_small() -> None:
    assert set(spec.suites()) == {"smoke", "questions", "wide"}
    assert frozenset().union(*(spec.features(t.config, t.call) for t in every_template())) == FEATURES
    assert all(template.question for template in spec.suites()["questions"])
    assert {t.regime for t in every_template()} >= {"unit", "shifted", "confident", "huge", "tiny"}
    assert all(t.call.batch <= 3 and t.call.steps <= 17 for t in every_template())


def test_a_suite_that_asks_for_the_gradient_of_tokens_is_refused(tmp_path: Any) -> None:
    (tmp_path / "odd.toml").write_text(
        """
[[case]]
name = "tokens"
seed = 1
config = { lstm = { input_size = 1, hidden_size = 1 }, vocabulary = 2, classes = 2 }
call = { batch = 1, steps = 1 }
ask = { jacobian = [["loss", "tokens"]] }
"""
    )
    with pytest.raises(SuiteError, match="field ask.jacobian: no 'tokens'; it should be one of .*shift, table"):
        read(tmp_path, tensors, Seq2Seq, Call, spec.regimes)


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
    "refused": ("none-for-integers", "plain"),
    "absent_tokens": ("padding-row-learned", "padded"),
    "places": ("padding-row-learned", "padded"),
    "lookup": ("off-by-one-token", "plain"),
    "vocabulary_permutation": ("token-0-taken-for-padding", "plain"),
    "weighted_rows": ("mean-of-rows-means", "padded"),
}


def test_every_property_is_a_sentence_with_an_equation() -> None:
    assert set(OWN) == {*AGAINST, "padding_free", "classes_balance", "row_permutation"}
    assert all(p.claim.endswith(".") and p.claim.count(". ") == 0 and p.equation for p in OWN.values())


@pytest.mark.parametrize(("name", "dtype"), [("plain", "float32"), ("padded", "float64"), ("both", "bfloat16")])
def test_right_equations_have_every_property(name: str, dtype: str) -> None:
    found = ask(Simulated(spec, features=FEATURES), name, "values", "gradients", "jvp", "hvp", *OWN, dtype=dtype)
    assert {verdict.outcome for verdict in found} <= {"passed", "blind"}, [v for v in found if v.outcome == "failed"]
    assert {verdict.property for verdict in found} >= {"refused", "absent_tokens"}


@pytest.mark.parametrize("name", AGAINST)
def test_a_property_sees_a_fault_that_is_against_it(name: str) -> None:
    fault, case = AGAINST[name]
    planted = next(one for one in spec.faults if one.name == fault)
    found = ask(Simulated(spec, planted, features=FEATURES), case, name)
    assert "failed" in {verdict.outcome for verdict in found}


class Reading(Simulated):
    """Reads what it should not: the loss of the padding, or of the first row alone by a bias of its own."""

    def load(self, spec: str, config: Any, parameters: Any, target: Target) -> Any:
        model = super().load(spec, config, parameters, target)
        wrong = self.kind  # type: ignore[attr-defined]  # set where it is made

        class Wrong:
            ran = model.ran

            def parameters(self) -> Any:
                return model.parameters()

            def forward(self, inputs: Any) -> Any:
                return model.forward(inputs)

            def vjp(self, inputs: Any, cotangents: Any, wrt: Any) -> Any:
                outputs, gradients = model.vjp(inputs, cotangents, wrt)
                return outputs, wrong(inputs, dict(gradients))

        return Wrong()


def reading(kind: Any) -> Reading:
    made = Reading(spec, features=FEATURES)
    object.__setattr__(made, "kind", kind)
    return made


def _with_last_token(inputs: Any, gradients: Any) -> Any:
    """The gradient of the table grows with the token at the end of the last row, which is padding."""
    return gradients | {"table": gradients["table"] * (1 + inputs["tokens"][-1, -1])}


def _first_row_more(inputs: Any, gradients: Any) -> Any:
    """The gradient of a bias depends on which row comes first."""
    return gradients | {"bias_out": gradients["bias_out"] * (1 + inputs["h0"][0, 0, 0])}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("padding_free", _with_last_token),
        ("row_permutation", _first_row_more),
        ("classes_balance", lambda inputs, g: g | {"bias_out": g["bias_out"] + 0.01 * (np.arange(4) == 0)}),
    ],
)
def test_a_property_sees_what_no_planted_fault_is_against(name: str, kind: Any) -> None:
    found = ask(reading(kind), "padded", name)
    assert "failed" in {verdict.outcome for verdict in found}


def test_what_is_answered_for_integers_is_said() -> None:
    planted = {one.name: one for one in spec.faults}
    for fault, answer in (("zeros-for-integers", "an array of float64"), ("none-for-integers", "None")):
        found = ask(Simulated(spec, planted[fault], features=FEATURES), "plain", "refused")
        reasons = {verdict.tensor: verdict.reason for verdict in found if verdict.outcome == "failed"}
        wanted = f"got {answer} for the gradient by integers; should be refused: they have no derivative"
        assert reasons == {"tokens, gradient": wanted, "targets, gradient": wanted}


@cache
def bench(dtype: str) -> Bench:
    return Bench(spec, dtype, ("smoke", "questions", "wide"), oracle())


WHERE_IT_CHANGES_SOMETHING = [
    pytest.param(fault, dtype, id=f"{fault.name}-{dtype}")
    for fault in spec.faults
    for dtype in ("float64", "float32")
    if not fault.dtypes or dtype in fault.dtypes
]


@pytest.mark.parametrize(("fault", "dtype"), WHERE_IT_CHANGES_SOMETHING)
def test_every_fault_is_killed(fault: Any, dtype: str) -> None:
    outcome = bench(dtype).run(fault)
    assert outcome.killed is not None, f"{fault.name} lives"


@pytest.mark.parametrize("variant", spec.benign, ids=lambda variant: variant.name)
def test_what_is_right_in_another_way_is_not_accused(variant: Any) -> None:
    for dtype in ("float64", "bfloat16"):
        found = ask(Simulated(spec, variant, features=FEATURES), "padded", "values", "gradients", *OWN, dtype=dtype)
        assert {verdict.outcome for verdict in found} <= {"passed", "blind"}


def test_hypothesis_draws_cases_of_what_is_offered() -> None:
    hypothesis = pytest.importorskip("hypothesis")

    @hypothesis.settings(max_examples=25, database=None, derandomize=True, deadline=None)
    @hypothesis.given(spec.strategy(FEATURES - {"bidirectional"}, ("unit", "shifted")))
    def drawn(template: CaseTemplate) -> None:
        assert spec.features(template.config, template.call) <= FEATURES - {"bidirectional"}
        case = build(spec, "drawn", template, "float32")
        assert spec.call_of(case.config, case.tensors) == case.call

    drawn()


# --- the frameworks


def backend(name: str) -> Any:
    pytest.importorskip(name)
    module = pytest.importorskip(f"gradassay_{name}")
    return getattr(module, f"{name}_backend")


def test_what_is_declared_of_keras_integer_labels_is_so() -> None:
    """Asked all the same, Keras takes class 257 for 256 in bfloat16: see reports/findings/keras-integer-labels.md."""
    one = backend("tensorflow")
    offer = next(offer for offer in one.offers if offer.spec == "seq2seq" and "bfloat16" in offer.dtypes)
    template = next(t for t in spec.suites()["questions"] if t.name == "many-classes")
    features = spec.features(template.config, template.call)
    assert "many_classes" in features
    assert 257 in build(spec, "questions", template, "bfloat16").tensors["targets"]
    assert "class 257 is taken for 256" in str(offer.refusal("vjp", "eager", "bfloat16", features))
    bare = Alone(one, replace(offer, dtypes=("bfloat16",), gaps=()))
    found = verify_case(bare, spec, template, "bfloat16", properties=("values", "gradients"), oracle=oracle())
    assert {"bias_out", "weight_out"} <= {verdict.tensor for verdict in found if verdict.outcome == "failed"}
    assert "logits" in {verdict.tensor for verdict in found if verdict.outcome == "passed"}


MODES = {"torch": "eager", "jax": "jit", "tensorflow": "eager"}


@pytest.mark.parametrize("name", ["torch", "jax", "tensorflow"])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
class TestFrameworks:
    def test_it_is_right(self, name: str) -> None:
        one = backend(name)
        for case in ("plain", "padded"):
            found = ask(
                one, case, "contract", "values", "gradients", "refused", "absent_tokens", "places", dtype="float32"
            )
            assert {verdict.outcome for verdict in found} == {"passed"}, [v for v in found if v.outcome != "passed"]

    def test_the_derivative_of_tokens_is_refused_with_what_to_ask_for(self, name: str) -> None:
        one, case = backend(name), case_of("plain", "float32")
        model = one.load("seq2seq", case.config, case.parameters, Target(name, MODES[name], "cpu", "float32"))
        words = "tokens is an index of integers: no derivative exists; ask for table (its rows) or shift (the embedded"
        asked = {
            "vjp": lambda: model.vjp(case.inputs, case.cotangents, ["tokens"]),
            "jvp": lambda: model.jvp(case.inputs, {"tokens": np.ones((2, 5), np.float32)}),
            "jacobian": lambda: model.jacobian(case.inputs, "loss", "tokens"),
            "hvp": lambda: model.hvp(case.inputs, case.cotangents, case.tangents, ["tokens"]),
        }
        for question in asked.values():
            with pytest.raises(Unsupported, match=re.escape(words)):
                question()
        with pytest.raises(Unsupported, match="targets is an index of integers: no derivative exists$"):
            model.vjp(case.inputs, case.cotangents, ["targets"])
