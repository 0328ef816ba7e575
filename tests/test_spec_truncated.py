"""The spec `truncated`: windows, equations, messages, properties and faults; and what frameworks detach."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from gradassay._arithmetic import Float64
from gradassay._case import build
from gradassay._changes import fits
from gradassay._evaluate import Query, evaluate
from gradassay._power import Bench
from gradassay._record import Verdict
from gradassay._run import verify
from gradassay._single import in_memory
from gradassay._spec import CaseTemplate
from gradassay._words import Words
from gradassay_lstm import LSTM, Call
from gradassay_lstm import spec as lstm
from gradassay_truncated import Truncated, spec
from gradassay_truncated._features import features
from gradassay_truncated._windows import Window, windows

SMALL = LSTM(2, 3)
ORACLE = in_memory()


def case_of(config: Truncated, call: Call, of=spec):
    return build(of, "tests", CaseTemplate("one", config, call, "unit", seed=3, thorough=True), "float64")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def run(tensors, layers: int, start: int, stop: int, h, c):
    """The LSTM's steps from `start` to `stop` in plain NumPy, written apart: y, h and c (layers, rows, units)."""
    h, c, outputs = list(h), list(c), []
    for t in range(start, stop):
        below = tensors["x"][:, t]
        for layer in range(layers):
            z = below @ tensors[f"weight_ih_l{layer}"].T + h[layer] @ tensors[f"weight_hh_l{layer}"].T
            i, f, g, o = np.split(z + tensors[f"bias_ih_l{layer}"] + tensors[f"bias_hh_l{layer}"], 4, axis=-1)
            c[layer] = sigmoid(f) * c[layer] + sigmoid(i) * np.tanh(g)
            below = h[layer] = sigmoid(o) * np.tanh(c[layer])
        outputs.append(below)
    return np.stack(outputs, axis=1), np.stack(h), np.stack(c)


def outputs_of(case, tensors, held):
    """The outputs, where the states that enter windows are those of `held`, whatever `tensors` are.

    So a difference in `tensors` shows what the windows let through, and nothing else.
    """
    layers, steps = case.config.lstm.num_layers, case.call.steps
    y = []
    for own in range(0, steps, case.config.k1):
        start, stop = max(0, own + case.config.k1 - case.config.k2), min(own + case.config.k1, steps)
        h, c = tensors["h0"], tensors["c0"]
        if start:
            _, h, c = run(held, layers, 0, start, held["h0"], held["c0"])
        window, h, c = run(tensors, layers, start, stop, h, c)
        y.append(window[:, own - start :])
    return {"y": np.concatenate(y, axis=1), "h_n": h, "c_n": c}


SHAPES = [(2, 2, 6), (2, 2, 5), (1, 1, 3), (2, 3, 5), (1, 3, 5), (2, 5, 7), (3, 9, 5), (8, 8, 5)]


@pytest.mark.parametrize(("k1", "k2", "steps"), SHAPES)
@pytest.mark.parametrize("layers", [1, 2])
def test_values_and_gradients_are_those_of_plain_numpy(k1: int, k2: int, steps: int, layers: int) -> None:
    case, h = case_of(Truncated(LSTM(2, 3, layers), k1, k2), Call(2, steps)), 1e-6
    query = Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)
    found = evaluate(Float64(), case, query)
    for name, array in outputs_of(case, case.tensors, case.tensors).items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12, atol=1e-15)

    def loss(moved) -> float:
        outputs = outputs_of(case, moved, case.tensors)
        return sum(float(np.sum(v * outputs[name])) for name, v in case.cotangents.items())

    for name, u in case.tangents.items():
        there, back = ({**case.tensors, name: case.tensors[name] + s * h * u} for s in (1, -1))
        slope = (loss(there) - loss(back)) / (2 * h)
        assert float(np.sum(found[f"d {name}"] * u)) == pytest.approx(slope, rel=1e-6, abs=1e-8), name


