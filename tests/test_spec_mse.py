"""The second spec: the LSTM under mean squared error."""

from __future__ import annotations

import numpy as np
import pytest

from gradassay._case import build
from gradassay._oracle import Query
from gradassay._single import in_memory
from gradassay._target import numpy_dtype
from gradassay._words import Words
from gradassay_lstm import LSTM, Call
from gradassay_lstm import spec as lstm
from gradassay_mse import spec

CONFIG = LSTM(3, 4, num_layers=2, bidirectional=True, projection=2)


def test_the_table_is_the_lstms_with_a_target_and_a_loss():
    call = Call(2, 5, lengths=(5, 1))
    table = {tensor.name: tensor for tensor in spec.tensors(CONFIG, call)}
    given = [tensor.name for tensor in lstm.tensors(CONFIG, call) if tensor.role != "output"]
    assert list(table) == ["x", "target", *given[1:], "loss"]
    assert (table["target"].role, table["target"].shape) == ("input", (2, 5, 4))
    assert (table["loss"].role, table["loss"].shape) == ("output", ())
    assert table["target"].locate((1, 4, 3)) == {
        "row": "1",
        "step": "4",
        "direction": "reverse",
        "projected unit": "1",
    }
    assert table["loss"].locate(()) == {}


@pytest.mark.parametrize("call", [Call(0, 3), Call(2, 0)])
def test_a_mean_over_nothing_is_refused(call):
    with pytest.raises(ValueError, match="a mean over no elements; both should be at least 1"):
        spec.tensors(CONFIG, call)


@pytest.mark.parametrize("regime", spec.regimes)
def test_the_draw_is_the_lstms_with_a_target(regime):
    call = Call(2, 5)
    drawn, alone = spec.draw(CONFIG, call, regime, Words(3)), lstm.draw(CONFIG, call, regime, Words(3))
    assert drawn.keys() == alone.keys() | {"target"}
    for name, array in alone.items():
        np.testing.assert_array_equal(drawn[name], array)
    assert drawn["target"].shape == (2, 5, 4) and np.abs(drawn["target"]).max() < 1


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_the_cotangent_of_a_number_is_an_array(dtype):
    (template,) = (case for case in spec.suites()["smoke"] if case.name == "one")
    cotangent = build(spec, "smoke", template, dtype).cotangents["loss"]
    assert isinstance(cotangent, np.ndarray) and cotangent.shape == () and cotangent.dtype == numpy_dtype(dtype)


def test_the_certified_jacobian_of_a_number_is_its_gradient():
    (template,) = (case for case in spec.suites()["smoke"] if case.name == "one")
    case, oracle = build(spec, "smoke", template, "float64"), in_memory()
    jacobian = oracle.ask(case, Query("jacobian", of="loss", wrt=("x",)))["jacobian"]
    pulled = oracle.ask(case, Query("vjp", cotangents={"loss": np.array(1.0)}, wrt=("x",)))["d x"]
    assert jacobian.high.shape == (1, 1, 1)
    np.testing.assert_allclose(jacobian.high, pulled.high, rtol=1e-15)
