"""A vector that is expanded into `nn.LSTM`, or `nn.LSTMCell` in a loop that feeds its output; `nn.Linear` on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradassay._backend import Gap, Unsupported
from gradassay_one_to_many._features import FEATURES
from gradassay_torch._program import Program, offers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    from gradassay._spec import Tensors
    from gradassay_one_to_many import OneToMany
    from gradassay_torch._framework import Function, Named

    Linear = Callable[[Named, torch.Tensor], torch.Tensor]

LINEAR = {"weight": "weight_out", "bias": "bias_out"}  # canonical names, by those of `nn.Linear`


def build(config: OneToMany, parameters: Tensors, device: str) -> tuple[Function, Named]:
    """Return the function to `y` (B,T,M), `h_n` and `c_n`, and the layers' parameters by canonical name."""
    import torch

    from gradassay_torch._framework import to_tensor

    given = {name: to_tensor(parameters[canonical], device) for name, canonical in LINEAR.items()}
    dtype = given["weight"].dtype
    module = torch.nn.Linear(config.lstm.output_size, config.outputs, device="meta", dtype=dtype).to_empty(
        device=device
    )
    module.load_state_dict(given)
    own = {LINEAR[name]: value for name, value in module.named_parameters()}

    def linear(tensors: Named, h: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = _called(module, LINEAR, own, tensors, h)
        return found

    inside = {name: array for name, array in parameters.items() if name not in own}
    make = _fed_back if config.feedback else _repeated
    function, held = make(config, inside, device, linear)
    return function, {**held, **own}


def _called(module: torch.nn.Module, names: Mapping[str, str], own: Named, tensors: Named, *given: Any) -> Any:
    """Call a module plainly with its own parameters, as users do; others (dual numbers, say) are put in their place."""
    import torch

    others = {name: tensors[to] for name, to in names.items() if tensors[to] is not own[to]}
    return torch.func.functional_call(module, others, given) if others else module(*given)


def _repeated(config: OneToMany, inside: Tensors, device: str, linear: Linear) -> tuple[Function, Named]:
    from gradassay_torch import _lstm

    layer = _lstm.layer(config.lstm, inside, device)
    lstm = _lstm.function(layer)

    def one_to_many(tensors: Named) -> dict[str, torch.Tensor]:
        sequence = tensors["x"].unsqueeze(1).expand(-1, config.steps, -1)
        if "shift" in tensors:
            # Times 1: of a sum torch.autograd.grad returns one memory for both gradients, where neither was expanded.
            sequence = sequence + tensors["shift"] * 1.0
        found = lstm({**tensors, "x": sequence})
        return found | {"y": linear(tensors, found["y"])}

    return one_to_many, dict(layer.named_parameters())


def _fed_back(config: OneToMany, inside: Tensors, device: str, linear: Linear) -> tuple[Function, Named]:
    import torch

    from gradassay_torch._framework import to_tensor

    if config.lstm.projection:
        raise Unsupported("nn.LSTMCell has no projection")
    cells: list[tuple[torch.nn.LSTMCell, dict[str, str]]] = []
    held: dict[str, torch.Tensor] = {}
    for layer, _, suffix in config.lstm.cells():
        cell = torch.nn.LSTMCell(
            config.lstm.layer_input_size(layer),
            config.lstm.hidden_size,
            bias=config.lstm.bias,
            device="meta",
            dtype=to_tensor(inside[f"weight_ih{suffix}"], device).dtype,
        ).to_empty(device=device)
        names = {name: name + suffix for name, _ in cell.named_parameters()}
        cell.load_state_dict({name: to_tensor(inside[canonical], device) for name, canonical in names.items()})
        held |= {names[name]: value for name, value in cell.named_parameters()}
        cells.append((cell, names))

    def one_to_many(tensors: Named) -> dict[str, torch.Tensor]:
        if ("h0" in tensors) != ("c0" in tensors):
            raise Unsupported("nn.LSTMCell takes both initial states or neither")
        states: list[Any] = [None] * len(cells)
        if "h0" in tensors:
            states = list(zip(tensors["h0"], tensors["c0"], strict=True))
        fed, outputs = tensors["x"], []
        for step in range(config.steps):
            h = fed + tensors["shift"][:, step] if "shift" in tensors else fed
            for number, (cell, names) in enumerate(cells):
                states[number] = _called(cell, names, held, tensors, h, states[number])
                h, _ = states[number]
            fed = linear(tensors, h)
            outputs.append(fed)
        h_n, c_n = (torch.stack(list(part)) for part in zip(*states, strict=True))
        return {"y": torch.stack(outputs, dim=1), "h_n": h_n, "c_n": c_n}

    return one_to_many, held


program = Program(
    offers(
        "one_to_many",
        Gap("nn.LSTM and nn.LSTMCell take both initial states or neither", features=frozenset({"partial_states"})),
        Gap("nn.LSTMCell has no projection", features=frozenset({"feedback_projection"})),
        features=FEATURES,
        cudnn=True,
    ),
    build,
    zeros=True,  # the linear layer has no part in the states
)
