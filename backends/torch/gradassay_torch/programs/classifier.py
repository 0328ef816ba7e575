"""`nn.LSTM`, `nn.Linear` on the last layer's `h_n`, and `F.cross_entropy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradassay._backend import Gap
from gradassay_lstm._features import FEATURES
from gradassay_torch._program import Program, offers

if TYPE_CHECKING:
    import torch

    from gradassay._spec import Tensors
    from gradassay_classifier import Classifier
    from gradassay_torch._framework import Function, Named

HEAD = {"weight": "head_weight", "bias": "head_bias"}  # canonical names, by those of `nn.Linear`


def build(config: Classifier, parameters: Tensors, device: str) -> tuple[Function, Named]:
    """Return the function to `logits` (B, C) and `loss` (), and the layers' parameters by canonical name."""
    import torch

    from gradassay_torch import _lstm
    from gradassay_torch._framework import to_tensor

    own = {name: array for name, array in parameters.items() if name not in HEAD.values()}
    layer = _lstm.layer(config.lstm, own, device)
    given = {name: to_tensor(parameters[canonical], device) for name, canonical in HEAD.items()}
    linear = torch.nn.Linear(
        config.lstm.output_size, config.classes, device="meta", dtype=given["weight"].dtype
    ).to_empty(device=device)
    linear.load_state_dict(given)
    lstm, directions = _lstm.function(layer), config.lstm.directions
    held = {**dict(layer.named_parameters()), **{HEAD[name]: value for name, value in linear.named_parameters()}}

    def classifier(tensors: Named) -> dict[str, torch.Tensor]:
        h_n = lstm({name: value for name, value in tensors.items() if name not in ("labels", *HEAD.values())})["h_n"]
        last = torch.cat(list(h_n[-directions:]), dim=-1)
        # Called plainly with its own parameters, as users do; others (dual numbers, say) are put in their place.
        others = {name: tensors[to] for name, to in HEAD.items() if tensors[to] is not held[to]}
        logits = torch.func.functional_call(linear, others, (last,)) if others else linear(last)
        return {"logits": logits, "loss": torch.nn.functional.cross_entropy(logits, tensors["labels"])}

    return classifier, held


program = Program(
    offers(
        "classifier",
        Gap("nn.LSTM draws its dropout masks itself: it takes none", features=frozenset({"dropout"})),
        Gap("nn.LSTM takes both initial states or neither", features=frozenset({"partial_states"})),
        Gap("torch's packed sequences refuse a sample of length 0", features=frozenset({"zero_length"})),
        Gap("nn.LSTM refuses a sequence of length 0", features=frozenset({"no_steps"})),
        features=FEATURES - {"no_batch"},
        cudnn=True,
    ),
    build,
)
