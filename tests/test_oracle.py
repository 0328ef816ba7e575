"""Truth and noise: kept by all that matters, blind where they mean nothing, as precise as each element needs."""

from __future__ import annotations

import importlib
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from gradassay import _oracle
from gradassay._arithmetic import Rounded
from gradassay._cache import Cache
from gradassay._case import Case, build
from gradassay._evaluate import Query, evaluate
from gradassay._judge import noise_units
from gradassay._limits import PRECISIONS, RADIUS
from gradassay._oracle import Oracle, Reference, question_key
from gradassay._spec import Axis, CaseTemplate, Spec, Tensor
from gradassay._target import DTYPES, numpy_dtype
from gradassay_lstm import LSTM, Call
from gradassay_lstm import spec as lstm


class Sizes(msgspec.Struct, frozen=True):
    size: int = 3


class Once(msgspec.Struct, frozen=True):
    batch: int = 1


def toy(equations: Any) -> Spec[Any, Any]:
    """A spec of one input and one output of `size` elements."""
    axes = lambda config: ((Axis("element", config.size),),)  # noqa: E731  # it is used twice, below
    return Spec(
        name="toy",
        version="1",
        config=Sizes,
        call=Once,
        tensors=lambda config, call: [Tensor("x", "input", axes(config)), Tensor("y", "output", axes(config))],
        equations=equations,
        draw=lambda config, call, regime, words: {"x": words.uniform((config.size,))},
        features=lambda config, call: frozenset(),
        regimes=("unit",),
        suites=dict,
        call_of=lambda config, tensors: Once(),
        vary=lambda config, call: call,
    )


def case_of(spec: Spec[Any, Any], dtype: str = "float64", **changes: Any) -> Case:
    case = build(spec, "suite", CaseTemplate("case", Sizes(), Once(), "unit", 1), dtype)
    return replace(case, **{name: to_dtype(value, dtype) for name, value in changes.items()})


def to_dtype(tensors: Any, dtype: str) -> dict[str, Any]:
    return {name: np.asarray(array, dtype=np.float64).astype(numpy_dtype(dtype)) for name, array in tensors.items()}


def lstm_case(dtype: str, config: LSTM, call: Call, regime: str = "unit", factors: Any = None) -> Case:
    case = build(lstm, "suite", CaseTemplate("case", config, call, regime, 5), dtype)
    scaled = {n: a.astype(np.float64) * (factors or {}).get(n, 1.0) for n, a in case.tensors.items()}
    return replace(case, tensors=to_dtype(scaled, dtype))


def vjp(case: Case) -> Query:
    return Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)


def memory() -> Cache:
    store = Cache()
    store.directory = None
    return store


def same(a: dict[str, Reference], b: dict[str, Reference]) -> bool:
    return a.keys() == b.keys() and all(
        np.asarray(getattr(a[n], f.name)).tobytes() == np.asarray(getattr(b[n], f.name)).tobytes()
        for n in a
        for f in fields(Reference)
        if f.name not in ("blind", "rung")
    )


PLAIN = (LSTM(3, 4), Call(2, 5))


# --- what an answer is


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_implementation_is_within_the_noise(dtype: str) -> None:
    case = lstm_case(dtype, *PLAIN)
    truth = Oracle(memory()).ask(case, vjp(case))
    assert set(truth) == {"y", "h_n", "c_n"} | {f"d {name}" for name in case.differentiable}
    got = evaluate(Rounded(numpy_dtype(dtype)), case, vjp(case))
    for name, reference in truth.items():
        assert (reference.blind, reference.rung, reference.bits) == ("", "ball", 128)
        z = noise_units(got[name], reference)
        assert np.sqrt(np.mean(np.square(z))) < 2 and np.abs(z).max() < 8, name
        assert np.all(reference.radius <= RADIUS * reference.sigma)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_noise_is_three_and_a_half_roundoffs_or_so(dtype: str) -> None:
    case = lstm_case(dtype, *PLAIN)
    for name, reference in Oracle(memory()).ask(case, vjp(case)).items():
        relative = np.median(reference.sigma / np.abs(reference.high)) / PRECISIONS[dtype].roundoff
        assert 0.3 < relative < 20, (name, relative)


