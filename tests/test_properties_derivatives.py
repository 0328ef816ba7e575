"""Losses, wrt, linearity, symmetry, one_hot: right in every regime and dtype, and each sees what others do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from wrongly import ask, failures

from gradassay._case import build
from gradassay._oracle import Query
from gradassay._record import Verdict
from gradassay._simulated import Simulated
from gradassay._single import in_memory, verify_case
from gradassay._spec import CaseTemplate
from gradassay._target import DTYPES, numpy_dtype
from gradassay.properties import properties
from gradassay.properties.linearity import factors, halves
from gradassay.properties.losses import subsets
from gradassay.properties.symmetry import second_direction
from gradassay.properties.wrt import groups
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._features import FEATURES
from gradassay_mse import spec as mse
from gradassay_numpy import numpy_backend
from gradassay_torch import torch_backend

NEW = ("losses", "wrt", "linearity", "symmetry", "one_hot", "storage", "repeat", "memory", "random", "contract")
ASKED = (*NEW, "values", "gradients", "jvp", "hvp", "adjoint", "jacobian", "untouched")
ASK = {"jacobian": [["y", "x"], ["c_n", "weight_hh_l0"]]}
REGIMES = ("unit", "saturated", "tiny", "underflow", "huge", "spiky")
oracle = in_memory()


def seen_by(does: Mapping[str, Callable[..., Any]], case: str = "plain", dtype: str = "float32") -> set[str]:
    """Return the properties that fail."""
    verdicts = ask(oracle.cache, ASKED, does, dtype, case)
    assert {verdict.outcome for verdict in verdicts} <= {"passed", "failed", "blind"}
    return {verdict.property for verdict in verdicts if verdict.outcome == "failed"}


def asked(property_: str, does: Mapping[str, Callable[..., Any]], case: str = "plain") -> dict[str, Verdict]:
    """Return what fails of one property, by tensor."""
    verdicts = ask(oracle.cache, [property_], does, "float32", case)
    return {verdict.tensor: verdict for verdict in verdicts if verdict.outcome == "failed"}


def vjp(change: Callable[[Any, Any, dict[str, Any]], Any]) -> dict[str, Callable[..., Any]]:
    """A VJP whose gradients are changed by `change(cotangents, wrt, gradients)`."""

    def method(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        outputs, gradients = model.vjp(inputs, cotangents, wrt)
        return outputs, change(cotangents, wrt, dict(gradients))

    return {"vjp": method}


def off(gradients: dict[str, Any], name: str, factor: float = 1.01) -> dict[str, Any]:
    if name not in gradients:
        return gradients
    return gradients | {name: (gradients[name] * factor).astype(gradients[name].dtype)}


# --- no false alarms


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("regime", REGIMES)
def test_right_implementations_pass_in_every_regime(regime: str, dtype: str) -> None:
    template = CaseTemplate("made", LSTM(3, 4, bidirectional=True), Call(2, 4), regime, seed=31, ask=ASK)
    for backend in (Simulated(spec, features=FEATURES), numpy_backend, torch_backend):
        if all(dtype in offer.dtypes for offer in backend.offers):
            found = verify_case(backend, spec, template, dtype, properties=NEW, oracle=oracle)
            assert not [verdict for verdict in found if verdict.outcome not in ("passed", "blind")]
            assert {verdict.property for verdict in found} == set(NEW)


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_verdicts_are_blind_in_an_ordinary_regime(dtype: str) -> None:
    template = CaseTemplate("made", LSTM(3, 4), Call(2, 4), "unit", seed=32, ask=ASK)
    found = verify_case(Simulated(spec, features=FEATURES), spec, template, dtype, properties=NEW, oracle=oracle)
    assert sum(verdict.outcome == "blind" for verdict in found) <= 1


@pytest.mark.parametrize("order", ["sequential", "reversed", "pairwise"])
def test_sums_in_another_order_pass(order: Any) -> None:
    template = CaseTemplate("made", LSTM(3, 4), Call(3, 6, lengths=(6, 4, 1)), "unit", seed=33, ask=ASK)
    backend = Simulated(spec, order=order, features=FEATURES)
    found = verify_case(backend, spec, template, "bfloat16", properties=NEW, oracle=oracle)
    assert not [verdict for verdict in found if verdict.outcome not in ("passed", "blind")]


@pytest.mark.parametrize("call", [Call(2, 0), Call(0, 3), Call(0, 0)], ids=["no steps", "no batch", "neither"])
def test_empty_calls_pass(call: Call) -> None:
    template = CaseTemplate("made", LSTM(3, 4), call, "unit", seed=34, ask={"jacobian": [["y", "x"]]})
    found = verify_case(numpy_backend, spec, template, "float64", properties=NEW, oracle=oracle)
    assert not [verdict for verdict in found if verdict.outcome not in ("passed", "blind")]


# --- losses


@pytest.mark.parametrize(
    ("outputs", "count"), [("a", 0), ("ab", 2), ("abc", 6), ("abcd", 14), ("abcde", 5 + 10 + 5), ("abcdef", 12)]
)
def test_subsets(outputs: str, count: int) -> None:
    found = subsets(tuple(outputs))
    assert len(found) == len(set(found)) == count and tuple(outputs) not in found
    assert subsets(tuple(outputs), compiled=True) == ([(name,) for name in outputs] if len(outputs) > 1 else [])


def test_losses_apply_where_there_are_several() -> None:
    case = build(spec, "made", CaseTemplate("made", LSTM(2, 3), Call(1, 2), "unit", seed=1), "float32")
    last = replace(case, template=replace(case.template, ask={"cotangents": "last output"}))
    scalar = build(mse, "made", case.template, "float32")
    assert [properties()["losses"].applies(one) for one in (case, last, scalar)] == [True, False, False]


def test_losses_when_an_absent_cotangent_is_replaced_by_another() -> None:
    """The gradient of a missing dy is that of h_n at every step, where it should be zero."""

    def method(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        if "y" not in cotangents and "h_n" in cotangents:
            steps = inputs["x"].shape[1]
            cotangents = cotangents | {"y": np.repeat(cotangents["h_n"][0][:, None], steps, axis=1)}
        return model.vjp(inputs, cotangents, wrt)

    assert seen_by({"vjp": method}) == {"losses"}
    found = asked("losses", {"vjp": method})
    assert {"x", "h0", "c0", "weight_hh_l0"} <= set(found)
    assert found["x"].worst is not None and found["x"].worst.where["loss sees"] in ("h_n", "h_n and c_n")


def test_losses_when_there_is_no_gradient() -> None:
    does = vjp(lambda cotangents, wrt, g: g | {"h0": None} if set(cotangents) == {"c_n"} else g)
    assert seen_by(does) == {"losses"}
    assert failures(ask(oracle.cache, ["losses"], does)) == {
        "h0 of c_n": "got None: 'no gradient', which is not zero; should be an array of shape (1, 2, 4)"
    }


def test_losses_when_what_is_structurally_zero_leaks() -> None:
    """After one step the output gate decides h_n, and not c_n."""

    def leak(cotangents: Any, wrt: Any, gradients: dict[str, Any]) -> Any:
        if set(cotangents) == {"c_n"}:
            gradients["bias_ih_l0"] = gradients["bias_ih_l0"].copy()
            gradients["bias_ih_l0"][3] = 1e-9
        return gradients

    found = asked("losses", vjp(leak), case="one")
    assert set(found) == {"bias_ih_l0"} and "that are exactly 0 are not" in found["bias_ih_l0"].reason
    assert found["bias_ih_l0"].worst is not None
    assert found["bias_ih_l0"].worst.where == {
        "loss sees": "c_n",
        "bias_ih_l0 layer": "0",
        "bias_ih_l0 direction": "forward",
        "bias_ih_l0 gate": "o",
        "bias_ih_l0 unit": "0",
    }


# --- wrt


def made(**changes: Any) -> Any:
    told: dict[str, Any] = {"name": "made", "config": LSTM(2, 3), "call": Call(1, 2), "regime": "unit", "seed": 5}
    return build(spec, "made", CaseTemplate(**(told | changes)), "float32")


def test_groups() -> None:
    parameters = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    assert groups(made()) == {
        "inputs alone": ("x",),
        "parameters alone": parameters,
        "inputs and states": ("x", "h0", "c0"),
        "h0 alone": ("h0",),
        "c0 alone": ("c0",),
        "weight_hh_l0 alone": ("weight_hh_l0",),
    }
    assert groups(made(), compiled=True) == {"inputs alone": ("x",), "parameters alone": parameters}
    assert list(groups(made(call=Call(1, 2, h0=False, c0=False), seed=6))) == [
        "inputs alone",
        "parameters alone",
        "bias_ih_l0 alone",
    ]


def test_another_seed_takes_another_parameter() -> None:
    taken = {list(groups(made(seed=seed)))[-1] for seed in range(4)}
    assert taken == {"weight_ih_l0 alone", "weight_hh_l0 alone", "bias_ih_l0 alone", "bias_hh_l0 alone"}


def test_wrt_when_a_carry_without_gradient_is_cut() -> None:
    """The gradient of the recurrent weights is right only while h0 has one."""
    does = vjp(lambda cotangents, wrt, g: g if "h0" in wrt else off(g, "weight_hh_l0"))
    assert seen_by(does) == {"wrt"}
    found = asked("wrt", does)
    assert set(found) == {"weight_hh_l0"}
    worst = found["weight_hh_l0"].worst
    assert worst is not None and worst.where["by way of"] == "parameters alone"


def test_wrt_when_more_comes_back_than_was_asked_for() -> None:
    def method(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        everything = [*inputs, *model.parameters()]
        return model.vjp(inputs, cotangents, everything)

    assert seen_by({"vjp": method}) == {"wrt"}
    reasons = failures(ask(oracle.cache, ["wrt"], {"vjp": method}))
    assert reasons["gradients of c0 alone"] == (
        "bias_hh_l0, bias_ih_l0, h0, weight_hh_l0, weight_ih_l0, x came back, though nobody asked; should be c0 alone"
    )


def test_wrt_when_the_outputs_are_others() -> None:
    def method(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        outputs, gradients = model.vjp(inputs, cotangents, wrt)
        return (outputs if "x" in wrt else outputs | {"h_n": outputs["c_n"]}), gradients

    assert seen_by({"vjp": method}) == {"wrt"}
    assert set(asked("wrt", {"vjp": method})) == {"h_n of vjp"}


# --- linearity


@pytest.mark.parametrize("dtype", DTYPES)
def test_factors_round_no_cotangent(dtype: str) -> None:
    case = build(spec, "made", CaseTemplate("made", LSTM(8, 9), Call(8, 9), "unit", seed=1), dtype)
    found = factors(case)
    assert len(found) == 2 and min(found.values()) < 0 < max(found.values()) < 1
    for factor in found.values():
        for cotangent in case.cotangents.values():
            wide = cotangent.astype(np.float64) * factor
            assert np.array_equal(wide.astype(numpy_dtype(dtype)).astype(np.float64), wide)
    assert set(found.values()) >= ({2.0**-10, -(2.0**10)} if dtype != "float16" else {-(2.0**4)})


def test_a_small_float16_is_scaled_down_less() -> None:
    case = made()
    small = np.full_like(case.cotangents["y"], 1.001 * 2.0**-12).astype(np.float16)
    case = replace(case, dtype="float16", cotangents={"y": small})
    assert set(factors(case)) == {"2^-2", "-2^4"}


def test_halves_add_up_bit_for_bit() -> None:
    case = made()
    one, other = halves(case)
    for name, cotangent in case.cotangents.items():
        assert np.array_equal(one[name] + other[name], cotangent) and not (one[name] * other[name]).any()
        assert one[name].dtype == other[name].dtype == cotangent.dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_linearity_when_gradients_are_clipped_in_the_layer(dtype: str) -> None:
    def clipped(cotangents: Any, wrt: Any, gradients: dict[str, Any]) -> Any:
        return {n: np.clip(a.astype(np.float64), -30, 30).astype(a.dtype) for n, a in gradients.items()}

    does = vjp(clipped)
    assert seen_by(does, dtype=dtype) == {"linearity"}


def test_linearity_says_at_which_factor() -> None:
    does = vjp(lambda cotangents, wrt, g: {n: np.clip(a, -30, 30) for n, a in g.items()})
    found = asked("linearity", does)
    assert {verdict.worst.where["cotangent taken"] for verdict in found.values() if verdict.worst} == {"times -2^10"}


def test_linearity_when_negative_cotangents_count_otherwise() -> None:
    def negated(cotangents: Any, wrt: Any, gradients: dict[str, Any]) -> Any:
        return off(gradients, "c0") if abs(cotangents["y"]).max() > 100 and "y" in cotangents else gradients

    assert set(asked("linearity", vjp(negated))) == {"c0"}


def test_linearity_when_zeros_count_otherwise() -> None:
    def sparse(cotangents: Any, wrt: Any, gradients: dict[str, Any]) -> Any:
        zeros = sum(int((v == 0).sum()) for v in cotangents.values())
        return off(gradients, "x") if zeros else gradients

    assert seen_by(vjp(sparse)) == {"linearity", "one_hot"}
    worst = asked("linearity", vjp(sparse))["x"].worst
    assert worst is not None and worst.where["cotangent taken"] == "in halves"


def test_linearity_leaves_overflow_to_the_oracle() -> None:
    """Gradients that only the scaled cotangents bring beyond float16's range are blind, and no fault."""
    template = CaseTemplate("made", LSTM(3, 4), Call(64, 20), "positive", seed=3)
    case = build(spec, "made", template, "float16")
    scale = next(f for f in factors(case).values() if f < 0)
    along = {n: (v.astype("f8") * scale * 256).astype("f2") for n, v in case.cotangents.items()}
    beyond = oracle.ask(case, Query("vjp", cotangents=along, wrt=case.differentiable))
    assert any(reference.overflow for reference in beyond.values())
    case = replace(case, cotangents={n: (v.astype("f8") * 256).astype("f2") for n, v in case.cotangents.items()})
    model = Simulated(spec, features=FEATURES)
    with np.errstate(invalid="ignore"):  # the simulated model's own
        found = list(properties()["linearity"].check(Direct(model, case), case, oracle))  # type: ignore[arg-type]
    assert any(finding.reference is not None and finding.reference.blind for finding in found)
    assert not [finding for finding in found if finding.fault]


