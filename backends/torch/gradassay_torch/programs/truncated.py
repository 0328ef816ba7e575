"""Truncated back-propagation through time: `nn.LSTM` chunk by chunk, with `detach` on what is carried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradassay._backend import Gap
from gradassay_lstm._features import FEATURES
from gradassay_torch._program import Program, offers

if TYPE_CHECKING:
    import torch

    from gradassay._spec import Tensors
    from gradassay_torch._framework import Function, Named

GAPS = (
    Gap("nn.LSTM draws its dropout masks itself: it takes none", features=frozenset({"dropout"})),
    Gap("nn.LSTM takes both initial states or neither", features=frozenset({"partial_states"})),
)


def build(config: Any, parameters: Tensors, device: str) -> tuple[Function, Named]:
    """Return the layer called window by window, as users of truncated back-propagation call it."""
    import torch

    from gradassay_torch import _lstm
    from gradassay_truncated._windows import windows

    module = _lstm.layer(config.lstm, parameters, device)
    lstm = _lstm.function(module)

    def truncated(tensors: Named) -> dict[str, torch.Tensor]:
        x = tensors["x"]
        weights = {name: tensors[name] for name, _ in module.named_parameters()}
        carried: Named = {name: tensors[name] for name in ("h0", "c0") if name in tensors}
        blocks = []

        def run(start: int, stop: int, state: Named) -> tuple[list[torch.Tensor], Named]:
            if start == stop:
                return [], state
            found = lstm({**weights, **state, "x": x[:, start:stop]})
            return [found["y"]], {"h0": found["h_n"], "c0": found["c_n"]}

        for window in windows(config.k1, config.k2, x.shape[1]):
            entering = {name: state.detach() for name, state in carried.items()} if window.start else carried
            before, carried = run(window.start, window.cut, entering)
            after, final = run(window.cut, window.stop, carried)
            blocks.append(torch.cat([*before, *after], dim=1)[:, window.own - window.start :])
        return {"y": torch.cat(blocks, dim=1), "h_n": final["h0"], "c_n": final["c0"]}

    return truncated, dict(module.named_parameters())


truncated = Program(
    offers("truncated", *GAPS, features=FEATURES | {"cut", "overlap"}, cudnn=True),
    build,
    zeros=True,  # what lies before the window has no part in its loss
)
