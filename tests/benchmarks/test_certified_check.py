"""A certified check against the usual gradient checkers, and against the bare forward and backward of the layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.interleaved import interleaved, medians
from benchmarks.layers import MAIN, Live, Size, jax_function, jax_lstm, keras_lstm, torch_lstm
from benchmarks.rows import faster, longer, within

import gradassay
from gradassay import Verdicts
from gradassay._casefile import load, save
from gradassay._check import Request
from gradassay._live import ANSWERS
from gradassay._published import Truth

Timed = Callable[[Callable[[], Any]], Any]
Found = Callable[..., None]
LAYERS: dict[str, Callable[[Size], Live]] = {"torch": torch_lstm, "jax": jax_lstm, "keras": keras_lstm}
FEW_EVALUATIONS = Size(1, 32, 1, 1)  # where TensorFlow's checker ends within seconds, over as many steps


def error(found: Verdicts) -> str:
    """Return how right what was timed is; it must be."""
    assert found.ok, str(found)
    judged = [v for v in found.verdicts if v.max is not None]
    rms, largest = max(v.rms or 0.0 for v in judged), max(v.max or 0.0 for v in judged)
    return f"{rms:.1f} RMS, {largest:.1f} at most, of {len(judged)} tensors"


def spent(call: Callable[[], Verdicts]) -> str:
    """Return where the time of a check goes, by its own account."""
    footer: Any = call().records[-1]
    parts = {name: getattr(footer.seconds, name) for name in ("framework", "truth", "noise", "harness")}
    total = sum(parts.values())
    return ", ".join(f"{name} {part / total:.0%}" for name, part in parts.items())


# --- truth afresh


def test_against_torchs_gradcheck(timed: Timed, entry: Found, no_cache: None) -> None:
    import torch

    live = torch_lstm(MAIN)
    given = live.tensors(MAIN.data())

    def f(x: Any) -> tuple[Any, ...]:
        y, (h_n, c_n) = live.layer(x, (given["h0"], given["c0"]))
        return y, h_n, c_n

    def gradcheck() -> bool:
        x = given["x"].clone().requires_grad_()
        return bool(torch.autograd.gradcheck(f, (x,), fast_mode=False))

    def check() -> Verdicts:
        return gradassay.check(live.layer, **live.check)

    assert gradcheck()
    times = timed(lambda: interleaved({"check": check, "gradcheck": gradcheck}))
    ours, theirs = medians(times).values()
    entry(
        goal="check-afresh",
        what="torch: `gradassay.check(layer, x, h0, c0)`",
        against="`torch.autograd.gradcheck(f, x, fast_mode=False)`",
        size=str(MAIN),
        dtype="float64",
        ours=ours,
        theirs=theirs,
        repetitions=tuple(map(len, times.values())),
        measured=faster(ours, theirs),
        reached=theirs >= 30 * ours,
        error=error(check()),
        note=f"torch: {spent(check)}",
    )


def test_against_jaxs_check_grads(timed: Timed, entry: Found, no_cache: None, x64: None) -> None:
    import jax
    from jax.test_util import check_grads

    live = jax_lstm(MAIN)
    given = {name: jax.numpy.asarray(array) for name, array in (MAIN.parameters() | MAIN.data()).items()}
    names = list(MAIN.data())

    def f(values: dict[str, Any]) -> Any:
        return jax_function(values, {name: values[name] for name in names})

    jitted = jax.jit(f)

    def new(f: Callable[[Any], Any]) -> Any:
        return jax.jit(lambda values: f(values))  # noqa: PLW0108  (another function, so that JAX compiles it)

    def check() -> Verdicts:
        return gradassay.check(live.layer, **live.check)

    rivals: dict[str, Callable[[], None]] = {
        "`check_grads(jax.jit(f), args, order=1)`, f compiled before": lambda: check_grads(jitted, (given,), order=1),
        "`check_grads(f, args, order=1)`": lambda: check_grads(f, (given,), order=1),
        # As a test calls it, once: a function that JAX has not seen.
        "`check_grads(jax.jit(f), args, order=1)`, f compiled in it": lambda: check_grads(new(f), (given,), order=1),
    }
    times = timed(lambda: interleaved({"check": check, **rivals}))
    found = medians(times)
    directions = sum(array.size for array in given.values())
    for rival in rivals:
        entry(
            goal="check-afresh",
            what="JAX: `gradassay.check(jax.jit(f), config=..., **parameters, x, h0, c0)`",
            against=rival,
            size=str(MAIN),
            dtype="float64",
            ours=found["check"],
            theirs=found[rival],
            repetitions=(len(times["check"]), len(times[rival])),
            measured=faster(found["check"], found[rival]),
            reached=found[rival] >= 5 * found["check"],
            error=error(check()),
            note=f"JAX: {spent(check)}. `check_grads` looks along one random direction, and compares one number by a "
            f"difference; ours compares all {directions:,} gradients with their truth, which it has to compute",
        )


def test_against_tensorflows_compute_gradient(timed: Timed, entry: Found, no_cache: None) -> None:
    import tensorflow as tf

    live, small = keras_lstm(MAIN), keras_lstm(FEW_EVALUATIONS)
    few = {name: tf.constant(array) for name, array in FEW_EVALUATIONS.data().items()}

    def compute_gradient() -> None:
        theoretical, numerical = tf.test.compute_gradient(
            lambda x: small.layer(x, initial_state=[few["h0"][0], few["c0"][0]])[0], [few["x"]]
        )
        np.testing.assert_allclose(theoretical[0], numerical[0], atol=1e-4)

    def check() -> Verdicts:
        return gradassay.check(live.layer, **live.check)

    inputs = live.tensors(live.check)
    cotangents = live.tensors(gradassay.prepare(live.layer, **live.check).cotangents)
    live.warm(inputs, cotangents)

    def own_step() -> Verdicts:
        outputs, gradients = live.bare(inputs, cotangents)
        return gradassay.prepare(live.layer, **live.check).judge(outputs, live.canonical(gradients))

    ways = {"check": check, "own step": own_step}
    times = timed(lambda: interleaved({**ways, "compute_gradient": compute_gradient}, few=2))
    found = medians(times)
    counts = [2 * size.T * size.N + size.T * size.H for size in (FEW_EVALUATIONS, MAIN)]
    theirs = found["compute_gradient"] * counts[1] / counts[0]
    whats = {"check": "`gradassay.check(layer, x, h0, c0)`", "own step": "`gradassay.prepare(layer, x, h0, c0)"
             ".judge(*step(...))`, the step a `tf.function`"}  # fmt: skip
    for name, way in ways.items():
        entry(
            goal="check-afresh",
            what=f"Keras: {whats[name]}",
            against=f"`tf.test.compute_gradient(f, [x])` at {FEW_EVALUATIONS}, times {counts[1]:,} / {counts[0]:,}",
            size=str(MAIN),
            dtype="float64",
            ours=found[name],
            theirs=theirs,
            repetitions=(len(times[name]), len(times["compute_gradient"])),
            measured=faster(found[name], theirs),
            reached=theirs >= 500 * found[name],
            error=error(way()),
            compiled=live.compiled if name == "own step" else 0.0,
            note=f"Keras, `check`: {spent(check)}; it calls the layer eagerly, twice. Counted are forward passes, "
            "for differences in x, and backward ones, for rows of y; these are eager, too",
        )


# --- truth known


@pytest.mark.parametrize("framework", LAYERS)
def test_with_truth_at_hand(
    framework: str, timed: Timed, entry: Found, own_cache: Path, x64: None, tmp_path: Path
) -> None:
    live = LAYERS[framework](MAIN)
    ready = gradassay.prepare(live.layer, **live.check)
    inputs, cotangents = live.tensors(ready.inputs), live.tensors(ready.cotangents)
    live.warm(inputs, cotangents)
    file = tmp_path / "vector.safetensors"
    case = published(live, ready.cotangents, file)

    def own_step() -> Verdicts:
        outputs, gradients = live.bare(inputs, cotangents)
        return ready.judge(outputs, live.canonical(gradients))

    vector = load(file)
    contenders: dict[str, Callable[[], Any]] = {
        "bare, compiled": lambda: live.bare(inputs, cotangents),
        "bare, as it is called": lambda: live.plain(inputs, cotangents),
        "`ready.judge(*step(...))`": own_step,
        "`ready()`": ready,
        "`check`, truth from the cache": lambda: gradassay.check(live.layer, **live.check),
        "`check`, truth from a vector": lambda: gradassay.check(
            live.layer, truth=vector, cotangents=case.cotangents, **live.check
        ),
    }
    verified = {name: error(call()) for name, call in contenders.items() if not name.startswith("bare")}
    times = timed(lambda: interleaved(contenders))
    found = medians(times)
    for name, right in verified.items():
        bare = "bare, compiled" if name == "`ready.judge(*step(...))`" else "bare, as it is called"
        entry(
            goal="check-known",
            what=f"{framework}: {name}",
            against=BARE[framework, bare],
            size=str(MAIN),
            dtype="float64",
            ours=found[name],
            theirs=found[bare],
            repetitions=(len(times[name]), len(times[bare])),
            measured=longer(found[name], found[bare]),
            reached=within(found[name], found[bare], 1.5, 2e-3),
            error=right,
            compiled=live.compiled if bare == "bare, compiled" else 0.0,
            note=NOTES.get(name, ""),
        )


BARE = {
    ("torch", "bare, compiled"): "`layer(x, (h0, c0))` and `torch.autograd.grad`, which is the step that is judged",
    ("torch", "bare, as it is called"): "`layer(x, (h0, c0))` and `torch.autograd.grad`",
    ("jax", "bare, compiled"): "`jax.jit` of `jax.vjp` and its pull, which is the step that is judged",
    ("jax", "bare, as it is called"): "`jax.vjp(jax.jit(f), ...)` and its pull",
    ("keras", "bare, compiled"): "`tf.function` of a `GradientTape`, which is the step that is judged",
    ("keras", "bare, as it is called"): "the layer called under a `GradientTape`, eagerly",
}
NOTES = {
    "`ready.judge(*step(...))`": "`ready = gradassay.prepare(layer, ...)` once; `judge` takes what one's own step, "
    "compiled or not, came to. It looks whether the layer's weights are still those of the truth, bit for bit, and "
    "judges every tensor, of the outputs and of the gradients",
    "`ready()`": "`ready()` calls the layer once, as it is: whoever compiles his step hands its answer to `judge`",
    "`check`, truth from the cache": "`check` calls the layer twice (its outputs are also asked for alone), makes the "
    "case anew, and hashes all data to find their truth: `ready()` is there for loops",
    "`check`, truth from a vector": "the same with the truth of a published vector, which was read before",
}


def published(live: Live, cotangents: Any, file: Path) -> Any:
    """Write the published vector about a layer and its data; return its case."""
    given = {name: value for name, value in live.check.items() if name != "config"}
    request = Request.of(live.layer, live.check.get("config"), None, None, cotangents, None, ANSWERS, given)
    case = request.case(request.adopt())
    save(file, case, truth=Truth.of(case))
    return case
