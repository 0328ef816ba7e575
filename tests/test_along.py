from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wrongly import broken

from gradassay._along import LONGEST, along, grids
from gradassay._cache import Cache
from gradassay._oracle import Reference
from gradassay._property import Finding
from gradassay._record import Drawn, Header, Map, Verdict
from gradassay._run import verify
from gradassay._spec import Axis, Tensor

ROW, STEP, UNIT = Axis("row", 2), Axis("step", 3), Axis("unit", 4)
GATE = Axis("gate", 4, ("i", "f", "g", "o"))
Y, X = Tensor("y", "output", ((ROW,), (STEP,), (UNIT,))), Tensor("x", "input", ((ROW,), (STEP,), (Axis("feature", 2),)))
WEIGHT = Tensor("w", "parameter", ((GATE, UNIT), (Axis("feature", 3),)))


def reference(truth: Any, sigma: float = 1.0) -> Reference:
    zero = truth == 0.0
    return Reference(
        high=truth,
        low=np.zeros_like(truth),
        radius=np.zeros_like(truth),
        zero=zero,
        sigma=np.where(zero, 0.0, sigma),
        blind="",
        rung="ball",
        bits=128,
        roundoff=2.0**-53,
    )


def test_a_product_of_axes_is_taken_apart() -> None:
    z = np.random.default_rng(0).normal(size=(16, 3))
    found = along(WEIGHT, z, np.ones_like(z, dtype=bool))
    assert found.keys() == {"gate", "unit", "feature"}
    for gate in range(4):
        assert found["gate"][gate] == pytest.approx(np.sqrt(np.mean(z[4 * gate : 4 * gate + 4] ** 2)), rel=1e-2)
    for unit in range(4):
        assert found["unit"][unit] == pytest.approx(np.sqrt(np.mean(z[unit::4] ** 2)), rel=1e-2)


def test_what_is_exactly_zero_does_not_dilute_and_what_leaks_has_no_figure() -> None:
    z = np.zeros((2, 3, 4))
    z[:, 0] = 5.0
    ordinary = np.zeros(z.shape, dtype=bool)
    ordinary[:, :2, :2] = True
    assert along(Y, z, ordinary, frozenset({"step"})) == {"step": (5.0, 0.0, None)}
    z[0, 2, 0] = np.inf
    assert along(Y, z, ordinary)["step"] == (5.0, 0.0, None)
    z[0, 1, 0] = np.nan
    assert along(Y, z, ordinary)["step"] == (5.0, None, None)


def test_what_has_no_square_has_a_figure() -> None:
    z = np.ones((2, 3, 4))
    z[:, 1] = 1e200
    assert along(Y, z, np.ones_like(z, dtype=bool), frozenset({"step"})) == {"step": (1.0, 1e200, 1.0)}


def test_an_axis_that_is_long_or_of_one_position_or_not_unique_is_left_out() -> None:
    tensor = Tensor("t", "input", ((Axis("step", LONGEST + 1),), (Axis("row", 1),), (UNIT,), (UNIT,)))
    z = np.ones(tensor.shape)
    assert along(tensor, z, np.ones_like(z, dtype=bool)) == {}


def test_a_jacobian_is_seen_in_blocks_of_steps() -> None:
    truth = np.random.default_rng(1).normal(size=Y.shape + X.shape)
    for later in range(3):
        for earlier in range(later):
            truth[:, earlier, :, :, later] = 0.0
    got = truth.copy()
    got[:, 2, :, :, 0] += 7.0
    found = grids(Finding("d y / d x", got, reference(truth), (Y, X)), got - truth)
    assert found is not None
    true, seen, apart = found
    assert true[2][0] == pytest.approx(np.linalg.norm(truth[:, 2, :, :, 0].ravel()), rel=1e-2)
    assert true[0][2] == 0.0 and apart[0][2] is None
    assert seen[2][0] == pytest.approx(np.linalg.norm(got[:, 2, :, :, 0].ravel()), rel=1e-2)
    assert apart[2][0] == 7.0 and apart[2][1] == 0.0


@pytest.mark.parametrize("labels", [(Y, WEIGHT), (Y,), (Tensor("h_n", "output", ((ROW,), (UNIT,))), X)])
def test_only_what_has_steps_on_both_sides_has_blocks(labels: tuple[Tensor, ...]) -> None:
    truth = np.ones(sum((tensor.shape for tensor in labels), ()))
    assert grids(Finding("d y / d x", truth, reference(truth), labels), np.zeros_like(truth)) is None


