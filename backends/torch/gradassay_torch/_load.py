"""Puts a spec, a mode and a device together into a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from gradassay._backend import Unsupported
from gradassay_torch import _cell, _lstm, _mse
from gradassay_torch._compiled import Compiled
from gradassay_torch._framework import to_tensor
from gradassay_torch._kernel import Execution, Kernel
from gradassay_torch._model import TorchModel
from gradassay_torch._variants import Accumulating, Checkpoints
from gradassay_torch.programs import programs

if TYPE_CHECKING:
    from gradassay._spec import Tensors
    from gradassay._target import Target
    from gradassay_lstm import LSTM
    from gradassay_torch._framework import Function


def nn_lstm(spec: str, config: LSTM, parameters: Tensors, target: Target) -> TorchModel:
    """Load `torch.nn.LSTM` for a target of the backend `torch`.

    Raises:
        Unsupported: if this build or this machine lacks the kernel that the mode names.
    """
    mode, device = target.mode, target.device
    onednn: Any = torch.backends.mkldnn
    if mode == "onednn" and not onednn.is_available():
        raise Unsupported("this build of torch has no oneDNN")
    if mode == "onednn" and target.dtype == "bfloat16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise Unsupported("this processor lacks the instructions that oneDNN's bfloat16 needs")
    cudnn: Any = torch.backends.cudnn
    if mode == "cudnn" and not cudnn.is_available():
        raise Unsupported("this build of torch has no cuDNN")
    module = _lstm.layer(config, parameters, device, batch_first=mode != "time-major")
    module.train(mode != "evaluation")
    function = _of(spec, _lstm.function(module))

    def forward_mode(inputs: Tensors) -> bool:
        return mode == "native" and "lengths" not in inputs  # neither the libraries nor packing have forward mode

    execution: Execution
    if mode == "backward":
        execution = Accumulating(function)
    elif mode in ("evaluation", "time-major"):  # with whichever kernel torch takes
        execution = Kernel(function, "", lambda: _lstm.facts(module))
    else:
        execution = Kernel(function, mode)
    return TorchModel(execution, dict(module.named_parameters()), device, forward_mode)


def program(spec: str, config: Any, parameters: Tensors, target: Target) -> TorchModel:
    """Load one of `programs/` for a target of the backend `torch`."""
    chosen = programs[spec]
    build = chosen.others.get(target.mode, chosen.build)
    function, held = build(config, parameters, target.device)
    dtype: torch.dtype = getattr(torch, target.dtype)  # their names are ours
    return TorchModel(
        Kernel(function, ""),
        held,
        target.device,
        lambda inputs: chosen.forward_mode,
        dtype,
        instead=chosen.instead,
        zeros=chosen.zeros,
    )


def cell(spec: str, config: LSTM, parameters: Tensors, target: Target) -> TorchModel:
    """Load the cell and loop of tensor operations for a target of the backend `torch-cell`."""
    # Copies: the model holds its own parameters, and damage to them shows in `parameters()`.
    held = {name: to_tensor(array.copy(), target.device) for name, array in parameters.items()}
    execution: Execution
    if target.mode == "checkpoint":
        checkpoints = Checkpoints()
        execution = checkpoints.of(_of(spec, _cell.function(config, checkpoints.step)))
    elif target.mode == "eager":
        execution = Kernel(_of(spec, _cell.function(config)), "")
    else:
        backend = {"compile": "aot_eager", "inductor": "inductor"}[target.mode]
        execution = Compiled(_of(spec, _cell.function(config)), backend)
    return TorchModel(execution, held, target.device)


def _of(spec: str, lstm: Function) -> Function:
    if spec == "mse":
        return _mse.function(lstm)
    if spec == "lstm":
        return lstm
    raise Unsupported(f"{spec} is no spec that this backend offers")


def versions() -> dict[str, str]:
    """Versions of torch and of the libraries that decide its arithmetic."""
    found = {"torch": torch.__version__, "cpu capability": torch.backends.cpu.get_cpu_capability()}
    for line in torch.__config__.show().splitlines():
        if "MKL-DNN v" in line:
            found["onednn"] = line.split("MKL-DNN v")[1].split()[0]
        elif "Math Kernel Library Version" in line:
            found["mkl"] = line.split("Version ")[1].split("-")[0]
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    cudnn: Any = torch.backends.cudnn
    if cudnn.is_available():
        found["cudnn"] = str(cudnn.version())
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name(0)
    return found