def test_every_kind_of_question_has_an_answer() -> None:
    case = lstm_case("float64", LSTM(2, 2), Call(1, 2))
    oracle, both = Oracle(memory()), {"cotangents": case.cotangents, "tangents": case.tangents}
    assert set(oracle.ask(case, Query("jvp", tangents=case.tangents))) == {"y", "h_n", "c_n"}
    assert oracle.ask(case, Query("jacobian", of="y", wrt=("x",)))["jacobian"].high.shape == (1, 2, 2, 1, 2, 2)
    assert set(oracle.ask(case, Query("hvp", wrt=("x", "c0"), **both))) == {"d x", "d c0"}
    assert set(oracle.ask(case, Query("adjoint", wrt=case.differentiable, **both))) == {"<v, J u>", "<J'v, u>"}
    trace = oracle.ask(case, Query("trace", cotangents=case.cotangents, wrt=("c",)))
    assert set(trace) == {f"d c direction=forward layer=0 step={t}" for t in (0, 1)}


def test_the_trace_of_a_state_is_its_gradient_along_the_way() -> None:
    """At the first step's c_before it is dL/dc0 itself."""
    case = lstm_case("float64", LSTM(2, 3), Call(2, 3))
    oracle = Oracle(memory())
    trace = oracle.ask(case, Query("trace", cotangents=case.cotangents, wrt=("c_before",)))
    first = trace["d c_before direction=forward layer=0 step=0"]
    assert np.array_equal(first.high, oracle.ask(case, vjp(case))["d c0"].high[0])


@pytest.mark.parametrize("call", [Call(0, 3), Call(2, 0), Call(2, 3, lengths=(0, 0))])
def test_empty_calls_have_answers(call: Call) -> None:
    case = build(lstm, "suite", CaseTemplate("case", LSTM(2, 3), call, "unit", 5), "float32")
    oracle = Oracle(memory())
    for name, reference in oracle.ask(case, vjp(case)).items():
        assert reference.blind == "" and (not name.startswith("d weight") or reference.zero.all()), name
    query = Query("adjoint", cotangents=case.cotangents, tangents=case.tangents, wrt=case.differentiable)
    assert oracle.ask(case, query)["<v, J u>"].high.shape == ()
    jacobian = oracle.ask(case, Query("jacobian", of="y", wrt=("x",)))["jacobian"]
    assert jacobian.high.shape == (*case.table["y"].shape, *case.table["x"].shape) and jacobian.zero.all()


# --- what is kept


def test_an_answer_that_is_kept_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    case = lstm_case("float32", *PLAIN)
    fresh = Oracle(memory()).ask(case, vjp(case))
    first, second = Oracle(Cache(tmp_path)), Oracle(Cache(tmp_path))
    made = first.ask(case, vjp(case))
    from_memory, from_disk = first.ask(case, vjp(case)), second.ask(case, vjp(case))
    assert first.cache.hits == second.cache.hits == 1 and second.seconds == {"truth": 0.0, "noise": 0.0}
    assert same(made, fresh) and same(from_memory, fresh) and same(from_disk, fresh)


def test_a_blind_answer_is_kept_with_its_reason(tmp_path: Path) -> None:
    case = lstm_case("bfloat16", *CHAOTIC[:2], factors=CHAOTIC[2])
    made = Oracle(Cache(tmp_path)).ask(case, vjp(case))
    kept = Oracle(Cache(tmp_path)).ask(case, vjp(case))
    assert kept["d x"].blind == made["d x"].blind != ""


def changed(case: Case, what: str) -> tuple[Case, Query]:
    query = vjp(case)
    name, array = "weight_hh_l0", case.tensors["weight_hh_l0"].copy()
    array.flat[3] = np.nextafter(array.flat[3], np.inf, dtype=array.dtype)
    cotangent = -case.cotangents["c_n"]
    match what:
        case "a bit of a tensor":
            return replace(case, tensors={**case.tensors, name: array}), query
        case "the dtype":
            return replace(case, dtype="float64"), query
        case "a tensor's dtype":
            return replace(case, tensors={**case.tensors, name: case.tensors[name].astype(np.float64)}), query
        case "what is differentiated":
            return case, replace(query, wrt=query.wrt[:-1])
        case "its order":
            return case, replace(query, wrt=query.wrt[::-1])
        case "a cotangent":
            return case, replace(query, cotangents={**query.cotangents, "c_n": cotangent})
        case "which cotangents":
            return case, replace(query, cotangents={n: v for n, v in query.cotangents.items() if n != "c_n"})
        case "the sign of a zero":
            zero = np.zeros_like(array)
            return replace(case, tensors={**case.tensors, name: -zero}), query
        case "the kind":
            return case, Query("hvp", query.cotangents, {}, query.wrt)
        case "a tangent":
            return case, Query("vjp", query.cotangents, case.tangents, query.wrt)
        case "the call":
            return replace(case, template=replace(case.template, call=Call(2, 5, lengths=(5, 5)))), query
        case "the configuration":
            return replace(case, template=replace(case.template, config=LSTM(3, 4, bias=False))), query
        case "nothing":
            return replace(case, template=replace(case.template, name="renamed", seed=99, question="?")), query
    raise AssertionError(what)


