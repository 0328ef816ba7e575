"""Every rule of the tape alone, against a derivative that shares no code with it; and that a wrong rule is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rules import RULES, Plain, Rule, complex_step

from gradassay._arithmetic import Float64
from gradassay._ball import Ball
from gradassay._tape import Contributions, Tape, Var

BY_NAME = {rule.name: rule for rule in RULES}


def check(rule: Rule, numbers: Any, absolute: float = 0.0) -> None:
    """Hold value and whole Jacobian of a rule, pulled back on one lane for each output, against complex steps."""
    tape = Tape(numbers)
    leaves = [tape.leaf(numbers.lift(a)) for a in rule.operands()]
    out = rule.apply(tape, *leaves)
    want = np.asarray(rule.apply(Plain(), *(a.astype(np.complex128) for a in rule.operands()))).real
    value = np.asarray(out.value[0, 0]).astype(np.float64)
    assert value.shape == want.shape, f"rule '{rule.name}': shape {value.shape}; should be {want.shape}"
    assert np.allclose(value, want, rtol=1e-13, atol=0), f"rule '{rule.name}': the value is {value}; should be {want}"
    size = int(np.prod(want.shape, dtype=np.int64))
    pulled = tape.gradients([(out, numbers.one_hot(want.shape, range(size)))], leaves)
    for k, (cotangents, exact) in enumerate(zip(pulled, complex_step(rule), strict=True)):
        operand = leaves[k].shape
        rows = np.broadcast_to(cotangents, (1, size, *operand))[0].astype(np.float64)
        got = rows.reshape(exact.shape)
        assert np.array_equal(got == 0, exact == 0), (
            f"rule '{rule.name}', operand {k}: other zeros than by complex step"
        )
        wrong = np.argwhere(~np.isclose(got, exact, rtol=1e-12, atol=absolute))
        assert not len(wrong), (
            f"rule '{rule.name}', operand {k}: the derivative at {wrong[0].tolist()} is {got[tuple(wrong[0])]}; "
            f"should be {exact[tuple(wrong[0])]} by complex step"
        )


def evaluated(rule: Rule, bits: int) -> None:
    ball = Ball(bits)
    with ball.precision():
        check(rule, ball)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_in_floats(rule: Rule) -> None:
    check(rule, Float64(), absolute=1e-14)  # s (1 - s) cancels where a sigmoid is near 1; in balls it does not matter


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_in_balls(rule: Rule) -> None:
    evaluated(rule, 160)


def test_every_operation_has_a_rule() -> None:
    """An operation that is added to the tape is added to the list, or this fails."""
    not_operations = {
        "register",
        "leaf",
        "constant",
        "constant_value",
        "peak",
        "integers",
        "gradients",
        "pull",
        "value_at",
    }
    operations = {n for n, f in vars(Tape).items() if callable(f) and not n.startswith("_")} - not_operations
    assert {rule.operation for rule in RULES} == operations


# --- wrong rules


def scaled(operation: Callable[..., Var], factor: float) -> Callable[..., Var]:
    """The same operation, its chain rule off by a factor."""

    def wrong(tape: Tape, *args: Any, **kwargs: Any) -> Var:
        out = operation(tape, *args, **kwargs)
        out.rules = [
            (operand, lambda g, into, rule=rule: rule(tape.numbers.multiply(g, tape.numbers.lift(factor)), into))
            for operand, rule in out.rules
        ]
        return out

    return wrong


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.operation != "stop"], ids=lambda rule: rule.name)
@pytest.mark.parametrize("factor", [2.001, 1 + 1e-10])
def test_a_rule_that_is_off_by_a_factor_is_named(rule: Rule, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tape, rule.operation, scaled(getattr(Tape, rule.operation), factor))
    with pytest.raises(AssertionError, match=f"rule '{rule.name}', operand 0: the derivative at .* should be .*"):
        check(rule, Float64())


def test_a_stop_that_lets_through_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tape, "stop", lambda tape, a: a)
    with pytest.raises(AssertionError, match="rule 'stop', operand 0: the derivative"):
        check(BY_NAME["stop"], Float64())


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_product_of_a_weight_is_seen(lost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Contributions.total

    def total(self: Contributions, numbers: Any, shape: tuple[int, ...]) -> Any:
        self.products = [product for i, product in enumerate(self.products) if i != lost or len(self.products) < 3]
        return right(self, numbers, shape)

    monkeypatch.setattr(Contributions, "total", total)
    with pytest.raises(AssertionError, match="rule 'matmul of a weight at three steps', operand 2"):
        check(BY_NAME["matmul of a weight at three steps"], Float64())


def test_pieces_that_overwrite_one_another_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def assemble(self: Float64, shape: tuple[int, ...], pieces: Any) -> Any:
        out = np.zeros((1, pieces[0][1].shape[1], *shape))
        for index, piece in pieces:
            out[(slice(None), slice(None), *index)] = piece
        return out

    monkeypatch.setattr(Float64, "assemble", assemble)
    check(BY_NAME["index of disjoint pieces"], Float64())
    with pytest.raises(AssertionError, match="rule 'index of overlapping pieces', operand 0"):
        check(BY_NAME["index of overlapping pieces"], Float64())


def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Float64, "tanh", lambda self, a: np.tanh(a) * (1 + 1e-12))
    with pytest.raises(AssertionError, match="rule 'tanh': the value is"):
        check(BY_NAME["tanh"], Float64())


# --- what the tape promises beside its rules


class Counting(Float64):
    """Notes the fan-in of every product."""

    def __init__(self) -> None:
        self.terms: list[int] = []

    def matmul(self, a: Any, b: Any) -> Any:
        self.terms.append(a.shape[-1])
        return super().matmul(a, b)


def test_the_gradient_of_a_weight_at_many_steps_is_one_reduction() -> None:
    numbers = Counting()
    tape = Tape(numbers)
    weight = tape.leaf(numbers.lift(np.full((3, 3), 0.25)))
    h = tape.constant(np.ones((2, 3)))
    for _ in range(5):
        h = tape.tanh(h @ weight)
    numbers.terms.clear()
    tape.gradients([(h, numbers.lift(np.ones((2, 3))))], [weight])
    assert sorted(numbers.terms) == [3, 3, 3, 3, 2 * 5]  # dh at steps 4..1, and one dW over B T = 10 terms


def test_what_an_output_does_not_depend_on_has_an_exact_zero() -> None:
    tape = Tape(Float64())
    a, b = tape.leaf(np.ones((1, 1, 2))), tape.leaf(np.ones((1, 1, 3)))
    got = tape.gradients([(a * 2.0, np.ones((1, 1, 2)))], [a, b])
    assert got[0].tolist() == [[[2.0, 2.0]]] and got[1].tolist() == [[[0.0, 0.0, 0.0]]]


def test_several_seeds_add_up_also_on_one_output_and_on_a_leaf() -> None:
    tape = Tape(Float64())
    a = tape.leaf(np.full((1, 1, 2), 3.0))
    square, one = a * a, np.ones((1, 1, 2))
    (got,) = tape.gradients([(square, one), (square, one), (a, one)], [a])
    assert got.tolist() == [[[13.0, 13.0]]]


def test_nothing_seeded_pulls_back_zeros() -> None:
    tape = Tape(Float64())
    a = tape.leaf(np.ones((1, 1, 2)))
    assert tape.gradients([], [a])[0].tolist() == [[[0.0, 0.0]]]


def test_the_cotangent_of_a_mark_is_that_of_its_point() -> None:
    """Not that of the variable that was marked, which may be used elsewhere too."""
    tape = Tape(Float64())
    a = tape.leaf(np.full((1, 1, 1), 3.0))
    marked = tape.mark("a", a, step=4, layer=0)
    out = marked * 2.0 + a * 5.0
    point = tape.marks["a"][(("layer", 0), ("step", 4))]
    got = tape.gradients([(out, np.ones((1, 1, 1)))], [point, a])
    assert [float(g[0, 0, 0]) for g in got] == [2.0, 7.0]


def test_an_edit_changes_what_a_mark_passes_on() -> None:
    places = []

    def edit(tape: Tape, value: Var, where: Any) -> Var:
        places.append(dict(where))
        return value * 10.0

    tape = Tape(Float64(), {"a": edit})
    a = tape.leaf(np.full((1, 1, 1), 3.0))
    out = tape.mark("b", tape.mark("a", a, step=1))
    assert float(out.value[0, 0, 0]) == 30.0 and places == [{"step": 1}]
    assert float(tape.gradients([(out, np.ones((1, 1, 1)))], [a])[0][0, 0, 0]) == 10.0
    assert tape.marks["a"][(("step", 1),)].value[0, 0, 0] == 30.0


@pytest.mark.parametrize("axis", [0, 1, (-1, 0)])
def test_sums_over_axes_from_the_left_are_refused(axis: Any) -> None:
    tape = Tape(Float64())
    with pytest.raises(ValueError, match=r"sum over axis .*: axes count from the right and are negative"):
        tape.sum(tape.constant(np.ones((2, 2))), axis)


def test_concatenation_along_an_axis_from_the_left_is_refused() -> None:
    tape = Tape(Float64())
    with pytest.raises(ValueError, match="concatenate along axis 0: axes count from the right and are negative"):
        tape.concatenate([tape.constant([1.0])], axis=0)


def test_logsumexp_of_rows_far_apart_neither_overflows_nor_underflows() -> None:
    tape = Tape(Float64())
    rows = tape.leaf(np.array([[[[0.0, 1.0], [-2000.0, -2001.0], [3000.0, 2000.0]]]]))
    out = tape.logsumexp(rows, -1)
    want = [np.log1p(np.e), -2000.0 + np.log1p(np.exp(-1)), 3000.0]
    assert np.allclose(out.value[0, 0], want, rtol=1e-15)
    (got,) = tape.gradients([(out, np.ones((1, 1, 3)))], [rows])
    assert np.allclose(got[0, 0].sum(axis=-1), 1.0)


@pytest.mark.parametrize("lanes", [(1, 1), (3, 1), (1, 4), (3, 4)])
def test_lanes_run_through(lanes: tuple[int, int]) -> None:
    """Each lane of samples and cotangents is what it would be alone."""
    rng = np.random.default_rng(1)
    x, v, w = rng.normal(size=(*lanes, 2, 3)), rng.normal(size=(*lanes, 2, 3)), rng.normal(size=(1, 1, 3, 3))

    def pulled(x: Any, v: Any) -> list[Any]:
        tape = Tape(Float64())
        a, b = tape.leaf(x), tape.leaf(w)
        out = tape.tanh(tape.concatenate([a[:1], a[1:] * a[:1]], axis=-2) @ b + tape.sum(a, -1)[:, None])
        return tape.gradients([(out, v)], [a, b])

    together = pulled(x, v)
    for s, c in np.ndindex(*lanes):
        alone = pulled(x[s : s + 1, c : c + 1], v[s : s + 1, c : c + 1])
        for some, one in zip(together, alone, strict=True):
            assert np.allclose(some[s, c], one[0, 0], rtol=1e-14)
