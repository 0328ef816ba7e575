"""Models by spec. Imports jax: the backend object asks for it only when a model is wanted."""

from __future__ import annotations

import functools

from gradassay._spec import Tensors
from gradassay._target import Target
from gradassay_jax import _execution, _framework, _loops
from gradassay_jax._execution import Execution, Program
from gradassay_jax._lstm import lstm, step_bodies
from gradassay_jax._model import JaxModel
from gradassay_jax._mse import mse
from gradassay_lstm import LSTM

_MODELS = {"lstm": lstm, "mse": mse}


@functools.cache
def _program(spec: str, config: LSTM, mode: str, device: str) -> tuple[Program, Execution]:
    """Executables outlive a model: the next one of the same configuration need not compile again."""
    loop = _loops.BY_MODE.get(mode, _loops.scan)
    program = Program(
        lambda values, tally: _MODELS[spec](config, values, tally, loop), lambda values: step_bodies(config, values)
    )
    return program, _execution.make(mode, program)


def load(spec: str, config: LSTM, parameters: Tensors, target: Target) -> JaxModel:
    device = _framework.device(target.device)
    return JaxModel(*_program(spec, config, target.mode, target.device), parameters, device)
