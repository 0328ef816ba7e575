"""A diagnosis: where a case leaves the noise, what explains that, and what a right implementation is not accused of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
import pytest

from gradassay import Axis, Fault, Finding, Spec, Tensor, Tensors
from gradassay._case import Case, build
from gradassay._diagnose import Diagnosis, diagnose, explain
from gradassay._hypotheses import hypotheses, may_show
from gradassay._limits import max_limit
from gradassay._locate import locate
from gradassay._oracle import Query, Reference
from gradassay._patterns import joint, tensor_patterns
from gradassay._predict import predict
from gradassay._process import Local
from gradassay._score import score
from gradassay._simulated import Simulated
from gradassay._single import in_memory
from gradassay._spec import Array
from gradassay._subject import Subject
from gradassay._target import Target, numpy_dtype
from gradassay.properties import properties as generic
from gradassay_lstm import spec
from gradassay_numpy import FAULTS, faulty_backend, numpy_backend

BOTH = frozenset({"forward", "vjp"})
PROPERTIES = [generic()[name] for name in ("contract", "values", "gradients")]
oracle = in_memory()


def case(name: str = "plain", dtype: str = "float64", of: Spec[Any, Any] = spec) -> Case:
    (template,) = [template for template in of.suites()["smoke"] if template.name == name]
    return build(of, "smoke", template, dtype)


def planted(fault: Fault, on: Case) -> Diagnosis:
    """Diagnose a fault whose sums run in another order than those of the hypotheses."""
    found = predict(on.spec, fault, on, PROPERTIES, oracle, BOTH, order="sequential")
    return explain(on, found, PROPERTIES, oracle, BOTH)


def known(name: str, on: Case) -> Fault:
    (fault,) = [fault for fault in hypotheses(on) if fault.name == name]
    return fault


def names(told: Diagnosis) -> list[str]:
    return [explanation.name for explanation in told.explanations]


# --- what explains ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dtype", "says"),
    [
        ("gate-order-ifog", "bfloat16", "the gate order is i, f, o, g; should be i, f, g, o"),
        (
            "gate-order-iofg-in-gradient",
            "float64",
            "outputs are right, but the gate order of the gradients is i, o, f, g",
        ),
        ("weight_hh-turned-1", "float32", "the memory of weight_hh, (in, 4 gates), is taken for (4 gates, in)"),
        ("bias_hh-ignored", "bfloat16", "bias_hh is not used: one bias where there are two"),
        ("states-exchanged", "float64", "h and c are taken for each other, at both ends"),
        ("x-reversed", "float16", "x is read backwards in time"),
        ("every-carry-detached", "float32", "h and c are detached at every step: truncated to one"),
        ("dweight_hh-from-h_t", "bfloat16", "the gradient of weight_hh takes h of the same step, h_t"),
    ],
)
def test_a_convention_is_named(name: str, dtype: str, says: str) -> None:
    on = case(dtype=dtype)
    told = planted(known(name, on), on)
    assert name in names(told)
    assert says in "; ".join(explanation.sentence for explanation in told.explanations)
    assert told.explanations[0].size < 2.5 < (told.before or 0.0)


def test_the_first_line_says_the_gate_order() -> None:
    on = case()
    told = planted(known("gate-order-ifog", on), on)
    assert str(told).startswith("the gate order is i, f, o, g; should be i, f, g, o (left over: 0.")


def test_a_layout_read_as_anothers_names_both_frameworks() -> None:
    on = case()
    (mixed,) = [f for f in hypotheses(on) if f.sentence.startswith("torch's arrays are read as haiku's")]
    told = planted(mixed, on)
    assert names(told) == [mixed.name]
    assert "gates i, f, g, o are taken for i, g, f, o, +1 on the forget gate's bias" in told.explanations[0].sentence


@pytest.mark.parametrize(("name", "dtype"), [*zip(FAULTS, cycle(("float64", "float32")), strict=False)])
def test_a_fault_in_a_backward_pass_of_another_hand_is_named(name: str, dtype: str) -> None:
    """The implementation shares no code with the hypotheses; its sums are others, and so is its rounding."""
    needs = {"projection-omitted-in-dh": "projection", "reverse-dx-not-reversed-back": "ragged"}
    on = case(needs.get(name, "dropout" if name.startswith("dropout") else "plain"), dtype)
    backend = faulty_backend(name)
    mode = backend.offers[0].modes[0]
    with Local(backend) as session:
        subject = Subject(session, on, Target(backend.name, mode.name, "cpu", dtype), BOTH, mode)
        told = diagnose(subject, on, PROPERTIES, oracle)
    assert (
        names(told)[0]
        in {
            "forget-gate-slope-missing": {"forget-derivative-missing"},
            "dc-carry-assigned": {"dc-assigned"},
            "db-ih-misses-last-step": {"dbias_ih-without-last-step"},
            "dw-hh-from-h-t": {"dweight_hh-from-h_t"},
            "projection-omitted-in-dh": {"projection-omitted-in-gradient"},
            "reverse-dx-not-reversed-back": {"dx-of-reverse-not-turned-back"},
            "bias-i-and-o-from-delta-f": {"bias-gradients-of-i-and-o-from-f"},
            "c-n-cotangent-dropped": {"c_n-cotangent-dropped", "unheard-c_n"},
            "dropout-mask-forgotten": {"dropout-mask-omitted-in-backward"},
        }[name]
    )
    assert told.explanations[0].size < 1.5


def test_a_fault_of_no_catalogue_is_unexplained() -> None:
    def weird(tape: Any, v: Any, where: Any) -> Any:
        return v + tape.constant(0.01 * np.cos(np.arange(float(np.prod(v.shape)))).reshape(v.shape))

    on = case()
    told = planted(Fault("weird", "", "none known", (), edits=lambda u: {"carry": weird}), on)
    assert told and not told.explanations and not told.stopped
    assert str(told).startswith(f"unexplained: none of {len(hypotheses(on))} hypotheses gives these numbers\n")


RIGHT = [(Simulated(spec, order="pairwise"), dtype) for dtype in ("float64", "float32", "bfloat16", "float16")]


@pytest.mark.parametrize(("backend", "dtype"), [*RIGHT, (numpy_backend, "float64"), (numpy_backend, "float32")])
@pytest.mark.parametrize("name", ["plain", "ragged", "two-layers-bidirectional"])
def test_a_right_implementation_gets_no_diagnosis(name: str, dtype: str, backend: Any) -> None:
    on, mode = case(name, dtype), backend.offers[0].modes[0]
    with Local(backend) as session:
        subject = Subject(session, on, Target(backend.name, mode.name, "cpu", dtype), BOTH, mode)
        told = diagnose(subject, on, PROPERTIES, oracle)
    assert not told
    assert str(told) == "nothing is wrong"
    assert not told.explanations and not told.places and not told.tried


def test_what_barely_fails_is_not_explained_by_a_mistake_that_leaves_it_alone() -> None:
    on = case(dtype="float32")
    found = predict(on.spec, None, on, PROPERTIES, oracle, BOTH, order="sequential")
    number, y = next((n, finding) for n, finding in enumerate(found["values"]) if finding.tensor == "y")
    assert y.got is not None and y.reference is not None
    limit = max_limit(y.got.size)
    pushed = y.got.copy()
    pushed[0, 0, 0] += 1.05 * limit * y.reference.sigma[0, 0, 0]
    found["values"][number] = replace(y, got=pushed)
    told = explain(on, found, PROPERTIES, oracle, BOTH)
    assert told.wrong == ("values of y",) and not told.stopped
    assert names(told) == []


def test_time_that_is_over_is_said() -> None:
    on = case()
    found = predict(spec, known("gate-order-ifog", on), on, PROPERTIES, oracle, BOTH)
    told = explain(on, found, PROPERTIES, oracle, BOTH, seconds=0.0)
    assert told.stopped and not told.explanations
    assert str(told).startswith("not explained in the 0 s that there were")


def test_what_this_case_cannot_tell_apart_is_said() -> None:
    """With one step nothing tells a carry that is detached at every step from state gradients that are zero."""
    on = case("one")
    told = planted(known("every-carry-detached", on), on)
    assert "every-carry-detached" in names(told)
    assert "\nor " in str(told) and ": the same here" in str(told)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("gates-i-f-swapped", "float32"),
        ("mean-for-sum", "float64"),
        ("scaled-by-1-plus-50u", "float64"),
        ("padding-leaks", "float32"),
        ("stale-buffer", "float32"),
    ],
)
def test_faults_of_the_catalogue_are_the_first_explanation(name: str, dtype: str) -> None:
    (fault,) = [fault for fault in spec.faults if fault.name == name]
    found = score(spec, fault, dtype, oracle)
    assert found is not None
    assert found.said in ("first", "alike"), str(found)


def test_hypotheses_have_names_of_their_own_and_change_something() -> None:
    for name in ("two-layers-bidirectional", "projection", "no-bias"):
        on = case(name)
        found = hypotheses(on)
        assert len({fault.name for fault in found}) == len(found)
        assert not any(fault.ends_process for fault in found)
    order = [fault for fault in found if fault.name.startswith("gate-order")]
    assert len(order) == 2 * 23


def test_a_fault_that_needs_more_than_a_case_has_is_not_tried() -> None:
    fault = Fault("f", "", "none known", (), edits=lambda u: {}, minimum={"step": 6})
    assert not may_show(fault, case())
    assert may_show(replace(fault, minimum={"step": 5}), case())
    assert not may_show(replace(fault, minimum=None, ends_process=True), case())


# --- patterns that know the arrays alone -----------------------------------------------------------------------


class Spoilt:
    """A right model whose gradients are spoilt."""

    def __init__(self, model: Any, how: Any) -> None:
        self.model, self.how = model, how

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def vjp(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Any:
        outputs, gradients = self.model.vjp(inputs, cotangents, wrt)
        return outputs, {n: None if (a := self.how(n, g)) is None else a.astype(g.dtype) for n, g in gradients.items()}


def spoilt(how: Any, on: Case, of: frozenset[str]) -> Diagnosis:
    """Diagnose gradients of `of` that are spoilt, with no hypothesis that knows the model."""
    fault = Fault(
        "spoilt", "", "none known", (), wrap=lambda dtype, m: Spoilt(m, lambda n, g: how(g) if n in of else g)
    )
    found = predict(spec, fault, on, PROPERTIES, oracle, BOTH, order="pairwise")
    return explain(on, found, PROPERTIES, oracle, BOTH, tried=())


WEIGHT = frozenset({"weight_hh_l0"})
X = frozenset({"x"})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("how", "of", "says"),
    [
        (
            lambda g: g / 2,
            WEIGHT,
            "weight_hh_l0: 0.5 times what it should be (halved; or a mean over the 2 rows in the",
        ),
        (lambda g: g / 5, WEIGHT, "0.2 times what it should be (a mean over the 5 steps in the place of a sum)"),
        (lambda g: g / 10, WEIGHT, "0.1 times what it should be (a mean over the 2 rows and 5 steps in the place of"),
        (lambda g: g * 2, WEIGHT, "2 times what it should be (counted twice; or added up once more over the 2 rows)"),
        (lambda g: -g, WEIGHT, "weight_hh_l0: -1 times what it should be (of the other sign)"),
        (lambda g: g * 1.125, WEIGHT, "weight_hh_l0: 1.125 times what it should be"),
        (lambda g: g[:, ::-1], X, "x: reversed along step"),
        (lambda g: np.roll(g, 1, axis=1), X, "x: moved by 4 step around the end"),
        (lambda g: g[::-1], X, "x: with rows 0 and 1 exchanged"),
        (lambda g: g * (np.arange(5) == 4)[:, None], X, "right elsewhere: cut off there (detached, stopped or trunc"),
        (lambda g: g * (np.arange(5) == 4)[:, None], X, "only step 4 comes through"),
        (lambda g: g[[0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15]], WEIGHT, "gates in the order i, g, f, o"),
        (lambda g: g.reshape(4, 4, 4).swapaxes(1, 2).reshape(16, 4), WEIGHT, "transposed: unit and from unit are exch"),
        (lambda g: g.T.reshape(16, 4), WEIGHT, "right in memory, but read rows first"),
        (lambda g: 0 * g, WEIGHT, "weight_hh_l0: exactly 0 everywhere, where it should not be: cut off (detached, st"),
        (lambda g: g + np.nan, WEIGHT, "weight_hh_l0: not finite: an uninitialised buffer"),
        (lambda g: None, X, "x: None, which says 'no gradient': not watched or not marked as differentiated"),
    ],
)
def test_a_pattern_is_named(how: Any, of: frozenset[str], says: str, dtype: str) -> None:
    told = spoilt(how, case(dtype=dtype), of)
    assert names(told) == ["pattern"]
    assert says in told.summary


def test_none_zero_and_cut_are_three_findings() -> None:
    on = case()
    said = [
        spoilt(how, on, frozenset({"h0"})).summary
        for how in (lambda g: None, lambda g: 0 * g, lambda g: g * np.array([1.0, 0.0])[:, None])
    ]
    assert len(set(said)) == 3
    assert "retain_grad" in said[0]
    assert "exactly 0 everywhere" in said[1]
    assert "h0: exactly 0 at row 1 and right elsewhere: cut off there" in said[2]


def test_the_gradient_of_another_tensor_is_recognised() -> None:
    on = case()
    held: dict[str, Array] = {}

    def exchange(name: str, g: Array) -> Array:
        held[name] = g
        return held.get("h0", g) if name == "c0" else g

    fault = Fault("spoilt", "", "none known", (), wrap=lambda dtype, m: Spoilt(m, exchange))
    found = predict(spec, fault, on, PROPERTIES, oracle, BOTH)
    assert explain(on, found, PROPERTIES, oracle, BOTH, tried=()).summary.startswith("c0: what h0 should be")


def test_a_pattern_that_most_tensors_share_is_told_once() -> None:
    told = spoilt(lambda g: 3 * g, case(), frozenset({"x", "h0", "weight_ih_l0"}))
    assert told.summary.startswith("x, h0 and weight_ih_l0: 3 times what it should be")


def test_what_is_plain_of_some_tensors_is_told_though_others_are_unexplained() -> None:
    told = spoilt(lambda g: 0 * g if g.ndim == 2 else g + 0.5, case(), frozenset({"x", "weight_hh_l0"}))
    assert not told.explanations
    assert told.marks[0].startswith("weight_hh_l0: exactly 0 everywhere")


def test_nothing_is_seen_in_a_tensor_that_is_wrong_in_no_known_way() -> None:
    told = spoilt(lambda g: g + np.cos(np.arange(g.size)).reshape(g.shape), case(), WEIGHT)
    assert told.summary == "unexplained: none of 0 hypotheses gives these numbers"
    assert joint({}) == []


def test_one_element_makes_no_pattern_of_any_number() -> None:
    """Of a single element everything is some multiple: only a named one is told."""
    on = case("one")
    reference = oracle.ask(on, Query("vjp", cotangents=on.cotangents, wrt=on.differentiable))["d x"]
    labels = (on.table["x"],)
    assert tensor_patterns(Finding("x", 1.2345 * reference.high, reference, labels), on, {}) == []
    assert tensor_patterns(Finding("x", -reference.high, reference, labels), on, {})[0].words.startswith("-1 times")


# --- where ------------------------------------------------------------------------------------------------------


def at(mask: Any, tensor: Tensor) -> str:
    shape = tensor.shape
    ones = np.ones(shape)
    reference = Reference(ones, 0 * ones, 0 * ones, ones == 0, 1e-3 * ones, "", "ball", 128, 2.0**-53)
    got = ones + np.asarray(mask, dtype=float)
    found = locate(Finding(tensor.name, got.astype(numpy_dtype("float64")), reference, (tensor,)))
    return str(found)


SEQUENCE = Tensor("x", "input", ((Axis("row", 4),), (Axis("step", 20),), (Axis("feature", 3),)))
GATES = Tensor(
    "weight_hh_l1_reverse",
    "parameter",
    ((Axis("gate", 4, ("i", "f", "g", "o")), Axis("unit", 3)), (Axis("from unit", 3),)),
    {"layer": 1, "direction": "reverse"},
)


def test_places_are_named_by_the_labels_that_hold_everything_beyond_the_noise() -> None:
    mask = np.zeros(SEQUENCE.shape)
    mask[2:, 16:] = 1
    assert at(mask, SEQUENCE) == "from row 2 on, from step 16 on (24 of 240 elements; the first at row 2, step 16)"
    mask = np.zeros(SEQUENCE.shape)
    mask[[1, 3], :4, 0] = 1
    assert at(mask, SEQUENCE).startswith(
        "rows 1 and 3, up to step 3, feature 0 (8 of 240 elements; the first at row 1, s"
    )
    mask = np.zeros(SEQUENCE.shape)
    mask[:, ::2] = 1
    assert at(mask, SEQUENCE).startswith("10 of 20 steps (120 of 240")
    assert at(np.ones(SEQUENCE.shape), SEQUENCE).startswith(
        "all of it (240 of 240 elements; the first at row 0, step 0"
    )


def test_places_name_layer_direction_and_gate() -> None:
    mask = np.zeros(GATES.shape)
    mask[3:6] = 1
    assert at(mask, GATES) == "layer 1, direction reverse, gate f (9 of 36 elements)"
    mask[9:, 0] = 1
    assert at(mask, GATES) == "layer 1, direction reverse, gates f and o (12 of 36 elements)"


def test_what_is_spread_over_all_has_no_place() -> None:
    assert "spread over all of it, no element alone" in at(0.006 * np.ones(SEQUENCE.shape), SEQUENCE)
