"""Published vectors: the truth in a file serves as it is, and one that was changed does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from gradassay import UsageError, check, prepare
from gradassay._case import Case, build
from gradassay._casefile import FORMAT, WITH_TRUTH, CaseFileError, load, save
from gradassay._frame import decode, encode
from gradassay._oracle import Oracle, Query
from gradassay._published import PublishedOracle, Truth, question
from gradassay._record import Verdict
from gradassay._replay import replay
from gradassay._run import in_memory
from gradassay._target import DTYPES
from gradassay.cli import main
from gradassay_lstm import spec

TEMPLATES = {template.name: template for template in spec.suites()["smoke"]}
Answer = dict[str, Any]


def case_of(name: str = "plain", dtype: str = "float64") -> Case:
    return build(spec, "smoke", TEMPLATES[name], dtype)


@pytest.fixture(autouse=True)
def nothing_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADASSAY_CACHE", "")


@pytest.fixture
def vector(tmp_path: Path) -> Path:
    path = tmp_path / "vector.safetensors"
    save(path, case_of(), target="numpy/float64", properties=("values", "gradients"), truth=Truth.of(case_of()))
    return path


@pytest.fixture
def nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*of: Any) -> Any:
        raise AssertionError("the truth was computed")

    monkeypatch.setattr(Oracle, "_answer", refuse)


def same(a: Answer, b: Answer) -> bool:
    parts = ("high", "low", "radius", "zero", "sigma")
    facts = ("blind", "overflow", "rung", "bits", "roundoff")
    return a.keys() == b.keys() and all(
        all(np.array_equal(getattr(a[n], part), getattr(b[n], part)) for part in parts)
        and all(getattr(a[n], fact) == getattr(b[n], fact) for fact in facts)
        for n in a
    )


# --- it serves


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["plain", "ragged", "absent-states"])
def test_truth_and_noise_come_back_bit_for_bit(name: str, dtype: str, tmp_path: Path) -> None:
    case, oracle = case_of(name, dtype), Oracle(in_memory())
    truth = Truth.of(case, oracle)
    save(tmp_path / "a", case, truth=truth)
    back = load(tmp_path / "a").truth
    assert back is not None and same(dict(back.references), dict(truth.references))
    assert same(dict(back.references), oracle.ask(case, question(case)))


def test_a_replay_takes_it_from_the_file(vector: Path, nothing_is_computed: None) -> None:
    records = replay(vector)
    outcomes = {(v.property, v.outcome) for v in records if isinstance(v, Verdict)}
    assert outcomes == {("values", "passed"), ("gradients", "passed")}


def test_what_was_not_published_is_computed(vector: Path) -> None:
    saved = load(vector)
    assert saved.truth is not None
    oracle = PublishedOracle(in_memory(), published=(saved.case, saved.truth))
    half = {"y": saved.case.cotangents["y"] * 0.5}
    for query in (
        Query("vjp", cotangents=half, wrt=saved.case.differentiable),
        Query("vjp", cotangents=saved.case.cotangents, wrt=("x",)),
        Query("jvp", tangents=saved.case.tangents),
    ):
        assert same(oracle.ask(saved.case, query), Oracle(in_memory()).ask(saved.case, query))
    assert oracle.seconds["truth"] > 0.0


@pytest.fixture
def live() -> tuple[Any, dict[str, Any], Case]:
    """Return a live layer, the arguments of a check of it, and the case that they make."""
    pytest.importorskip("gradassay_torch")
    torch = pytest.importorskip("torch")
    case = case_of()
    layer = torch.nn.LSTM(3, 4).double()
    layer.load_state_dict({name: torch.from_numpy(array) for name, array in case.parameters.items()})
    return layer, {**case.inputs, "cotangents": dict(case.cotangents)}, case


def test_a_check_of_a_live_layer_takes_it(vector: Path, live: Any, nothing_is_computed: None) -> None:
    layer, given, _ = live
    assert check(layer, truth=vector, **given)
    assert check(layer, truth=str(vector), **given) and check(layer, truth=load(vector), **given)
    assert prepare(layer, truth=vector, **given)()


def test_a_check_with_it_comes_to_what_one_without_comes_to(vector: Path, live: Any) -> None:
    layer, given, _ = live
    figures = [[(v.tensor, v.rms, v.max, v.truth) for v in found.verdicts] for found in
               (check(layer, truth=vector, **given), check(layer, **given))]  # fmt: skip
    assert figures[0] == figures[1]


def test_a_wrong_layer_fails_by_it(vector: Path, live: Any) -> None:
    layer, given, _ = live
    layer.register_forward_hook(lambda module, of, found: (found[0] * (1 + 1e-12), found[1]))
    found = check(layer, truth=vector, **given)
    assert not found and {v.tensor for v in found.verdicts if v.outcome == "failed"} >= {"y"}


def test_a_prepared_check_whose_weights_change_leaves_it(vector: Path, live: Any) -> None:
    layer, given, _ = live
    ready = prepare(layer, truth=vector, **given)
    layer.bias_ih_l0.data += 1.0
    found = ready()
    assert found and "the weights have changed: truth and noise are those of the new ones" in str(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layer, given: given["x"].__setitem__((0, 0, 0), 9.0), "x is another"),
        (lambda layer, given: given["cotangents"]["y"].__setitem__((0, 0, 0), 9.0), "cotangent of y is another"),
        (lambda layer, given: given["cotangents"].pop("c_n"), "cotangent of c_n is another"),
        (lambda layer, given: layer.bias_hh_l0.data.mul_(2.0), "bias_hh_l0 is another"),
        (lambda layer, given: given.update(wrt=["x"]), "what is differentiated is x, there x, "),
        (lambda layer, given: given.update(x=given["x"][:, :4], cotangents=None), "the call is Call.batch=2, steps=4"),
        (lambda layer, given: layer.float() and given.update(dtype="float32"), "the dtype is float32, there float64"),
    ],
)
def test_one_about_something_else_is_refused(
    vector: Path, live: Any, change: Callable[[Any, Any], Any], message: str
) -> None:
    layer, given, _ = live
    given = {n: a.copy() if n != "cotangents" else {m: c.copy() for m, c in a.items()} for n, a in given.items()}
    change(layer, given)
    with pytest.raises(UsageError, match=f"about something else than what is checked: {message}"):
        check(layer, truth=vector, **given)


def test_a_file_without_a_truth_is_told(tmp_path: Path, live: Any) -> None:
    layer, given, case = live
    save(tmp_path / "a", case)
    with pytest.raises(UsageError, match="a holds no truth; `gradassay publish FILE` computes it and puts it in"):
        check(layer, truth=tmp_path / "a", **given)


# --- one that was changed does not


def tampered(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Path:
    metadata, tensors = decode(path.read_bytes())
    change(metadata, tensors)
    path.write_bytes(encode(metadata, tensors))
    return path


def bent(name: str, factor: float) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda metadata, tensors: tensors[name].__imul__(factor)


@pytest.mark.parametrize("part", ["high", "low", "radius", "sigma"])
def test_a_number_that_was_changed_is_found_out(vector: Path, part: str) -> None:
    def change(metadata: Any, tensors: Any) -> None:
        numbers = tensors[f"truth/d x|{part}"].reshape(-1)
        numbers[3] = np.nextafter(numbers[3], 9.0)

    with pytest.raises(CaseFileError, match=r"the truth in .*vector.safetensors was changed after it was published"):
        load(tampered(vector, change))


def test_data_that_were_changed_are_found_out(vector: Path) -> None:
    with pytest.raises(CaseFileError, match="was changed after it was published"):
        load(tampered(vector, bent("tensors/x", 1.5)))


def resealed(change: Callable[[Answer], Answer], path: Path) -> Path:
    """Forge a truth, and seal it as `publish` would."""
    saved = load(path)
    assert saved.truth is not None
    save(path, saved.case, truth=Truth(change(dict(saved.truth.references))))
    return path


def scaled(name: str, **factors: float) -> Callable[[Answer], Answer]:
    return lambda answer: (
        answer
        | {name: replace(answer[name], **{part: getattr(answer[name], part) * by for part, by in factors.items()})}
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            scaled("d x", high=1 + 1e-12),
            "is not that of the equations: d x evaluated in float64 is .* noise units away",
        ),
        (scaled("y", sigma=1e-6), "is not that of the equations: y evaluated in float64 is"),
        (scaled("c_n", sigma=-1.0), "has no sound numbers for c_n: publish it again"),
        (scaled("h_n", sigma=float("nan")), "has no sound numbers for h_n: publish it again"),
        (scaled("d h0", radius=1e300), "has no sound numbers for d h0: publish it again"),
        (lambda answer: {n: r for n, r in answer.items() if n != "d c0"}, "does not fit its case, in d c0.high"),
    ],
)
def test_a_forged_one_is_held_against_the_equations(
    vector: Path, change: Callable[[Answer], Answer], message: str
) -> None:
    with pytest.raises(CaseFileError, match=f"the truth in .* {message}"):
        load(resealed(change, vector))


def test_one_made_under_other_limits_is_refused(vector: Path) -> None:
    def change(metadata: Any, tensors: Any) -> None:
        metadata["truth"]["limits"] = "0"

    with pytest.raises(CaseFileError, match="is of version 0 of the limits; here it is 1: publish it again"):
        load(tampered(vector, change))


def test_the_format_says_whether_there_is_one(vector: Path, tmp_path: Path) -> None:
    save(tmp_path / "plain", case_of())
    formats = [decode(path.read_bytes())[0]["case_format"] for path in (tmp_path / "plain", vector)]
    assert formats == [FORMAT, WITH_TRUTH]  # a case alone is read by versions that know of no truth
    with pytest.raises(CaseFileError, match="has format 1 and a truth; with a truth it should be 2"):
        load(tampered(vector, lambda metadata, tensors: metadata.update(case_format=1)))


# --- the command


def test_publish_puts_the_truth_into_a_saved_case(tmp_path: Path) -> None:
    file, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save(file, case_of(), target="numpy/float64", properties=("values",), note={"z": "12"})
    before = file.read_bytes()
    done = CliRunner().invoke(main, ["publish", str(file), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert file.read_bytes() == before
    assert f"{out}: truth and noise of 10 tensors of lstm/saved/plain; " in done.output
    saved = load(out)
    assert saved.truth is not None and (saved.target, saved.properties) == ("numpy/float64", ("values",))
    assert CliRunner().invoke(main, ["publish", str(file), "--no-cache"]).exit_code == 0
    assert file.read_bytes() == out.read_bytes()


def test_publish_refuses_what_is_no_case(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    done = CliRunner().invoke(main, ["publish", str(tmp_path / "text")])
    assert done.exit_code == 2 and "text is no saved case" in done.output
