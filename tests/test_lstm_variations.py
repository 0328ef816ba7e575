"""Cases made of a case have the shapes, the order and the data that they should."""

from __future__ import annotations

import numpy as np

from gradassay._case import Case, build
from gradassay._spec import CaseTemplate, Tensor
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._variations import (
    alone,
    lengths_of,
    mirror,
    mirrored,
    moved,
    otherwise,
    padding,
    rows,
    steps_of,
    take,
    where,
)

CONFIG = LSTM(3, 4, num_layers=2, bidirectional=True, projection=2)
CALL = Call(3, 4, lengths=(4, 1, 0), dropout=True)


def case(config: LSTM = CONFIG, call: Call = CALL) -> Case:
    return build(spec, "single", CaseTemplate("c", config, call, "unit", 5), "float32")


def shapes_fit(made: Case) -> bool:
    given = all(array.shape == made.table[name].shape for name, array in made.tensors.items())
    return given and all(array.shape == made.table[name].shape for name, array in made.cotangents.items())


def test_positions_along_axes_that_share_a_dimension() -> None:
    one = case()
    weight, tensor = one.tensors["weight_ih_l1"], one.table["weight_ih_l1"]
    swapped = take(tensor, weight, {"from direction": [1, 0]})
    np.testing.assert_array_equal(swapped, np.concatenate([weight[:, 2:], weight[:, :2]], axis=1))
    units = take(tensor, weight, {"unit": [3, 0, 1, 2]})
    np.testing.assert_array_equal(units[4:8], weight[[7, 4, 5, 6]])
    assert take(one.table["y"], one.cotangents["y"], {"direction": [1]}).shape == (3, 4, 2)


def test_a_number_has_no_positions_and_gets_no_axis() -> None:
    loss = Tensor("loss", "output", ())
    assert take(loss, np.array(2.5), {"row": [1, 0]}).shape == ()


def test_some_rows() -> None:
    one = case()
    made = rows(one, [2, 0], "two")
    assert shapes_fit(made) and made.call.lengths == (0, 4) and list(made.tensors["lengths"]) == [0, 4]
    np.testing.assert_array_equal(made.tensors["h0"], one.tensors["h0"][:, [2, 0]])
    np.testing.assert_array_equal(made.cotangents["y"], one.cotangents["y"][[2, 0]])
    assert made.parameters.keys() == one.parameters.keys()
    assert list(made.tensors) == [name for name in made.table if name in made.tensors]


def test_a_row_alone_has_its_own_length_and_no_lengths() -> None:
    for row, length in enumerate((4, 1, 0)):
        made = alone(case(), row)
        assert shapes_fit(made) and made.call.lengths is None and "lengths" not in made.tensors
        assert (made.call.batch, made.call.steps) == (1, length)


def test_a_mirror_undoes_itself_and_keeps_the_padding() -> None:
    one = case()
    there = mirrored(one, one.tensors)
    np.testing.assert_array_equal(there["x"][0], one.tensors["x"][0, ::-1])
    np.testing.assert_array_equal(there["x"][1:], one.tensors["x"][1:])
    np.testing.assert_array_equal(there["weight_hh_l1"], one.tensors["weight_hh_l1_reverse"])
    np.testing.assert_array_equal(there["h0"], one.tensors["h0"][[1, 0, 3, 2]])
    back = mirrored(one, there)
    for name, array in one.tensors.items():
        np.testing.assert_array_equal(back[name], array)


def test_a_mirror_of_one_direction_turns_time_alone() -> None:
    one = case(LSTM(3, 4), Call(2, 3))
    turned = moved(one, one.tensors, mirror(one))
    np.testing.assert_array_equal(turned["x"], one.tensors["x"][:, ::-1])
    np.testing.assert_array_equal(turned["weight_hh_l0"], one.tensors["weight_hh_l0"])


def test_some_steps_have_the_lengths_that_are_left() -> None:
    one = case(LSTM(3, 4), Call(3, 5, lengths=(5, 2, 0)))
    first = steps_of(one, 0, 3, "first", {}, {})
    states = {"h0": one.tensors["h0"], "c0": one.tensors["c0"]}
    rest = steps_of(one, 3, 5, "rest", states, {"h_n": one.cotangents["h_n"]})
    assert shapes_fit(first) and shapes_fit(rest)
    assert first.call.lengths == (3, 2, 0) and list(rest.tensors["lengths"]) == [2, 0, 0]
    np.testing.assert_array_equal(rest.tensors["x"], one.tensors["x"][:, 3:])
    assert set(first.cotangents) == {"y"} and set(rest.cotangents) == {"y", "h_n"}
    without = case(LSTM(3, 4), Call(3, 5, h0=False, c0=False))
    assert not steps_of(without, 0, 3, "first", {}, {}).call.h0
    assert steps_of(without, 3, 5, "rest", states, {}).call.h0


def test_places() -> None:
    one = case()
    assert lengths_of(one) == [4, 1, 0] and lengths_of(case(LSTM(3, 4), Call(2, 3))) == [3, 3]
    mask = padding(one, one.table["y"])
    assert mask.shape == (3, 4, 4) and mask.sum() == (0 + 3 + 4) * 4
    assert not padding(one, one.table["h0"]).any()
    half = where(one.table["y"], lambda direction: direction == 1, "direction")
    assert half[..., 2:].all() and not half[..., :2].any()


def test_other_numbers_are_never_equal_ones() -> None:
    one = case()
    x = one.tensors["x"]
    mask = np.zeros(x.shape, dtype=bool)
    mask[1] = True
    other = otherwise(x, mask)
    assert other.dtype == x.dtype and np.array_equal(other[0], x[0])
    assert np.array_equal(other[1], -x[1] / 2) and len(np.unique(other)) == x.size


def test_what_does_not_fit_its_tensor_stays_as_it_is() -> None:
    one = case()
    found = moved(one, {"x": None, "y": np.zeros(3), "nothing": np.zeros(2)}, lambda name, array: array * 0)
    assert found["x"] is None and found["y"].shape == (3,) and set(found) == {"x", "y"}
