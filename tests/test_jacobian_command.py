"""`gradassay jacobian`: what is typed is what is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from liars import case, rows, source

from gradassay import UsageError
from gradassay.cli import main
from gradassay.jacobians._written import written
from gradassay_lstm import LSTM, Call


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path / "cache"))


def run(*words: str) -> Any:
    return CliRunner().invoke(main, ["jacobian", *words])


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("y", "y"),
        ("y[:, 4:8]", ("y", np.s_[:, 4:8])),
        ("x[0, -1]", ("x", np.s_[0, -1])),
        ("x[..., ::2]", ("x", np.s_[..., ::2])),
        ("weight_ih_l0[[0, 3]]", ("weight_ih_l0", [0, 3])),
    ],
)
def test_a_side_is_read_as_numpy_would(text: str, asked: Any) -> None:
    assert written(text, "--of") == asked


@pytest.mark.parametrize("text", ["y[", "2", "y[x]", "y[1.5]", "y.T", "y[__import__('os')]", "y[True]", ""])
def test_what_is_no_side_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--of: .* names no part of a tensor; write it as y, or y"):
        written(text, "--of")


def test_a_case_of_a_suite_is_computed_certified_and_drawn(tmp_path: Path) -> None:
    drawn = tmp_path / "j.svg"
    found = run("numpy", "--of", "y[:, 1:]", "--wrt", "x", "--case", "plain", "--certify", "--picture", str(drawn))
    assert found.exit_code == 0, found.output
    assert found.output.startswith("d y[:, 1:") and "passed by every entry" in found.output
    assert drawn.read_text(encoding="utf-8").startswith("<svg")


def test_own_data_go_to_a_file(tmp_path: Path) -> None:
    given, data, out = case(Call(2, 3), LSTM(3, 4)), tmp_path / "data.npz", tmp_path / "j.npy"
    np.savez(data, **given.tensors)
    sizes = json.dumps({"input_size": 3, "hidden_size": 4})
    found = run("numpy", "--of", "y", "--wrt", "x[:, 0]", "--data", str(data), "--config", sizes, "--out", str(out))
    assert found.exit_code == 0, found.output
    assert "computed now" in found.output
    assert np.allclose(np.load(out)[:, :, :, :, 0], rows(source(given=given))[:, :, :, :, 0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "x.npz"), "--data and --config go together"),
        (("--suite", "none"), "there is no suite `none`"),
        (("--case", "none"), "there is no case `none`"),
        (("--data", "x.npz", "--config", "{}"), "--config is no configuration of lstm"),
        (("--data", "x.npz", "--config", '{"input_size": 1, "hidden_size": 1}'), "x.npz is no .npz file of tensors"),
    ],
)
def test_what_cannot_be_is_told(words: tuple[str, ...], message: str) -> None:
    found = run("numpy", "--of", "y", "--wrt", "x", *words)
    assert found.exit_code == 2
    assert message in found.output


def test_nothing_to_draw_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "j.svg")
    found = run("numpy", "--of", "y[:, 9:]", "--wrt", "x", "--case", "plain", "--picture", path)
    assert found.exit_code == 2 and "has no steps on one side: there is nothing to draw" in found.output