class Direct:
    """A subject without a worker between."""

    def __init__(self, backend: Any, case: Any) -> None:
        self._model = backend.load(spec.name, case.config, case.parameters, SimpleNamespace(dtype=case.dtype))
        self._case = case

    def vjp(self, cotangents: Any = None) -> Any:
        along = self._case.cotangents if cotangents is None else cotangents
        outputs, gradients = self._model.vjp(self._case.inputs, along, self._case.differentiable)
        return SimpleNamespace(outputs=outputs, gradients=gradients)


# --- symmetry


def test_the_second_direction_is_another() -> None:
    case = made()
    w = second_direction(case)
    assert set(w) == set(case.tangents)
    for name, tangent in case.tangents.items():
        assert w[name].dtype == tangent.dtype and w[name].shape == tangent.shape
        assert not np.any(w[name] == tangent)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_symmetry_of_the_oracle_itself(dtype: str) -> None:
    case = build(spec, "made", CaseTemplate("made", LSTM(2, 3), Call(2, 3), "unit", seed=5), dtype)
    query = Query("symmetry", case.cotangents, case.tangents, case.differentiable, against=second_direction(case))
    this, that = oracle.ask(case, query).values()
    assert abs(this.high - that.high) <= 1e-14 * abs(this.high) and this.sigma > 0 and that.sigma > 0
    assert abs(this.high) > 16 * this.sigma


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_symmetry_when_the_second_derivative_is_kept_by_its_shape(dtype: str) -> None:
    kept: dict[Any, Any] = {}

    def hvp(model: Any, inputs: Any, *args: Any) -> Any:
        return kept.setdefault(inputs["x"].shape, model.hvp(inputs, *args))

    assert seen_by({"hvp": hvp}, dtype=dtype) == {"symmetry"}


