"""The bundled backends `torch` and `torch-cell`: evidence of what ran, gaps, damage, refusals, and right answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from evidence import Opening, alone, ask, assert_open, fell_back, openings, why

from gradassay._backend import Unsupported
from gradassay._record import Verdict
from gradassay._run import verify
from gradassay._target import Target
from gradassay_lstm import LSTM

torch = pytest.importorskip("torch")

from gradassay_torch import _cell, _compiled, _variants, torch_backend, torch_cell_backend  # noqa: E402  # after the skip
from gradassay_torch._model import Damage  # noqa: E402

# torch warns of things inside it; as an error, a warning would stand for the refusal that a test is about.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

TARGET = Target("torch-cell", "eager", "cpu", "float64")
ONES = {
    "weight_ih_l0": np.ones((4, 1)),
    "weight_hh_l0": np.ones((4, 1)),
    "bias_ih_l0": np.ones(4),
    "bias_hh_l0": np.ones(4),
}
Cell = Callable[..., Any]


# --- what really ran


@pytest.fixture
def fresh_dynamo() -> Iterator[None]:
    """Code that could not be compiled once is left alone for good, until it is told to forget that."""
    yield
    torch._dynamo.reset()


def setting_onednn(enabled: bool) -> Callable[..., Any]:
    """Return nn.LSTM's forward after somebody set the switch behind the mode's back."""
    forward = torch.nn.LSTM.forward

    def behind_the_back(self: Any, *args: Any) -> Any:
        torch.backends.mkldnn.enabled = enabled
        return forward(self, *args)

    return behind_the_back


@pytest.mark.parametrize("spec", ["lstm", "mse"])
@pytest.mark.parametrize(("mode", "ran"), [("onednn", "native"), ("native", "onednn")])
def test_another_kernel_is_no_verdict(mode: str, ran: str, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = alone(torch_backend, mode, "float32", spec=spec)
    assert {v.outcome for v in ask(one, "plain", "values", "gradients")} == {"passed"}
    monkeypatch.setattr(torch.nn.LSTM, "forward", setting_onednn(mode == "native"))
    assert why(ask(one, "plain", "values", "gradients")) == fell_back(mode, f"kernel={mode}", kernel=ran)


def test_the_switches_are_put_back() -> None:
    before = torch.backends.mkldnn.enabled
    ask(alone(torch_backend, "native", "float32"), "plain", "values")
    ask(alone(torch_backend, "native", "float32"), "dropout", "values")  # which raises
    assert torch.backends.mkldnn.enabled == before


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("mode", ["onednn", "native"])
def test_the_kernel_is_named(mode: str, dtype: str) -> None:
    verdict = ask(alone(torch_backend, mode, dtype), "plain", "gradients")[0]
    if (mode, dtype) == ("onednn", "bfloat16") and verdict.outcome == "skipped":
        pytest.skip(verdict.reason)  # not every processor has the instructions
    ran = verdict.ran
    assert (ran["kernel"], ran["compiled"], ran["device"]) == (mode, "no", "cpu")


def test_an_empty_batch_runs_natively_in_whatever_mode() -> None:
    assert ask(alone(torch_backend, "native", "float32"), "no_batch", "values")[0].ran["kernel"] == "native"
    reason = why(ask(alone(torch_backend, "onednn", "float32"), "no_batch", "values", "gradients"))
    assert reason == fell_back("onednn", "kernel=onednn", kernel="native")


def test_a_compile_that_compiles_nothing_is_no_verdict(monkeypatch: pytest.MonkeyPatch, fresh_dynamo: None) -> None:
    monkeypatch.setattr(_compiled.torch, "compile", lambda function, **options: function)
    one = alone(torch_cell_backend, "compile", "float64")
    reason = fell_back("compile", "compiled=yes", compiled="no")
    assert why(ask(one, "plain", "values", "gradients", "jvp", "jacobian")) == reason


def test_a_compiler_that_gives_up_is_no_verdict(monkeypatch: pytest.MonkeyPatch, fresh_dynamo: None) -> None:
    def lookup(name: str) -> Any:
        raise RuntimeError(f"{name} is out of order")

    monkeypatch.setattr(_compiled, "lookup_backend", lookup)
    one = alone(torch_cell_backend, "compile", "float64")
    assert "aot_eager is out of order" in why(ask(one, "plain", "gradients"))
    with torch._dynamo.config.patch(suppress_errors=True):
        verdicts = ask(one, "plain", "gradients")
    assert {v.outcome for v in verdicts} == {"errored"}


def test_a_compiler_that_is_switched_off_is_no_verdict(fresh_dynamo: None) -> None:
    with torch._dynamo.config.patch(disable=True):
        reason = why(ask(alone(torch_cell_backend, "compile", "float64"), "plain", "values"))
    assert "Dynamo tracing is disabled" in reason


def test_a_graph_break_is_no_verdict(monkeypatch: pytest.MonkeyPatch, fresh_dynamo: None) -> None:
    whole = torch.compile

    def in_pieces(function: Any, **options: Any) -> Any:
        return whole(function, **(options | {"fullgraph": False}))

    def breaking(tensors: Any, suffix: str, x: Any, h: Any, c: Any, *, step: Cell = _cell.cell) -> Any:
        torch._dynamo.graph_break()
        return step(tensors, suffix, x, h, c)

    monkeypatch.setattr(torch, "compile", in_pieces)
    monkeypatch.setattr(_cell, "cell", breaking)
    reason = why(ask(alone(torch_cell_backend, "compile", "float64"), "plain", "values"))
    assert reason == fell_back("compile", "compiled=yes", compiled="no")


def test_compiled_graphs_are_counted() -> None:
    ran = ask(alone(torch_cell_backend, "compile", "float64"), "plain", "gradients")[0].ran
    assert (ran["compiled"], ran["backend"], ran["graph_breaks"]) == ("yes", "aot_eager", "0")
    assert int(ran["graphs"]) >= 1 and int(ran["graph_runs"]) >= 1


# --- variants: a switch turned, and the proof that it was


def turning(switch: str, value: bool) -> Callable[..., Any]:
    """Return nn.LSTM's forward after somebody turned a switch of the layer behind the mode's back."""
    forward = torch.nn.LSTM.forward

    def behind_the_back(self: Any, *args: Any) -> Any:
        found = forward(self, *args)
        setattr(self, switch, value)
        return found

    return behind_the_back


@pytest.mark.parametrize(
    ("mode", "switch", "evidence", "ran"),
    [
        ("evaluation", "training", "training=no", {"training": "yes"}),
        ("time-major", "batch_first", "layout=time major", {"layout": "batch first"}),
    ],
)
def test_a_switch_that_is_not_turned_is_no_verdict(
    mode: str, switch: str, evidence: str, ran: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = alone(torch_backend, mode, "float64")
    assert {v.outcome for v in ask(one, "plain", "values", "gradients")} == {"passed"}
    monkeypatch.setattr(torch.nn.LSTM, "forward", turning(switch, True))
    assert why(ask(one, "plain", "values")) == fell_back(mode, evidence, **ran)


def test_steps_come_first_where_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contiguous, as a user's time-major data are; what comes back is a transposed view of what the layer returned."""
    seen: list[tuple[tuple[int, ...], bool]] = []
    forward = torch.nn.LSTM.forward

    def watched(self: Any, x: Any, state: Any = None) -> Any:
        seen.append((tuple(x.shape), x.is_contiguous()))
        return forward(self, x, state)

    monkeypatch.setattr(torch.nn.LSTM, "forward", watched)
    target = Target("torch", "time-major", "cpu", "float64")
    y = torch_backend.load("lstm", LSTM(1, 1), ONES, target).forward({"x": np.ones((2, 3, 1))})["y"]
    assert (seen, y.shape, y.flags.c_contiguous) == ([((3, 2, 1), True)], (2, 3, 1), False)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", ["plain", "ragged", "projection"])
