"""What a configuration and a call ask of a backend, in words that offers use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradassay_clip._config import Call, Clip

TORCH_EPSILON = 1e-6  # what torch.nn.utils.clip_grad_norm_ adds to the norm


def features(config: Clip, call: Call) -> frozenset[str]:
    """Return the features of one case.

    By norms there is a word for the epsilon, as frameworks have one of their own or none; and one for norms that are
    zero, where a derivative may be NaN: "zero_norm" of the global one, "zero_each" of each. "far_norm" is a
    global norm far above the limit, where a derivative may lose its digits.
    """
    epsilon = {0.0: "no_epsilon", TORCH_EPSILON: "epsilon_1e-6"}.get(config.epsilon, "another_epsilon")
    asked = {
        "global_norm": config.by == "norm",
        "norm_of_each": config.by == "each",
        "value": config.by == "value",
        epsilon: config.by != "value",
        "absent": bool(call.absent),
        "zero_norm": call.zero and config.by == "norm",
        "far_norm": call.far and config.by == "norm",
        "zero_each": call.zero and config.by == "each",
    }
    return frozenset(name for name, is_asked in asked.items() if is_asked)
