"""Layouts: the adjoint is the adjoint, the inverse is an inverse, and each convention is the framework's."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from gradassay._words import Words
from gradassay_lstm import LSTM, Call, layouts, spec

CONFIGS = {
    "plain": LSTM(3, 4),
    "square": LSTM(4, 4),
    "one": LSTM(1, 1),
    "no-bias": LSTM(3, 4, bias=False),
    "deep": LSTM(3, 4, num_layers=3, bidirectional=True),
}
FRAMEWORKS = sorted(layouts)


def parameters(config, seed=0):
    drawn = spec.draw(config, Call(1, 1), "unit", Words(seed))
    return {
        tensor.name: drawn[tensor.name] for tensor in spec.tensors(config, Call(1, 1)) if tensor.role == "parameter"
    }


def inner(a, b):
    assert a.keys() == b.keys()
    return sum(float(np.sum(a[name] * b[name])) for name in a)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_adjoint(framework, config):
    """<P u, v> = <u, P' v>, with P the linear part."""
    layout = replace(layouts[framework], forget_offset=0.0)
    u = parameters(config)
    made = layout.forward(u)
    v = {name: Words(1, name).normal(array.shape) for name, array in made.items()}
    back = layout.adjoint(v, u)
    assert {name: array.shape for name, array in back.items()} == {name: array.shape for name, array in u.items()}
    assert inner(made, v) == pytest.approx(inner(u, back), rel=1e-12)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_inverse(framework, config):
    """Framework arrays come back as they were, and are sums where a framework has one bias."""
    layout = layouts[framework]
    made = layout.forward(parameters(config))
    canonical = layout.inverse(made)
    again = layout.forward(canonical)
    assert again.keys() == made.keys()
    for name, array in made.items():
        np.testing.assert_allclose(again[name], array, rtol=1e-15, atol=1e-15, err_msg=name)
    for name, array in parameters(config).items():
        if name.startswith("weight"):
            np.testing.assert_array_equal(canonical[name], array, err_msg=name)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_offset_is_no_part_of_the_adjoint(framework):
    layout, u = layouts[framework], parameters(CONFIGS["deep"])
    v = {name: Words(1, name).normal(array.shape) for name, array in layout.forward(u).items()}
    without = replace(layout, forget_offset=0.0).adjoint(v, u)
    for name, gradient in layout.adjoint(v, u).items():
        np.testing.assert_array_equal(gradient, without[name])


def cell_over(config, x, h, c, framework, arrays):
    """One step of a framework's cell, written from its own code with its own arrays: an oracle apart from `_layout`."""

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    size = config.hidden_size
    if framework in ("torch", "paddle", "tinygrad"):
        a = x @ arrays["weight_ih_l0"].T + h @ arrays["weight_hh_l0"].T + arrays["bias_ih_l0"] + arrays["bias_hh_l0"]
        i, f, g, o = np.split(a, 4, axis=1)
    elif framework == "keras":
        a = x @ arrays["kernel_l0"] + h @ arrays["recurrent_l0"] + arrays["bias_l0"]
        i, f, g, o = a[:, :size], a[:, size : 2 * size], a[:, 2 * size : 3 * size], a[:, 3 * size :]
    elif framework == "flax":
        i, f, g, o = (
            x @ arrays[f"i{gate}.kernel_l0"] + h @ arrays[f"h{gate}.kernel_l0"] + arrays[f"h{gate}.bias_l0"]
            for gate in "ifgo"
        )
    elif framework == "flax-optimized":
        a = x @ arrays["dense_i.kernel_l0"] + h @ arrays["dense_h.kernel_l0"] + arrays["dense_h.bias_l0"]
        i, f, g, o = np.split(a, 4, axis=1)
    elif framework == "equinox":
        a = x @ arrays["weight_ih_l0"].T + h @ arrays["weight_hh_l0"].T + arrays["bias_l0"]
        i, f, g, o = np.split(a, 4, axis=1)
    elif framework == "haiku":
        i, g, f, o = np.split(np.concatenate([x, h], axis=1) @ arrays["w_l0"] + arrays["b_l0"], 4, axis=1)
        f = f + 1
    elif framework == "mlx":
        i, f, g, o = np.split(x @ arrays["Wx_l0"].T + h @ arrays["Wh_l0"].T + arrays["bias_l0"], 4, axis=1)
    elif framework == "onnx":
        input_bias, recurrent_bias = np.split(arrays["B_l0"][0], 2)
        a = x @ arrays["W_l0"][0].T + h @ arrays["R_l0"][0].T + input_bias + recurrent_bias
        i, o, f, g = np.split(a, 4, axis=1)
    else:
        raise AssertionError(f"no cell written for {framework}: add one from its code")
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_framework_computes_the_same_cell(framework):
    config, u = LSTM(3, 4), parameters(LSTM(3, 4))
    x, h, c = (Words(2, name).normal((2, size)) for name, size in (("x", 3), ("h", 4), ("c", 4)))
    want = cell_over(config, x, h, c, "torch", u)
    got = cell_over(config, x, h, c, framework, layouts[framework].forward(u))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


