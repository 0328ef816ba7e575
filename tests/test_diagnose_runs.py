"""One mistake is one report: failing verdicts of a run, grouped by cause."""

from __future__ import annotations

from typing import Any

import pytest

from gradassay import Fault, check
from gradassay._record import Cause, Record, Verdict
from gradassay._run import verify
from gradassay._simulated import Simulated
from gradassay.views.check import explanation
from gradassay_lstm import LSTM, spec
from gradassay_lstm._features import FEATURES
from gradassay_numpy import faulty_backend

PROPERTIES = ("contract", "values", "gradients", "untouched")


def run(backend: Any, *cases: str, targets: tuple[str, ...] = ("float64",)) -> list[Record]:
    return verify(
        [f"{backend.name}/{target}" for target in targets],
        objects=[backend],
        specs=["lstm"],
        suites=["smoke"],
        cases=cases,
        properties=PROPERTIES,
        cache=False,
    )


def causes(records: list[Record]) -> list[Cause]:
    return [record for record in records if isinstance(record, Cause)]


def failing(records: list[Record]) -> list[Verdict]:
    return [record for record in records if isinstance(record, Verdict) and record.outcome in ("failed", "errored")]


def hypothesis(name: str) -> Fault:
    (fault,) = [fault for fault in (*spec.faults, *spec.hypotheses(LSTM(3, 4))) if fault.name == name]
    return fault


def test_a_wrong_gate_order_is_one_cause_of_every_failure() -> None:
    records = run(Simulated(spec, hypothesis("gate-order-ifog"), order="sequential", features=FEATURES))
    (cause,) = causes(records)
    assert cause.sentence == "the gate order is i, f, o, g; should be i, f, g, o"
    assert cause.case == "one", "the simplest case is shown"
    wrong = failing(records)
    assert len(wrong) > 50
    assert cause.verdicts == len(wrong)
    assert all(cause.holds(verdict) for verdict in wrong)
    assert cause.replay.endswith("--suite smoke --case one --property gradients") or "--property values" in cause.replay


def test_the_causes_come_before_the_footer_and_are_of_the_run() -> None:
    backend = faulty_backend("dw-hh-from-h-t")
    records = run(backend, "plain", "no-bias", targets=("float64", "float32"))
    assert isinstance(records[-2], Cause)
    (cause,) = causes(records)
    assert cause.name == "dweight_hh-from-h_t"
    assert set(cause.accounts) == {f"{backend.name}/eager/cpu/float64", f"{backend.name}/eager/cpu/float32"}


def test_two_mistakes_are_two_causes() -> None:
    """One shows everywhere, the other between layers alone: what the first does not predict is not its own."""

    def both(u: float) -> Any:
        assert one.edits and two.edits
        return {**one.edits(u), **two.edits(u)}

    one = hypothesis("bias_hh-ignored")
    two = Fault("layers", "", "none known", (), edits=lambda u: {"dropped": lambda tape, v, where: v * 1.01})
    mixed = Fault("mixed", "", "none known", (), edits=both)
    records = run(Simulated(spec, mixed, features=FEATURES), "plain", "dropout")
    found = causes(records)
    assert len(found) == 2
    assert {tuple(cause.accounts["faulty-mixed/rounded/cpu/float64"]) for cause in found} >= {("lstm/smoke/dropout",)}


def test_what_no_hypothesis_explains_is_grouped_by_the_tensors_that_are_wrong() -> None:
    def weird(tape: Any, v: Any, where: Any) -> Any:
        return tape.splice(v, v + 0.37 * v * v)

    fault = Fault("weird", "", "none known", (), edits=lambda u: {"weight_hh": weird})
    records = run(Simulated(spec, fault, features=FEATURES), "plain", "no-bias")
    (cause,) = causes(records)
    assert not cause.sentence and not cause.stopped and cause.tried > 100
    assert {v.tensor for v in failing(records)} == {"weight_hh_l0"}
    assert cause.verdicts == len(failing(records))


def test_a_right_backend_has_no_cause() -> None:
    records = run(Simulated(spec, order="pairwise", features=FEATURES), "plain", "ragged")
    assert not failing(records) and not causes(records)


def test_a_message_of_pytest_says_the_cause() -> None:
    records = run(faulty_backend("bias-i-and-o-from-delta-f"), "plain")
    text = " ".join(explanation(failing(records), causes(records)).split())
    assert "the bias gradients of the input and output gates are those of the forget gate" in text
    assert "left over" in text and "replay" in text


def test_a_live_layer_with_its_gates_in_another_order_is_told_which() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)

    class Wrong(torch.nn.LSTM):  # type: ignore[misc, name-defined]  # torch is imported here alone
        def forward(self, x: Any, hx: Any = None) -> Any:
            moved = {n: p.reshape(4, -1)[[0, 1, 3, 2]].reshape(p.shape) for n, p in self.named_parameters()}
            return torch.func.functional_call(torch.nn.LSTM(3, 4, batch_first=True), moved, (x, hx))

    found = check(Wrong(3, 4, batch_first=True), x=torch.randn(2, 5, 3))
    assert not found
    said = str(found)
    assert "\ntorch: the gate order is i, f, o, g; should be i, f, g, o\n  shows in    " in said
    assert "WRONG: " in said.rpartition("\n")[2]
