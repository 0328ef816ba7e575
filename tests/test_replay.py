"""`gradassay replay`: a saved case asked again, of whom it was asked or of another target."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from gradassay._backend import Offer
from gradassay._case import Case, build
from gradassay._casefile import save
from gradassay._frame import decode, encode
from gradassay._record import Footer, Header, Verdict, read
from gradassay._replay import _not_offered, replay
from gradassay._run import verify
from gradassay.cli import main
from gradassay_lstm import spec

PLAIN = next(template for template in spec.suites()["smoke"] if template.name == "plain")
TARGET = "numpy/eager/cpu/float32"
PROPERTIES = ("values", "gradients")


def drawn(dtype: str = "float32") -> Case:
    return build(spec, "smoke", PLAIN, dtype)


def saved(folder: Path, case: Case | None = None, **changes: Any) -> Path:
    path = folder / "case.safetensors"
    save(path, case or drawn(), **({"target": TARGET, "properties": PROPERTIES} | changes))
    return path


def ask(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


def said(result: Result) -> str:
    return " ".join(result.output.split())


def test_a_saved_case_is_asked_what_it_was_asked(tmp_path: Path) -> None:
    header, *verdicts, footer = replay(saved(tmp_path))
    assert isinstance(header, Header) and isinstance(footer, Footer) and footer.complete and not footer.wrong
    found = [verdict for verdict in verdicts if isinstance(verdict, Verdict)]
    assert {(v.target, v.property, v.outcome) for v in found} == {(TARGET, name, "passed") for name in PROPERTIES}
    assert {v.tensor for v in found if v.property == "gradients"} == set(drawn().differentiable)
    assert found[0].replay == f"gradassay replay {tmp_path}/case.safetensors {TARGET} --property values"


def test_it_has_the_very_figures_of_the_run_that_saved_it(tmp_path: Path) -> None:
    names = ("gradients", "hvp")
    run = verify([TARGET], specs=["lstm"], suites=["smoke"], cases=["plain"], properties=names)
    again = replay(saved(tmp_path, properties=names))
    first, second = (
        {(v.property, v.tensor): (v.rms, v.max) for v in r if isinstance(v, Verdict)} for r in (run, again)
    )
    assert first and first == second


def test_its_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    case = drawn()
    huge = {name: array * 4 for name, array in case.tensors.items()}
    plain, other = (
        {(v.property, v.tensor): v.max for v in replay(saved(tmp_path, c)) if isinstance(v, Verdict)}
        for c in (case, replace(case, tensors=huge))
    )
    assert plain.keys() == other.keys() and plain != other


def test_the_command_prints_a_verdict_and_ends_with_0(tmp_path: Path) -> None:
    result = ask(saved(tmp_path), "--out", tmp_path / "run.jsonl")
    assert result.exit_code == 0, result.output
    assert "verdicts passed on 1 target" in result.output
    assert sum(isinstance(record, Verdict) for record in read(tmp_path / "run.jsonl")) == 10


def test_another_target_may_be_named(tmp_path: Path) -> None:
    path = saved(tmp_path, target="torch/native/cpu/float32")
    assert {v.target for v in replay(path, "numpy") if isinstance(v, Verdict)} == {TARGET}


def test_another_property_may_be_asked(tmp_path: Path) -> None:
    result = ask(saved(tmp_path), "numpy", "--property", "jvp", "--out", tmp_path / "run.jsonl")
    assert result.exit_code == 0
    assert {r.property for r in read(tmp_path / "run.jsonl") if isinstance(r, Verdict)} == {"jvp"}


def test_what_fails_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "from gradassay_numpy import faulty_backend\nbackend = faulty_backend('reverse-dx-not-reversed-back')\n"
    )
    backward = next(t for t in spec.suites()["smoke"] if t.config.bidirectional)
    path = saved(tmp_path, build(spec, "smoke", backward, "float64"), properties=("gradients",))
    result = ask(path, f"{tmp_path}/wrong.py:backend")
    assert result.exit_code == 1, result.output
    assert (
        re.search(r"FAILED: \d+ failed of 19 verdicts on 1 target", said(result)) and "What is wrong" in result.output
    )
    assert re.search(rf"replay +gradassay replay {path} \S+ --property gradients", result.output)


# --- files that are no case, and targets that cannot answer


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    metadata, tensors = decode(path.read_bytes())
    change(metadata, tensors)
    path.write_bytes(encode(metadata, tensors))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts, tensors: facts.pop("case_format"), "is no saved case: its metadata has no case_format"),
        (lambda facts, tensors: facts.update(case_format=9), "has format 9; this version of gradassay reads"),
        (lambda facts, tensors: facts.update(spec="mamba"), "there is no spec `mamba`: there are "),
        (lambda facts, tensors: facts["config"].update(hidden_size=7), r"has shape \S.*; it should be "),
        (lambda facts, tensors: facts["config"].update(width=7), "is no case of this version of gradassay"),
        (lambda facts, tensors: tensors.pop("tensors/x"), "tensor x is missing"),
        (lambda facts, tensors: facts.update(dtype="float64"), "has dtype float32; it should be float64"),
        (lambda facts, tensors: facts.update(properties=["gradient"]), "there is no property `gradient`"),
        (
            lambda facts, tensors: facts.update(target=""),
            "was asked of no installed target: name one, gradassay replay",
        ),
    ],
)
def test_a_file_that_holds_no_case_is_told(
    tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None], message: str
) -> None:
    result = ask(rewritten(saved(tmp_path), change))
    assert result.exit_code == 2, result.output
    assert re.search(message, said(result)) and "case.safetensors" in said(result).replace(
        "there is no spec", "case.safetensors"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not one of these", "is no saved case: "),
        (b"", "has no room for the 8 bytes"),
    ],
)
def test_what_is_not_safetensors_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "case.safetensors").write_bytes(content)
    result = ask(tmp_path / "case.safetensors")
    assert result.exit_code == 2 and message in said(result)


def test_tensors_of_others_are_told(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "weights.safetensors")
    result = ask(tmp_path / "weights.safetensors")
    assert result.exit_code == 2 and "these tensors were written by something else" in said(result)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = ask(tmp_path / "none.safetensors")
    assert result.exit_code == 2 and "cannot read" in said(result) and "No such file" in said(result)


@pytest.mark.parametrize(
    ("target", "dtype", "message"),
    [
        ("numpy/float64", "float32", "is a case of lstm in float32; target numpy/float64 is in float64: write numpy"),
        ("numpy", "bfloat16", "is a case of lstm in bfloat16; numpy offers lstm in float64, float32"),
        ("nump", "float32", "there is no backend `nump`"),
    ],
)
def test_a_target_that_does_not_offer_it_is_told(tmp_path: Path, target: str, dtype: str, message: str) -> None:
    result = ask(saved(tmp_path, drawn(dtype)), target)
    assert result.exit_code == 2 and message in said(result), result.output


def test_a_property_that_does_not_apply_is_told(tmp_path: Path) -> None:
    other = next(t for t in spec.suites()["smoke"] if "jacobian" not in t.ask and "jacobian_block" not in t.ask)
    result = ask(saved(tmp_path, build(spec, "smoke", other, "float32")), "--property", "jacobian")
    assert result.exit_code == 2 and "jacobian does not apply to this case, which is of lstm in float32" in said(result)


def test_a_backend_without_its_spec_is_told() -> None:
    message = _not_offered(Path("a.safetensors"), drawn(), "other", "other", [Offer("mse")])
    assert message == "a.safetensors is a case of lstm in float32; other offers no lstm, but mse"