def test_without_a_bias_a_framework_that_has_one_gets_zeros():
    u = parameters(CONFIGS["no-bias"])
    assert "bias_l0" not in layouts["keras"].forward(u)
    assert not layouts["flax"].forward(u)["hf.bias_l0"].any()
    np.testing.assert_array_equal(layouts["haiku"].forward(u)["b_l0"], np.repeat([0, 0, -1, 0], 4))


def test_keys_and_shapes():
    made = layouts["keras"].forward(parameters(CONFIGS["deep"]))
    assert made["kernel_l0"].shape == (3, 16) and made["kernel_l1_reverse"].shape == (8, 16)
    assert made["recurrent_l2_reverse"].shape == (4, 16) and made["bias_l2"].shape == (16,)
    made = layouts["onnx"].forward(parameters(CONFIGS["deep"]))
    assert {name: array.shape for name, array in made.items() if "l1" in name} == {
        "W_l1": (2, 16, 8),
        "R_l1": (2, 16, 4),
        "B_l1": (2, 32),
    }
    assert layouts["haiku"].forward(parameters(LSTM(3, 4)))["w_l0"].shape == (7, 16)


def test_one_bias_gradient_goes_to_both():
    u = parameters(LSTM(1, 1))
    back = layouts["keras"].adjoint({"bias_l0": np.arange(4.0)}, ["bias_ih_l0", "bias_hh_l0"])
    assert back.keys() == {name for name in u if name.startswith("bias")}
    np.testing.assert_array_equal(back["bias_ih_l0"], back["bias_hh_l0"])


def test_none_stays_none():
    v = {name: None for name in layouts["onnx"].forward(parameters(CONFIGS["deep"]))}
    assert set(layouts["onnx"].adjoint(v, parameters(CONFIGS["deep"])).values()) == {None}
    gates = dict(layouts["flax"].forward(parameters(LSTM(3, 4)))) | {"hf.kernel_l0": None}
    back = layouts["flax"].adjoint(gates, ["weight_ih_l0", "weight_hh_l0"])
    assert back["weight_hh_l0"] is None and back["weight_ih_l0"] is not None


def test_only_the_gradients_that_are_asked_for():
    back = layouts["keras"].adjoint({"kernel_l0": np.ones((3, 16))}, ["weight_ih_l0"])
    assert back["weight_ih_l0"].shape == (16, 3)
    with pytest.raises(KeyError, match="weight_hh_l0"):
        layouts["keras"].adjoint({"kernel_l0": np.ones((3, 16))}, ["weight_hh_l0"])


def test_a_projection_has_a_place_in_torch_only():
    config = LSTM(3, 4, projection=2)
    np.testing.assert_array_equal(
        layouts["torch"].forward(parameters(config))["weight_hr_l0"], parameters(config)["weight_hr_l0"]
    )
    with pytest.raises(ValueError, match="weight_hr_l0 has no place among kernel, recurrent, bias"):
        layouts["keras"].forward(parameters(config))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_dtypes_are_kept_and_arrays_are_contiguous(framework, dtype):
    u = {name: array.astype(dtype) for name, array in parameters(CONFIGS["deep"]).items()}
    made = layouts[framework].forward(u)
    assert {array.dtype for array in made.values()} == {np.dtype(dtype)}
    assert all(array.flags.c_contiguous for array in made.values())
    assert {array.dtype for array in layouts[framework].inverse(made).values()} == {np.dtype(dtype)}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_parameters_are_not_touched(framework):
    u = parameters(CONFIGS["deep"])
    before = {name: array.tobytes() for name, array in u.items()}
    for array in layouts[framework].forward(u).values():
        array[...] = 7.0
    assert {name: array.tobytes() for name, array in u.items()} == before
