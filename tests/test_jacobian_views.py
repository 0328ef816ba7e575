"""What is read off a Jacobian: its verdict against the reference, its steps, its states, its picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from liars import Forgetful, Honest, case, mixing, rows, source

import gradassay
from gradassay import UsageError
from gradassay.jacobians import Jacobian, Plan, StepBlocks
from gradassay.jacobians._source import linear_of
from gradassay.jacobians._states import state_blocks
from gradassay.views.jacobian import MOST
from gradassay_lstm import LSTM, Call


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path))


def computed(of: Any = "y", wrt: Any = "x", kind: Any = Honest, call: Call = Call(2, 5)) -> Jacobian:  # noqa: B008  # frozen
    return Plan.of_source(source(kind, case(call)), of, wrt, None, tune=False)()


# --- the verdict


@pytest.mark.parametrize("how", ["every entry", "products"])
@pytest.mark.parametrize(
    ("of", "wrt"),
    [("y", "x"), (("y", np.s_[:, 1:4]), ("x", np.s_[0, ::2])), ("c_n", ("weight_hh_l0", {"gate": "f"})), ("h_n", "c0")],
)
def test_a_right_one_is_certified(of: Any, wrt: Any, how: str) -> None:
    verdict = computed(of, wrt).certify(how)
    assert verdict and verdict.how == how and verdict.outcome == "passed"
    assert verdict.largest is not None and 0 < verdict.largest < 15
    assert f"passed by {how} (asked for)" in str(verdict) and "noise units" in str(verdict)


@pytest.mark.parametrize("how", ["every entry", "products"])
def test_one_wrong_entry_fails_both_ways(how: str) -> None:
    found = computed()
    found.block[1, 3, 2, 1, 2, 0] *= 1 + 1e-9
    verdict = found.certify(how)
    assert not verdict and verdict.outcome == "failed"
    assert "elements are beyond" in verdict.reason
    if how == "products":
        assert all(reason for name, *_, reason in verdict.parts if name)  # every direction sees it, from both sides


@pytest.mark.parametrize("how", ["every entry", "products"])
def test_an_entry_that_should_be_zero_fails_both_ways(how: str) -> None:
    found = computed()
    found.block[0, 0, 0, 1, 3, 0] = 1e-9
    assert found.certify(how).outcome == "failed"


def test_a_model_that_is_no_lstm_is_told_so() -> None:
    assert computed(kind=mixing).certified.outcome == "failed"


def test_what_is_not_finite_has_no_figure() -> None:
    found = computed()
    found.block[0, 0, 0, 0, 0, 0] = np.nan
    assert found.certified.largest is None
    assert "not finite" in str(found.certified)


def test_large_ones_are_held_against_the_reference_by_products(monkeypatch: pytest.MonkeyPatch) -> None:
    assert computed().certified.how == "every entry"
    monkeypatch.setattr("gradassay.jacobians._certify.AFFORDED", 1.0)
    verdict = computed().certified
    assert verdict.how == "products" and "up to 1e+00 are spent on it" in verdict.why
    with pytest.raises(UsageError, match="how is 'both'; should be 'every entry' or 'products'"):
        computed().certify("both")


# --- steps


def test_block_norms_are_those_of_the_blocks() -> None:
    found = computed()
    norms = found.block_norms()
    for t, s in np.ndindex(5, 5):
        assert norms[t, s] == pytest.approx(np.linalg.norm(found.array[:, t, :, :, s, :]), rel=1e-12)
    assert np.all(norms[np.triu_indices(5, 1)] == 0)
    assert np.sum(norms**2) == pytest.approx(np.linalg.norm(found.array) ** 2)


def test_rows_that_are_not_independent_are_one_matrix() -> None:
    found = computed(kind=mixing)
    assert np.sum(found.block_norms() ** 2) < np.linalg.norm(found.array) ** 2  # pairs of rows are left out
    whole = StepBlocks.of(found.block, found.of, found.wrt, "", "step")
    assert np.sum(whole.norms() ** 2) == pytest.approx(np.linalg.norm(found.array) ** 2)


def test_decay_is_by_lag() -> None:
    found = computed()
    decay, norms = found.decay(), found.block_norms()
    assert decay[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert decay[1, 1:] == pytest.approx(
        [np.median(np.diag(norms, -1)), np.diag(norms, -1).min(), np.diag(norms, -1).max()]
    )
    part = computed(("y", np.s_[:, 2:5]), ("x", np.s_[:, 0:2])).decay()
    assert part[:, 0].tolist() == [1, 2, 3, 4]  # steps keep their numbers
    assert part[3, 1] == pytest.approx(norms[4, 0])


def test_singular_values_are_the_extremes_of_each_row() -> None:
    found = computed()
    values = found.singular_values()
    own = [np.linalg.svd(found.array[r, 3, :, r, 1, :], compute_uv=False) for r in range(2)]
    assert values.largest[3, 1] == pytest.approx(max(one[0] for one in own))
    assert values.smallest[3, 1] == pytest.approx(min(one[-1] for one in own))


def test_a_side_without_steps_has_no_blocks() -> None:
    with pytest.raises(UsageError, match="h_n has no axis 'step': there are no blocks of it"):
        computed("h_n").block_norms()


# --- states


@pytest.mark.parametrize(("of", "wrt"), [("c_n", "c0"), ("h_n", "h0"), ("c_n", "h0")])
def test_states_reach_as_far_as_calls_between_them_say(of: str, wrt: str) -> None:
    """d (state after t) / d (state before s) is the Jacobian of the call of the steps from s to t."""
    at = source(Honest, case(Call(2, 5)))
    found = state_blocks(at, linear_of(at), of, wrt)
    assert found.array.shape == (5, 5, 2, 4, 4)
    states = {}
    for s in range(5):
        part = case(Call(2, 5))
        before = at.model.forward({**part.inputs, "x": part.inputs["x"][:, :s]}) if s else None
        states[s] = (part.inputs["h0"], part.inputs["c0"]) if before is None else (before["h_n"], before["c_n"])
    for t, s in np.ndindex(5, 5):
        if t < s:
            assert np.all(found.array[t, s] == 0)
            continue
        given = {"x": at.case.inputs["x"][:, s : t + 1], "h0": states[s][0], "c0": states[s][1]}
        want = gradassay.jacobian("numpy", of=of, wrt=wrt, config=at.case.config, **at.case.parameters, **given).array
        for row in range(2):
            assert np.allclose(found.array[t, s, row], want[0, row, :, 0, row, :], rtol=1e-12, atol=1e-15)


def test_states_that_a_call_is_not_given_are_reached_too() -> None:
    given = case(Call(2, 4, h0=False, c0=False))
    parameters = {**given.parameters, "x": given.tensors["x"]}
    found = gradassay.state_jacobians("numpy", of="c_n", wrt="c0", config=given.config, **parameters)
    zero = np.zeros((1, 2, 4))
    want = gradassay.jacobian("numpy", of="c_n", wrt="c0", config=given.config, **parameters, h0=zero, c0=zero).array
    assert np.allclose(found.array[3, 0, 1], want[0, 1, :, 0, 1, :], rtol=1e-12, atol=1e-15)


def test_states_of_a_model_that_does_not_carry_them_are_refused() -> None:
    at = source(Forgetful, case(Call(2, 5)))
    with pytest.raises(UsageError, match="the states between steps of Forgetful are not what it carries on"):
        state_blocks(at, linear_of(at), "h_n", "h0")


@pytest.mark.parametrize(
    ("call", "config", "of", "message"),
    [
        (Call(2, 4), LSTM(3, 4, bidirectional=True), "c_n", "lstm does not say how this call is cut into steps"),
        (Call(2, 4), LSTM(3, 4), "y", "of: there is no state `y`"),
        (Call(2, 1), LSTM(3, 4), "c_n", "this call has one step: ask for its Jacobian"),
    ],
)
def test_where_there_are_no_states_between_steps(call: Call, config: LSTM, of: str, message: str) -> None:
    at = source(Honest, case(call, config))
    with pytest.raises(UsageError) as refused:
        state_blocks(at, linear_of(at), of, "c0")
    assert message in str(refused.value)


# --- the picture


def drawn(found: Any, path: Path) -> str:
    found.picture(path)
    text = path.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    return text


def test_a_picture_stands_alone(tmp_path: Path) -> None:
    text = drawn(computed(), tmp_path / "j.svg")
    assert "prefers-color-scheme:dark" in text
    used = set(re.findall(r"var\(--(\w+)\)", text))
    assert used and all(f"--{name}:" in text for name in used)
    words = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    assert {"d y / d x", "norms of the blocks", "largest", "smallest", "x step s", "y step t"} <= set(words)
    assert text == drawn(computed(), tmp_path / "again.svg")  # the same bytes


def test_a_causal_map_is_empty_above_the_diagonal(tmp_path: Path) -> None:
    """Filled cells are paths of the first colour; 5 steps have 15 of them."""
    causal = drawn(computed(), tmp_path / "a.svg")
    at = source(Honest, case(Call(2, 5), LSTM(3, 4, bidirectional=True)))
    both = drawn(Plan.of_source(at, "y", "x", None, tune=False)(), tmp_path / "b.svg")
    assert (_cells(causal), _cells(both)) == (15, 25)


def _cells(text: str) -> int:
    """Count closed boxes of the first colour within the map: left of where the curves begin."""
    found = 0
    for path in re.findall(r'<path d="([^"]*)" style="[^"]*fill:var\(--c1\)', text):
        for box in path.split("M")[1:]:
            x, y = (float(number) for number in box.split("V")[0].split("H")[0].split("L")[0].split()[:2])
            found += x < 300 and y <= 276 + 0.1
    return found


def test_many_steps_are_drawn_together(tmp_path: Path) -> None:
    steps = 2 * MOST + 1
    array = np.ones((steps, steps, 1, 1, 1))
    blocks = StepBlocks(array, "y", "x", tuple(range(steps)), tuple(range(steps)))
    assert _cells(drawn(blocks, tmp_path / "a.svg")) == (-(-steps // 3)) ** 2


def test_nothing_that_depends_is_a_picture_too(tmp_path: Path) -> None:
    found = computed(("y", np.s_[:, 0:2]), ("x", np.s_[:, 3:5]))
    assert found.route == "nothing depends" and found.cost.calls > 0
    assert "nothing depends" in drawn(found, tmp_path / "a.svg")


def test_rows_are_as_sure_as_they_are_slow() -> None:
    """What other tests compare with, compared itself: by differences."""
    at = source(Honest, case(Call(2, 3)))
    x, h = at.case.inputs["x"], 1e-6
    moved = [
        at.model.forward({**at.case.inputs, "x": x + sign * h * (np.arange(x.size) == 7).reshape(x.shape)})["y"]
        for sign in (1, -1)
    ]
    assert np.allclose((moved[0] - moved[1]) / (2 * h), rows(at).reshape(*moved[0].shape, -1)[..., 7], atol=1e-9)