def test_gradients_that_add_up_are_right(case: str, dtype: str) -> None:
    found = ask(alone(torch_backend, "backward", dtype), case, "values", "gradients", "repeat")
    assert {verdict.outcome for verdict in found} == {"passed"}
    gradients = next(verdict for verdict in found if verdict.property == "gradients")
    assert (gradients.ran["accumulated_in"], gradients.ran["backward_calls"]) == (".grad", "2")


def test_a_single_loss_is_pulled_back_in_halves() -> None:
    found = ask(alone(torch_backend, "backward", "float64", spec="mse"), "plain", "gradients")
    assert {verdict.outcome for verdict in found} == {"passed"}


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0, 2)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_two_parts_of_a_cotangent_make_the_whole(shape: tuple[int, ...], dtype: Any) -> None:
    whole = torch.arange(1, 1 + int(np.prod(shape))).to(dtype).reshape(shape) / 3
    parts = _variants._parts({"y": whole})
    assert torch.equal(parts[0]["y"] + parts[1]["y"], whole)
    assert not whole.numel() or not any(torch.equal(part["y"], whole) for part in parts)


def test_gradients_of_one_backward_are_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_variants, "_parts", lambda cotangents: (cotangents,))
    reason = why(ask(alone(torch_backend, "backward", "float64"), "plain", "gradients"))
    assert reason == fell_back("backward", "accumulated_in=.grad", accumulated_in="nothing")


