"""The smoke ladder: it stops at the rung where an adapter goes wrong, and says how, in the adapter's own terms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from functions import FEATURES, lstm

from gradassay._backend import Offer
from gradassay._decorated import FunctionBackend
from gradassay._ladder import Rung, climb, ladder
from gradassay._oracle import Oracle
from gradassay._plan import Job
from gradassay._process import Local
from gradassay._run import verify
from gradassay._single import in_memory
from gradassay._target import Target
from gradassay_lstm import spec
from gradassay_numpy import backend

Outputs = Mapping[str, Any]


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return in_memory()


def job_of(tested: Any) -> Job:
    offer: Offer = tested.offers[0]
    target = Target(tested.name, offer.modes[0].name, offer.devices[0], "float32")
    return Job(target, offer, offer.modes[0], ())


def climbed(tested: Any, oracle: Oracle) -> list[Rung]:
    (rungs,) = ladder([job_of(tested)], {"lstm": spec})
    with Local(tested) as session:
        return list(climb(rungs, session, oracle))


def numpy_backend_of(function: Callable[..., Any], **told: Any) -> FunctionBackend:
    function.__name__ = "mine"
    return backend(spec="lstm", features=FEATURES, **told)(function)


def accusation(function: Callable[..., Any], oracle: Oracle) -> tuple[str, str]:
    """Return the rung at which a function falls, and what it is accused of."""
    *below, last = climbed(numpy_backend_of(function), oracle)
    assert all(rung.outcome == "passed" for rung in below)
    assert last.outcome in ("failed", "errored")
    return last.question.template.name, last.reason


def changed(**changes: Callable[[Outputs], Any]) -> Callable[..., Any]:
    """The right function, with some outputs made of its outputs."""

    def function(config: Any, parameters: Any, inputs: Any) -> Outputs:
        outputs = lstm(config, parameters, inputs)
        return {**outputs, **{name: change(outputs) for name, change in changes.items()}}

    return function


def test_a_right_function_stands_on_every_rung_that_it_offers(oracle: Oracle) -> None:
    found = climbed(numpy_backend_of(lstm), oracle)
    names = [rung.question.template.name for rung in found]
    assert names == ["one-step", "one-layer", "states", "layers", "directions", "layers-and-directions"]
    assert {rung.outcome for rung in found} == {"passed"}


def test_the_widest_dtype_is_climbed_in_whatever_was_typed() -> None:
    (rungs,) = ladder([job_of(numpy_backend_of(lstm))], {"lstm": spec})
    assert str(rungs.target) == "mine/eager/cpu/float64"
    (rungs,) = ladder([job_of(numpy_backend_of(lstm, dtypes=("float32",)))], {"lstm": spec})
    assert rungs.target.dtype == "float32"


def test_a_spec_without_rungs_has_one_its_first_smoke_case() -> None:
    bare = replace(spec, suites=lambda: {"smoke": spec.suites()["smoke"]})
    (rungs,) = ladder([job_of(numpy_backend_of(lstm))], {"lstm": bare})
    assert [(q.suite, q.template) for q in rungs.questions] == [("smoke", spec.suites()["smoke"][0])]


def swapped(name: str, *axes: int) -> Callable[[Outputs], Any]:
    return lambda outputs: outputs[name].transpose(axes)


def one_direction(outputs: Outputs) -> Any:
    y = outputs["y"]
    return y[..., : y.shape[-1] // 2] if y.shape[-1] == 12 else y


def reverse_first(outputs: Outputs) -> Any:
    y = outputs["y"]
    return np.roll(y, 6, axis=-1) if y.shape[-1] == 12 else y


def reverse_as_it_ran(outputs: Outputs) -> Any:
    y = outputs["y"].copy()
    if y.shape[-1] == 12:
        y[..., 6:] = y[:, ::-1, 6:]
    return y


MISTAKES: dict[str, tuple[Callable[..., Any], str, str]] = {
    "time-major": (
        changed(y=swapped("y", 1, 0, 2)),
        "one-layer",
        "y is (steps, rows, units), should be (rows, steps, units): rows and steps are swapped",
    ),
    "states batch-first": (
        changed(h_n=swapped("h_n", 1, 0, 2)),
        "one-layer",
        "h_n is (rows, layers x directions, units), should be (layers x directions, rows, units): "
        "layers x directions and rows are swapped",
    ),
    "states exchanged": (
        changed(h_n=lambda o: o["c_n"], c_n=lambda o: o["h_n"]),
        "one-step",
        "h_n and c_n are exchanged",
    ),
    "an axis too few": (
        changed(h_n=lambda o: o["h_n"][0]),
        "one-step",
        "h_n has shape (1, 1), should be (1, 1, 1): (layers x directions, rows, units); "
        "the axis of layers x directions is not there",
    ),
    "two of one": (
        changed(h_n=lambda o: np.concatenate([o["h_n"], o["h_n"]])),
        "one-step",
        "h_n has shape (2, 1, 1), should be (1, 1, 1): (layers x directions, rows, units)",
    ),
    "the last layer alone": (
        changed(c_n=lambda o: o["c_n"][-1:]),
        "layers",
        "c_n has shape (1, 3, 6), should be (2, 3, 6): (layers, rows, units); layer 0 is not there",
    ),
    "no reverse direction": (
        changed(y=one_direction),
        "directions",
        "y has shape (3, 7, 6), should be (3, 7, 12): (rows, steps, directions x units); "
        "direction reverse is not there",
    ),
    "reverse direction first": (
        changed(y=reverse_first),
        "directions",
        "y has its directions in the order reverse, forward",
    ),
    "reverse direction as it ran": (
        changed(y=reverse_as_it_ran),
        "directions",
        "y runs backwards in steps in direction reverse",
    ),
    "directions before layers": (
        changed(h_n=lambda o: o["h_n"][[0, 2, 1, 3]] if len(o["h_n"]) == 4 else o["h_n"]),
        "layers-and-directions",
        "h_n is directions x layers in axis 0, should be layers x directions",
    ),
    "gate order": (
        lambda config, parameters, inputs: lstm(config, parameters, inputs, gates="ifog"),
        "one-step",
        "the gate order is i, f, o, g; should be i, f, g, o",
    ),
    "another dtype": (
        changed(y=lambda o: o["y"].astype(np.float32)),
        "one-step",
        "y is float32, should be float64, as what is given",
    ),
    "missing": (
        lambda *a: {"y": lstm(*a)["y"], "h": lstm(*a)["h_n"]},
        "one-step",
        "h_n, c_n are missing: there should be y, h_n, c_n; what came back is h, y",
    ),
    "one too many": (
        changed(gates=lambda o: o["y"]),
        "one-step",
        "gates came back, which nobody asked for: there should be y, h_n, c_n alone",
    ),
    "a tuple": (
        lambda *a: tuple(lstm(*a).values()),
        "one-step",
        "exception: TypeError: mine returned a tuple of 3; it should return a dict of numpy.ndarray by name",
    ),
    "a list": (
        changed(y=lambda o: o["y"].tolist()),
        "one-step",
        "exception: TypeError: mine returned 'y' as a list; it should be a numpy.ndarray",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_an_adapter_is_named(mistake: str, oracle: Oracle) -> None:
    function, rung, said = MISTAKES[mistake]
    at, reason = accusation(function, oracle)
    assert reason.startswith(said) if "exception" in said else reason == said
    assert at == rung


def one_bias(config: Any, parameters: Mapping[str, Any], inputs: Any) -> Outputs:
    return lstm(config, {n: np.zeros_like(a) if "bias_hh" in n else a for n, a in parameters.items()}, inputs)


def test_a_bias_that_is_not_added_is_named(oracle: Oracle) -> None:
    at, reason = accusation(one_bias, oracle)
    assert at == "one-step" and "bias" in reason and "bias_hh" in reason


def test_what_no_known_mistake_explains_is_placed(oracle: Oracle) -> None:
    def odd(config: Any, parameters: Any, inputs: Any) -> Outputs:
        outputs = lstm(config, parameters, inputs)
        if config.hidden_size > 1:
            outputs["y"] = outputs["y"].copy()
            outputs["y"][1, 2, 3] += 0.123
        return outputs

    at, reason = accusation(odd, oracle)
    assert at == "one-layer"
    assert reason.startswith("y (rows, steps, units) is wrong, most at row 1, step 2, direction forward, unit 3: got ")
    assert reason.endswith("; no known mistake gives these numbers")


def test_an_exception_comes_with_the_functions_own_line(oracle: Oracle) -> None:
    def broken(config: Any, parameters: Any, inputs: Any) -> Outputs:
        return {"y": np.concatenate([inputs["no such input"]])}  # this line

    at, reason = accusation(broken, oracle)
    first, line = reason.splitlines()
    assert (at, first) == ("one-step", "exception: KeyError: 'no such input'")
    assert re.fullmatch(r"test_ladder\.py, line \d+, in broken: return .*no such input.*# this line", line)


def wrong_vjp(change: Callable[[dict[str, Any]], dict[str, Any]]) -> FunctionBackend:
    """The right function with the right hand-written VJP of the bundled backend, changed."""
    from gradassay_numpy import numpy_backend

    def pull(config: Any, parameters: Any, inputs: Any, cotangents: Any) -> Mapping[str, Any]:
        target = Target("numpy", "eager", "cpu", "float64")
        model = numpy_backend.load("lstm", config, parameters, target)
        return change(model.vjp(inputs, cotangents, [*parameters, *inputs])[1])

    return numpy_backend_of(lstm, vjp=pull)


GRADIENTS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "none at all": (lambda g: {}, "no gradient reaches anything: every one is None (x, "),
    "one is cut": (
        lambda g: {n: a for n, a in g.items() if n != "x"},
        "x has no gradient (None): it is cut on the way",
    ),
    "zero": (lambda g: {**g, "x": 0 * g["x"]}, "x: exactly 0 everywhere, where it should not be: cut off"),
    "transposed": (
        lambda g: {**g, "weight_ih_l0": g["weight_ih_l0"].T},
        "the gradient of weight_ih_l0 is (features, gates), should be (gates, features): gates and features are",
    ),
    "another dtype": (
        lambda g: {**g, "x": g["x"].astype(np.float32)},
        "the gradient of x is float32, should be float64",
    ),
}


@pytest.mark.parametrize("mistake", GRADIENTS)
def test_a_wrong_gradient_is_named(mistake: str, oracle: Oracle) -> None:
    change, said = GRADIENTS[mistake]
    last = climbed(wrong_vjp(change), oracle)[-1]
    assert last.outcome == "failed"
    assert said in last.reason


def test_right_gradients_stand(oracle: Oracle) -> None:
    assert {rung.outcome for rung in climbed(wrong_vjp(dict), oracle)} == {"passed"}


# --- in a run


def told(function: Callable[..., Any], **options: Any) -> list[Any]:
    tested = numpy_backend_of(function)
    return verify(objects=[tested], suites=["smoke"], specs=["lstm"], cache=False, **options)


def test_who_falls_is_asked_nothing_else() -> None:
    _, first, *skipped, footer = told(changed(y=swapped("y", 1, 0, 2)))
    assert first.property == "ladder" and first.outcome == "passed"  # one step of one row: nothing to swap
    failed, *rest = skipped
    assert (failed.property, failed.outcome, failed.tensor, failed.case) == ("ladder", "failed", "y", "one-layer")
    assert failed.replay == "gradassay verify mine/eager/cpu/float64 --spec lstm --suite rungs --case one-layer"
    assert [(v.outcome, v.reason) for v in rest] == [("skipped", "not asked: fell off the ladder at one-layer")] * 2
    assert footer.complete and not footer.wrong


def test_a_selection_of_cases_or_properties_is_not_kept_waiting() -> None:
    assert not [v for v in told(lstm, properties=["values"]) if getattr(v, "property", "") == "ladder"]
    assert not [v for v in told(lstm, ladder=False) if getattr(v, "property", "") == "ladder"]
    assert [v for v in told(lstm, properties=["values"], ladder=True) if getattr(v, "property", "") == "ladder"]


def test_a_forward_pass_alone_is_welcome() -> None:
    """Without a verdict on gradients a run fails, unless none was ever promised."""
    records = told(lstm)
    verdicts = [r for r in records if getattr(r, "property", "") and not r.against]
    assert {v.outcome for v in verdicts} == {"passed", "skipped"}
    assert {v.reason for v in verdicts if v.property == "gradients" and not v.reason.startswith("does not")} == {
        "forward only: gradients are not verified"
    }
    assert records[-1].wrong == ()
