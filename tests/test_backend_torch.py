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

from gradassay_torch import _cell, _compiled, torch_backend, torch_cell_backend  # noqa: E402  # after the skip
from gradassay_torch._model import Damage  # noqa: E402

# torch warns of things inside it; as an error, a warning would stand for the refusal that a test is about.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

TARGET = Target("torch-cell", "eager", "cpu", "float64")
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
    "torch gives None, not zeros, as the gradient of what no step has used": "got None|does not currently support",
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
    parameters = {
        "weight_ih_l0": np.ones((4, 1)),
        "weight_hh_l0": np.ones((4, 1)),
        "bias_ih_l0": np.ones(4),
        "bias_hh_l0": np.ones(4),
    }
    model = torch_cell_backend.load("lstm", LSTM(1, 1), parameters, TARGET)
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


@pytest.mark.parametrize("layer", [torch.nn.GRU(3, 4), torch.nn.LSTMCell(3, 4), len, None])
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
