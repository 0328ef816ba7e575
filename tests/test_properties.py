"""Every generic property passes on a right implementation, and fails on one that is wrong in just its way."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from wrongly import ask as ask_wrongly
from wrongly import broken, failures

import gradassay.properties
from gradassay._backend import Unsupported
from gradassay._cache import Cache
from gradassay._case import build
from gradassay._oracle import Oracle, Query
from gradassay._property import Property
from gradassay._record import Footer, Verdict, encode
from gradassay._run import verify
from gradassay._session import Answer
from gradassay._simulated import Simulated
from gradassay._spec import CaseTemplate
from gradassay._target import DTYPES, Target
from gradassay.properties import properties
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._features import FEATURES
from gradassay_mse import spec as mse

GENERIC = (
    "adjoint",
    "contract",
    "gradients",
    "hvp",
    "jacobian",
    "jvp",
    "linearity",
    "losses",
    "memory",
    "one_hot",
    "process",
    "random",
    "repeat",
    "storage",
    "symmetry",
    "untouched",
    "values",
    "wrt",
)
RARE = {"process"}  # asked of few cases: a fresh process costs the import of a framework


@pytest.fixture(scope="module")
def store() -> Cache:
    cache = Cache()
    cache.directory = None
    return cache


@pytest.fixture
def ask(store: Cache) -> Callable[..., list[Verdict]]:
    """Ask one property of one case of a wrong model."""

    def asked(
        property_: str, does: Mapping[str, Any], dtype: str = "float32", case: str = "plain", ran: Any = None
    ) -> list[Verdict]:
        return ask_wrongly(store, [property_], does, dtype, case, ran)

    return asked


# --- a right implementation


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", [spec, mse], ids=lambda spec: spec.name)
def test_a_right_implementation_passes_everything(model: Any, dtype: str, store: Cache) -> None:
    right = Simulated(model, features=FEATURES)
    records = verify(
        [f"{right.name}/{dtype}"],
        specs=[model.name],
        suites=["smoke"],
        properties=GENERIC,
        objects=[right],
        cache=store,
        diagnose=False,
    )
    verdicts = [record for record in records if isinstance(record, Verdict)]
    assert not [v for v in verdicts if v.outcome not in ("passed", "blind")]
    lacks = {"losses"} if model is mse else set[str]()  # it has one output
    assert {v.property for v in verdicts} == set(GENERIC) - RARE - lacks
    blind = [v for v in verdicts if v.outcome == "blind"]
    assert {v.property for v in blind} <= {"adjoint", "hvp", "losses", "symmetry"} and len(blind) < len(verdicts) / 20
    footer = records[-1]
    assert isinstance(footer, Footer) and footer.complete and not footer.wrong
    assert footer.counts.get("passed") == len(verdicts) - len(blind)
    assert all(v.max < v.limit_max for v in verdicts if v.max is not None and v.limit_max is not None)


@pytest.mark.parametrize("property_", sorted(set(GENERIC) - RARE))
def test_a_wrapped_model_that_replaces_nothing_passes(property_: str, ask: Callable[..., list[Verdict]]) -> None:
    """So that what fails below fails for its fault."""
    verdicts = ask(property_, {})
    assert verdicts and {verdict.outcome for verdict in verdicts} == {"passed"}
    assert all(f"--property {property_}" in verdict.replay for verdict in verdicts)


# --- contract


def outputs_with(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    def vjp(model: Any, *args: Any) -> Any:
        outputs, gradients = model.vjp(*args)
        return change(dict(outputs)), gradients

    return {"vjp": vjp}


def gradients_with(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    def vjp(model: Any, *args: Any) -> Any:
        outputs, gradients = model.vjp(*args)
        return outputs, change(dict(gradients))

    return {"vjp": vjp}


def put(name: str, index: Any, value: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(tensors: dict[str, Any]) -> dict[str, Any]:
        array = np.array(tensors[name])
        array[index] = value
        return tensors | {name: array}

    return change


@pytest.mark.parametrize(
    ("does", "tensor", "reason"),
    [
        (
            gradients_with(lambda g: g | {"x": g["x"].swapaxes(0, 1)}),
            "x",
            r"x has shape \(5, 2, 3\); should be \(2, 5, 3\)",
        ),
        (gradients_with(lambda g: g | {"h0": g["h0"][0]}), "h0", r"h0 has shape \(2, 4\); should be \(1, 2, 4\)"),
        (gradients_with(lambda g: g | {"c0": g["c0"].astype("f8")}), "c0", "c0 has dtype float64; should be float32"),
        (gradients_with(lambda g: g | {"x": None}), "x", r"x has no gradient \(None\); should be an array of shape"),
        (gradients_with(lambda g: {n: g[n] for n in g if n != "x"}), "x", r"x is missing; should be there with shape"),
        (gradients_with(lambda g: g | {"y": g["x"]}), "gradients", "y came back, though nobody asked; should be x, "),
        (
            gradients_with(put("weight_hh_l0", (3, 1), np.nan)),
            "weight_hh_l0",
            r"weight_hh_l0 has 1 elements that are not finite, the first at \[3, 1\]",
        ),
        (outputs_with(put("y", (0, 0, 0), np.inf)), "y", r"y has 1 elements that are not finite, the first at"),
        (outputs_with(lambda o: o | {"gates": o["y"]}), "outputs", "gates came back, though nobody asked"),
        (outputs_with(lambda o: {"y": o["y"], "h_n": o["h_n"]}), "c_n", "c_n is missing; should be there"),
        (outputs_with(lambda o: o | {"h_n": o["h_n"].astype("f2")}), "h_n", "h_n has dtype float16; should be float32"),
    ],
)
def test_contract(does: Any, tensor: str, reason: str, ask: Callable[..., list[Verdict]]) -> None:
    found = failures(ask("contract", does))
    assert set(found) == {tensor}
    assert re.search(reason, found[tensor])


@pytest.mark.parametrize("property_", sorted(set(GENERIC) - RARE))
@pytest.mark.parametrize(
    "does",
    [
        {"vjp": lambda model, *args: tuple({n: a.reshape(-1) for n, a in part.items()} for part in model.vjp(*args))},
        {"vjp": lambda model, *args: (model.vjp(*args)[0], dict.fromkeys(args[2]))},
        {"vjp": lambda model, *args: ({}, {})},
        {"jvp": lambda model, *args: tuple({n: a[..., :1] for n, a in part.items()} for part in model.jvp(*args))},
        {"jvp": lambda model, *args: ({}, {})},
        {"forward": lambda model, *args: {}},
        {"forward": lambda model, *args: {n: a[..., None] for n, a in model.forward(*args).items()}},
        {"jacobian": lambda model, *args: model.jacobian(*args).ravel()},
        {"hvp": lambda model, *args: {}},
        {"hvp": lambda model, *args: dict.fromkeys(args[3])},
        {"hvp": lambda model, *args: {n: a.T for n, a in model.hvp(*args).items()}},
    ],
    ids=lambda does: next(iter(does)),
)
def test_no_malformed_answer_ends_a_run(property_: str, does: Any, ask: Callable[..., list[Verdict]]) -> None:
    verdicts = ask(property_, does)
    assert verdicts and {verdict.outcome for verdict in verdicts} <= {"passed", "failed"}


# --- values, gradients


@pytest.mark.parametrize("dtype", DTYPES)
def test_values(dtype: str, ask: Callable[..., list[Verdict]]) -> None:
    def forward(model: Any, *args: Any) -> Any:
        outputs = dict(model.forward(*args))
        return put("h_n", (0, 1, 2), float(outputs["h_n"][0, 1, 2]) + 0.5)(outputs)

    verdicts = ask("values", {"forward": forward}, dtype)
    assert set(failures(verdicts)) == {"h_n"}
    failed = next(verdict for verdict in verdicts if verdict.outcome == "failed")
    assert failed.worst is not None and failed.worst.index == (0, 1, 2)
    assert failed.worst.where == {"layer": "0", "direction": "forward", "row": "1", "unit": "2"}
    assert set(failed.still_right) == {"y", "c_n", "h_n of vjp"}  # which came out right with the gradients


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["x", "h0", "c0", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
def test_gradients(name: str, dtype: str, ask: Callable[..., list[Verdict]]) -> None:
    wrong = gradients_with(lambda g: g | {name: (g[name] * g[name].dtype.type(1.25)).astype(g[name].dtype)})
    assert set(failures(ask("gradients", wrong, dtype))) == {name}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda g: g | {"x": None},
            "got None: 'no gradient', which is not zero; should be an array of shape (2, 5, 3)",
        ),
        (lambda g: {n: g[n] for n in g if n != "x"}, "got nothing; should be an array of shape (2, 5, 3)"),
        (lambda g: g | {"x": g["x"][:1]}, "got shape (1, 5, 3); should be (2, 5, 3)"),
        (put("x", (1, 4, 2), np.nan), "1 of 30 elements are not finite"),
    ],
)
def test_gradients_that_are_not_there(change: Any, reason: str, ask: Callable[..., list[Verdict]]) -> None:
    assert failures(ask("gradients", gradients_with(change))) == {"x": reason}


def test_a_zero_gradient_is_wrong_where_none_is_not_zero(ask: Callable[..., list[Verdict]]) -> None:
    assert set(failures(ask("gradients", gradients_with(lambda g: g | {"x": g["x"] * 0})))) == {"x"}


# --- the derivatives of more than a loss


def scaled(name: str, factor: float, part: int | None = None) -> dict[str, Any]:
    def method(model: Any, *args: Any) -> Any:
        answer = getattr(model, name)(*args)
        if part is None and isinstance(answer, np.ndarray):
            return (answer * factor).astype(answer.dtype)
        tensors = {n: (a * factor).astype(a.dtype) for n, a in (answer if part is None else answer[part]).items()}
        return tensors if part is None else (answer[0], tensors)

    return {name: method}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_jvp(dtype: str, ask: Callable[..., list[Verdict]]) -> None:
    assert set(failures(ask("jvp", scaled("jvp", 1.001, 1), dtype))) == {"y", "h_n", "c_n"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("does", [scaled("jvp", 1.001, 1), scaled("vjp", 1.001, 1)], ids=["jvp", "vjp"])
def test_adjoint(does: Any, dtype: str, ask: Callable[..., list[Verdict]]) -> None:
    assert set(failures(ask("adjoint", does, dtype))) == {"<v, J u>"}


def test_adjoint_of_both_wrong_alike_passes(ask: Callable[..., list[Verdict]]) -> None:
    """It needs no reference value, and so cannot see this: jvp and gradients do."""
    assert not failures(ask("adjoint", scaled("jvp", 1.001, 1) | scaled("vjp", 1.001, 1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_adjoint_of_what_is_not_finite(bad: float, ask: Callable[..., list[Verdict]]) -> None:
    assert (
        "1 of 1 elements" in failures(ask("adjoint", gradients_with(put("x", (0, 0, 0), bad)), "float64"))["<v, J u>"]
    )
    assert "not finite" in failures(ask("adjoint", scaled("jvp", bad, 1), "float64"))["<v, J u>"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_hvp_when_only_the_second_derivative_is_wrong(dtype: str, ask: Callable[..., list[Verdict]]) -> None:
    does = scaled("hvp", 1.001)
    assert {"x", "weight_hh_l0"} <= set(failures(ask("hvp", does, dtype)))
    assert not failures(ask("gradients", does, dtype)) and not failures(ask("jvp", does, dtype))


def test_jacobian_that_is_off(ask: Callable[..., list[Verdict]]) -> None:
    assert set(failures(ask("jacobian", scaled("jacobian", 1.001)))) == {"d y / d x", "d h_n / d h0"}


@pytest.mark.parametrize("leak", [1e-3, 6e-8])
@pytest.mark.parametrize("dtype", DTYPES)
def test_jacobian_with_a_structural_zero_that_leaks(dtype: str, leak: float, ask: Callable[..., list[Verdict]]) -> None:
    def jacobian(model: Any, *args: Any) -> Any:
        answer = np.array(model.jacobian(*args))
        if answer.ndim == 6 and args[-1] == "x":
            answer[0, 1, 3, 0, 4, 2] = leak  # step 1 with respect to step 4
        return answer

    verdict, other = ask("jacobian", {"jacobian": jacobian}, dtype)
    assert (verdict.tensor, other.tensor, other.outcome) == ("d y / d x", "d h_n / d h0", "passed")
    assert verdict.outcome == "failed" and "1 of " in verdict.reason and "that are exactly 0 are not" in verdict.reason
    assert verdict.worst is not None and verdict.worst.kind == "structural zero"
    assert verdict.worst.where["y step"] == "1" and verdict.worst.where["x step"] == "4"


def test_jacobian_of_two_pairs_is_asked_for_both(ask: Callable[..., list[Verdict]]) -> None:
    assert {verdict.tensor for verdict in ask("jacobian", {}, case="one")} == {"d y / d x", "d c_n / d c0"}


# --- behaviour


def test_repeat_when_the_second_answer_differs(ask: Callable[..., list[Verdict]]) -> None:
    calls = []

    def vjp(model: Any, *args: Any) -> Any:
        outputs, gradients = model.vjp(*args)
        calls.append(args)
        if len(calls) > 1:
            gradients = gradients | {"x": gradients["x"] * np.float32(1.01)}
        return outputs, gradients

    others = {"x of other data", "x of another shape", "x of another loss"}
    assert set(failures(ask("repeat", {"vjp": vjp}))) == {"x"} | others
    shapes = [args[0]["x"].shape for args in calls]
    assert shapes == [(2, 5, 3), (2, 5, 3), (2, 5, 3), (3, 6, 3), (2, 5, 3)]
    assert [set(args[1]) == {"y"} for args in calls] == [False, False, True, False, False]  # another loss


def test_repeat_sees_an_answer_that_is_kept_by_its_shape(ask: Callable[..., list[Verdict]]) -> None:
    kept: dict[Any, Any] = {}

    def vjp(model: Any, inputs: Any, *args: Any) -> Any:
        return kept.setdefault(inputs["x"].shape, model.vjp(inputs, *args))

    wrong = set(failures(ask("repeat", {"vjp": vjp})))
    assert {"y of other data", "x of other data"} <= wrong and "x" not in wrong


def test_repeat_sees_a_forward_that_is_right_only_once(ask: Callable[..., list[Verdict]]) -> None:
    calls = []

    def forward(model: Any, inputs: Any) -> Any:
        calls.append(None)
        outputs = model.forward(inputs)
        return outputs if len(calls) == 1 else outputs | {"y": outputs["y"] * np.float32(1.01)}

    found = set(failures(ask("repeat", {"forward": forward})))
    assert "y of forward" in found and {name.partition(" of ")[0] for name in found} == {"y"}


@pytest.mark.parametrize(
    ("leaks", "wrong"), [((1e-3, 0, 0, 1e-3), False), ((0, 0, 0, 1e-3), True), ((1e-3, 0, 0, 2e-3), True)]
)
def test_repeat_of_a_leak_is_about_its_being_the_same(
    leaks: tuple[float, ...], wrong: bool, ask: Callable[..., list[Verdict]]
) -> None:
    """Other data and another loss are asked for between the two, and another shape, which has a row more."""
    calls = []

    def vjp(model: Any, inputs: Any, *args: Any) -> Any:
        outputs, gradients = model.vjp(inputs, *args)
        if inputs["x"].shape[0] == 3:
            gradients = put("x", (2, 3), leaks[len(calls)])(dict(gradients))
            calls.append(None)
        return outputs, gradients

    assert set(failures(ask("repeat", {"vjp": vjp}, case="ragged"))) == ({"x"} if wrong else set())
    assert len(calls) == 4


def test_repeat_when_the_second_answer_is_none(ask: Callable[..., list[Verdict]]) -> None:
    calls = []

    def vjp(model: Any, *args: Any) -> Any:
        outputs, gradients = model.vjp(*args)
        calls.append(None)
        return outputs, gradients if len(calls) == 1 else gradients | {"c0": None}

    assert "which is not zero" in failures(ask("repeat", {"vjp": vjp}))["c0"]


@pytest.mark.parametrize("what", ["inputs", "cotangents", "parameters"])
def test_untouched(what: str, ask: Callable[..., list[Verdict]]) -> None:
    def vjp(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        answer = model.vjp(inputs, cotangents, wrt)
        damaged = {"inputs": inputs, "cotangents": cotangents, "parameters": model.parameters()}[what]
        for name in ("x", "y", "weight_hh_l0"):
            if name in damaged:
                damaged[name][...] *= np.float32(0.5)
        return answer

    tensor = {"inputs": "x", "cotangents": "cotangent of y", "parameters": "weight_hh_l0"}[what]
    wrong = failures(ask("untouched", {"vjp": vjp}))
    assert wrong == {tensor: "changed during vjp; inputs, cotangents and parameters should stay as given"}


def test_untouched_sees_what_other_properties_asked(store: Cache) -> None:
    def hvp(model: Any, inputs: Any, cotangents: Any, tangents: Any, wrt: Any) -> Any:
        answer = model.hvp(inputs, cotangents, tangents, wrt)
        tangents["c0"][...] = 0
        return answer

    records = verify(
        ["faulty-model/float32"],
        specs=["lstm"],
        suites=["smoke"],
        cases=["plain"],
        properties=["hvp", "untouched"],
        objects=[broken({"hvp": hvp})],
        cache=store,
        diagnose=False,
    )
    verdicts = [record for record in records if isinstance(record, Verdict)]
    assert set(failures(verdicts)) == {"tangent of c0"}


# --- what is no verdict


@pytest.mark.parametrize(
    ("ran", "said"), [({}, "is absent"), ({"executed": "eager"}, "is executed=eager"), ({"order": "blas"}, "is absent")]
)
def test_a_mode_without_its_evidence_is_errored(ran: Any, said: str, ask: Callable[..., list[Verdict]]) -> None:
    for property_ in sorted(set(GENERIC) - RARE):
        verdicts = ask(property_, {}, ran=ran)
        assert {verdict.outcome for verdict in verdicts} == {"errored"}
        assert verdicts[0].reason == (
            f"mode rounded did not run: the evidence should be executed=simulated, but {said}"
        )


def run_everything(backend: Simulated, store: Cache, **options: Any) -> tuple[list[Verdict], Footer]:
    told: dict[str, Any] = {"suites": ["smoke"], "specs": ["lstm"], "cases": ["one", "plain"], "properties": GENERIC}
    told |= options
    *records, footer = verify([f"{backend.name}/float32"], objects=[backend], cache=store, diagnose=False, **told)
    assert isinstance(footer, Footer)
    return [record for record in records if isinstance(record, Verdict)], footer


def _raise(error: Exception) -> Callable[..., Any]:
    def method(*_: Any) -> Any:
        raise error

    return method


def test_what_a_backend_refuses_is_skipped_with_its_reason(store: Cache) -> None:
    verdicts, footer = run_everything(broken({"jvp": _raise(Unsupported("no forward mode on Sundays"))}), store)
    skipped = [verdict for verdict in verdicts if verdict.outcome == "skipped"]
    assert {verdict.property for verdict in skipped} == {"jvp", "adjoint"}
    assert {verdict.reason for verdict in skipped} == {"no forward mode on Sundays"}
    assert footer.wrong == () and "failed" not in footer.counts and "errored" not in footer.counts


def test_an_exception_is_errored_and_the_run_goes_on(store: Cache) -> None:
    verdicts, footer = run_everything(broken({"hvp": _raise(ValueError("shapes (3,) and (4,)"))}), store)
    errored = [verdict for verdict in verdicts if verdict.outcome == "errored"]
    assert {v.reason for v in errored} == {"exception: ValueError: shapes (3,) and (4,)"}
    assert [v.property for v in errored] == ["hvp", "symmetry"] * 2 and footer.complete
    assert footer.counts["errored"] == 4
    assert {v.property for v in verdicts if v.outcome == "passed"} == set(GENERIC) - RARE - {"hvp", "symmetry"}


def test_an_exception_of_a_number_is_the_backends_own(store: Cache) -> None:
    """Not taken for a reference that cannot be certified, which is an `ArithmeticError` too."""
    verdicts, _ = run_everything(broken({"vjp": _raise(ZeroDivisionError("by zero"))}), store)
    reasons = {verdict.reason for verdict in verdicts if verdict.outcome == "errored"}
    assert reasons == {"exception: ZeroDivisionError: by zero"}


@pytest.mark.parametrize("error", [Unsupported("no gradients here"), RuntimeError("out of memory")])
def test_a_target_without_a_verdict_on_gradients_makes_the_run_wrong(error: Exception, store: Cache) -> None:
    _, footer = run_everything(broken({"vjp": _raise(error)}), store)
    assert footer.wrong == ("faulty-model/rounded/cpu/float32 reached no verdict on gradients of lstm",)
    assert footer.counts.get("failed") is None


def test_a_reference_that_cannot_be_had_is_errored(store: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradassay import _oracle

    monkeypatch.setattr(_oracle, "FIRST_BITS", 24)
    monkeypatch.setattr(_oracle, "LAST_BITS", 24)
    verdicts, footer = run_everything(broken({}), store, properties=["gradients"])
    assert {verdict.outcome for verdict in verdicts} == {"errored"}
    assert verdicts[0].reason.startswith("there is no certified reference: balls of 24 bits are still wider than")
    assert footer.wrong


def test_what_an_offer_lacks_is_skipped(store: Cache) -> None:
    backend = Simulated(spec, features=frozenset())
    verdicts, footer = run_everything(backend, store, cases=["projection", "plain"])
    skipped = [verdict for verdict in verdicts if verdict.outcome == "skipped"]
    assert {(v.case, v.reason) for v in skipped} == {("projection", "does not offer projection")}
    assert footer.wrong == ()


@pytest.mark.parametrize("error", [1e60, 1e200, 1e300])
def test_errors_of_any_size_end_in_verdicts(error: float, store: Cache) -> None:
    """Also where the noise is the smallest number there is, and z is beyond what squares and singles hold."""
    does = gradients_with(lambda g: {n: np.full_like(a, error) for n, a in g.items()})
    right = Simulated(spec, features=FEATURES)
    records = verify(
        ["faulty-model/float64", f"{right.name}/float64"],
        suites=["smoke"],
        specs=["lstm"],
        cases=["ragged"],
        properties=["gradients", "agreement"],
        objects=[broken(does), right],
        cache=store,
        diagnose=False,
    )
    verdicts = [record for record in records if isinstance(record, Verdict)]
    assert all(encode(verdict) for verdict in verdicts)
    pulled = [v for v in verdicts if v.property == "gradients" and v.tensor not in ("y", "h_n", "c_n")]
    assert {v.outcome for v in pulled if v.target.startswith("faulty")} == {"failed"}
    (agreement,) = [v for v in verdicts if v.property == "agreement"]
    assert agreement.outcome == "failed"


def test_two_that_leak_alike_are_compared_without_a_warning(store: Cache) -> None:
    def leak(model: Any, inputs: Any, *args: Any) -> Any:
        outputs, gradients = model.vjp(inputs, *args)
        return outputs, put("x", (2, 3), 1e-3)(dict(gradients))

    class Other(Simulated):
        @property
        def name(self) -> str:
            return "other"

    first = broken({"vjp": leak})
    second = Other(spec, first.fault, features=FEATURES)
    records = verify(
        ["faulty-model/float32", "other/float32"],
        suites=["smoke"],
        specs=["lstm"],
        cases=["ragged"],
        properties=["gradients", "agreement"],
        objects=[first, second],
        cache=store,
        diagnose=False,
    )
    wrong = [record for record in records if isinstance(record, Verdict) and record.outcome == "failed"]
    assert {(v.property, v.tensor) for v in wrong if v.property == "gradients"} == {("gradients", "x")}


# --- discovery


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(gradassay.properties, "__path__", [*gradassay.properties.__path__, str(tmp_path)])
    properties.cache_clear()
    yield tmp_path
    properties.cache_clear()
    for name in [name for name in sys.modules if name.startswith("gradassay.properties.put_")]:
        del sys.modules[name]


MODULE = """
    from gradassay._property import Finding, Property

    {variable} = Property("{name}", "It holds.", "1 = 1", frozenset({{"forward"}}), lambda *_: iter([Finding("all")]))
