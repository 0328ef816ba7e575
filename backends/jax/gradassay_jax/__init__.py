"""JAX as a backend: LSTM and mean-squared error on `lax.scan`. Importing this imports no jax; a model does."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradassay._backend import OPERATORS, Gap, Mode, Offer
from gradassay._spec import Array, Tensors
from gradassay._target import Target
from gradassay_jax._decorator import of
from gradassay_jax.programs import programs
from gradassay_lstm._features import FEATURES

if TYPE_CHECKING:
    import jax

    from gradassay_jax._adopt import Adopted
    from gradassay_jax._model import JaxModel


MODES = (
    Mode("jit", {"executed": "compiled"}, compiled=True),
    Mode("eager", {"executed": "eager"}, compiled=True),  # every operation is compiled for every shape
)
VARIANTS = (
    Mode("checkpoint", {"executed": "compiled", "checkpointed": "yes"}, compiled=True, variant=True),
    Mode("unrolled", {"executed": "compiled", "loops": "0"}, compiled=True, variant=True),
)


def _offer(spec: str, modes: tuple[Mode, ...], dtypes: tuple[str, ...], devices: tuple[str, ...], gap: Gap) -> Offer:
    return Offer(
        spec=spec,
        features=FEATURES if spec == "lstm" else FEATURES - {"no_steps", "no_batch"},  # a mean over nothing
        modes=modes,
        dtypes=dtypes,
        devices=devices,
        operators=frozenset(OPERATORS),
        promises=frozenset({"nan-safe padding"} if spec == "lstm" else ()),
        gaps=(gap,),
    )


def _offers(spec: str) -> tuple[Offer, ...]:
    """Variants are in one dtype and on one device, which shows another loop as well as four: each compiles for long."""
    no_steps = Gap(
        "jax refuses a scan over no steps under disable_jit ('the output type is unknown')",
        modes=frozenset({"eager"}),
        features=frozenset({"no_steps"}),
    )
    nothing = Gap(
        "XLA removes steps that compute nothing: none is left to compute again",
        modes=frozenset({"checkpoint"}),
        features=frozenset({"no_steps", "no_batch"}),
    )
    return (
        _offer(spec, MODES, ("float64", "float32", "bfloat16", "float16"), ("cpu", "cpu:1", "cuda"), no_steps),
        _offer(spec, VARIANTS, ("float64",), ("cpu",), nothing),
    )


class JaxBackend:
    """The specs `lstm` and `mse`, eager and compiled, on the CPU's two logical devices and on CUDA when present.

    Beside them the programs of `programs/`.
    """

    name = "jax"
    offers = (*_offers("lstm"), *_offers("mse"), *(offer for program in programs.values() for offer in program.offers))

    def environment(self) -> Mapping[str, str]:
        """64-bit numbers, two logical CPU devices, and matrix products in the precision of their operands."""
        flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if "host_platform_device_count" not in flag]
        return {
            "JAX_ENABLE_X64": "1",
            "XLA_FLAGS": " ".join([*flags, "--xla_force_host_platform_device_count=2"]),
            "JAX_DEFAULT_MATMUL_PRECISION": "highest",
        }

    def devices(self) -> tuple[str, ...]:
        from gradassay_jax import _framework

        return tuple(_framework.available())

    def versions(self) -> Mapping[str, str]:
        from gradassay_jax import _framework

        return _framework.versions()

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> JaxModel:
        from gradassay_jax import _load

        return _load.load(spec, config, parameters, target)

    def adopt(
        self, layer: object, config: object = None, parameters: Mapping[str, Any] | None = None
    ) -> tuple[str, Any, Tensors, JaxModel] | None:
        """Take a function `f(parameters, inputs) -> outputs`, jitted or not; its spec is the caller's to name."""
        if "jax" not in sys.modules or config is None or not parameters:
            return None  # without jax there is no JAX function; without parameters there is nothing to call it with
        from gradassay_jax import _adopt

        if not _adopt.is_function(layer):
            return None
        model = _adopt.adopt_function(layer, "a function", config, parameters)
        return "", config, model.parameters(), model

    def to_numpy(self, tensor: object) -> Array | None:
        if "jax" not in sys.modules:
            return None
        from gradassay_jax import _adopt

        return _adopt.to_numpy(tensor)


jax_backend = JaxBackend()
backend = of(jax_backend)


def adopt_function(
    function: Adopted,
    spec_name: str,
    config: object,
    parameters: Mapping[str, Array | jax.Array],
    mode: str = "as written",
) -> JaxModel:
    """Make a model of a plain JAX function; see `gradassay_jax._adopt.adopt_function`."""
    from gradassay_jax import _adopt

    return _adopt.adopt_function(function, spec_name, config, parameters, mode)
