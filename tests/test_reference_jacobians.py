"""The fast ways to a certified Jacobian enclose what plain balls give row by row, and its noise means what it meant."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradassay import _oracle
from gradassay._arithmetic import Noisy
from gradassay._ball import Ball, Enclosure
from gradassay._cache import Cache
from gradassay._case import Case, build
from gradassay._evaluate import Query
from gradassay._jacobian import sweep
from gradassay._noise import Simulated, _jacobian_spread, root_mean_square, survey
from gradassay._oracle import Oracle
from gradassay._precision import bits_for
from gradassay._reach import Reach, reach_of
from gradassay._spec import CaseTemplate
from gradassay._tape import Tape
from gradassay._words import Pool, Words
from gradassay_lstm import LSTM, Call, spec

PAIRS = (("y", "x"), ("c_n", "x"), ("y", "h0"), ("c_n", "c0"), ("h_n", "weight_hh_l0"), ("y", "bias_ih_l0"))


def case_of(config: LSTM, call: Call, regime: str = "unit", dtype: str = "float64") -> Case:
    return build(spec, "suite", CaseTemplate("jacobians", config, call, regime, seed=7), dtype)


def jacobian(of: str = "y", wrt: str = "x") -> Query:
    return Query("jacobian", of=of, wrt=(wrt,))


def row_by_row(case: Case, query: Query, bits: int = 256) -> Any:
    """The whole Jacobian in balls, one cotangent lane an output, every variable swept: no structure is used."""
    ball = Ball(bits)
    tape = Tape(ball)
    with ball.precision():
        leaves: dict[str, Any] = {
            n: a if case.table[n].role == "index" else tape.leaf(ball.lift(a.astype(np.float64)))
            for n, a in case.tensors.items()
        }
        out: Any = case.spec.equations(tape, case.config, case.call, leaves)[query.of]
        wrt = leaves[query.wrt[0]]
        size = int(np.prod(out.shape))
        rows = tape.gradients([(out, ball.one_hot(out.shape, range(size)))], [wrt])[0]
        return np.broadcast_to(rows, (1, size, *wrt.shape)).reshape((*out.shape, *wrt.shape))


def swept(case: Case, query: Query, reach: Reach, bits: int = 128) -> Enclosure:
    ball = Ball(bits)
    with ball.precision():
        return _oracle._enclosed(ball, sweep(ball, case, query, reach))


def escapes(found: Enclosure, plain: Any) -> int:
    """How many entries of plain balls are not within an enclosure, or are exactly 0 in one of the two alone."""
    ball, missed = Ball(2200), 0
    parts = (found.high, found.low, found.radius, found.zero, plain)
    with ball.precision():
        for high, low, radius, zero, exact in zip(*(p.ravel().tolist() for p in parts), strict=True):
            far = abs(exact - high - low) > exact.rad() + radius
            missed += bool(far) or zero != exact.is_zero()
    return missed


configs = st.builds(
    LSTM, st.integers(1, 2), st.integers(1, 3), num_layers=st.integers(1, 2), bidirectional=st.booleans()
)


@settings(max_examples=40, deadline=None)
@given(configs, st.data())
def test_a_swept_jacobian_encloses_the_plain_one(config: LSTM, data: st.DataObject) -> None:
    batch, steps = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    lengths = data.draw(st.none() | st.tuples(*[st.integers(0, steps)] * batch))
    regime = data.draw(st.sampled_from([r for r in spec.regimes if r != "overflow"]))
    case = case_of(config, Call(batch=batch, steps=steps, lengths=lengths), regime)
    query = jacobian(*data.draw(st.sampled_from(PAIRS)))
    reach = reach_of(case, query)
    plain = row_by_row(case, query)
    assert escapes(swept(case, query, reach), plain) == 0
    assert escapes(swept(case, query, replace(reach, forward=not reach.forward)), plain) == 0


def test_a_choice_between_lanes_and_a_constant_is_one_in_every_lane() -> None:
    """One unit: a constant padded with lanes of its own would line up with rows and units, and be wrong silently."""
    case = case_of(LSTM(2, 1, bidirectional=True), Call(batch=2, steps=3, lengths=(1, 3)))
    for query in (jacobian(of, wrt) for of, wrt in PAIRS):
        assert escapes(swept(case, query, replace(reach_of(case, query), forward=False)), row_by_row(case, query)) == 0


SMALL = (LSTM(2, 3), Call(batch=2, steps=3))


def test_a_radius_too_small_is_seen() -> None:
    case, query = case_of(*SMALL), jacobian()
    found, plain = swept(case, query, reach_of(case, query), bits=64), row_by_row(case, query)
    assert escapes(found, plain) == 0
    assert escapes(replace(found, radius=found.radius * 2.0**-20), plain) > 10


def test_lanes_shared_by_rows_that_meet_are_seen() -> None:
    case, query = case_of(*SMALL), jacobian()
    reach = reach_of(case, query)
    meeting = np.where(reach.wrt_elements >= 0, 0, -1)
    assert escapes(swept(case, query, replace(reach, forward=True, wrt_elements=meeting)), row_by_row(case, query)) > 10


def test_a_reach_that_leaves_an_entry_out_is_seen() -> None:
    case, query = case_of(*SMALL), jacobian()
    reach = reach_of(case, query)
    kept = reach.reached.copy()
    kept[tuple(np.argwhere(kept)[0])] = False
    assert escapes(swept(case, query, replace(reach, reached=kept)), row_by_row(case, query)) == 1


def test_huge_and_subnormal_values_are_enclosed() -> None:
    case, query = case_of(*SMALL), jacobian()
    for factor in (2.0**-1060, 2.0**-540, 2.0**20):
        scaled = {n: a * factor if n.startswith("weight_ih") else a for n, a in case.tensors.items()}
        other = replace(case, tensors=scaled)
        assert escapes(swept(other, query, reach_of(other, query)), row_by_row(other, query)) == 0


def test_a_jacobian_beyond_the_range_is_told_as_one() -> None:
    case, query = case_of(*SMALL, dtype="float16"), jacobian()
    large = replace(case, tensors={n: a * 600 if n == "x" else a * 200 for n, a in case.tensors.items()})
    store = Cache()
    store.directory = None
    assert Oracle(store).ask(large, query)["jacobian"].overflow


SPECS = ("classifier", "clip", "gru", "mse", "one_to_many", "rnn_tanh", "seq2seq", "truncated", "weighted_loss")


@pytest.mark.parametrize("name", SPECS)
def test_jacobians_of_other_models_are_enclosed_either_way(name: str) -> None:
    other = import_module(f"gradassay_{name}").spec
    asked = 0
    for suite, templates in other.suites().items():
        for template in templates[:6]:
            case = build(other, suite, template, "float64")
            sizes = {n: tensor.size for n, tensor in case.tensors.items()}
            wrt = min(case.differentiable, key=lambda n: sizes[n])
            of = min(case.outputs, key=lambda n: int(np.prod(case.table[n].shape)))
            query = jacobian(of, wrt)
            if asked < 4 and sum(sizes.values()) < 600 and int(np.prod(case.table[of].shape)) * sizes[wrt] < 1000:
                reach, plain = reach_of(case, query), row_by_row(case, query)
                for forward in (True, False):
                    assert escapes(swept(case, query, replace(reach, forward=forward)), plain) == 0
                asked += 1
    assert asked


# --- what the equations tell of themselves


def test_batch_rows_share_lanes_and_steps_are_causal() -> None:
    case = case_of(LSTM(2, 3), Call(batch=3, steps=4))
    reach = reach_of(case, jacobian())
    assert (reach.forward, reach.lanes) == (True, 4 * 2)  # columns of a step and feature, for all rows
    rows, steps = np.arange(3), np.arange(4)
    expected = np.logical_and.outer(rows[:, None] == rows, steps[:, None] >= steps)  # b, b', t, t'
    np.testing.assert_array_equal(reach.reached[:, :, 0, :, :, 0], np.transpose(expected, (0, 2, 1, 3)))


def test_the_fewer_lanes_are_taken_and_parameters_are_dear() -> None:
    case = case_of(LSTM(5, 2), Call(batch=2, steps=3))
    assert not reach_of(case, jacobian()).forward
    assert reach_of(case, jacobian("c_n", "weight_ih_l0")).lanes == 2 * 2  # rows, not 40 columns


def test_what_both_directions_cannot_have_in_common_is_pulled_back() -> None:
    case, query = case_of(*SMALL), jacobian()

    def doubled(tape: Tape, value: Any, where: Any) -> Any:
        return tape.splice(value, value + value)

    reach = reach_of(case, query, {"h": doubled})
    assert reach_of(case, query).forward and not reach.forward


@pytest.mark.parametrize("start", [0, 6, 12])
def test_a_block_costs_its_share(start: int) -> None:
    case, steps, size = case_of(LSTM(4, 6), Call(batch=1, steps=16)), 16, 4
    block = ((0, 1), (start, start + size))
    query = replace(jacobian(), of_block=(*block, (0, 6)), wrt_block=(*block, (0, 4)))
    values = survey(case, Query("jvp", wrt=("x",))).products
    whole, part = (survey(case, q).products - values for q in (jacobian(), query))
    triangle = size * (size + 1) / (steps * (steps + 1))
    assert part <= 1.5 * triangle * whole


# --- noise


def independent(case: Case, query: Query, reach: Reach, exact: Any) -> Any:
    """The spread of 32 samples that share nothing, each error drawn for itself."""
    noisy = Noisy(2.0**-30, 2.0**-30, 0.0, 2.0**-999, Words(0, "independent"), 32)
    return root_mean_square(sweep(noisy, case, query, reach).whole() - exact, axis=0)


@pytest.mark.parametrize("forward", [True, False])
def test_noise_from_a_pool_is_what_independent_draws_give(forward: bool) -> None:
    case, query = case_of(LSTM(4, 6), Call(batch=2, steps=8)), jacobian()
    reach = replace(reach_of(case, query), forward=forward)
    exact = swept(case, query, reach)
    pooled = _jacobian_spread(Simulated(2.0**-30, 2.0**-999, "seed"), case, query, exact.high, reach)
    plain = independent(case, query, reach, exact.high)
    ratio = np.log(pooled[~exact.zero] / plain[~exact.zero])
    # The logarithm of a ratio of two spreads of 32 samples has a standard deviation of 1 / sqrt(32).
    assert abs(ratio.mean()) < 0.05 and 0.1 < ratio.std() < 0.25


def test_noise_pushed_forward_is_near_that_pulled_back() -> None:
    case, query = case_of(LSTM(4, 6), Call(batch=2, steps=8)), jacobian()
    reach = reach_of(case, query)
    exact = swept(case, query, reach)
    made = Simulated(2.0**-30, 2.0**-999, "seed")
    pushed, pulled = (
        _jacobian_spread(made, case, query, exact.high, replace(reach, forward=f))[~exact.zero] for f in (True, False)
    )
    assert 0.7 < np.median(pushed / pulled) < 1.4


def test_a_pool_gives_uniform_numbers_and_draws_what_it_cannot_hold() -> None:
    pool = Pool(Words(1), 1 << 12)
    first, second, large = (pool.uniform(shape) for shape in ((40, 10), (40, 10), (4096, 2)))
    assert not np.array_equal(first, second)
    for drawn in (first, large):
        assert np.abs(drawn).max() < 1 and abs(drawn.mean()) < 0.1 and abs(drawn.std() - 3**-0.5) < 0.05
    with pytest.raises(ValueError, match="read-only"):
        first += 1.0


# --- bits foretold


def test_foretold_bits_are_enough_and_not_many_more(monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(LSTM(24, 32), Call(batch=1, steps=96))
    query = Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)
    foretold = bits_for(case, query)
    assert 128 < foretold < 256
    store = Cache()
    store.directory = None
    by_trial = Oracle(store).ask(case, query)
    assert {r.bits for r in by_trial.values()} == {256}
    monkeypatch.setattr(_oracle, "LONG", 0)
    store.directory, store = None, Cache()
    store.directory = None
    at_once = Oracle(store).ask(case, query)
    for name, found in at_once.items():
        assert found.bits == foretold
        np.testing.assert_array_equal(found.high, by_trial[name].high)
        np.testing.assert_array_equal(found.sigma, by_trial[name].sigma)


def test_bits_of_a_jacobian_are_foretold_by_the_sum_of_its_rows() -> None:
    case = case_of(LSTM(4, 32), Call(batch=1, steps=96))
    assert bits_for(case, jacobian()) >= bits_for(case_of(LSTM(4, 32), Call(batch=1, steps=8)), jacobian()) + 32


@pytest.mark.parametrize("too_small", [False, True])
def test_a_large_product_without_its_drowned_bits_is_an_enclosure(too_small: bool) -> None:
    draw = np.random.default_rng(5)
    fine, coarse = draw.normal(size=(64, 128)), draw.normal(size=(128, 160))
    ball = Ball(1024)
    with ball.precision():
        left = ball.tanh(ball.lift(fine))
        right = ball.tanh(ball.lift(coarse)) + type(left.flat[0])(0, 2.0**-150)
        found = ball.matmul(left, right)
        exact = (left[0, 0, :1] @ right[0, 0]).ravel()
        row = found[0, 0, 0]
        assert all(x.mid() != y.mid() for x, y in zip(row, exact, strict=True))  # it went another way
        shrunk = [type(x)(x.mid(), x.rad() * 2.0**-120) if too_small else x for x in row]
        within = [x.contains(y.mid()) for x, y in zip(shrunk, exact, strict=True)]
    assert all(within) != too_small
