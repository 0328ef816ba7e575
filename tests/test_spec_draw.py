"""Drawing: the same bits forever, finite in every dtype, no two equal rows or steps, and each regime as documented."""

from __future__ import annotations

import hashlib
from itertools import combinations

import numpy as np
import pytest

from gradassay._target import DTYPES, numpy_dtype
from gradassay._words import Words
from gradassay_lstm import LSTM, Call, spec

CONFIG = LSTM(input_size=5, hidden_size=6, num_layers=2, bidirectional=True, projection=3)
CALL = Call(batch=4, steps=6, lengths=(6, 3, 1, 0), dropout=True)

# sha256 of what seed 7 draws in each regime. A change here changes every case of every record: it wants
# a new version of the spec.
HASHES = {
    "unit": "8c0d294aee6801da8d6e0fe336d7fd0a479127abe032fd35596b93fc36286fc3",
    "saturated": "dd2916e2dcfa2a47ef54ca4a781423003cf8302efaaecaf30564aad01dc33b19",
    "small": "c5e7abd4ffc69cfc075d961bd46c495c0446cc02481dd34d91608212d6010eb8",
    "tiny": "53de5ea816524e8c0016b837f2ac8d471299853b7cdde72bc6131c97dcd19ef8",
    "underflow": "6d3ff99ba5ac32251cfa6910e615256d283fc74139cef1311d7ecd47b5ab304c",
    "huge": "90b318fd72061fbe3dceb8994c9ae0bd486116ef39f9b9e6c972d93fd2b9e8b3",
    "memory": "3d17f3af960b3d98d91ddb663892bb58d20444c03458e097d12ef5c19c6e2c11",
    "forgetful": "70ae4b085e56803ee2a48fa459f21f116b831c9ceb0089d22e3823e07eac69df",
    "zeros": "356c13e4162ce9c2e605101427976524bd7eb6577a639a903afd1562e4ee0fbf",
    "sparse": "a92d7f3f7daaf1ded9d18f8f0da2b13742b452b69f8ae78ea7afdf615d7f6c4c",
    "positive": "04cd913196e7197f4e9d8b1803a9bbd3d7803fa30048c33871526702edfe33c0",
    "cancelling": "1988126788ba94ec9e9bf71948ffe120824b5a36f560ad1fd4b470d5aced0436",
    "mixed": "2cdce8af5a7149c2484008249b9ef9dd8332e7c5921e2ad557d4b1ae62ccdbed",
    "spiky": "dd116a557a975a4c82e75cc18371d8d12d21981fc9c3fc09172f97cb5c652a37",
    "overflow": "969db76f4b2ed92f95ffefc90acb5f4dbcbbbbc99cdb6a29ca2c802fa39bedc6",
}


def drawn(regime, config=CONFIG, call=CALL, seed=7):
    return spec.draw(config, call, regime, Words(seed))


def digest(tensors):
    sha = hashlib.sha256()
    for name, array in tensors.items():
        sha.update(f"{name} {array.shape} {array.dtype.name}\n".encode())
        sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()


def test_there_is_a_hash_for_every_regime():
    assert tuple(HASHES) == spec.regimes and len(spec.regimes) == 15


@pytest.mark.parametrize("regime", spec.regimes)
def test_the_same_bits_forever(regime):
    assert digest(drawn(regime)) == HASHES[regime]


def test_the_digest_sees_one_bit():
    changed = drawn("unit")
    changed["x"][0, 0, 0] = np.nextafter(changed["x"][0, 0, 0], 9.0)
    assert digest(changed) != HASHES["unit"]


@pytest.mark.parametrize("regime", spec.regimes)
def test_what_is_drawn_is_what_the_table_names(regime):
    tensors = drawn(regime)
    table = [tensor for tensor in spec.tensors(CONFIG, CALL) if tensor.role != "output"]
    assert {name: array.shape for name, array in tensors.items()} == {tensor.name: tensor.shape for tensor in table}
    for tensor in table:
        assert tensors[tensor.name].dtype == (np.int64 if tensor.role == "index" else np.float64), tensor.name


def test_a_tensor_does_not_depend_on_what_else_is_drawn():
    plain = drawn("unit", LSTM(5, 6), Call(4, 6, h0=False))
    more = drawn("unit", LSTM(5, 6), Call(4, 6, lengths=(1, 2, 3, 4)))
    for name in plain:
        np.testing.assert_array_equal(plain[name], more[name])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("regime", spec.regimes)
def test_no_regime_overflows(regime, dtype):
    config, call = LSTM(17, 1), Call(8, 40)
    for name, array in drawn(regime, config, call).items():
        assert np.isfinite(array.astype(numpy_dtype(dtype)).astype(np.float64)).all(), name


@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (5, 6)])
@pytest.mark.parametrize("regime", spec.regimes)
def test_no_two_equal_rows_or_steps(regime, sizes):
    tensors = drawn(regime, LSTM(*sizes, num_layers=2), Call(4, 6))
    places = list(tensors["x"].reshape(-1, sizes[0]))
    for rows in (places, *tensors["h0"], *tensors["c0"]):
        assert not any(np.array_equal(a, b) for a, b in combinations(rows, 2))


@pytest.mark.parametrize("call", [Call(0, 3), Call(2, 0), Call(0, 0)])
@pytest.mark.parametrize("regime", spec.regimes)
def test_empty_calls_can_be_drawn(regime, call):
    assert drawn(regime, CONFIG, call)["x"].shape == (call.batch, call.steps, 5)


def test_dropout_masks_are_zero_or_four_thirds():
    mask = drawn("unit", LSTM(2, 16, num_layers=2), Call(16, 16, dropout=True))["dropout_mask_l0"]
    assert set(np.unique(mask)) == {0.0, 1.0 / 0.75}
    assert 0.70 < np.mean(mask > 0) < 0.80


