"""Functions with a decorator: what is offered of them, what is refused, and that each framework verifies them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from functions import SOURCES, TORCH, lstm

from gradassay._backend import Gap, Offer
from gradassay._errors import UsageError
from gradassay._record import Verdict
from gradassay._run import verify
from gradassay._single import verify_case
from gradassay_lstm import spec
from gradassay_numpy import backend

WITH = {name: pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed") for name in SOURCES}
FRAMEWORKS = [pytest.param(name, marks=WITH[name]) for name in SOURCES]
MODES = {"numpy": "eager", "torch": "eager", "jax": "jit", "tensorflow": "eager"}
OPERATORS = {"numpy": {"forward"}}
EVERY = {"forward", "vjp", "jvp", "jacobian", "hvp"}


def verdicts(target: str, **options: Any) -> list[Verdict]:
    records = verify([target], specs=["lstm"], suites=["smoke"], cache=False, **options)
    return [record for record in records if isinstance(record, Verdict)]


# --- what is offered


def test_it_stays_the_function_that_it_was() -> None:
    decorated = backend(spec="lstm", features={"layers"})(lstm)
    assert decorated.__name__ == "lstm" and decorated.__doc__ == lstm.__doc__ and decorated.__wrapped__ is lstm
    assert decorated.name == "lstm"
    with pytest.raises(TypeError, match="missing 3 required positional arguments"):
        decorated()


def test_what_its_author_says_is_offered() -> None:
    gap = Gap("not yet", features=frozenset({"layers"}))
    told = {"features": ["layers", "ragged"], "name": "mine", "dtypes": ("float32",), "gaps": [gap], "promises": ["a"]}
    decorated = backend("lstm", **told)(lstm)  # type: ignore[arg-type]  # of several types
    assert decorated.name == "mine"
    (mode,) = decorated.offers[0].modes
    assert decorated.offers == (
        Offer(
            "lstm",
            features=frozenset({"layers", "ragged"}),
            modes=(mode,),
            dtypes=("float32",),
            operators=frozenset({"forward"}),
            gaps=(gap,),
            promises=frozenset({"a"}),
        ),
    )
    assert mode.name == "eager" and mode.evidence == {"executed": "as written"}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"features": "layers"}, r"@backend\(features='layers'\) should be a set of names: features=\{'layers'\}"),
        ({"dtypes": ["float23"]}, "there is no dtype `float23`: there are .*; did you mean"),
        ({"spec": 3}, r'@backend needs the name of a spec: write @backend\(spec="lstm"\)'),
    ],
)
def test_what_a_decorator_cannot_be_given_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        backend(**{"spec": "lstm"} | told)


@WITH["torch"]
@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"modes": ["eagre"]}, "there is no mode `eagre`: there are compile, eager, inductor; did you mean `eager`"),
        ({"operators": ["vjp"]}, "operators should hold 'forward' at least"),
        ({"operators": ["forward", "grad"]}, "there is no operator `grad`"),
    ],
)
def test_what_autodiff_frameworks_cannot_be_given_is_refused(told: dict[str, Any], message: str) -> None:
    from gradassay_torch import backend as torch_backend

    with pytest.raises(UsageError, match=message):
        torch_backend("lstm", **told)


def test_a_function_that_takes_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match=r"two should take \(config, parameters, inputs\): too many positional arg"):

        @backend(spec="lstm")
        def two(config: Any, inputs: Any) -> Mapping[str, Any]:
            return {}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_decorating_imports_no_framework(framework: str, tmp_path: Path) -> None:
    program = (
        f"import sys\nfrom gradassay_{framework} import backend\n"
        "@backend(spec='lstm')\ndef lstm(config, parameters, inputs): ...\n"
        "assert lstm.offers and lstm.environment() is not None\n"
        "print(*({'torch', 'jax', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


# --- what is verified


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_right_function_passes(framework: str, tmp_path: Path) -> None:
    file = tmp_path / "fast.py"
    file.write_text(SOURCES[framework])
    options = {"cases": ["plain"], "properties": ["contract", "values", "gradients", "jvp", "hvp"]}
    found = verdicts(f"{file}:lstm/{MODES[framework]}/float64", **options, ladder=True)
    assert {v.outcome for v in found} <= {"passed", "skipped", "not applicable"}
    assert [v.case for v in found if v.property == "ladder" and v.outcome == "passed"] == ["states", "layers"]
    passed = {v.property for v in found if v.outcome == "passed"}
    wanted = {"values", "contract"} | ({"gradients", "jvp", "hvp"} if framework != "numpy" else set())
    assert wanted <= passed
    ran = next(v.ran for v in found if v.property == "values")
    assert ran["device"] == "cpu"


def test_a_vjp_by_hand_is_verified() -> None:
    def double(config: Any, parameters: Any, inputs: Any) -> Mapping[str, Any]:
        return {name: 2 * array for name, array in lstm(config, parameters, inputs).items()}

    def pull(config: Any, parameters: Any, inputs: Any, cotangents: Any) -> Mapping[str, Any]:
        assert set(cotangents) == {"y", "h_n", "c_n"}  # one that the loss does not see is zero
        return {name: np.zeros_like(array) for name, array in {**parameters, **inputs}.items()}

    wrong = backend(spec="lstm", vjp=pull)(lstm)
    (plain,) = [template for template in spec.suites()["smoke"] if template.name == "plain"]
    found = verify_case(wrong, spec, plain, "float64", properties=["values", "gradients"])
    assert {(v.property, v.outcome) for v in found} == {("values", "passed"), ("gradients", "failed")}
    values = verify_case(backend(spec="lstm")(double), spec, plain, "float64", properties=["values"])
    assert {v.outcome for v in values} == {"failed"}


def torch_file(folder: Path, *changes: tuple[str, str]) -> str:
    source = TORCH
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    (folder / "fast.py").write_text(source)
    return f"{folder / 'fast.py'}:lstm/float64"


@WITH["torch"]
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('inputs["x"], [], []', 'inputs["x"].detach(), [], []'), "x has no gradient (None): it is cut on the way"),
        (
            (
                '"y": y, "h_n": torch.stack(h_n), "c_n": torch.stack(c_n)',
                '"y": y.data, "h_n": torch.stack(h_n).data, "c_n": torch.stack(c_n).data',
            ),
            "no gradient reaches anything: every one is None",
        ),
        (("c = f.sigmoid() * c +", "c = f.sigmoid() * c.detach() +"), "d"),
    ],
    ids=["x", "everything", "the carry"],
)
def test_a_function_that_detaches_is_no_forward_pass_alone(change: tuple[str, str], said: str, tmp_path: Path) -> None:
    found = verdicts(torch_file(tmp_path, change))
    (failed,) = [v for v in found if v.outcome == "failed"]
    assert failed.property == "ladder" and failed.case == "states"
    assert said in failed.reason


@WITH["torch"]
def test_gradients_that_its_author_does_not_offer_are_refused_politely(tmp_path: Path) -> None:
    target = torch_file(
        tmp_path, ('{"layers"}', '{"layers"}, gradients=False'), ('inputs["x"],', 'inputs["x"].detach(),')
    )
    records = verify([target], specs=["lstm"], suites=["smoke"], cache=False)
    found = [record for record in records if isinstance(record, Verdict)]
    assert {v.outcome for v in found} == {"passed", "skipped"}
    assert "forward only: gradients are not verified" in {v.reason for v in found}
    assert records[-1].wrong == ()  # type: ignore[union-attr]  # the footer


@WITH["torch"]
def test_answers_that_are_elsewhere_than_was_asked_are_errors(tmp_path: Path) -> None:
    """What ran where is read off the answers: a kernel that quietly takes another device has not been verified."""
    (last,) = [v for v in verdicts(torch_file(tmp_path, ('"y": y', '"y": y.to("meta")'))) if v.property == "ladder"]
    assert last.outcome == "errored"
    assert "the answers are on cpu, meta, but cpu was asked for" in last.reason


CUSTOM = """
class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a):
        y = a.sigmoid()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, v):
        (y,) = ctx.saved_tensors
        return v * y * (1 - y)


