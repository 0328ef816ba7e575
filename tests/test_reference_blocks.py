"""A block of a Jacobian is that block of the whole, at the cost of the block."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradassay._ball import Ball
from gradassay._case import Case, build
from gradassay._evaluate import Block, Query, evaluate
from gradassay._oracle import asked_key
from gradassay._spec import CaseTemplate
from gradassay_lstm import LSTM, Call, spec

BLOCKS: list[tuple[Block, Block]] = [
    (((0, 2), (1, 3), (0, 3)), ()),
    ((), ((0, 1), (1, 2), (0, 2))),
    (((1, 2), (2, 4), (1, 3)), ((0, 2), (0, 3), (1, 2))),
    (((0, 2), (4, 4), (0, 3)), ((0, 2), (0, 4), (0, 2))),
]


@pytest.fixture(scope="module")
def case() -> Case:
    template = CaseTemplate("blocks", LSTM(2, 3), Call(batch=2, steps=4), "unit", seed=4)
    return build(spec, "suite", template, "float64")


def whole(of: str = "y", wrt: str = "x") -> Query:
    return Query("jacobian", of=of, wrt=(wrt,))


def floats(array: Any) -> Any:
    return array.astype(np.float64)


@pytest.mark.parametrize(("of_block", "wrt_block"), BLOCKS)
def test_a_block_is_that_of_the_whole(case: Case, of_block: Block, wrt_block: Block) -> None:
    ball = Ball(128)
    with ball.precision():
        all_of_it = floats(evaluate(ball, case, whole())["jacobian"])
        block = floats(evaluate(ball, case, replace(whole(), of_block=of_block, wrt_block=wrt_block))["jacobian"])
    index = tuple(slice(*part) for part in (of_block or ((0, None),) * 3) + (wrt_block or ((0, None),) * 3))
    assert block.shape == all_of_it[index].shape
    np.testing.assert_allclose(block, all_of_it[index], rtol=1e-15)


@pytest.mark.parametrize(
    "block", [((0, 1),), ((0, 2), (3, 2), (0, 1)), ((0, 3), (0, 4), (0, 3)), ((-1, 2), (0, 4), (0, 3))]
)
def test_a_block_that_does_not_fit_is_refused(case: Case, block: Block) -> None:
    message = f"of_block={block!r} of an array of shape (2, 4, 3): give one (start, stop) for each of its axes"
    with pytest.raises(ValueError, match=re.escape(message)):
        evaluate(Ball(64), case, replace(whole(), of_block=block))


def test_a_block_is_another_question_and_the_whole_is_the_one_it_was(case: Case) -> None:
    blocks = [replace(whole(), of_block=of, wrt_block=wrt) for of, wrt in BLOCKS]
    assert len({asked_key(case, query) for query in [*blocks, whole()]}) == 5
    assert asked_key(case, whole()) == "543362f493cd9b0b7b84326514934b20e828e93b8b3543948f8bb12aa16c9490"
