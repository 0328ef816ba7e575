"""`gradassay.jacobian`: every route gives the same block, promises are used only when kept, cost follows the block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from liars import Doubling, Forgetful, Honest, case, clocked, foreseeing, mixing, rows, source

import gradassay
from gradassay import UsageError
from gradassay._words import Words
from gradassay.jacobians import Plan
from gradassay.jacobians._piece import Piece, inputs_of, reduced, whole
from gradassay.jacobians._probe import broken_causality, broken_rows
from gradassay.jacobians._route import routes
from gradassay.jacobians._side import Side
from gradassay.jacobians._source import Source, linear_of
from gradassay_lstm import LSTM, Call

SMALL = LSTM(3, 4)
CASES = {
    "plain": case(),
    "one row": case(Call(1, 5)),
    "one step": case(Call(2, 1)),
    "no states": case(Call(2, 5, h0=False, c0=False)),
    "one state": case(Call(2, 5, h0=False)),
    "ragged": case(Call(3, 5, lengths=(5, 2, 1))),
    "both directions": case(Call(2, 4), LSTM(3, 4, bidirectional=True)),
    "two layers": case(Call(2, 5), LSTM(3, 4, num_layers=2)),
    "projection": case(Call(2, 5), LSTM(3, 4, projection=2)),
}
PAIRS = [("y", "x"), ("y", "c0"), ("h_n", "x"), ("c_n", "h0"), ("y", "weight_hh_l0"), ("c_n", "bias_ih_l0")]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path))


def plan(at: Source, of: Any = "y", wrt: Any = "x", memory: int | None = None) -> Plan:
    return Plan.of_source(at, of, wrt, memory, tune=False)


def same(got: Any, want: Any) -> bool:
    return got.shape == want.shape and np.allclose(got, want, rtol=1e-12, atol=1e-15)


# --- every way gives the same


def there(name: str, wrt: Any) -> bool:
    """Say whether a case has what is differentiated by: calls without states do not have these."""
    return not isinstance(wrt, str) or wrt in source(Honest, CASES[name]).case.tensors


@pytest.mark.parametrize(("name", "of", "wrt"), [(n, of, by) for n in CASES for of, by in PAIRS if there(n, by)])
def test_the_whole_is_what_rows_give(name: str, of: str, wrt: str) -> None:
    at = source(Honest, CASES[name])
    found = plan(at, of, wrt)()
    assert same(found.array, rows(at, of, wrt))
    assert not found.notes


@pytest.mark.parametrize(
    ("of", "wrt"),
    [
        (("y", np.s_[:, 2:4]), ("x", np.s_[:, 1:3])),
        (("y", np.s_[:, 4]), ("x", np.s_[:, 1, 2])),
        (("y", np.s_[1]), ("x", np.s_[1])),
        (("y", np.s_[[2, 0]]), ("x", np.s_[[0, 1]])),
        (("y", np.s_[0]), ("x", np.s_[1])),
        (("y", np.s_[:, 0:2]), ("x", np.s_[:, 3:5])),
        (("y", np.s_[:, ::2, ::-1]), ("x", np.s_[..., -1])),
        (("y", np.s_[:, [5, 1]]), ("x", np.s_[:, [4, 0]])),
        (("h_n", np.s_[0, 1, 2]), ("x", np.s_[:, 3:])),
        (("y", np.s_[:, :3]), ("c0", np.s_[0, :, 1])),
        (("y", np.s_[1, 2]), ("weight_ih_l0", np.s_[4:8])),
        (("y", np.s_[2:0]), "x"),
    ],
)
def test_a_block_is_a_part_of_the_whole(of: Any, wrt: Any) -> None:
    at = source()
    indices = [side[1] if isinstance(side, tuple) else () for side in (of, wrt)]
    names = [side[0] if isinstance(side, tuple) else side for side in (of, wrt)]
    every = rows(at, *names)
    want = _part(every, indices, len(at.case.table[names[0]].shape))
    assert same(plan(at, of, wrt)().array, want)


def _part(every: Any, indices: list[Any], rank: int) -> Any:
    """Index both sides one after the other: NumPy would otherwise join two lists into pairs."""
    numbers = np.arange(int(np.prod(every.shape[:rank]))).reshape(every.shape[:rank])[indices[0]]
    picked = every.reshape(-1, *every.shape[rank:])[numbers.ravel()]
    return picked[(slice(None), *_tuple(indices[1]))].reshape(
        *numbers.shape, *np.empty(every.shape[rank:])[indices[1]].shape
    )


def _tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def test_positions_have_names() -> None:
    at = source()
    found = plan(at, ("c_n", {"unit": 3}), ("weight_ih_l0", {"gate": "f", "feature": [0, 2]}))()
    want = rows(at, "c_n", "weight_ih_l0")[:, :, 3, 4:8][..., [0, 2]]
    assert same(found.array, want)
    one = plan(at, "h_n", ("bias_hh_l0", {"gate": "g", "unit": 1}))()
    assert same(one.array, rows(at, "h_n", "bias_hh_l0")[..., 9])


ROUTED = ("plain", "one row", "no states", "one state", "two layers", "projection")
BY_ROUTES = [*PAIRS[:4], (("y", np.s_[:, 1:5, 1]), ("x", np.s_[:, 1:4, :2]))]


@pytest.mark.parametrize(("name", "of", "wrt"), [(n, of, by) for n in ROUTED for of, by in BY_ROUTES if there(n, by)])
def test_every_route_gives_the_same(name: str, of: Any, wrt: Any) -> None:
    at = source(Honest, CASES[name])
    made = plan(at, of, wrt)
    want = made().block
    linear = linear_of(at)
    piece = reduced(_whole(made))
    found = routes(linear, piece, 100, 8, 2**20)
    kinds = {route.kind for route in found}
    assert {"reverse, batched", "reverse, rows repeated", "chain, batched", "chain, rows repeated"} <= kinds
    for route in found:
        block = np.zeros_like(want)
        block = route.run(linear, piece, inputs_of(piece, at.case.inputs, linear), block)
        assert same(block, want), route.name


def test_few_lanes_at_a_time_give_the_same() -> None:
    at = source()
    made = plan(at)
    want, linear, piece = made().block, linear_of(at), reduced(_whole(made))
    for route in routes(linear, piece, 100, 8, 9000):
        block = np.zeros_like(want)
        block = route.run(linear, piece, inputs_of(piece, at.case.inputs, linear), block)
        assert same(block, want), route.name
    assert linear.cost.calls > 20


def test_what_cannot_be_batched_goes_one_by_one() -> None:
    at = source(Honest, None, "forward", "vjp")
    found = plan(at, ("y", np.s_[0, 3]), "x")()
    assert found.cost.lanes == found.cost.calls
    assert same(found.array, rows(at)[0, 3])


def test_forward_mode_is_taken_for_few_columns(request: pytest.FixtureRequest) -> None:
    jax, given = pytest.importorskip("jax"), case()
    pytest.importorskip("gradassay_jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    request.addfinalizer(lambda: jax.config.update("jax_enable_x64", before))
    found = gradassay.jacobian(
        "jax/float64", of="y", wrt=("weight_ih_l0", np.s_[0, 0]), config=given.config, **given.tensors
    )
    assert found.route.startswith("forward")
    assert same(found.array, rows(source(), "y", "weight_ih_l0")[..., 0, 0])


def _whole(made: Plan) -> Piece:
    given = made.source.case
    return whole(given.spec, given.config, given.call, made.of, made.wrt, made.source.structure)


# --- promises


@pytest.mark.parametrize("size", [1e-3, 1e-25])
def test_rows_that_mix_are_seen_and_computed_plainly(size: float) -> None:
    at = _lying(mixing, size)
    found = plan(at)()
    assert same(found.array, rows(at))
    assert np.any(found.array[0, :, :, 1] != 0)
    assert "rows are not independent here: the gradient of x at row" in found.notes[0]
    assert "for a cotangent of y that is 0 there; should be 0" in found.notes[0]


@pytest.mark.parametrize("size", [1e-3, 1e-25])
def test_a_step_that_sees_the_next_is_seen_and_computed_plainly(size: float) -> None:
    at = _lying(foreseeing, size)
    for of, wrt in (("y", "x"), (("y", np.s_[:, 0:2]), ("x", np.s_[:, 2:4]))):
        found = plan(at, of, wrt)()
        want = rows(at) if of == "y" else rows(at)[:, 0:2][:, :, :, :, 2:4]
        assert same(found.array, want)
        assert np.any(found.block[:, 1, :, :, 2 if of == "y" else 0] != 0)
        assert "a step sees later ones here: the gradient of x at step" in found.notes[0]
        assert "and later; should be 0" in found.notes[0]


@pytest.mark.parametrize("liar", [clocked, Forgetful])
def test_a_call_that_cannot_be_taken_up_again_is_seen(liar: Any) -> None:
    at = source(liar)
    found = plan(at, ("y", np.s_[:, 3:6]), ("x", np.s_[:, 2:6]))()
    assert same(found.array, rows(at)[:, 3:6][:, :, :, :, 2:6])
    assert "was dropped: v times it is" in found.notes[0]
    assert "where a plain VJP gives" in found.notes[0]


def test_batched_operators_that_are_wrong_are_seen() -> None:
    at = source(Doubling)
    found = plan(at, ("y", np.s_[0, 3]), "x")()
    assert same(found.array, rows(at)[0, 3])
    assert len(found.notes) == 2
    assert all("was dropped" in note for note in found.notes)
    assert found.route == "reverse, one by one"


def test_the_honest_model_is_accused_of_nothing() -> None:
    at = source()
    piece, linear = _whole(plan(at)), linear_of(at)
    assert broken_rows(linear, piece, at.case.inputs, Words(0)) == ""
    assert broken_causality(linear, piece, at.case.inputs, Words(0)) == ""


def test_every_pair_of_rows_is_asked_about() -> None:
    """One row reaches one other, of nine, and no probe that misses the pair would see it."""
    given = case(Call(9, 2))
    for here, there in ((0, 8), (3, 4), (7, 1)):
        at = source(lambda model, a=here, b=there: _reaching(model, a, b), given)  # type: ignore[misc]
        linear = linear_of(at)
        assert broken_rows(linear, _whole(plan(at)), given.inputs, Words(0)), (here, there)


def _reaching(model: Any, here: int, there: int) -> Any:
    """y of one row sees x of another."""
    from liars import FEATURES, Added

    def add(x: Any) -> Any:
        found = np.zeros(x.shape[:2])
        if len(x) > max(here, there):
            found[here] = 1e-6 * x[there].sum(axis=-1)
        return found

    def back(v: Any) -> Any:
        found = np.zeros((*v.shape, FEATURES))
        if len(v) > max(here, there):
            found[there] = 1e-6 * v[here][:, None]
        return found

    return Added(model, add, back)


def _lying(kind: Any, size: float) -> Source:
    def lying(model: Any) -> Any:
        return kind(model, size)

    return source(lying)


def test_a_promise_that_is_not_made_is_not_used() -> None:
    at = source(Honest, CASES["both directions"])
    found = plan(at, ("y", np.s_[:, 1:2]), ("x", np.s_[:, 3:4]))()
    assert np.any(found.array != 0)
    assert "chain" not in found.route and "only steps" not in found.why


# --- cost


def test_cost_follows_the_block() -> None:
    """Of T steps, a block of k by k on the diagonal is k lanes of T, over k steps of T."""
    at = source(Honest, case(Call(1, 32)))
    full = plan(at)
    swept = {}
    for width in (4, 8, 16):
        block = plan(at, ("y", np.s_[:, 8 : 8 + width]), ("x", np.s_[:, 8 : 8 + width]))
        block()  # probes
        found = block()
        assert same(found.array, rows(at)[:, 8 : 8 + width][:, :, :, :, 8 : 8 + width])
        swept[width] = found.cost.lane_steps
    full()
    linear = linear_of(at)
    reverse = next(r for r in routes(linear, reduced(_whole(full)), 100, 8, 2**24) if r.kind == "reverse, batched")
    reverse.run(linear, reduced(_whole(full)), at.case.inputs, full().block)
    for width, steps in swept.items():
        assert steps <= 1.5 * (width / 32) ** 2 * linear.cost.lane_steps + 32, width


def test_one_row_of_a_batch_costs_a_row() -> None:
    given = case(Call(8, 6))
    one, all_ = plan(source(Honest, given), ("y", np.s_[3])), plan(source(Honest, given))
    costs = []
    for made in (one, all_):
        made()
        costs.append(made().cost.lane_steps)
    assert costs[0] * 4 <= costs[1]


def test_a_plan_probes_once() -> None:
    made = plan(source())
    first, second = made(), made()
    assert second.cost.calls < first.cost.calls
    assert same(first.array, second.array) and first.route == second.route


def test_a_plan_takes_other_data() -> None:
    at, other = source(), case(seed=2)
    made = plan(at)
    before = made().array
    found = made(x=other.tensors["x"])
    assert not same(found.array, before)
    want = gradassay.jacobian("numpy", of="y", wrt="x", config=SMALL, **{**at.case.tensors, "x": other.tensors["x"]})
    assert same(found.array, want.array)
    assert same(made().array, before)
    with pytest.raises(UsageError, match="z is none of the plan's data: x, h0, c0"):
        made(z=before)
    with pytest.raises(UsageError, match=r"x has shape \(1, 2, 3\); should be \(3, 6, 3\)"):
        made(x=np.zeros((1, 2, 3)))


def test_the_fastest_can_be_timed() -> None:
    made = Plan.of_source(source(), "y", "x", None, tune=True)
    found = made()
    assert "the fastest when timed: " in found.why and " ms" in found.why
    assert same(found.array, rows(source()))


# --- words


def test_it_says_what_it_did() -> None:
    said = str(plan(source(), ("y", np.s_[:, 2:4]), ("x", np.s_[0]))())
    assert said.splitlines()[0] == "d y[:, 2:4, :] / d x[0, :, :] of Honest: (3, 2, 4, 6, 3) in float64, 3.46 kB"
    assert "only steps 0 to 3 of 6 and 1 of 3 rows: nothing else counts" in said
    assert "the least work by estimate" in said


@pytest.mark.parametrize(
    ("of", "wrt", "message"),
    [
        ("z", "x", "of: there is no tensor `z`"),
        ("x", "x", "of: there is no tensor `x`"),
        ("y", "y", "wrt: there is no tensor `y`"),
        (("y", np.s_[:, :, :, 0]), "x", "of: y has 3 axes, but the index has 4"),
        (("y", np.s_[:, 9]), "x", "of: axis 1 of y: index 9 is out of bounds"),
        (("y", "first"), "x", "of: axis 0 of y: 'first' chooses no positions; give an integer, a slice or a list"),
        (("y", np.s_[[1, 1]]), "x", "of: axis 0 of y names a position twice; each may be named once"),
        (("y", {"steps": 1}), "x", "of: there is no axis of y `steps`"),
        ("y", ("weight_ih_l0", {"gate": "x"}), "wrt: there is no position of gate `x`"),
    ],
)
def test_what_is_not_there_is_refused(of: Any, wrt: Any, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        plan(source(), of, wrt)
    assert message in str(refused.value)


def test_integers_are_not_differentiated_by() -> None:
    with pytest.raises(UsageError, match="wrt: lengths is integers: nothing is differentiated by it"):
        plan(source(Honest, CASES["ragged"]), "y", "lengths")


def test_a_side_knows_its_bounds() -> None:
    table = CASES["plain"].table
    side = Side.of(("y", np.s_[1:, [4, 2]]), table, ("y",), "of")
    assert side.bounds == ((1, 3), (2, 5), (0, 4)) and side.block == (2, 2, 4)
    assert str(side) == "y[1:3, 2 of 6, :]"


# --- what specs promise


def test_a_spec_that_says_nothing_promises_nothing() -> None:
    from gradassay import Structure
    from gradassay_mse import spec as mse

    assert mse.structure(SMALL, Call(2, 3)) == Structure()


def test_an_lstm_promises_what_its_call_keeps() -> None:
    from gradassay import Structure
    from gradassay_lstm import spec

    whole = Structure(rows="row", causal="step", carried={"h_n": "h0", "c_n": "c0"})
    assert spec.structure(SMALL, Call(2, 3)) == spec.structure(SMALL, Call(2, 3, h0=False)) == whole
    rows_alone = Structure(rows="row")
    assert spec.structure(LSTM(3, 4, bidirectional=True), Call(2, 3)) == rows_alone
    assert spec.structure(SMALL, Call(2, 3, lengths=(3, 1))) == rows_alone


def test_an_axis_that_is_part_of_a_product_is_not_cut() -> None:
    """A promise needs an axis that can be sliced in every tensor that has it."""
    from gradassay import Structure

    given = case()
    sides = [Side.of(name, given.table, (name,), "of") for name in ("y", "x")]
    promised = Structure(rows="row", causal="unit", carried={"h_n": "h0"})
    made = whole(given.spec, given.config, given.call, *sides, promised)
    assert made.structure == Structure(rows="row")
