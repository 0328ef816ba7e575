"""Jacobians against hand-written ones: each framework's best way, its slow ways, and a block against the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.interleaved import interleaved, medians
from benchmarks.layers import MAIN, SMALL, Live, Size, jax_function, jax_lstm, keras_lstm, torch_lstm
from benchmarks.rows import faster, longer, within

import gradassay

Timed = Callable[[Callable[[], Any]], Any]
Found = Callable[..., None]
Ways = dict[str, Callable[[], Any]]
LAYERS: dict[str, Callable[[Size], Live]] = {"torch": torch_lstm, "jax": jax_lstm, "keras": keras_lstm}
SIZES = {"small": SMALL, "main": MAIN}


# --- hand-written ways: each takes NumPy's x and gives NumPy's dy/dx


def torch_ways(size: Size, live: Live) -> tuple[Ways, Ways]:
    import torch

    given, x = live.tensors(size.data()), size.data()["x"]
    state = given["h0"], given["c0"]
    basis = torch.eye(size.B * size.T * size.H, dtype=torch.float64).reshape(-1, size.B, size.T, size.H)

    def f(x: Any) -> Any:
        return live.layer(x, state)[0]

    def batched() -> Any:
        leaf = torch.from_numpy(x).requires_grad_()
        (rows,) = torch.autograd.grad(f(leaf), leaf, basis, is_grads_batched=True)
        return rows.reshape(size.B, size.T, size.H, *x.shape).numpy()

    def differences(step: float = 6e-6) -> Any:
        leaf, columns = torch.from_numpy(x.copy()), []
        with torch.no_grad():
            for place in np.ndindex(x.shape):
                before = leaf[place].item()
                leaf[place] = before + step
                above = f(leaf)
                leaf[place] = before - step
                columns.append((above - f(leaf)) / (2 * step))
                leaf[place] = before
        return torch.stack(columns, -1).reshape(size.B, size.T, size.H, *x.shape).numpy()

    best: Ways = {
        "`torch.func.jacrev`": lambda: torch.func.jacrev(f)(torch.from_numpy(x)).detach().numpy(),
        "`torch.autograd.grad(is_grads_batched=True)`": batched,
    }
    slow: Ways = {
        "`torch.autograd.functional.jacobian`, row by row": lambda: torch.autograd.functional.jacobian(
            f, torch.from_numpy(x)
        ).numpy(),
        "a loop of central differences": differences,
    }
    return best, slow


def jax_ways(size: Size, live: Live) -> tuple[Ways, Ways]:
    import jax

    given, parameters = live.tensors(size.data()), live.tensors(size.parameters())
    x = size.data()["x"]

    def f(x: Any) -> Any:
        return jax_function(parameters, {**given, "x": x})["y"]

    forward, reverse, plain = jax.jit(jax.jacfwd(f)), jax.jit(jax.jacrev(f)), jax.jit(f)

    def differences(step: float = 6e-6) -> Any:
        moved, columns = x.copy(), []
        for place in np.ndindex(x.shape):
            before = moved[place]
            moved[place] = before + step
            above = np.asarray(plain(moved))
            moved[place] = before - step
            columns.append((above - np.asarray(plain(moved))) / (2 * step))
            moved[place] = before
        return np.stack(columns, -1).reshape(size.B, size.T, size.H, *x.shape)

    return {
        "`jax.jit(jax.jacfwd(f))`": lambda: np.asarray(forward(x)),
        "`jax.jit(jax.jacrev(f))`": lambda: np.asarray(reverse(x)),
    }, {"a loop of central differences, f jitted": differences}


def keras_ways(size: Size, live: Live) -> tuple[Ways, Ways]:
    import tensorflow as tf

    given, x = live.tensors(size.data()), size.data()["x"]

    def jacobian(x: Any, pfor: bool = True) -> Any:
        with tf.GradientTape(persistent=not pfor) as tape:  # as TensorFlow wants it
            tape.watch(x)
            y = live.layer(x, initial_state=[given["h0"][0], given["c0"][0]])[0]
        return tape.jacobian(y, x, experimental_use_pfor=pfor)

    graph = tf.function(jacobian)
    return {"`tf.function` of `tape.jacobian`, by pfor": lambda: graph(tf.constant(x)).numpy()}, {
        "`tape.jacobian(experimental_use_pfor=False)`": lambda: jacobian(tf.constant(x), pfor=False).numpy()
    }


WAYS = {"torch": torch_ways, "jax": jax_ways, "keras": keras_ways}


def verified(found: Any, how: str) -> str:
    """Return how right a Jacobian is; it must be."""
    certificate = found.certify(how)
    assert certificate, str(certificate)
    rms = max(part[1] or 0.0 for part in certificate.parts)
    return f"{rms:.1f} RMS, {certificate.largest:.1f} at most, {how}"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("framework", LAYERS)
def test_the_full_jacobian(framework: str, size: str, timed: Timed, entry: Found, own_cache: Path, x64: None) -> None:
    live = LAYERS[framework](SIZES[size])
    best, slow = WAYS[framework](SIZES[size], live)
    plan = gradassay.jacobian_plan(live.layer, of="y", wrt="x", **live.check)
    first = plan()
    right = verified(first, "every entry" if size == "small" else "products")
    for name, way in best.items():  # they compute the same
        np.testing.assert_allclose(way(), first.array, atol=1e-12, err_msg=name)
    times = timed(lambda: interleaved({"ours": lambda: plan().array, **best, **slow}, few=2))
    found = medians(times)
    rival = min(best, key=lambda name: found[name])
    common: dict[str, Any] = {
        "what": f"{framework}: `plan = gradassay.jacobian_plan(layer, of=\"y\", wrt=\"x\", ...)`, then `plan()`",
        "size": str(SIZES[size]), "dtype": "float64", "ours": found["ours"], "error": right,
        "compiled": first.cost.seconds,
    }  # fmt: skip
    entry(
        goal="jacobian",
        against=rival,
        theirs=found[rival],
        repetitions=(len(times["ours"]), len(times[rival])),
        measured=longer(found["ours"], found[rival]),
        reached=within(found["ours"], found[rival], 1.15, 1e-3),
        note=f"{framework} at {SIZES[size]}: {first.route}: {first.why}. Compiling is the plan's first call, with its "
        "probes",
        all=found,
        **common,
    )
    for name in slow:
        entry(
            goal="jacobian-rows",
            against=name,
            theirs=found[name],
            repetitions=(len(times["ours"]), len(times[name])),
            measured=faster(found["ours"], found[name]),
            reached=found[name] >= 10 * found["ours"],
            note="",
            **common,
        )


@pytest.mark.parametrize("framework", LAYERS)
def test_a_block_of_steps(framework: str, timed: Timed, entry: Found, own_cache: Path, x64: None) -> None:
    live, T = LAYERS[framework](MAIN), MAIN.T

    def plan(k: int) -> Any:
        steps = {"step": slice((T - k) // 2, (T + k) // 2)}
        return gradassay.jacobian_plan(live.layer, of=("y", steps), wrt=("x", steps), **live.check)

    plans = {k: plan(k) for k in (T, 16, 8, 4)}
    firsts = {k: of() for k, of in plans.items()}
    right = {k: verified(found, "products") for k, found in firsts.items()}
    times = timed(lambda: interleaved({str(k): lambda of=of: of().array for k, of in plans.items()}))
    found = medians(times)
    counted = {k: of().cost.lane_steps for k, of in plans.items()}
    for k in (16, 8, 4):
        share, took = (k / T) ** 2, found[str(k)] / found[str(T)]
        entry(
            goal="block",
            what=f"{framework}: {k} of {T} steps by {k} of {T}",
            against="all steps",
            size=str(MAIN),
            dtype="float64",
            ours=found[str(k)],
            theirs=found[str(T)],
            repetitions=(len(times[str(k)]), len(times[str(T)])),
            measured=f"{took:.1%} of the time for {share:.1%} of the entries: {took / share:.2f} times in proportion",
            reached=took <= 1.5 * share,
            error=right[k],
            note=f"{framework}, {k} by {k}: {firsts[k].route}; directions times steps swept are "
            f"{counted[k] / counted[T]:.1%} of those of the full Jacobian",
        )