def test_symmetry_when_a_cross_term_is_missing() -> None:
    def hvp(model: Any, inputs: Any, cotangents: Any, tangents: Any, wrt: Any) -> Any:
        full = model.hvp(inputs, cotangents, tangents, wrt)
        without = {name: u * (name != "h0") for name, u in tangents.items()}
        return full | {"x": model.hvp(inputs, cotangents, without, wrt)["x"]}

    assert seen_by({"hvp": hvp}) == {"hvp", "symmetry"}


def test_symmetry_without_a_second_derivative() -> None:
    reasons = failures(ask(oracle.cache, ["symmetry"], {"hvp": lambda model, *args: dict.fromkeys(args[3])}))
    assert reasons == {"<w, H u>": "x has no second derivative of its shape, so that there is no product to compare"}


# --- one_hot


def test_one_hot_when_a_sparse_cotangent_takes_another_path() -> None:
    def sparse(cotangents: Any, wrt: Any, gradients: dict[str, Any]) -> Any:
        return off(gradients, "x") if sum(int((v != 0).sum()) for v in cotangents.values()) == 1 else gradients

    assert seen_by(vjp(sparse)) == {"one_hot"}
    found = asked("one_hot", vjp(sparse))
    assert set(found) == {"d y / d x"}
    worst = found["d y / d x"].worst
    assert worst is not None and worst.where["row of"] in ("row=0 step=0 direction=forward unit=0", *ROWS)