def test_no_gradient_is_left_in_a_layer() -> None:
    target = Target("torch", "backward", "cpu", "float64")
    model = torch_backend.load("lstm", LSTM(1, 1), ONES, target)
    answers = [model.vjp({"x": np.ones((2, 3, 1))}, {"y": np.ones((2, 3, 1))}, ("weight_hh_l0",)) for _ in range(2)]
    first, second = (gradients["weight_hh_l0"] for _, gradients in answers)
    assert first is not None and second is not None and first.tobytes() == second.tobytes()


def test_steps_are_computed_again() -> None:
    found = ask(alone(torch_cell_backend, "checkpoint", "float64"), "ragged", "gradients", "jvp", "jacobian", "hvp")
    assert {verdict.outcome for verdict in found} == {"passed"}
    ran = {verdict.property: verdict.ran for verdict in found}
    assert (ran["gradients"]["steps"], ran["gradients"]["steps_again"]) == ("3", "3")
    assert ran["jvp"]["steps_again"] == "0"  # forward mode: there is no backward to compute anything for


def test_a_checkpoint_that_keeps_everything_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(body: Any, *arguments: Any, use_reentrant: bool) -> Any:
        return body(*arguments)

    monkeypatch.setattr(_variants, "checkpoint", kept)
    reason = why(ask(alone(torch_cell_backend, "checkpoint", "float64"), "plain", "gradients", "hvp"))
    assert reason == fell_back("checkpoint", "checkpointed=yes", checkpointed="no")


def test_answers_from_another_device_are_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one device here that every machine has beside the CPU, and it holds no numbers."""
    function = _cell.function

    def moved(config: LSTM) -> Any:
        return lambda tensors: {name: out.to("meta") for name, out in function(config)(tensors).items()}

    monkeypatch.setattr(_cell, "function", moved)
    reason = why(ask(alone(torch_cell_backend, "eager", "float64"), "plain", "values"))
    assert "the answers are on meta, but cpu was asked for" in reason


# --- gaps

NATIVE = "the evidence should be kernel=onednn, but is kernel=native"
INSTEAD = {  # by a gap's reason, what is answered to those who do not heed it
    "nn.LSTM draws its dropout masks itself: it takes none": "it takes none",
    "nn.LSTM takes both initial states or neither": "both initial states or neither",
    "torch's packed sequences refuse a sample of length 0": "refuse a sample of length 0",
    "nn.LSTM refuses a sequence of length 0": "Expected sequence length to be larger than 0 in RNN",
    "oneDNN's LSTM has no projection: torch runs its native one": NATIVE,
    "torch runs packed sequences without oneDNN": NATIVE,
    "torch runs an empty batch without oneDNN": NATIVE,
    "torch gives None, not zeros, as the gradient of what no step has used": (
        "got None|does not currently support|checkpointed=no"
    ),
    "there is no step to checkpoint": "got None|the evidence should be checkpointed=yes, but is checkpointed=no",
    "an empty Jacobian computes no step again": "the evidence should be checkpointed=yes, but is checkpointed=no",
    "AOTAutograd has no double backward": "aot_autograd does not currently support double backward",
}


@pytest.mark.parametrize(
    "opening", [pytest.param(o, id=o.id) for b in (torch_backend, torch_cell_backend) for o in openings(b)]
)
def test_every_gap_is_one(opening: Opening) -> None:
    assert_open(opening, INSTEAD)


def test_every_gap_on_the_cpu_is_asked_for() -> None:
    assert {o.gap.reason for b in (torch_backend, torch_cell_backend) for o in openings(b)} == set(INSTEAD)


def test_torch_itself_refuses_samples_of_length_0() -> None:
    """The backend refuses them before torch is asked."""
    with pytest.raises(RuntimeError, match="Length of all samples has to be greater than 0"):
        torch.nn.utils.rnn.pack_padded_sequence(torch.zeros(2, 3, 1), torch.tensor([3, 0]), batch_first=True)


def test_what_has_no_gap_is_right() -> None:
    """A gap that opens for everything would close nothing: the same requests are right without the feature."""
    for backend, mode, dtype in ((torch_backend, "native", "float64"), (torch_cell_backend, "eager", "float64")):
        found = ask(alone(backend, mode, dtype), "plain", "values", "gradients", "jvp", "jacobian", "hvp")
        assert {verdict.outcome for verdict in found} == {"passed"}


# --- damage in place


def scale(tensor: Any) -> None:
    with torch.no_grad():
        tensor.mul_(2.0)


class DamagesCotangent(torch.autograd.Function):  # type: ignore[misc]  # torch
    @staticmethod
    def forward(ctx: Any, value: Any) -> Any:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return gradient.mul_(2.0).clone()


def damaging(name: str) -> Callable[[LSTM], Any]:
    """Return the cell's `function` with outputs that are right, and the named tensor damaged afterwards."""
    function = _cell.function

    def make(config: LSTM) -> Any:
        def lstm(tensors: Any) -> Any:
            outputs = function(config)({key: tensor.clone() for key, tensor in tensors.items()})
            if name == "cotangent of y":
                return outputs | {"y": DamagesCotangent.apply(outputs["y"])}
            scale(tensors[name])
            return outputs

        return lstm

    return make


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
@pytest.mark.parametrize("name", ["x", "h0", "weight_hh_l0", "bias_ih_l0", "cotangent of y"])
def test_damage_in_place_is_seen(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cell, "function", damaging(name))
    found = ask(alone(torch_cell_backend, "eager", dtype), "plain", "untouched")
    assert {(verdict.tensor, verdict.outcome) for verdict in found} == {(name, "failed")}
    assert "changed during vjp" in found[0].reason