CHANGES = (
    "a bit of a tensor", "the dtype", "a tensor's dtype", "what is differentiated", "its order", "a cotangent",
    "which cotangents", "the sign of a zero", "the kind", "a tangent", "the call", "the configuration",
)  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_all_that_matters_is_in_the_key(what: str) -> None:
    case = lstm_case("float32", *PLAIN)
    plain = question_key(case, vjp(case))
    assert question_key(*changed(case, what)) != plain
    assert question_key(*changed(case, "nothing")) == plain == question_key(lstm_case("float32", *PLAIN), vjp(case))


def test_jacobians_of_other_outputs_have_other_keys() -> None:
    case = lstm_case("float32", *PLAIN)
    keys = {question_key(case, Query("jacobian", of=of, wrt=(wrt,))) for of in ("y", "c_n") for wrt in ("x", "c0")}
    assert len(keys) == 4


@pytest.mark.parametrize(
    "module", ["_arithmetic", "_ball", "_dual", "_evaluate", "_limits", "_noise", "_tape", "_words"]
)
def test_the_source_of_whatever_makes_an_answer_is_in_the_key(module: str) -> None:
    assert importlib.import_module(f"gradassay.{module}") in _oracle.MADE_BY


EQUATIONS = """
    {imports}

    def equations(ops, config, call, tensors):
        return {{"y": {function}(ops.tanh(tensors["x"]))}}

    def other(ops, config, call, tensors):
        return {{"y": ops.exp(tensors["x"])}}

    def twice(a):
        return a * {factor}
"""
HELPER = "def twice(a):\n    return a * {factor}\n"