def test_without_a_cut_it_is_the_lstm_bit_for_bit_in_value() -> None:
    call = Call(2, 5)
    ours, theirs = case_of(Truncated(SMALL, 5, 5), call), case_of(SMALL, call, lstm)
    same = replace(theirs, tensors=ours.tensors, cotangents=ours.cotangents)
    query = Query("vjp", cotangents=ours.cotangents, wrt=ours.differentiable)
    found, expected = evaluate(Float64(), ours, query), evaluate(Float64(), same, query)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_windows() -> None:
    assert windows(2, 2, 5) == (Window(0, 0, 2, 2), Window(2, 2, 4, 4), Window(4, 4, 5, 5))
    assert windows(2, 3, 5) == (Window(0, 0, 1, 2), Window(1, 2, 3, 4), Window(3, 4, 5, 5))
    assert windows(1, 3, 4) == (Window(0, 0, 0, 1), Window(0, 1, 0, 2), Window(0, 2, 1, 3), Window(1, 3, 4, 4))
    assert windows(7, 9, 4) == (Window(0, 0, 4, 4),)


@pytest.mark.parametrize(("k1", "k2", "steps"), SHAPES)
def test_the_jacobian_is_zero_beyond_windows_and_nowhere_else(k1: int, k2: int, steps: int) -> None:
    case = case_of(Truncated(SMALL, k1, k2), Call(1, steps))
    jacobian = evaluate(Float64(), case, Query("jacobian", of="y", wrt=("x",)))["jacobian"]
    reached = np.abs(jacobian).max(axis=(0, 2, 3, 5)) > 0
    for window in windows(k1, k2, steps):
        for t in range(window.own, window.stop):
            assert reached[t].tolist() == [window.start <= s <= t for s in range(steps)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Truncated(SMALL, 0, 2), "Truncated.k1 is 0; it should be at least 1"),
        (lambda: Truncated(SMALL, 3, 2), "Truncated.k2 is 2, k1 is 3; a loss of k1 steps is pulled back"),
        (lambda: Truncated(LSTM(2, 3, bidirectional=True), 2, 2), "Truncated.lstm is bidirectional; the reverse"),
        (lambda: spec.tensors(Truncated(SMALL, 2, 2), Call(2, 0)), "without steps there is no window"),
        (lambda: spec.tensors(Truncated(SMALL, 2, 2), Call(0, 2)), "batch=0, steps=2"),
        (lambda: spec.tensors(Truncated(SMALL, 2, 2), Call(1, 2, lengths=(1,))), "truncated has lengths; windows cut"),
        (lambda: spec.draw(Truncated(SMALL, 2, 2), Call(1, 0), "unit", Words(1)), "without steps there is no window"),
        (lambda: spec.draw(Truncated(SMALL, 2, 2), Call(1, 2), "odd", Words(1)), "no regime 'odd'"),
    ],
)
def test_what_cannot_be_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_table_features_and_calls_are_the_lstms() -> None:
    config, call = Truncated(LSTM(2, 3, 2), 2, 3), Call(2, 5, c0=False)
    assert spec.tensors(config, call) == tuple(lstm.tensors(config.lstm, call))
    assert features(config, call) == {"layers", "partial_states", "cut", "overlap"}
    assert features(Truncated(SMALL, 2, 2), Call(1, 4)) == {"cut"}
    assert features(Truncated(SMALL, 2, 5), Call(1, 4)) == {"overlap"}
    assert features(Truncated(SMALL, 4, 5), Call(1, 4)) == set()
    drawn = spec.draw(config, call, "unit", Words(5))
    assert spec.call_of(config, drawn) == call
    assert spec.vary(config, call) == Call(3, 6, c0=False)
    assert spec.structure(config, call).causal == "step" and not spec.structure(config, call).carried


def test_the_same_bits_forever() -> None:
    """The draw is the LSTM's, whose bits a test of its own guards."""
    config, call = Truncated(SMALL, 2, 3), Call(2, 5)
    for regime in spec.regimes:
        ours, theirs = spec.draw(config, call, regime, Words(7)), lstm.draw(SMALL, call, regime, Words(7))
        assert {n: a.tobytes() for n, a in ours.items()} == {n: a.tobytes() for n, a in theirs.items()}
    sha = hashlib.sha256(
        b"".join(a.astype("<f8").tobytes() for a in spec.draw(config, call, "unit", Words(7)).values())
    )
    assert sha.hexdigest()[:16] == "6cdaf55f211bdb07"


