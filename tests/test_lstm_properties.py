"""The LSTM's own properties: right implementations have them, and each one sees a fault that is against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradassay._backend import Gap, Mode, Offer
from gradassay._case import build
from gradassay._fault import Fault
from gradassay._oracle import Oracle
from gradassay._property import Property
from gradassay._record import Verdict
from gradassay._session import Answer, BackendError
from gradassay._simulated import Simulated
from gradassay._single import in_memory, verify_case
from gradassay._spec import CaseTemplate
from gradassay._subject import Subject
from gradassay._target import Target
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._features import FEATURES
from gradassay_lstm._relations import added, combined, exactly_zero, same, truth, unchanged
from gradassay_lstm.properties import properties
from gradassay_lstm.properties.padding_nan import PROMISE
from gradassay_lstm.properties.tied import groups
from gradassay_numpy import numpy_backend

OWN = {
    "absent_states",
    "accumulation",
    "biases",
    "causality",
    "dropout_of_ones",
    "lengths",
    "longer_padding",
    "padding_huge",
    "padding_nan",
    "padding_zero",
    "prefix",
    "reversal",
    "row_permutation",
    "rows",
    "split",
    "stack",
    "tied",
    "unit_permutation",
}


def template(name: str, config: LSTM, call: Call, regime: str = "unit") -> CaseTemplate:
    return CaseTemplate(name, config, call, regime, seed=41, thorough=True)


CASES = {
    t.name: t
    for t in (
        template("plain", LSTM(3, 4), Call(2, 5)),
        template("both", LSTM(3, 2, num_layers=2, bidirectional=True), Call(2, 3)),
        template("ragged", LSTM(2, 3, bidirectional=True), Call(3, 4, lengths=(4, 1, 0))),
        template("ragged-stack", LSTM(2, 3, num_layers=2), Call(3, 4, lengths=(2, 4, 1))),
        template("dropout", LSTM(2, 4, num_layers=2), Call(2, 3, dropout=True)),
        template(
            "everything",
            LSTM(3, 4, num_layers=2, bidirectional=True, projection=2, bias=False),
            Call(4, 5, lengths=(5, 3, 1, 0), c0=False, dropout=True),
        ),
    )
}


@cache
def oracle() -> Oracle:
    return in_memory()


def ask(backend: Any, case: str, *names: str, dtype: str = "float32", regime: str = "unit") -> tuple[Verdict, ...]:
    asked = replace(CASES[case], regime=regime)
    return verify_case(backend, spec, asked, dtype, properties=names, oracle=oracle())


def test_every_property_is_found() -> None:
    assert {p.name for p in properties} == OWN | {"recurrent"}
    assert all(p.claim.endswith(".") and p.claim.count(". ") == 0 and p.equation for p in properties)
    assert {p.name for p in properties if not p.thorough} == {"biases", "padding_zero", "recurrent"}


# --- right implementations have them


class Promising(Simulated):
    """Numbers on the padding are replaced before anything is computed with them."""

    @property
    def offers(self) -> tuple[Offer, ...]:
        return tuple(replace(offer, promises=frozenset({PROMISE})) for offer in super().offers)

    def load(self, spec: str, config: Any, parameters: Any, target: Target) -> Any:
        model = super().load(spec, config, parameters, target)

        def clean(inputs: Mapping[str, Any]) -> dict[str, Any]:
            return dict(inputs) | {"x": np.where(on_padding(inputs)[..., None], 0, inputs["x"]).astype(model_dtype)}

        model_dtype = next(iter(parameters.values())).dtype
        return Wrapped(
            model,
            forward=lambda m, inputs: m.forward(clean(inputs)),
            vjp=lambda m, inputs, cotangents, wrt: m.vjp(clean(inputs), cotangents, wrt),
        )


@pytest.mark.parametrize(
    ("case", "dtype", "regime"),
    [
        ("plain", "float64", "memory"),
        ("plain", "bfloat16", "unit"),
        ("both", "float32", "saturated"),
        ("ragged", "bfloat16", "huge"),
        ("ragged-stack", "float16", "zeros"),
        ("dropout", "bfloat16", "positive"),
        ("everything", "float16", "cancelling"),
    ],
)
def test_right_equations_have_them(case: str, dtype: str, regime: str) -> None:
    found = ask(Promising(spec, features=FEATURES), case, *sorted(OWN), dtype=dtype, regime=regime)
    assert {v.outcome for v in found} <= {"passed", "blind"}, [v for v in found if v.outcome in ("failed", "errored")]
    probe = build(spec, "single", CASES[case], dtype)
    assert {v.property for v in found} == {p.name for p in properties if p.name in OWN and p.applies(probe)}
    assert sum(v.outcome == "passed" for v in found) > 0.5 * len(found)


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_backend_written_by_hand_has_them(case: str) -> None:
    found = ask(numpy_backend, case, *sorted(OWN))
    assert {v.outcome for v in found if v.property != "padding_nan"} == {"passed"}


@pytest.mark.parametrize(("case", "dtype"), [("both", "bfloat16"), ("ragged-stack", "float16")])
def test_torch_has_them(case: str, dtype: str) -> None:
    pytest.importorskip("torch")
    from gradassay_torch import torch_backend  # the framework's own distribution may be absent

    found = ask(torch_backend, case, *sorted(OWN - {"padding_nan"}), dtype=dtype)
    assert {v.outcome for v in found} <= {"passed", "blind", "skipped"}
    # Packed sequences run without oneDNN, the first kernel of bfloat16, and hold no sample that ends before a cut.
    lengths_refused = {"longer_padding"} if dtype == "bfloat16" else {"split"}
    assert {v.property for v in found if v.outcome == "skipped"} == lengths_refused
    assert {v.property for v in found if v.outcome == "passed"} == {v.property for v in found} - lengths_refused


def test_every_property_has_a_case_here() -> None:
    probes = [build(spec, "single", t, "float32") for t in CASES.values()]
    assert {p.name for p in properties if any(p.applies(probe) for probe in probes)} == OWN


# --- each sees a fault


def test_a_mode_that_compiles_gets_few_shapes() -> None:
    """Every call there is of a shape that another one has too, but for one a property."""
    shapes: set[tuple[Any, ...]] = set()

    class Compiled(Simulated):
        @property
        def offers(self) -> tuple[Offer, ...]:
            return tuple(replace(o, modes=(replace(o.modes[0], compiled=True),)) for o in super().offers)

        def load(self, spec: str, config: Any, parameters: Any, target: Target) -> Any:
            def vjp(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
                shapes.add(
                    (repr(config), *((name, array.shape) for name, array in sorted(inputs.items())), *cotangents)
                )
                return model.vjp(inputs, cotangents, wrt)

            return Wrapped(super().load(spec, config, parameters, target), vjp=vjp)

    backend = Compiled(spec, features=FEATURES)
    for names, most in (
        (("rows", "accumulation", "row_permutation", "unit_permutation", "tied", "padding_huge"), 2),
        (("reversal", "causality"), 1),
        (("lengths",), 2),
        (("absent_states",), 3),
    ):
        shapes.clear()
        found = ask(backend, "ragged", *names)
        assert {v.outcome for v in found} == {"passed"} and 0 < len(shapes) <= most, (names, shapes)


class Wrapped:
    """A right model but for its replaced methods; each replacement is given the right model first."""

    def __init__(self, model: Any, **does: Callable[..., Any]) -> None:
        self._model = model
        for name, function in does.items():
            setattr(self, name, lambda *args, f=function: f(model, *args))

    @property
    def ran(self) -> Mapping[str, str]:
        return self._model.ran  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def on_padding(inputs: Mapping[str, Any]) -> Any:
    """Return the mask (B, T) of the padding."""
    steps = np.arange(inputs["x"].shape[1])[None, :]
    return steps >= inputs["lengths"][:, None] if "lengths" in inputs else np.zeros(inputs["x"].shape[:2], dtype=bool)


Edit = Callable[[Any, Mapping[str, Any], dict[str, Any], dict[str, Any]], None]


def edited(edit: Edit) -> Callable[..., Any]:
    """Return a model whose answers `edit` changes where they lie: float64 copies of outputs and gradients."""

    def wrap(dtype: str, model: Any) -> Any:
        def wide(arrays: Mapping[str, Any]) -> dict[str, Any]:
            return {name: np.array(array, dtype=np.float64) for name, array in arrays.items()}

        def back(arrays: Mapping[str, Any], like: Any) -> dict[str, Any]:
            return {name: array.astype(like) for name, array in arrays.items()}

        def forward(right: Any, inputs: Any) -> Any:
            outputs = wide(right.forward(inputs))
            edit(right, inputs, outputs, {})
            return back(outputs, inputs["x"].dtype)

        def vjp(right: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
            outputs, gradients = (wide(arrays) for arrays in right.vjp(inputs, cotangents, wrt))
            edit(right, inputs, outputs, gradients)
            return back(outputs, inputs["x"].dtype), back(gradients, inputs["x"].dtype)

        return Wrapped(model, forward=forward, vjp=vjp)

    return wrap


def y_sees_the_next_step(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    outputs["y"][:, :-1] += 1e-3 * inputs["x"][:, 1:, :1].astype(np.float64)


def dx_leaks_over_steps(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "x" in gradients:
        gradients["x"] += 1e-3 * gradients["x"].sum(axis=1, keepdims=True)


def dx_leaks_over_rows(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "x" in gradients:
        gradients["x"] += 1e-3 * gradients["x"].sum(axis=0, keepdims=True)


def y_takes_the_first_row_for_all(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    outputs["h_n"] += 1e-3 * outputs["h_n"][:, :1]


def weights_wrong_for_one_row(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "weight_hh_l0" in gradients and inputs["x"].shape[0] == 1:
        gradients["weight_hh_l0"] *= 1.001


def first_row_scaled(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "x" in gradients:
        gradients["x"][0] *= 1.001


def first_unit_scaled(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "weight_hh_l0" in gradients:
        gradients["weight_hh_l0"][0] *= 1.001


def dh0_is_zero(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "h0" in gradients:
        gradients["h0"] *= 0.0


def db_hh_scaled(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "bias_hh_l0" in gradients:
        gradients["bias_hh_l0"] *= 1.001


def final_state_of_short_rows_is_zero(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    outputs["h_n"][:, on_padding(inputs)[:, -1]] = 0.0


def dh0_of_empty_rows_is_zero(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "h0" in gradients:
        gradients["h0"][:, on_padding(inputs)[:, 0]] = 0.0


def y_is_left_on_the_padding(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    outputs["y"][on_padding(inputs)] = 1e-3


def dx_is_left_on_the_padding(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "x" in gradients:
        gradients["x"][on_padding(inputs)] = 1e-30


def padding_in_the_weight_gradient(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "weight_ih_l0" in gradients:
        gradients["weight_ih_l0"][0, 0] += 1e-12 * inputs["x"].astype(np.float64)[on_padding(inputs)].sum()


def padding_times_zero(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "weight_ih_l0" in gradients:
        with np.errstate(invalid="ignore"):
            gradients["weight_ih_l0"][0, 0] += 0.0 * inputs["x"].astype(np.float64)[on_padding(inputs)].sum()


def absent_is_not_zero(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "h0" not in inputs:
        outputs["y"] *= 1.001


def absent_c0_alone_is_not_zero(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "c0" not in inputs and "h0" in inputs:
        outputs["c_n"] *= 1.001


def reverse_half_scaled(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if any(name.endswith("_reverse") for name in model.parameters()):
        outputs["y"][..., outputs["y"].shape[-1] // 2 :] *= 1.001


def both_directions_scaled(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if any(name.endswith("_reverse") for name in model.parameters()):
        outputs["y"] *= 1.001


def tied_gradients_are_summed(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    parameters = model.parameters()
    total = dict(gradients)
    for name in gradients:
        uses = [n for n in gradients if n in parameters and parameters[n] is parameters.get(name)]
        if len(uses) > 1:
            total[name] = sum(gradients[n] for n in uses)
    gradients |= total


def mean_over_the_batch(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    for name in (n for n in gradients if n.startswith(("weight", "bias"))):
        gradients[name] /= max(inputs["x"].shape[0], 1)


def mean_over_the_steps(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    for name in (n for n in gradients if n.startswith(("weight", "bias"))):
        gradients[name] /= max(inputs["x"].shape[1], 1)


def lower_layer_scaled_in_a_stack(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "weight_hh_l1" in model.parameters() and "weight_hh_l0" in gradients:
        gradients["weight_hh_l0"] *= 1.001


def dropout_always_scales(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "dropout_mask_l0" in inputs:
        outputs["y"] *= 4 / 3


def mask_left_out_of_the_gradient(model: Any, inputs: Any, outputs: Any, gradients: Any) -> None:
    if "weight_ih_l1" in gradients and not np.any(inputs.get("dropout_mask_l0", 1)):
        gradients["weight_ih_l1"] += 1e-3


FAULTS: tuple[tuple[str, str, Edit, str], ...] = (
    ("absent_states", "plain", absent_is_not_zero, "y of h0 and c0 not given"),
    ("absent_states", "plain", absent_c0_alone_is_not_zero, "c_n of c0 not given"),
    ("accumulation", "plain", mean_over_the_batch, "bias_ih_l0 of 2 micro-batches, summed"),
    ("biases", "plain", db_hh_scaled, "bias_hh_l0 of the gradient of bias_ih_l0"),
    ("causality", "plain", y_sees_the_next_step, "forward y up to step 2, x changed beyond it"),
    ("causality", "plain", dx_leaks_over_steps, "x of forward y at step 2"),
    ("causality", "ragged", dx_leaks_over_steps, "x of reverse y at step 2"),
    ("dropout_of_ones", "dropout", dropout_always_scales, "y of masks of ones"),
    ("dropout_of_ones", "dropout", mask_left_out_of_the_gradient, "weight_ih_l1 of masks of zeros"),
    ("lengths", "ragged", final_state_of_short_rows_is_zero, "h_n of row 1 alone at its length 1"),
    ("lengths", "ragged", final_state_of_short_rows_is_zero, "h_n of row 2 of length 0"),
    ("lengths", "ragged", dh0_of_empty_rows_is_zero, "h0 of row 2 of length 0"),
    ("lengths", "ragged-stack", mean_over_the_batch, "weight_hh_l1 of the rows alone at their lengths, summed"),
    ("longer_padding", "ragged", mean_over_the_steps, "weight_ih_l0 of 2 more steps of padding"),
    ("longer_padding", "plain", mean_over_the_steps, "weight_ih_l0 of 2 more steps of padding"),
    ("padding_huge", "ragged", padding_in_the_weight_gradient, "weight_ih_l0 of huge x on the padding"),
    ("padding_nan", "ragged", padding_times_zero, "weight_ih_l0 of NaN on the padding"),
    ("padding_nan", "ragged", padding_times_zero, "weight_ih_l0 of infinity on the padding"),
    ("padding_zero", "ragged", y_is_left_on_the_padding, "y on the padding"),
    ("padding_zero", "ragged", dx_is_left_on_the_padding, "x on the padding"),
    ("prefix", "plain", dx_leaks_over_steps, "x beyond the loss"),
    ("prefix", "plain", mean_over_the_steps, "weight_ih_l0 of the first 4 steps"),
    ("reversal", "both", reverse_half_scaled, "y of both directions exchanged"),
    ("reversal", "ragged", both_directions_scaled, "y of each direction alone"),
    ("row_permutation", "plain", first_row_scaled, "x of rows in another order"),
    ("rows", "plain", dx_leaks_over_rows, "x of row 0, the others changed"),
    ("rows", "plain", dx_leaks_over_rows, "x of other rows, row 1 in the loss"),
    ("rows", "plain", y_takes_the_first_row_for_all, "h_n of row 1, the others changed"),
    ("rows", "plain", weights_wrong_for_one_row, "weight_hh_l0 of row 1 alone"),
    ("rows", "plain", mean_over_the_batch, "weight_hh_l0 of the rows alone, summed"),
    ("split", "plain", dh0_is_zero, "weight_ih_l0 of the sequence cut before step 2"),
    ("stack", "both", lower_layer_scaled_in_a_stack, "weight_hh_l0 of the layers one after the other"),
    ("tied", "both", tied_gradients_are_summed, "weight_hh_l1_reverse of tied parameters"),
    ("tied", "plain", tied_gradients_are_summed, "bias_hh_l0 of tied parameters"),
    ("unit_permutation", "plain", first_unit_scaled, "weight_hh_l0 of units in another order"),
)


@pytest.mark.parametrize(
    ("name", "case", "edit", "tensor"), FAULTS, ids=[f"{f[0]}-{f[1]}-{f[2].__name__}-{i}" for i, f in enumerate(FAULTS)]
)
def test_each_property_sees_a_fault(name: str, case: str, edit: Edit, tensor: str) -> None:
    fault = Fault("planted", "it is wrong", "none known", (), wrap=edited(edit), promises=frozenset({PROMISE}))
    found = ask(Simulated(spec, fault, features=FEATURES), case, name)
    failed = {v.tensor for v in found if v.outcome == "failed"}
    assert tensor in failed
    assert {v.outcome for v in found} <= {"passed", "failed"}


def test_every_property_has_a_fault() -> None:
    assert {name for name, *_ in FAULTS} == OWN


def test_the_whole_jacobian_is_looked_at_for_causality() -> None:
    """The Jacobian alone leaks: nothing else of this property sees it."""

    def wrap(dtype: str, model: Any) -> Any:
        return Wrapped(model, jacobian=lambda m, *args: (m.jacobian(*args) + 1e-9).astype(np.float32))

    fault = Fault("planted", "it is wrong", "none known", (), wrap=wrap)
    found = ask(Simulated(spec, fault, features=FEATURES), "plain", "causality")
    (failed,) = [v for v in found if v.outcome == "failed"]
    assert failed.tensor == "dy_t/dx_s against the direction"
    assert failed.worst is not None
    assert int(failed.worst.where["x step"]) > int(failed.worst.where["y step"])


def test_a_forward_only_backend_is_asked_what_it_can() -> None:
    class ForwardOnly(Promising):
        @property
        def offers(self) -> tuple[Offer, ...]:
            return tuple(replace(offer, operators=frozenset({"forward"})) for offer in super().offers)

    found = ask(ForwardOnly(spec, features=FEATURES), "ragged", *sorted(OWN))
    passed = {v.property for v in found if v.outcome == "passed"}
    assert passed == {"causality", "padding_huge", "padding_nan", "padding_zero"}
    assert {v.outcome for v in found} == {"passed", "skipped"}


# --- where it is not asked, and what it says


def test_a_promise_that_is_not_made_is_not_asked_for() -> None:
    (found,) = ask(numpy_without_promises(), "ragged", "padding_nan")
    assert found.outcome == "not applicable" and "does not promise nan-safe padding" in found.reason


def numpy_without_promises() -> Simulated:
    return Simulated(spec, features=FEATURES)


def test_a_backend_without_absent_states_is_skipped() -> None:
    backend = Simulated(spec, features=FEATURES - {"absent_states", "partial_states"})
    (found,) = ask(backend, "plain", "absent_states")
    assert found.outcome == "skipped" and found.reason == "does not offer absent_states"


def test_a_gap_of_an_offer_is_kept_to() -> None:
    """Both states or neither: only these are asked for, and nothing is raised."""

    class BothOrNeither(Simulated):
        @property
        def offers(self) -> tuple[Offer, ...]:
            gap = Gap("takes both states or neither", features=frozenset({"partial_states"}))
            return tuple(replace(offer, gaps=(gap,)) for offer in super().offers)

    found = ask(BothOrNeither(spec, features=FEATURES), "plain", "absent_states")
    assert {v.outcome for v in found} == {"passed"}
    assert {v.tensor.partition(" of ")[2] for v in found} == {"h0 and c0 not given"}


def test_without_ragged_lengths_there_is_no_longer_padding() -> None:
    (found,) = ask(Simulated(spec, features=FEATURES - {"ragged"}), "plain", "longer_padding")
    assert found.outcome == "skipped" and found.reason == "does not offer ragged"


def test_a_subject_says_what_is_refused() -> None:
    case = build(spec, "single", CASES["ragged"], "float32")
    offer = Offer("lstm", FEATURES - {"ragged"}, modes=(Mode("eager"),))
    target = Target("any", "eager", "cpu", "float32")
    nobody: Any = SimpleNamespace()
    assert Subject(nobody, case, target, frozenset(), Mode("eager")).refusal(case) is None
    subject = Subject(nobody, case, target, frozenset(), Mode("eager"), offer=offer)
    assert subject.refusal(case) == "does not offer ragged"
    assert subject.of(case).refusal(case) == "does not offer ragged"
    with pytest.raises(BackendError, match="does not offer ragged") as raised:
        subject.require(case)
    assert raised.value.kind == "unsupported"


def test_a_lost_gradient_is_said_to_be_lost() -> None:
    def wrap(dtype: str, model: Any) -> Any:
        def vjp(right: Any, inputs: Any, cotangents: Any, wrt: Sequence[str]) -> Any:
            outputs, gradients = right.vjp(inputs, cotangents, wrt)
            return outputs, gradients | dict.fromkeys(("x", "h0", "bias_ih_l0", "weight_hh_l0", "weight_ih_l1"))

        return Wrapped(model, vjp=vjp)

    fault = Fault("planted", "it is wrong", "none known", (), wrap=wrap)
    backend = Simulated(spec, fault, features=FEATURES)
    found = [v for case in ("plain", "ragged", "dropout") for v in ask(backend, case, *sorted(OWN))]
    said = {v.property: v.reason for v in found if v.outcome == "failed"}
    assert {v.outcome for v in found} == {"passed", "failed", "not applicable"}
    assert set(said) == OWN - {"padding_nan"}
    assert said["split"] == "got no gradient of the state that was carried over the cut before step 1"
    assert said["stack"] == "got no gradient of shape (2, 3, 4)"


# --- the relations themselves


def test_what_changed_is_named() -> None:
    case = build(spec, "single", CASES["plain"], "float32")
    tensor = case.table["y"]
    one = np.zeros(tensor.shape, np.float32)
    other = one.copy()
    other[1, 2, 3] = 0.5
    everywhere = np.ones(tensor.shape, dtype=bool)
    found = unchanged("y", one, other, everywhere, tensor)
    assert found.fault == (
        "1 of 40 elements that should stay as they are, bit for bit, do not: the first at [1, 2, 3] "
        "(row 1, step 2, direction forward, unit 3) was 0 and is 0.5"
    )
    assert unchanged("y", one, other, other == 0, tensor).fault == ""
    assert unchanged("y", one, -one, everywhere, tensor).fault == ""
    assert unchanged("y", other * np.nan, other * np.nan, everywhere, tensor).fault == ""
    assert "shape (2, 5, 4) and None" in unchanged("y", one, None, everywhere, tensor).fault


def test_what_should_be_zero_is_looked_at_where_it_should() -> None:
    from gradassay._judge import judge

    got = np.array([0.0, 1e-40, np.nan])
    assert judge(exactly_zero("x", got, np.array([True, False, False]), ()))["outcome"] == "passed"
    assert "1 of 3 elements that are exactly 0 are not" in judge(exactly_zero("x", got, got == 1e-40, ()))["reason"]
    assert "1 of 3 elements are not finite" in judge(exactly_zero("x", got, np.isnan(got), ()))["reason"]


def test_the_noise_of_a_sum_is_that_of_all_its_terms() -> None:
    case = build(spec, "single", CASES["plain"], "float64")
    scale = truth(oracle(), case)["d bias_ih_l0"]
    small = replace(scale, sigma=np.full_like(scale.sigma, 3e-200))
    part = replace(scale, sigma=np.full_like(scale.sigma, 4e-200))
    assert np.allclose(combined(scale.high, small, [part]).sigma / 1e-200, 5.0)
    assert np.allclose(combined(scale.high, small, [part], 2).sigma / 1e-200, np.sqrt(34.0))
    assert combined(scale.high, scale, [replace(part, blind="dark")]).blind == "dark"


def test_a_part_without_a_gradient_is_no_sum() -> None:
    case = build(spec, "single", CASES["plain"], "float32")
    scales = truth(oracle(), case)
    right = np.zeros(16, np.float32)
    wholes: dict[str, Any] = {"bias_ih_l0": right}
    parts: list[dict[str, Any]] = [{"bias_ih_l0": right}, {"bias_ih_l0": None}]
    (found,) = added(wholes, parts, scales, [scales, scales], ["bias_ih_l0"], case, "two")
    assert found.fault == "part 2 of 2 has no gradient of shape (16,), so that there is no sum"
    (found,) = added({}, parts, scales, [scales, scales], ["bias_ih_l0"], case, "two")
    assert "the first answer has no array of its shape" in found.fault


def test_a_first_answer_without_an_array_compares_to_nothing() -> None:
    case = build(spec, "single", CASES["plain"], "float32")
    (found,) = same(Answer(), Answer(), truth(oracle(), case), case, "nothing", ["y"])
    assert found.tensor == "y of nothing" and "there is nothing to compare" in found.fault


def test_what_may_be_one_array() -> None:
    def of(config: LSTM) -> tuple[tuple[str, ...], ...]:
        return groups(build(spec, "single", template("t", config, Call(2, 2)), "float32"))

    assert of(LSTM(3, 4)) == (("bias_ih_l0", "bias_hh_l0"),)
    assert of(LSTM(3, 4, bias=False)) == ()
    assert ("weight_hh_l0", "weight_hh_l1") in of(LSTM(3, 4, num_layers=2, bias=False))


def test_names_are_unique() -> None:
    names: list[Property] = list(properties)
    assert len({p.name for p in names}) == len(names)
