"""What the usual checks of a gradient see of the same faults: `python tests/rivals.py` writes the table.

Every fault of the catalogue is planted in the same LSTM, which is then given to torch's `gradcheck` (as most call it,
and as well as it can be called), to `jax.test_util.check_grads`, and to a comparison with `torch.nn.LSTM` by
`allclose`. A fault that the rival's own configuration cannot show (no padding in it, too few steps) is not killed:
that is what the table is about. An exception counts as killed.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from planted import Planted, in_jax, in_torch

from gradassay import Fault
from gradassay_lstm import LSTM, Call, spec

TABLE = Path(__file__).resolve().parents[1] / "reports" / "power" / "rivals.json"
PATIENCE = 20.0  # seconds for a fault that may hang
TRIALS = 3  # seeds for which the right model should pass


@dataclass(frozen=True)
class Setting:
    """A layer of `torch.nn.LSTM` as torch initialises it, and normally distributed data, from a seed."""

    config: LSTM
    call: Call
    dtype: str

    def layer(self, seed: int) -> torch.nn.LSTM:
        torch.manual_seed(seed)
        one = self.config
        return torch.nn.LSTM(
            one.input_size,
            one.hidden_size,
            one.num_layers,
            batch_first=True,
            bidirectional=one.bidirectional,
            dtype=getattr(torch, self.dtype),
        )

    def tensors(self, seed: int) -> tuple[torch.nn.LSTM, dict[str, torch.Tensor]]:
        """Return the layer, and all that is differentiated: inputs, given states and the layer's own parameters."""
        layer = self.layer(seed)
        table = [tensor for tensor in spec.tensors(self.config, self.call) if tensor.role in ("input", "state")]
        drawn = {tensor.name: torch.randn(tensor.shape, dtype=getattr(torch, self.dtype)) for tensor in table}
        held = {name: parameter.detach().clone() for name, parameter in layer.named_parameters()}
        return layer, {name: tensor.requires_grad_() for name, tensor in (drawn | held).items()}

    def planted(self, given: Mapping[str, torch.Tensor], fault: Fault | None) -> Planted:
        arrays = {name: tensor.detach().numpy() for name, tensor in given.items()}
        return Planted(spec, self.config, arrays, self.dtype, fault)

    def shows(self, fault: Fault) -> bool:
        """Whether the fault changes anything here, by what it says that it needs."""
        sizes = {axis.name: axis.size for t in spec.tensors(self.config, self.call) for g in t.axes for axis in g}
        sizes["layer"] = self.config.num_layers
        return (
            fault.needs <= spec.features(self.config, self.call)
            and (not fault.dtypes or self.dtype in fault.dtypes)
            and all(sizes.get(axis, 0) >= least for axis, least in (fault.minimum or {}).items())
        )


@dataclass(frozen=True)
class Rival:
    """A usual check: `check` raises, or returns False, when it finds something wrong."""

    name: str
    what: str
    setting: Setting
    check: Callable[[Setting, Fault | None, int], bool]

    def kills(self, fault: Fault | None, seed: int = 0) -> bool:
        if fault is not None and not self.setting.shows(fault):
            return False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return not self.check(self.setting, fault, seed)
        except Exception:  # whatever a faulty model makes of a rival: the rival did not stay green
            return True


def gradcheck_plain(setting: Setting, fault: Fault | None, seed: int) -> bool:
    _, given = setting.tensors(seed)
    function = in_torch(setting.planted(given, fault))
    return bool(torch.autograd.gradcheck(lambda *tensors: function(*tensors)[0].sum(), tuple(given.values())))


def gradcheck_good(setting: Setting, fault: Fault | None, seed: int) -> bool:
    _, given = setting.tensors(seed)
    planted = setting.planted(given, fault)
    function = in_torch(planted)
    along = [torch.randn(planted.shapes[name], dtype=torch.float64) for name in planted.outputs]

    def loss(*tensors: torch.Tensor) -> torch.Tensor:
        return torch.stack([(out * v).sum() for out, v in zip(function(*tensors), along, strict=True)]).sum()

    return bool(torch.autograd.gradcheck(loss, tuple(given.values())))