class Disk:
    """Spec modules in a folder, imported anew after every edit, as a new process would."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.py").write_text(textwrap.dedent(text))

    def load(self, name: str, *helpers: str) -> Any:
        _oracle.source_of.cache_clear()
        importlib.invalidate_caches()
        for module in (name, *helpers):
            self.monkeypatch.delitem(sys.modules, module, raising=False)
        return importlib.import_module(name)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def test_editing_the_equations_misses(disk: Disk) -> None:
    oracle, answers = Oracle(memory()), []
    for factor in ("2.0", "3.0", "2.0"):
        disk.write("edited_spec", EQUATIONS.format(imports="", function="twice", factor=factor))
        case = case_of(toy(disk.load("edited_spec").equations))
        answers.append(oracle.ask(case, vjp(case))["y"].high)
    assert (oracle.cache.misses, oracle.cache.hits) == (2, 1)
    assert np.allclose(answers[1], 1.5 * answers[0]) and np.array_equal(answers[0], answers[2])


@pytest.mark.parametrize(
    ("imports", "function"),
    [("from equations_helper import twice", "twice"), ("import equations_helper", "equations_helper.twice")],
)
def test_editing_what_the_equations_call_misses(disk: Disk, imports: str, function: str) -> None:
    keys = set()
    for factor in ("2.0", "3.0"):
        disk.write("equations_helper", HELPER.format(factor=factor))
        text = EQUATIONS.format(imports=imports, function=function, factor="0").replace("def twice", "def unused")
        disk.write("calling_spec", text)
        case = case_of(toy(disk.load("calling_spec", "equations_helper").equations))
        keys.add(question_key(case, vjp(case)))
    assert len(keys) == 2


def test_two_specs_of_one_module_are_two(disk: Disk) -> None:
    disk.write("two_specs", EQUATIONS.format(imports="", function="twice", factor="2.0"))
    module = disk.load("two_specs")
    cases = [case_of(toy(module.equations)), case_of(toy(module.other))]
    assert question_key(cases[0], vjp(cases[0])) != question_key(cases[1], vjp(cases[1]))


# --- blindness

CHAOTIC = (LSTM(4, 8), Call(2, 24), {"weight_ih_l0": 200.0, "weight_hh_l0": 200.0})


def test_a_chaotic_case_is_blind() -> None:
    case = lstm_case("bfloat16", *CHAOTIC[:2], factors=CHAOTIC[2])
    blind = {n: r.blind for n, r in Oracle(memory()).ask(case, vjp(case)).items()}
    assert blind["d x"] == "rounding noise is more than 1/16 of the value"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["plain", "ragged", "projection"])
def test_a_sane_case_is_not_blind(case: str, dtype: str) -> None:
    template = next(t for t in lstm.suites()["smoke"] if t.name == case)
    drawn = build(lstm, "smoke", template, dtype)
    assert not [n for n, r in Oracle(memory()).ask(drawn, vjp(drawn)).items() if r.blind]


def amplified(ops: Any, config: Any, call: Any, tensors: Any) -> Any:
    """(x + A) - A: noise is A times that of x."""
    return {"y": (tensors["x"] + 2.0**30) - 2.0**30}


def test_float64_lowers_its_simulated_roundoff_before_it_is_blind() -> None:
    case = case_of(toy(amplified))
    reference = Oracle(memory()).ask(case, vjp(case))["y"]
    assert reference.blind == "" and reference.roundoff == 2.0**-37
    assert np.all(reference.sigma < 2.0**-53 * 2.0**31)  # in float64's own measure, whatever it was drawn at
    plain = case_of(toy(lambda ops, config, call, tensors: {"y": ops.tanh(tensors["x"])}))
    assert Oracle(memory()).ask(plain, vjp(plain))["y"].roundoff == 2.0**-30


def test_what_no_roundoff_cures_is_blind() -> None:
    case = case_of(toy(lambda ops, config, call, tensors: {"y": (tensors["x"] + 2.0**49) - 2.0**49}))
    reference = Oracle(memory()).ask(case, vjp(case))["y"]
    assert "rounding noise is more than 1/16" in reference.blind and reference.roundoff == 2.0**-44


def test_the_noise_does_not_depend_on_the_roundoff_at_which_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    case = lstm_case("float64", *PLAIN)
    sigmas = []
    for roundoff in (2.0**-30, 2.0**-44):
        monkeypatch.setitem(PRECISIONS, "float64", replace(PRECISIONS["float64"], simulate=(roundoff,)))
        sigmas.append(Oracle(memory()).ask(case, vjp(case))["d weight_hh_l0"].sigma)
    ratio = np.log(sigmas[0] / sigmas[1])
    assert abs(ratio.mean()) < 0.1 and np.abs(ratio).max() < 1.0


def test_overflow_of_float16_on_the_way_is_blind() -> None:
    """Weights and inputs that float16 holds, whose products it does not; the gates saturate, so outputs are fine."""
    case = lstm_case("float16", *PLAIN, factors={"x": 2.0**11, "weight_ih_l0": 2.0**9})
    found = Oracle(memory()).ask(case, vjp(case))
    assert {r.blind for r in found.values()} == {next(iter(found.values())).blind}
    assert found["y"].blind.startswith("a value on the way comes to ")
    assert found["y"].blind.endswith(", near the end of float16's range or beyond it")
    wide = lstm_case("float32", *PLAIN, factors={"x": 2.0**11, "weight_ih_l0": 2.0**9})
    assert not Oracle(memory()).ask(wide, vjp(wide))["y"].blind


def test_overflow_of_a_gradient_alone_is_blind_too() -> None:
    case = lstm_case("float16", LSTM(2, 2), Call(8, 4))
    huge = {n: np.full(v.shape, 30000.0, dtype=np.float16) for n, v in case.cotangents.items()}
    case = replace(case, cotangents=huge)
    assert Oracle(memory()).ask(case, vjp(case))["d bias_ih_l0"].blind.endswith("float16's range or beyond it")


def test_underflow_has_the_floor_for_its_noise() -> None:
    case = case_of(toy(lambda ops, config, call, tensors: {"y": tensors["x"] * 1e-44}), "float32")
    reference = Oracle(memory()).ask(case, vjp(case))["y"]
    assert np.all(reference.sigma >= 2.0**-126)


# --- precision


def test_precision_rises_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_oracle, "FIRST_BITS", 24)
    case = lstm_case("float32", *PLAIN)
    found = Oracle(memory()).ask(case, vjp(case))
    assert {r.bits for r in found.values()} == {48}
    monkeypatch.undo()
    full = Oracle(memory()).ask(case, vjp(case))
    for name, reference in found.items():
        assert np.all(reference.radius <= RADIUS * reference.sigma)
        distance = np.abs(reference.high - full[name].high)
        assert np.all(distance <= reference.radius + 2.0**-52 * np.abs(full[name].high)), name


def test_the_radius_is_held_against_each_element_not_against_the_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vanishing gradients: those of early steps are 1e7 times smaller than the largest, and as precise."""
    monkeypatch.setattr(_oracle, "FIRST_BITS", 24)
    case = lstm_case("float32", LSTM(2, 3), Call(1, 12), "forgetful", factors={"weight_hh_l0": 0.05})
    case = replace(case, cotangents={n: v for n, v in case.cotangents.items() if n == "h_n"})
    found = Oracle(memory()).ask(case, vjp(case))["d x"]
    sizes = np.abs(found.high).max(axis=(0, 2))
    assert sizes.min() < 1e-7 * sizes.max() and not found.zero.any()
    assert np.all(found.radius <= RADIUS * found.sigma) and found.bits > 24
    early = sizes < 1e-7 * sizes.max()
    assert np.all(found.sigma[:, early] < 1e-5 * np.abs(found.high[:, early]))  # so that even these are seen