@cache
def bench(dtype: str) -> Bench:
    return Bench(spec, dtype, ("smoke",), ORACLE)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("fault", spec.faults, ids=lambda fault: fault.name)
def test_every_fault_is_killed(fault, dtype: str) -> None:
    """By gradients and second derivatives alone, in one of the smoke cases: `gradassay power` asks the rest."""
    asked = {"values", "gradients", "jvp", "hvp", "jacobian"}
    for question in bench(dtype).questions["smoke"]:
        if not fits(spec, replace(fault, shows_in=()), question.template):
            continue
        some = replace(question, properties=tuple(one for one in question.properties if one.name in asked))
        if bench(dtype).ask(some, fault).accused:
            assert not bench(dtype).right(some).accused
            return
    pytest.fail(f"{fault.name} lives")


def test_every_fault_has_a_case_and_a_source() -> None:
    every = [template for suite in spec.suites().values() for template in suite]
    for fault in spec.faults:
        assert any(fits(spec, fault, template) for template in every), fault.name
        assert (fault.edits is None) != (fault.wrap is None)
        assert fault.imitates == "none known" or "#" in fault.imitates


@pytest.mark.parametrize(
    ("name", "fault", "case"),
    [
        ("same_values", "states-set-to-zero", "plain"),
        ("whole", "mean-over-windows", "plain"),
        ("reach", "h-detached-c-not", "plain"),
        ("reach", "tangents-not-detached", "overlap"),
        ("window_alone", "pulled-back-through-k1-steps", "overlap"),
    ],
)
def test_each_property_sees_a_fault_and_not_what_is_right(name: str, fault: str, case: str) -> None:
    planted = next(one for one in spec.faults if one.name == fault)
    question = next(one for one in bench("float64").questions["smoke"] if one.template.name == case)
    alone = replace(question, properties=tuple(one for one in question.properties if one.name == name))
    assert alone.properties
    assert bench("float64").ask(alone, planted).accused
    assert not bench("float64").ask(alone, None).accused


def test_what_is_right_in_another_way_is_not_accused() -> None:
    question = next(one for one in bench("float64").questions["smoke"] if one.template.name == "plain")
    for variant in spec.benign:
        assert not bench("float64").ask(question, variant).accused, variant.name
    assert bench("float64").changes(question, spec.benign[1])


# --- frameworks


def test_no_grad_lets_tangents_through_and_detach_does_not() -> None:
    torch = pytest.importorskip("torch")
    importlib.import_module("gradassay_torch._framework").prepare_forward_mode()

    def without(x):
        with torch.no_grad():
            return 2 * x

    one = (torch.ones(1),)
    assert torch.func.jvp(without, one, one)[1].item() == 2.0
    assert torch.func.jvp(lambda x: (2 * x).detach(), one, one)[1].item() == 0.0


def test_a_loss_that_h0_does_not_reach_has_no_gradient_in_torch() -> None:
    torch = pytest.importorskip("torch")
    layer, h0, c0 = torch.nn.LSTM(2, 3), torch.zeros(1, 1, 3, requires_grad=True), torch.zeros(1, 1, 3)
    _, state = layer(torch.ones(2, 1, 2), (h0, c0))
    _, (h_n, _) = layer(torch.ones(2, 1, 2), tuple(s.detach() for s in state))
    assert torch.autograd.grad(h_n.sum(), [h0], allow_unused=True) == (None,)


@pytest.mark.parametrize("target", ["torch/eager/cpu/float64", "jax/jit/cpu/float64", "tensorflow/eager/cpu/float32"])
def test_frameworks_are_right(target: str) -> None:
    pytest.importorskip(target.partition("/")[0])
    properties = (
        ("values", "gradients", "jvp", "hvp", "reach") if target.startswith("torch") else ("values", "gradients")
    )
    records = verify(
        [target], specs=("truncated",), cases=("overlap", "states"), properties=properties, cache=False, diagnose=False
    )
    found = [record for record in records if isinstance(record, Verdict)]
    assert {v.outcome for v in found} <= {"passed", "not applicable"}, [v.reason for v in found]
    assert set(properties) <= {v.property for v in found if v.outcome == "passed"}
