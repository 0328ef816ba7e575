"""Models by spec. Imports jax: the backend object asks for it only when a model is wanted."""

from __future__ import annotations

import functools
from typing import Any

from gradassay._integers import NOWHERE
from gradassay._spec import Tensors
from gradassay._target import Target, numpy_dtype
from gradassay_jax import _execution, _framework, _loops
from gradassay_jax._execution import Execution, Program
from gradassay_jax._lstm import lstm, step_bodies
from gradassay_jax._model import JaxModel
from gradassay_jax._mse import mse
from gradassay_jax.programs import programs

_MODELS = {"lstm": lstm, "mse": mse}


@functools.cache
def _program(spec: str, config: Any, mode: str, device: str) -> tuple[Program, Execution]:
    """Executables outlive a model: the next one of the same configuration need not compile again."""
    if spec in programs:
        chosen = programs[spec]
        program = Program(
            lambda values, tally: chosen.apply(config, values, tally), lambda values: chosen.steps(config, values)
        )
        return program, _execution.make(mode, program)
    loop = _loops.BY_MODE.get(mode, _loops.scan)
    program = Program(
        lambda values, tally: _MODELS[spec](config, values, tally, loop), lambda values: step_bodies(config, values)
    )
    return program, _execution.make(mode, program)


def load(spec: str, config: Any, parameters: Tensors, target: Target) -> JaxModel:
    device = _framework.device(target.device)
    program, execution = _program(spec, config, target.mode, target.device)
    instead = programs[spec].instead if spec in programs else NOWHERE
    return JaxModel(program, execution, parameters, device, numpy_dtype(target.dtype), instead)