ROWS = ("row=1 step=0 direction=forward unit=0", "row=1 step=4 direction=forward unit=3")


def test_one_hot_when_the_future_reaches_the_past() -> None:
    """An exact zero of the Jacobian is one of every row too."""

    def leak(cotangents: Any, wrt: Any, gradients: dict[str, Any]) -> Any:
        if cotangents["y"][0, 0, 0] == 1:
            gradients["x"] = gradients["x"].copy()
            gradients["x"][0, 4, 2] = 1e-9
        return gradients

    found = asked("one_hot", vjp(leak))
    assert "that are exactly 0 are not" in found["d y / d x"].reason


def test_one_hot_of_no_jacobian() -> None:
    does = {"jacobian": lambda model, *args: model.jacobian(*args).ravel()}
    reasons = failures(ask(oracle.cache, ["one_hot"], does))
    assert reasons["d y / d x"] == "there is no Jacobian of shape (2, 5, 4, 2, 5, 3), so that it has no rows"


def test_a_jacobian_by_parameters_and_in_blocks() -> None:
    """The pairs may name parameters, and a block takes all of a tensor that has no steps."""
    block = {"of": "y", "of_steps": [1, 3], "wrt": "weight_hh_l0", "wrt_steps": [0, 4]}
    told = {"jacobian": [["c_n", "bias_ih_l0"]], "jacobian_block": block}
    template = CaseTemplate("made", LSTM(2, 3), Call(2, 4), "unit", seed=9, ask=told)
    found = verify_case(numpy_backend, spec, template, "float64", properties=["jacobian", "one_hot"], oracle=oracle)
    assert {verdict.outcome for verdict in found} == {"passed"}
    assert [(v.property, v.tensor, v.elements) for v in found] == [
        ("jacobian", "d c_n / d bias_ih_l0", 6 * 12),
        ("jacobian", "d y / d weight_hh_l0, steps (1, 3) by (0, 4)", 2 * 2 * 3 * 12 * 3),
        ("one_hot", "d c_n / d bias_ih_l0", 3 * 12),
        ("one_hot", "d y / d weight_hh_l0", 3 * 12 * 3),
    ]