def test_damage_to_a_copy_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read-only is copied, and so is everything on a GPU: the caller's array stays as it is."""
    monkeypatch.setattr(_cell, "function", damaging("x"))
    model = torch_cell_backend.load("lstm", LSTM(1, 1), ONES, TARGET)
    x = np.ones((1, 2, 1))
    x.flags.writeable = False
    with pytest.raises(Damage, match="torch changed x in place"):
        model.forward({"x": x})
    assert (x == 1.0).all()


# --- live layers


def test_a_layer_that_draws_masks_is_refused() -> None:
    layer = torch.nn.LSTM(3, 4, 2, dropout=0.5)
    with pytest.raises(Unsupported, match=r"training mode with dropout=0\.5: two calls draw two masks"):
        torch_backend.adopt(layer)
    assert torch_backend.adopt(layer.eval()) is not None


def test_a_layer_with_computed_weights_is_refused() -> None:
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.LSTM(3, 4), "weight_hh_l0")
    with pytest.raises(Unsupported, match="weight_hh_l0 of this nn.LSTM is no parameter of its own"):
        torch_backend.adopt(layer)


@pytest.mark.parametrize("layer", [torch.nn.GRUCell(3, 4), torch.nn.LSTMCell(3, 4), len, None])
def test_what_is_no_lstm_is_not_ours(layer: object) -> None:
    assert torch_backend.adopt(layer) is None


# --- right answers


def test_gradients_of_the_smoke_cases_are_right() -> None:
    records = verify(
        ["torch/native/float64", "torch-cell/eager/float16"],
        suites=["smoke"],
        properties=["gradients"],
        objects=[torch_backend, torch_cell_backend],
        cache=False,
    )
    verdicts = [record for record in records if isinstance(record, Verdict)]
    passed = {
        target: [v for v in verdicts if v.target == target and v.outcome == "passed"]
        for target in ("torch/native/cpu/float64", "torch-cell/eager/cpu/float16")
    }
    assert {v.outcome for v in verdicts} <= {"passed", "blind", "skipped"}
    for name, found in passed.items():
        assert {(v.spec, v.case) for v in found} >= {("lstm", "plain"), ("lstm", "projection"), ("mse", "plain")}, name
    skipped = {(v.target.split("/")[0], v.case): v.reason for v in verdicts if v.outcome == "skipped"}
    assert skipped == {
        ("torch", "ragged"): "torch's packed sequences refuse a sample of length 0",
        ("torch", "dropout"): "nn.LSTM draws its dropout masks itself: it takes none",
    }
