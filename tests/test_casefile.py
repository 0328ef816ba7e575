"""A saved case comes back bit for bit, and a file that holds none is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gradassay import _plugins
from gradassay._case import build
from gradassay._casefile import CaseFileError, load, save
from gradassay._frame import decode, encode
from gradassay._target import DTYPES
from gradassay_lstm import spec

TEMPLATES = {template.name: template for template in spec.suites()["smoke"]}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_case_comes_back_bit_for_bit(name: str, dtype: str, tmp_path: Path) -> None:
    case = build(spec, "smoke", TEMPLATES[name], dtype)
    save(tmp_path / "new" / "a.safetensors", case, target="numpy/float64", properties=("values",), note={"z": "12"})
    saved = load(tmp_path / "new" / "a.safetensors")
    assert (saved.target, saved.properties, saved.note) == ("numpy/float64", ("values",), {"z": "12"})
    assert (saved.case.config, saved.case.call, saved.case.dtype) == (case.config, case.call, dtype)
    for group in ("tensors", "cotangents", "tangents"):
        before, after = getattr(case, group), getattr(saved.case, group)
        assert before.keys() == after.keys()
        assert group == "cotangents" or [*before] == [*after]
        for key in before:
            assert before[key].dtype == after[key].dtype
            assert before[key].tobytes() == after[key].tobytes()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.safetensors"]


def edited(tmp_path: Path, **facts: object) -> Path:
    path = tmp_path / "a.safetensors"
    save(path, build(spec, "smoke", TEMPLATES["plain"], "float32"))
    metadata, tensors = decode(path.read_bytes())
    arrays = facts.pop("tensors", {})
    assert isinstance(arrays, dict)
    changed = {name: array for name, array in {**tensors, **arrays}.items() if array is not None}
    path.write_bytes(encode({**metadata, **facts}, changed))
    return path


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"case_format": 3}, "has format 3; this version of gradassay reads formats 1 and 2"),
        ({"case_format": None}, "is no saved case: its metadata has no case_format"),
        ({"seed": "one"}, r"Expected `int`, got `str` - at `\$.seed`"),
        ({"config": {"input_size": 0, "hidden_size": 4}}, "LSTM.input_size is 0"),
        ({"dtype": "float8"}, "dtype 'float8'; it should be one of float64, float32"),
        ({"dtype": "float64"}, "tensor x has dtype float32; it should be float64"),
        ({"tensors": {"tensors/h0": None}}, "tensor h0 is missing; there should be bias_hh_l0"),
        ({"tensors": {"tensors/z": np.zeros(3)}}, "tensor z is no input of lstm with this configuration"),
        ({"tensors": {"cotangents/x": np.zeros(3)}}, "cotangent of x, which has none; it should be one of c_n"),
        ({"tensors": {"tangents/x": np.zeros(3)}}, r"tangent x has shape \(3,\); it should be \(2, 5, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(facts: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match=message):
        load(edited(tmp_path, **facts))


def test_a_spec_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(_plugins.PluginError, match="there is no spec `mamba`"):
        load(edited(tmp_path, spec="mamba"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match="cannot read .*nowhere"):
        load(tmp_path / "nowhere")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(CaseFileError, match="is no saved case: a blob of 5 bytes"):
        load(tmp_path / "text")
    (tmp_path / "file").write_text("")
    with pytest.raises(CaseFileError, match="cannot write .*file/a"):
        save(tmp_path / "file" / "a", build(spec, "smoke", TEMPLATES["one"], "float64"))
