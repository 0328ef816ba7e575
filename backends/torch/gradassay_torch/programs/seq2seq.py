"""`nn.Embedding`, `nn.LSTM`, `nn.Linear` at every step, and `F.cross_entropy` with what it ignores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradassay._backend import Gap
from gradassay_seq2seq._features import FEATURES, INSTEAD
from gradassay_torch._program import Program, offers

if TYPE_CHECKING:
    import torch

    from gradassay._spec import Tensors
    from gradassay_seq2seq import Seq2Seq
    from gradassay_torch._framework import Function, Named

NAMES = {"embedding.weight": "table", "linear.weight": "weight_out", "linear.bias": "bias_out"}  # canonical, by torch's
IGNORED = -100  # what `F.cross_entropy` ignores if nobody says otherwise


def build(config: Seq2Seq, parameters: Tensors, device: str) -> tuple[Function, Named]:
    """Return the function to `logits` (B,T,C) and `loss` (), and the layers' parameters by canonical name."""
    import torch

    from gradassay_torch import _lstm
    from gradassay_torch._framework import to_tensor

    given = {name: to_tensor(parameters[canonical], device) for name, canonical in NAMES.items()}
    inside = {name: array for name, array in parameters.items() if name not in NAMES.values()}
    options: dict[str, Any] = {"device": "meta", "dtype": given["linear.weight"].dtype}
    width, padding = config.lstm.input_size, config.padding_index
    around = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(config.vocabulary, width, padding_idx=padding, **options),
            "linear": torch.nn.Linear(config.lstm.output_size, config.classes, **options),
        }
    ).to_empty(device=device)
    around.load_state_dict(given)  # the padding's row too, whatever it holds
    layer = _lstm.layer(config.lstm, inside, device)
    lstm = _lstm.function(layer)
    held = {canonical: dict(around.named_parameters())[name] for name, canonical in NAMES.items()}
    held |= dict(layer.named_parameters())

    def called(which: str, tensors: Named, given: torch.Tensor) -> torch.Tensor:
        """Call a module plainly with its own parameters, as users do; others (dual numbers) are put in their place."""
        own = {name.partition(".")[2]: to for name, to in NAMES.items() if name.startswith(f"{which}.")}
        others = {name: tensors[to] for name, to in own.items() if tensors[to] is not held[to]}
        module = around[which]
        found: torch.Tensor = torch.func.functional_call(module, others, (given,)) if others else module(given)
        return found

    def seq2seq(tensors: Named) -> dict[str, torch.Tensor]:
        embedded = called("embedding", tensors, tensors["tokens"])
        if "shift" in tensors:
            embedded = embedded + tensors["shift"]
        logits = called("linear", tensors, lstm({**tensors, "x": embedded})["y"])
        targets, ignored = tensors["targets"], IGNORED if config.ignore_index is None else config.ignore_index
        if "lengths" in tensors:  # as a collate function does: beyond its length a row has nothing to predict
            steps = torch.arange(targets.shape[1], device=targets.device)
            targets = torch.where(steps < tensors["lengths"][:, None], targets, ignored)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=ignored)
        return {"logits": logits, "loss": loss}

    return seq2seq, held


program = Program(
    offers(
        "seq2seq",
        Gap("nn.LSTM takes both initial states or neither", features=frozenset({"partial_states"})),
        Gap("torch's packed sequences refuse a sample of length 0", features=frozenset({"zero_length"})),
        features=FEATURES,
        cudnn=True,
    ),
    build,
    instead=INSTEAD,
)