@pytest.mark.parametrize(("iterations", "bits"), [(0, 24), (12, 48)])
def test_one_wide_element_is_enough_to_go_on(iterations: int, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Balls widen by 2.5 in each step of h <- 2.5 h (1 - h), which halves real errors.

    On the tensor's scale that does not matter, since the element is 2^-30 of it; on its own scale it does.
    """
    monkeypatch.setattr(_oracle, "FIRST_BITS", 24)

    def equations(ops: Any, config: Any, call: Any, tensors: Any) -> Any:
        h = tensors["x"][2:]
        for _ in range(iterations):
            h = 2.5 * h * (1.0 - h)
        return {"y": ops.concatenate([tensors["x"][:2], h * 2.0**-30], axis=-1)}

    case = case_of(toy(equations), "bfloat16", tensors={"x": [1.0, 1.5, 0.625]})
    reference = Oracle(memory()).ask(case, Query("vjp"))["y"]
    assert (reference.blind, reference.bits) == ("", bits)
    assert np.all(reference.radius <= RADIUS * reference.sigma)


def test_a_truth_that_stays_too_wide_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_oracle, "FIRST_BITS", 24)
    monkeypatch.setattr(_oracle, "LAST_BITS", 24)
    case = lstm_case("float32", *PLAIN)
    with pytest.raises(ArithmeticError, match=r"balls of 24 bits are still wider than 9.8e-04 of the noise"):
        Oracle(memory()).ask(case, vjp(case))


def test_an_undecided_comparison_takes_more_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_oracle, "FIRST_BITS", 16)  # a ball of 16 bits is wider than the gap

    def close(ops: Any, config: Any, call: Any, tensors: Any) -> Any:
        third = ops.divide(tensors["x"], 3.0)
        return {"y": ops.maximum(third, third + tensors["x"] * 2.0**-22)}

    case = case_of(toy(close), tensors={"x": [1.0, 1.25, 1.75]})
    assert Oracle(memory()).ask(case, vjp(case))["y"].bits == 128


def test_a_tie_is_an_error_and_not_a_guess() -> None:
    def tied(ops: Any, config: Any, call: Any, tensors: Any) -> Any:
        x = tensors["x"]
        return {"y": ops.maximum(ops.divide(x, 3.0), x * ops.divide(ops.constant(1.0), 3.0))}

    case = case_of(toy(tied))
    with pytest.raises(ArithmeticError, match="undecided: keep away from ties"):
        Oracle(memory()).ask(case, vjp(case))


# --- threads


def test_threads_that_ask_the_same_compute_once(monkeypatch: pytest.MonkeyPatch) -> None:
    oracle, right, count = Oracle(memory()), Oracle._answer, []
    barrier = threading.Barrier(6)

    def counted(self: Oracle, case: Case, query: Query, name: str) -> Any:
        count.append(name)
        return right(self, case, query, name)

    monkeypatch.setattr(Oracle, "_answer", counted)
    cases = [lstm_case("float32", *PLAIN), lstm_case("float64", *PLAIN)]

    def ask(i: int) -> Any:
        barrier.wait()
        return oracle.ask(cases[i % 2], vjp(cases[i % 2]))

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, range(6)))
    assert len(count) == len(set(count)) == 2
    assert all(same(found[i], found[i % 2]) for i in range(6))
    alone = Oracle(memory()).ask(cases[0], vjp(cases[0]))
    assert same(alone, found[0])  # precision, which is global to the process, was not disturbed


def test_noise_is_that_of_the_question() -> None:
    """Not of the order in which questions are asked, nor of the process."""
    case = lstm_case("float32", *PLAIN)
    other = Query("vjp", cotangents=case.cotangents, wrt=("x",))
    first, second = Oracle(memory()), Oracle(memory())
    first.ask(case, other)
    assert same(first.ask(case, vjp(case)), second.ask(case, vjp(case)))