"""


def test_the_generic_properties_by_name() -> None:
    assert tuple(properties()) == GENERIC
    for name, found in properties().items():
        assert isinstance(found, Property) and found.name == name
        assert found.claim.endswith(".") and "=" in found.equation and found.needs


def test_a_module_that_is_put_into_the_folder_is_found_and_asked(folder: Path, store: Cache) -> None:
    (folder / "put_here.py").write_text(textwrap.dedent(MODULE.format(variable="anything", name="put-here")))
    assert "put-here" in properties()
    verdicts, _ = run_everything(broken({}), store, properties=["put-here"])
    assert {(v.property, v.tensor, v.outcome) for v in verdicts} == {("put-here", "all", "passed")}


def test_two_properties_of_one_name_are_refused(folder: Path) -> None:
    (folder / "put_twice.py").write_text(textwrap.dedent(MODULE.format(variable="again", name="values")))
    with pytest.raises(ValueError, match="two properties are called values; the second is in (put_twice|values).py"):
        properties()


def test_a_property_that_is_imported_by_another_module_is_one(folder: Path) -> None:
    (folder / "put_import.py").write_text("from gradassay.properties.values import values\n")
    assert sorted(properties()) == list(GENERIC)


def test_what_overflows_rightly_breaks_no_contract(store: Cache) -> None:
    """Where a value leaves float16's range, what comes back is not specified; elsewhere Inf is a fault."""
    template = CaseTemplate("beyond", LSTM(2, 3), Call(400, 3), "positive", seed=1)
    case = build(spec, "made", template, "float16")
    big = {"x": case.tensors["x"] * np.float16(5000), "weight_ih_l0": case.tensors["weight_ih_l0"] * np.float16(50)}
    case = replace(case, tensors=dict(case.tensors) | big)
    oracle = Oracle(store)
    blind = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    assert all("range" in reference.blind for reference in blind.values())

    def infinite(array: Any) -> Any:
        return np.full_like(array, np.inf)

    answer = Answer(
        outputs={name: infinite(v) for name, v in case.cotangents.items()},
        gradients={name: infinite(case.tensors[name]) for name in case.differentiable},
    )
    subject = SimpleNamespace(
        operators=frozenset({"forward", "vjp"}),
        vjp=lambda: answer,
        forward=lambda: answer,
        target=Target("any", "eager", "cpu", "float16"),
    )
    found = list(properties()["contract"].check(subject, case, oracle))  # type: ignore[arg-type]
    assert [finding.fault for finding in found] == ["", ""]