def test_a_jacobian_of_nothing_but_zeros_is_no_picture() -> None:
    truth = np.zeros(Y.shape + X.shape)
    assert grids(Finding("d y / d x", truth, reference(truth), (Y, X)), truth) is None


# --- in a run


def run(cache: Path, **options: Any) -> list[Any]:
    store = Cache(directory=cache)
    told = {"specs": ["lstm"], "suites": ["smoke"], "cases": ["plain"], "properties": ["values", "jacobian", "repeat"]}
    return verify(["numpy/float64", "numpy/float32"], **(told | options), cache=store)


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return run(tmp_path_factory.mktemp("cache"))


def test_what_passed_is_seen_along_its_steps_and_only_where_targets_are_compared(well: list[Any]) -> None:
    verdicts = [record for record in well if isinstance(record, Verdict)]
    y = [v for v in verdicts if (v.property, v.tensor) == ("values", "y")]
    assert len(y) == 2
    for verdict in y:
        assert verdict.along.keys() == {"step"}
        steps = [figure for figure in verdict.along["step"] if figure is not None]
        assert len(steps) > 1 and np.sqrt(np.mean(np.square(steps))) == pytest.approx(verdict.rms, rel=1e-2)
    assert not any(verdict.along for verdict in verdicts if verdict.property != "values")


def test_a_right_jacobian_has_a_map_that_is_causal_and_within_noise(well: list[Any]) -> None:
    maps = [record for record in well if isinstance(record, Map)]
    assert Counter(found.target for found in maps) == {"numpy/eager/cpu/float64": 1, "numpy/eager/cpu/float32": 1}
    for found in maps:
        assert (found.of, found.wrt) == ("y", "x")
        truth, got = np.array(found.truth), np.array(found.got)
        assert np.all(truth[np.triu_indices(len(truth), 1)] == 0.0) and np.all(truth[np.tril_indices(len(truth))] > 0.0)
        assert got == pytest.approx(truth, rel=1e-2)
        assert all(figure is None or figure < 4.0 for row in found.apart for figure in row)


def test_the_data_of_a_case_are_written_down_once_for_each_dtype(well: list[Any], tmp_path: Path) -> None:
    drawn = [record for record in well if isinstance(record, Drawn)]
    assert [(d.spec, d.suite, d.case, d.dtype) for d in drawn] == [
        ("lstm", "smoke", "plain", "float64"),
        ("lstm", "smoke", "plain", "float32"),
    ]
    assert len({d.digest for d in drawn}) == 2
    again = run(tmp_path, properties=["values"])
    assert [record for record in again if isinstance(record, Drawn)] == drawn


def test_the_header_says_what_was_selected_and_where_it_ran(well: list[Any]) -> None:
    header = well[0]
    assert isinstance(header, Header)
    assert (header.cases, header.sweep, header.shard) == (("plain",), False, "")
    assert header.machine["cores"].isdecimal() and "cpu" in header.machine
    assert header.gradassay


def test_what_failed_is_seen_along_every_axis(tmp_path: Path) -> None:
    def wrong(model: Any, inputs: Any, cotangents: Any, wrt: Any) -> Any:
        outputs, gradients = model.vjp(inputs, cotangents, wrt)
        weight = gradients["weight_hh_l0"].copy()
        width = len(weight) // 4
        weight[width : 2 * width] *= 1.5
        return outputs, gradients | {"weight_hh_l0": weight}

    records = verify(
        ["faulty-model/float32"],
        specs=["lstm"],
        suites=["smoke"],
        cases=["plain"],
        properties=["gradients"],
        cache=Cache(directory=tmp_path),
        objects=[broken({"vjp": wrong})],
        diagnose=False,
    )
    [verdict] = [r for r in records if isinstance(r, Verdict) and r.outcome == "failed"]
    assert verdict.along.keys() == {"gate", "unit", "from unit"}
    assert verdict.labels == {"gate": ("i", "f", "g", "o")}
    i, f, g, o = verdict.along["gate"]
    assert f is not None and f > 1e3
    assert all(other is not None and other < 4.0 for other in (i, g, o))