def test_lengths_are_the_calls():
    assert drawn("unit")["lengths"].tolist() == [6, 3, 1, 0]


def test_an_unknown_regime_is_refused():
    with pytest.raises(ValueError, match="no regime 'lively'; it should be one of unit, saturated, "):
        drawn("lively")


class TestRegimes:
    """What the normative text says of each, on a tensor large enough to show it."""

    config, call = LSTM(8, 9), Call(8, 16)

    def draw(self, regime):
        return drawn(regime, self.config, self.call), drawn("unit", self.config, self.call)

    def test_unit(self):
        _, unit = self.draw("unit")
        assert 0.9 < np.std(unit["x"]) < 1.1 and np.abs(unit["x"]).max() < 6
        assert 0.3 < np.abs(unit["weight_hh_l0"]).max() < 1 / 3

    @pytest.mark.parametrize(("regime", "factor"), [("saturated", 6.0), ("small", 2.0**-6)])
    def test_scaled_parameters(self, regime, factor):
        got, unit = self.draw(regime)
        for name in unit:
            np.testing.assert_array_equal(got[name], unit[name] * (factor if "_l0" in name else 1.0))

    def test_tiny(self):
        got, unit = self.draw("tiny")
        assert set(np.unique(got["x"] / unit["x"])) == {2.0**-16, 2.0**-60}
        half = np.abs(got["x"].astype(np.float16))
        assert ((half > 0) & (half < np.finfo(np.float16).smallest_normal)).any()
        square = np.square(got["x"].astype(np.float32))
        assert np.median(square[np.abs(got["x"]) < 2.0**-50]) < 2.0**6 * np.finfo(np.float32).smallest_normal

    def test_underflow(self):
        got, unit = self.draw("underflow")
        single = np.abs(got["x"].astype(np.float32))
        assert ((single > 0) & (single < np.finfo(np.float32).smallest_normal)).any()
        np.testing.assert_array_equal(got["weight_hh_l0"], unit["weight_hh_l0"] * 2.0**-12)

    def test_huge(self):
        got, unit = self.draw("huge")
        assert 128 < np.abs(got["x"]).max() < 1e3
        scale = got["x"] / unit["x"]
        assert (scale == scale[..., :1]).all() and set(np.unique(scale)) == {2.0**k for k in range(8)}
        np.testing.assert_array_equal(got["h0"], unit["h0"])

    @pytest.mark.parametrize(("regime", "shift"), [("memory", 6.0), ("forgetful", -6.0), ("underflow", -12.0)])
    def test_forget_bias(self, regime, shift):
        got, unit = self.draw(regime)
        difference = got["bias_ih_l0"] - unit["bias_ih_l0"]
        np.testing.assert_allclose(difference.reshape(4, 9), np.repeat([[0], [shift], [0], [0]], 9, axis=1), atol=1e-14)
        np.testing.assert_array_equal(got["bias_hh_l0"], unit["bias_hh_l0"])

    def test_zeros(self):
        got, _ = self.draw("zeros")
        assert 0.2 < np.mean(got["x"] == 0) < 0.4 and (got["h0"] == 0).any() and (got["c0"] == 0).any()
        for name in ("weight_ih_l0", "weight_hh_l0"):
            assert np.sum(~got[name].any(axis=1)) == 1

    def test_sparse(self):
        got, _ = self.draw("sparse")
        for name in ("x", "h0", "weight_ih_l0", "weight_hh_l0"):
            assert 0.5 < np.mean(got[name] == 0) < 0.8, name
            assert got[name].any(axis=-1).all(), name

    def test_positive(self):
        got, _ = self.draw("positive")
        assert all((array > 0).all() for array in got.values())

    def test_cancelling(self):
        got, _ = self.draw("cancelling")
        for name, sign in (("x", -1), ("h0", -1), ("weight_ih_l0", 1), ("weight_hh_l0", 1)):
            odd, even = got[name][..., 1:8:2], got[name][..., 0:8:2]
            assert (np.abs(odd / even * sign - 1) < 2.0**-6).all() and not np.array_equal(odd, sign * even), name

    def test_mixed(self):
        got, unit = self.draw("mixed")
        scale = (got["x"] / unit["x"])[0, 0]
        assert len(set(scale)) == 8 and scale.max() == 2.0**8 and scale.min() < 2.0**-6
        np.testing.assert_array_equal(got["weight_ih_l0"] * scale, unit["weight_ih_l0"])

    def test_spiky(self):
        got, unit = self.draw("spiky")
        for name, factor in (("x", 16.0), ("weight_ih_l0", 4.0)):
            ratio = got[name] / unit[name]
            assert set(np.unique(ratio)) == {1.0, factor} and 0.02 < np.mean(ratio == factor) < 0.12, name

    def test_overflow(self):
        got, unit = self.draw("overflow")
        size = np.abs(got["x"]).min(axis=-1)
        large = size >= 2.0**15
        assert 0.3 < large.mean() < 0.7 and np.abs(got["x"]).max() < 2.0**15 + 6 * 2.0**12
        np.testing.assert_array_equal(got["x"][~large], unit["x"][~large])
        np.testing.assert_array_equal(np.sign(got["x"]), np.sign(unit["x"]))
        np.testing.assert_array_equal(got["weight_ih_l0"], 4 * unit["weight_ih_l0"])
        with np.errstate(over="ignore"):
            products = got["x"].astype(np.float16) @ got["weight_ih_l0"].T.astype(np.float16)
        assert np.isinf(products).any() and np.isfinite(got["x"].astype(np.float16)).all()