@backend"""


@WITH["torch"]
def test_what_autograd_refuses_for_a_function_is_skipped_with_its_words(tmp_path: Path) -> None:
    target = torch_file(tmp_path, ("\n@backend", CUSTOM), ("o.sigmoid()", "Gate.apply(o)"))
    found = verdicts(target, cases=["plain"], properties=["values", "gradients", "jvp", "jacobian", "hvp"])
    assert {v.outcome for v in found} <= {"passed", "skipped"}
    refused = {v.property: v.reason for v in found if v.reason.startswith("torch refuses")}
    assert set(refused) == {"jvp"}
    assert refused["jvp"].startswith(
        "torch refuses forward mode of this function: In order to use an autograd.Function"
    )
    assert {v.outcome for v in found if v.property in ("gradients", "hvp")} == {"passed"}


@WITH["torch"]
def test_a_second_derivative_that_torch_forgets_to_refuse_fails(tmp_path: Path) -> None:
    """`once_differentiable` raises only where what comes in requires a gradient; else it returns a constant."""
    once = CUSTOM.replace("    def backward", "    @torch.autograd.function.once_differentiable\n    def backward")
    target = torch_file(tmp_path, ("\n@backend", once), ("o.sigmoid()", "Gate.apply(o)"))
    found = verdicts(target, cases=["plain"], properties=["gradients", "hvp"])
    assert {v.outcome for v in found if v.property == "gradients"} == {"passed"}
    assert "failed" in {v.outcome for v in found if v.property == "hvp"}


@WITH["jax"]
def test_what_jax_refuses_for_a_function_is_skipped_with_its_words(tmp_path: Path) -> None:
    custom = (
        "\n@jax.custom_vjp\ndef gate(a):\n    return jax.nn.sigmoid(a)\n\n\n"
        "gate.defvjp(lambda a: (gate(a), gate(a)), lambda y, v: (v * y * (1 - y),))\n\n\n@backend"
    )
    source = SOURCES["jax"].replace("\n@backend", custom).replace("jax.nn.sigmoid(o)", "gate(o)")
    (tmp_path / "fast.py").write_text(source)
    options = {"cases": ["plain"], "properties": ["gradients", "jvp"]}
    found = verdicts(f"{tmp_path / 'fast.py'}:lstm/jit/float64", **options)
    outcomes = {v.property: (v.outcome, v.reason) for v in found}
    assert outcomes["gradients"][0] == "passed"
    assert outcomes["jvp"][0] == "skipped"
    assert outcomes["jvp"][1].startswith("jax refuses forward mode of this function: can't apply forward-mode")
