"""What users ask first: each answer held against a derivation that shares no code with the tape, the complex step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from gradassay import CaseTemplate, Target
from gradassay._case import Case, build
from gradassay._oracle import Query, Reference
from gradassay._plugins import backends
from gradassay._record import Verdict
from gradassay._run import verify
from gradassay._simulated import Simulated
from gradassay._single import in_memory, verify_case
from gradassay._spec import Array, Spec
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._features import FEATURES
from gradassay_lstm.properties.recurrent import recurrent
from gradassay_mse import spec as mse
from gradassay_numpy import faulty_backend, numpy_backend

STEP = 1e-200  # of the complex step: its square vanishes, and no difference is taken
ANSWERED = {
    "lstm": {
        "single-step",
        "many-steps-last-output",
        "output-gradient",
        "two-layers-given-states",
        "full-jacobian",
        "jacobian-block",
    },
    "mse": {"cell-against-layer"},
}
oracle = in_memory()


def question(name: str, of: Spec[Any, Any] = spec) -> Case:
    template = next(template for template in of.suites()["questions"] if template.name == name)
    return build(of, "questions", template, "float64")


def answers(case: Case) -> dict[str, Array]:
    """The certified outputs and gradients."""
    found = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    return {name: reference.high for name, reference in found.items()}


def close(got: Array, want: Array) -> None:
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-13 * max(float(np.max(np.abs(want))), 1e-3))


# --- the derivation: an LSTM in plain NumPy that takes complex numbers


def sigmoid(a: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-a)))


def run(tensors: Mapping[str, Array], layers: int = 1, nudge: Mapping[int, Array] | None = None) -> dict[str, Array]:
    """Return y, h_n, c_n; `nudge` is added to the first layer's h after a step, before anything uses it."""
    sequence = tensors["x"]
    last_h, last_c = [], []
    for layer in range(layers):
        w, u = tensors[f"weight_ih_l{layer}"], tensors[f"weight_hh_l{layer}"]
        b = tensors[f"bias_ih_l{layer}"] + tensors[f"bias_hh_l{layer}"]
        h, c, outputs = tensors["h0"][layer], tensors["c0"][layer], []
        for t in range(sequence.shape[1]):
            i, f, g, o = np.split(sequence[:, t] @ w.T + h @ u.T + b, 4, axis=-1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            if nudge is not None and layer == 0 and t in nudge:
                h = h + nudge[t]
            outputs.append(h)
        sequence = np.stack(outputs, axis=1)
        last_h.append(h)
        last_c.append(c)
    return {"y": sequence, "h_n": np.stack(last_h), "c_n": np.stack(last_c)}


def each_element(array: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Every index, with the array that is 1j * STEP there and 0 elsewhere."""
    for index in np.ndindex(array.shape):
        nudge = np.zeros(array.shape, complex)
        nudge[index] = 1j * STEP
        yield index, nudge


def gradient(loss: Callable[[Mapping[str, Array]], Any], tensors: Mapping[str, Array], name: str) -> Array:
    """D loss / d tensor, element by element, by the complex step."""
    found = np.zeros(tensors[name].shape)
    for index, nudge in each_element(tensors[name]):
        found[index] = loss({**tensors, name: tensors[name] + nudge}).imag / STEP
    return found


def seen(case: Case, outputs: Mapping[str, Array]) -> Any:
    return sum((outputs[name] * cotangent).sum() for name, cotangent in case.cotangents.items())


def check_all(case: Case) -> dict[str, Array]:
    """Hold every certified output and gradient of a case against the derivation; return them."""
    layers = case.config.num_layers
    certified = answers(case)
    for name, output in run(case.tensors, layers).items():
        close(certified[name], output)
    for name in case.differentiable:
        assert certified[f"d {name}"].shape == case.tensors[name].shape
        close(
            certified[f"d {name}"], gradient(lambda tensors: seen(case, run(tensors, layers)), dict(case.tensors), name)
        )
    return certified


# --- the questions


@pytest.mark.parametrize("of", [spec, mse], ids=lambda of: of.name)
def test_every_question_of_the_suite_is_answered_here(of: Spec[Any, Any]) -> None:
    assert {template.name for template in of.suites()["questions"]} == ANSWERED[of.name]
    assert all(template.question.endswith("?") for template in of.suites()["questions"])


def test_a_hand_written_backend_answers_every_question() -> None:
    found = [
        record
        for record in verify(objects=[numpy_backend], specs=["lstm", "mse"], suites=["questions"], cache=oracle.cache)
        if isinstance(record, Verdict)
    ]
    assert {verdict.outcome for verdict in found} == {"passed"}
    assert {v.case for v in found if v.property == "gradients"} == ANSWERED["lstm"] | ANSWERED["mse"]
    assert {v.case for v in found if v.property == "jacobian"} == {"single-step", "full-jacobian", "jacobian-block"}
    assert {v.case for v in found if v.property == "recurrent"} == {"output-gradient"}


def test_a_single_step_has_gradients_of_these_shapes_and_values() -> None:
    case = question("single-step")
    certified = check_all(case)
    shapes = {name: certified[name].shape for name in ("y", "h_n", "c_n", "d x", "d h0", "d c0", "d weight_hh_l0")}
    assert shapes == {
        "y": (2, 1, 4),
        "h_n": (1, 2, 4),
        "c_n": (1, 2, 4),
        "d x": (2, 1, 3),
        "d h0": (1, 2, 4),
        "d c0": (1, 2, 4),
        "d weight_hh_l0": (16, 4),
    }


def test_a_single_step_is_the_textbook_s() -> None:
    """The same by hand, from the output gradient down."""
    case = question("single-step")
    certified, t, v = answers(case), case.tensors, case.cotangents
    x, h0, c0 = t["x"][:, 0], t["h0"][0], t["c0"][0]
    before = x @ t["weight_ih_l0"].T + h0 @ t["weight_hh_l0"].T + t["bias_ih_l0"] + t["bias_hh_l0"]
    i, f, g, o = (part for part in np.split(before, 4, axis=-1))
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    squashed = np.tanh(f * c0 + i * g)

    dh = v["y"][:, 0] + v["h_n"][0]  # y and h_n are the same h
    dc = v["c_n"][0] + dh * o * (1 - squashed**2)
    da = np.concatenate(
        [dc * g * i * (1 - i), dc * c0 * f * (1 - f), dc * i * (1 - g**2), dh * squashed * o * (1 - o)], axis=-1
    )
    close(certified["d x"][:, 0], da @ t["weight_ih_l0"])
    close(certified["d h0"][0], da @ t["weight_hh_l0"])
    close(certified["d c0"][0], dc * f)
    close(certified["d weight_ih_l0"], da.T @ x)
    close(certified["d weight_hh_l0"], da.T @ h0)
    close(certified["d bias_ih_l0"], da.sum(axis=0))
    close(certified["d bias_hh_l0"], da.sum(axis=0))
    marks = trace(case, "h", "c")
    close(marks["d h direction=forward layer=0 step=0"].high, dh)
    close(marks["d c direction=forward layer=0 step=0"].high, dc)


def test_the_last_output_alone_has_a_gradient_and_every_input_has_one() -> None:
    case = question("many-steps-last-output")
    assert set(case.cotangents) == {"y"}
    assert np.all(case.cotangents["y"][:, :-1] == 0.0)
    assert np.all(case.cotangents["y"][:, -1] != 0.0)
    certified = check_all(case)
    sizes = np.abs(certified["d x"]).max(axis=(0, 2))
    assert sizes.shape == (12,)
    assert np.all(sizes > 0.0)
    assert sizes[0] < 1e-2 * sizes[-1], "gradients should vanish towards the first step"


def test_two_layers_have_gradients_of_both_layers_states_and_parameters() -> None:
    case = question("two-layers-given-states")
    certified = check_all(case)
    assert certified["d h0"].shape == certified["d c0"].shape == (2, 2, 4)
    assert {name for name in certified if name.startswith("d weight")} == {
        f"d weight_{kind}_l{layer}" for kind in ("ih", "hh") for layer in (0, 1)
    }
    for layer in (0, 1):
        np.testing.assert_array_equal(certified[f"d bias_ih_l{layer}"], certified[f"d bias_hh_l{layer}"])


# --- the output's gradient with and without its recurrent part


def trace(case: Case, *marks: str) -> dict[str, Reference]:
    return oracle.ask(case, Query("trace", cotangents=case.cotangents, wrt=marks))


def rest_of(case: Case, t: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs and cotangents of the steps after t, from the state that the derivation's own run has there."""
    first = run({**case.tensors, "x": case.tensors["x"][:, : t + 1]})
    inputs = {"x": case.tensors["x"][:, t + 1 :], "h0": first["h_n"], "c0": first["c_n"]}
    return inputs, {**case.cotangents, "y": case.cotangents["y"][:, t + 1 :]}


def test_without_its_recurrent_part_the_output_gradient_is_the_one_given() -> None:
    """dL/dy is what the loss says; dL/dh_t is that, and what the later steps send back."""
    case = question("output-gradient")
    model = numpy_backend.load("lstm", case.config, case.parameters, Target("numpy", "eager", "cpu", "float64"))
    marks, steps = trace(case, "h"), case.call.steps
    for t in range(steps - 1):
        inputs, cotangents = rest_of(case, t)
        sent_back = model.vjp(inputs, cotangents, ["h0"])[1]["h0"]
        assert sent_back is not None and np.all(sent_back != 0.0)
        close(marks[f"d h direction=forward layer=0 step={t}"].high, case.cotangents["y"][:, t] + sent_back[0])
    last = marks[f"d h direction=forward layer=0 step={steps - 1}"].high
    close(last, case.cotangents["y"][:, -1] + case.cotangents["h_n"][0])


def test_the_gradient_at_a_mark_is_that_of_a_nudge_of_h_there() -> None:
    case = question("output-gradient")
    marks = trace(case, "h")
    for t in range(case.call.steps):
        found = np.zeros((2, 4))
        for index, nudge in each_element(found):
            found[index] = seen(case, run(case.tensors, nudge={t: nudge})).imag / STEP
        close(marks[f"d h direction=forward layer=0 step={t}"].high, found)


def asked(name: str, config: LSTM, **call: Any) -> CaseTemplate:
    return CaseTemplate(name, config, Call(batch=2, steps=4, **call), "unit", 7, ask={"marks": ["h"]})


STACKS = [
    asked("two-layers", LSTM(3, 4, num_layers=2)),
    asked("projected", LSTM(3, 4, num_layers=2, projection=2), dropout=True),
    asked("no-states", LSTM(3, 4, bias=False), h0=False, c0=False),
]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("template", STACKS, ids=lambda template: template.name)
def test_recurrent_holds_of_stacks_projections_and_absent_states(template: CaseTemplate, dtype: str) -> None:
    backend = Simulated(spec, features=FEATURES)
    found = verify_case(backend, spec, template, dtype, properties=["recurrent"], oracle=oracle)
    assert {verdict.outcome for verdict in found} == {"passed"}
    layers, cuts = template.config.num_layers, template.call.steps - 1
    assert len(found) == cuts * (2 * layers + 1)
    assert found[0].worst is not None and {"layer", "after step", "row"} <= found[0].worst.where.keys()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_recurrent_sees_a_carry_that_is_lost(dtype: str) -> None:
    template = question("output-gradient").template
    found = verify_case(
        faulty_backend("dc-carry-assigned"), spec, template, dtype, properties=["recurrent"], oracle=oracle
    )
    assert "recurrent part of dL/dc after step 0" in {v.tensor for v in found if v.outcome == "failed"}


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_recurrent_sees_a_first_step_without_its_forget_factor(dtype: str) -> None:
    fault = next(fault for fault in spec.faults if fault.name == "dc0-without-forget-factor")
    template = question("output-gradient").template
    backend = Simulated(spec, fault, features=FEATURES)
    found = verify_case(backend, spec, template, dtype, properties=["recurrent"], oracle=oracle)
    failed = {verdict.tensor for verdict in found if verdict.outcome == "failed"}
    assert failed == {f"recurrent part of dL/dc after step {t}" for t in range(5)}


@pytest.mark.parametrize(
    "template",
    [
        question("single-step").template,
        question("full-jacobian").template,
        asked("both-ways", LSTM(3, 4, bidirectional=True)),
        asked("ragged", LSTM(3, 4), lengths=(4, 2)),
    ],
    ids=lambda template: template.name,
)
def test_recurrent_is_not_asked_where_no_cut_is_one(template: CaseTemplate) -> None:
    assert not recurrent.applies(build(spec, "questions", template, "float64"))


# --- Jacobians


def jacobian(case: Case) -> Array:
    """Return dy/dx, of shape (B, T, H, B, T, N), column by column by the complex step."""
    x, outputs = case.tensors["x"], run(case.tensors)["y"]
    found = np.zeros(outputs.shape + x.shape)
    for index, nudge in each_element(x):
        found[(..., *index)] = run({**case.tensors, "x": x + nudge})["y"].imag / STEP
    return found


def certified_jacobian(case: Case) -> Reference:
    return oracle.ask(case, Query("jacobian", of="y", wrt=("x",)))["jacobian"]


def test_the_full_jacobian_is_lower_triangular_in_time_and_diagonal_in_rows() -> None:
    case = question("full-jacobian")
    certified = certified_jacobian(case)
    assert certified.high.shape == (2, 5, 4, 2, 5, 3)
    close(certified.high, jacobian(case))
    row, step, _, from_row, from_step, _ = np.indices(certified.high.shape)
    zero = (row != from_row) | (from_step > step)
    np.testing.assert_array_equal(certified.zero, zero)
    assert np.all(certified.high[zero] == 0.0)
    assert np.all(certified.high[~zero] != 0.0)


def test_the_matrix_of_one_sample_maps_its_tangents() -> None:
    """(T·H) x (T·N): the product with a tangent of x is the JVP, and with a cotangent of y the VJP."""
    case = question("full-jacobian")
    whole, x, batch = certified_jacobian(case).high, case.tensors["x"], case.call.batch
    tangent, cotangent = case.tangents["x"], case.cotangents["y"]
    model = numpy_backend.load("lstm", case.config, case.parameters, Target("numpy", "eager", "cpu", "float64"))
    pulled = model.vjp(case.inputs, {"y": cotangent}, ["x"])[1]["x"]
    assert pulled is not None
    pushed = run({**case.tensors, "x": x + 1j * STEP * tangent})["y"].imag / STEP
    for b in range(batch):
        matrix = whole[b, :, :, b].reshape(5 * 4, 5 * 3)
        close(matrix @ tangent[b].ravel(), pushed[b].ravel())
        close(matrix.T @ cotangent[b].ravel(), pulled[b].ravel())


def test_a_block_of_the_jacobian_is_that_part_of_the_whole() -> None:
    case = question("jacobian-block")
    certified = certified_jacobian(case).high
    close(certified, jacobian(case))
    found = verify_case(numpy_backend, spec, case.template, "float64", properties=["jacobian"], oracle=oracle)
    (verdict,) = found
    assert (verdict.outcome, verdict.tensor) == ("passed", "d y / d x, steps (5, 8) by (2, 5)")
    assert verdict.elements == certified[:, 5:8, :, :, 2:5].size == 1 * 3 * 4 * 1 * 3 * 3
    assert verdict.worst is not None
    assert {"y step", "y unit", "x step", "x feature"} <= verdict.worst.where.keys()


def test_the_jacobians_of_a_single_step_s_states() -> None:
    """h_n by h0 is full in each row; c_n by c0 is diagonal, with the forget gate on the diagonal."""
    case = question("single-step")
    for of, wrt in (("h_n", "h0"), ("c_n", "c0")):
        certified = oracle.ask(case, Query("jacobian", of=of, wrt=(wrt,)))["jacobian"].high
        assert certified.shape == (1, 2, 4, 1, 2, 4)
        found = np.zeros(certified.shape)
        for index, nudge in each_element(case.tensors[wrt]):
            found[(..., *index)] = run({**case.tensors, wrt: case.tensors[wrt] + nudge})[of].imag / STEP
        close(certified, found)
    t = case.tensors
    before = t["x"][:, 0] @ t["weight_ih_l0"].T + t["h0"][0] @ t["weight_hh_l0"].T + t["bias_ih_l0"] + t["bias_hh_l0"]
    forget = sigmoid(before[:, 4:8])
    close(certified[0, :, :, 0].reshape(8, 8), np.diag(forget.ravel()))


# --- a cell against the framework's own layer


def test_under_mean_squared_error_every_gradient_is_that_of_the_derivation() -> None:
    case = question("cell-against-layer", mse)
    certified = answers(case)

    def loss(tensors: Mapping[str, Array]) -> Any:
        return np.mean((run(tensors, case.config.num_layers)["y"] - tensors["target"]) ** 2)

    close(certified["loss"], np.asarray(loss(case.tensors)))
    for name in case.differentiable:
        want = case.cotangents["loss"] * gradient(loss, dict(case.tensors), name)
        close(certified[f"d {name}"], want)


@pytest.mark.skipif(not {"torch", "torch-cell"} <= backends().keys(), reason="gradassay-torch is not installed")
def test_a_cell_of_tensor_operations_agrees_with_the_framework_s_own_layer() -> None:
    records = verify(
        ["torch/native/float64", "torch-cell/eager/float64"],
        specs=["mse"],
        suites=["questions"],
        properties=["gradients", "agreement"],
        cache=oracle.cache,
    )
    found = [record for record in records if isinstance(record, Verdict)]
    assert {verdict.outcome for verdict in found} == {"passed"}
    parameters = {f"{kind}_l{layer}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") for layer in (0, 1)}
    for backend in ("torch/", "torch-cell/"):
        gradients = {v.tensor for v in found if v.target.startswith(backend) and v.property == "gradients"}
        assert gradients == {"x", "target", "h0", "c0", *parameters}
    (agreement,) = (verdict for verdict in found if verdict.property == "agreement")
    assert {agreement.target.split("/")[0], agreement.against.split("/")[0]} == {"torch", "torch-cell"}