def gradgradcheck(setting: Setting, fault: Fault | None, seed: int) -> bool:
    _, given = setting.tensors(seed)
    function = in_torch(setting.planted(given, fault))
    return bool(torch.autograd.gradgradcheck(function, tuple(given.values()), fast_mode=True))


def check_grads(setting: Setting, fault: Fault | None, seed: int) -> bool:
    import jax
    from jax import test_util

    logging.getLogger("jax._src.callback").setLevel(logging.CRITICAL)  # it prints what a faulty model raises
    jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]  # untyped in JAX
    _, given = setting.tensors(seed)
    function = in_jax(setting.planted(given, fault))
    check: Any = test_util.check_grads  # untyped in JAX
    check(function, tuple(jax.numpy.asarray(t.detach().numpy()) for t in given.values()), order=1, modes=["rev"])
    return True


def _against_torch(setting: Setting, fault: Fault | None, seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return pairs (faulty, of torch.nn.LSTM): outputs and gradients; of y alone where no states are given."""
    layer, given = setting.tensors(seed)
    planted = setting.planted(given, fault)
    outputs = dict(zip(planted.outputs, in_torch(planted)(*given.values()), strict=True))
    own = {name: tensor.detach().clone().requires_grad_() for name, tensor in given.items()}
    state = (own["h0"], own["c0"]) if "h0" in own else None
    y, (h_n, c_n) = torch.func.functional_call(layer, {n: own[n] for n in planted.parameters}, (own["x"], state))
    expected = {"y": y, "h_n": h_n, "c_n": c_n}
    seen = tuple(expected) if state else ("y",)
    along = {name: torch.randn_like(expected[name]) if state else torch.ones_like(y) for name in seen}
    pairs = [(outputs[name], expected[name]) for name in seen]
    for found, tensors in ((outputs, given), (expected, own)):
        torch.autograd.backward([found[name] for name in seen], [along[name] for name in seen])
        assert all(tensor.grad is not None for tensor in tensors.values())
    gradients: list[Any] = [(given[name].grad, own[name].grad) for name in given]
    return pairs + gradients


def allclose(setting: Setting, fault: Fault | None, seed: int) -> bool:
    return all(torch.allclose(got, wanted, atol=1e-4) for got, wanted in _against_torch(setting, fault, seed))


def assert_close(setting: Setting, fault: Fault | None, seed: int) -> bool:
    for got, wanted in _against_torch(setting, fault, seed):
        torch.testing.assert_close(got, wanted)
    return True


ZERO_STATES = Call(2, 5, h0=False, c0=False)
DEEP = LSTM(2, 2, 2, bidirectional=True)
RIVALS = (
    Rival(
        "gradcheck-plain",
        "torch.autograd.gradcheck of y.sum(): one layer, no states, N = 3, H = 4, B = 2, T = 5, default tolerances",
        Setting(LSTM(3, 4), ZERO_STATES, "float64"),
        gradcheck_plain,
    ),
    Rival(
        "gradcheck-good",
        "torch.autograd.gradcheck of a loss with random cotangents on y, h_n and c_n: two layers, both directions, "
        "random states, N = 2, H = 2, B = 2, T = 2, default tolerances",
        Setting(DEEP, Call(2, 2), "float64"),
        gradcheck_good,
    ),
    Rival(
        "gradgradcheck",
        "torch.autograd.gradgradcheck in its fast mode of y, h_n and c_n: one layer, random states, N = 2, "
        "H = 2, B = 2, T = 2, default tolerances",
        Setting(LSTM(2, 2), Call(2, 2), "float64"),
        gradgradcheck,
    ),
    Rival(
        "jax-check_grads",
        'jax.test_util.check_grads(order=1, modes=["rev"]) in float64 with default tolerances, on the layers and data '
        "of gradcheck-good",
        Setting(DEEP, Call(2, 2), "float64"),
        check_grads,
    ),
    Rival(
        "allclose-plain",
        "float32 against torch.nn.LSTM by torch.allclose(atol=1e-4), as scripts that convert models do: y and the "
        "gradients of y.sum(); one layer, no states, N = 10, H = 20, B = 3, T = 5",
        Setting(LSTM(10, 20), Call(3, 5, h0=False, c0=False), "float32"),
        allclose,
    ),
    Rival(
        "allclose-good",
        "float32 against torch.nn.LSTM by torch.testing.assert_close with its defaults (rtol 1.3e-6, atol 1e-5): all "
        "outputs and gradients for random cotangents; two layers, both directions, random states, N = 10, H = 20, "
        "B = 3, T = 5",
        Setting(LSTM(10, 20, 2, bidirectional=True), Call(3, 5), "float32"),
        assert_close,
    ),
)


def trial(rival: str, fault: str | None, seed: int) -> tuple[bool, float]:
    """Return whether a rival kills a fault, by their names, or (None) the right model, and its processor seconds."""
    torch.set_num_threads(1)
    chosen = next(known for known in RIVALS if known.name == rival)
    planted = next((known for known in spec.faults if known.name == fault), None)
    started = time.process_time()
    if planted is not None and planted.ends_process:
        return chosen.setting.shows(planted) and _ends_process(rival, planted.name), time.process_time() - started
    # Thousands of small tapes: the collector, which looks through torch and JAX each time, would take most of the time.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        return chosen.kills(planted, seed), time.process_time() - started
    finally:
        gc.enable()


def _ends_process(rival: str, fault: str) -> bool:
    """Run a trial whose fault may crash or hang in a process of its own: that is noticed too."""
    program = f"from rivals import RIVALS, spec; r = next(r for r in RIVALS if r.name == {rival!r}); "
    program += f"print(r.kills(next(f for f in spec.faults if f.name == {fault!r})))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0 or done.stdout.strip() == "True"


def table(faults: Sequence[str], rivals: Sequence[str], run: Executor) -> dict[str, Any]:
    """Return what each rival kills, and how often it kills the right model in `TRIALS` trials."""
    asked = {
        (rival, fault, seed): run.submit(trial, rival, fault, seed)
        for rival in rivals
        for fault, seed in [*((None, seed) for seed in range(TRIALS)), *((fault, 0) for fault in faults)]
    }
    found = {question: answer.result() for question, answer in asked.items()}
    what = {rival.name: rival.what for rival in RIVALS}
    told = {
        rival: {
            "what": what[rival],
            "killed": sum(found[rival, fault, 0][0] for fault in faults),
            "false_alarms": sum(found[rival, None, seed][0] for seed in range(TRIALS)),
            "trials": TRIALS,
            "seconds": round(sum(seconds for (name, *_), (_, seconds) in found.items() if name == rival), 1),
        }
        for rival in rivals
    }
    kills = {fault: {rival: found[rival, fault, 0][0] for rival in rivals} for fault in faults}
    versions = {"python": platform.python_version()} | {name: version(name) for name in ("torch", "jax", "numpy")}
    return {"rivals": told, "faults": len(faults), "kills": kills, "versions": versions}


def main() -> None:
    arguments = argparse.ArgumentParser(description="What the usual checks see of the catalogue's faults.")
    arguments.add_argument("--out", type=Path, default=TABLE)
    out: Path = arguments.parse_args().out
    # Spawned: torch and JAX have threads, which a fork would lose.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as run:
        found = table([fault.name for fault in spec.faults], [rival.name for rival in RIVALS], run)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n")
    for name, rival in found["rivals"].items():
        print(
            f"{name:16} killed {rival['killed']:3} of {found['faults']} faults, "
            f"{rival['false_alarms']} false alarms in {rival['trials']}, {rival['seconds']} processor seconds"
        )


if __name__ == "__main__":
    main()
