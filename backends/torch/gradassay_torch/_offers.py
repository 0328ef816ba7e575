"""What the two backends can do: static data, each gap with its reason."""

from __future__ import annotations

from gradassay._backend import OPERATORS, Gap, Mode, Offer

FEATURES = frozenset(
    {
        "layers",
        "bidirectional",
        "no_bias",
        "projection",
        "dropout",
        "ragged",
        "zero_length",
        "absent_states",
        "partial_states",
        "no_steps",
        "no_batch",
    }
)
DTYPES = ("float64", "float32", "bfloat16", "float16")
EMPTY_MEAN = Gap("the mean over no elements is undefined", features=frozenset({"no_steps", "no_batch"}))

LAYER_GAPS = (
    Gap("nn.LSTM draws its dropout masks itself: it takes none", features=frozenset({"dropout"})),
    Gap("nn.LSTM takes both initial states or neither", features=frozenset({"partial_states"})),
    Gap("torch's packed sequences refuse a sample of length 0", features=frozenset({"zero_length"})),
    Gap("nn.LSTM refuses a sequence of length 0", features=frozenset({"no_steps"})),
    # What oneDNN lacks, torch runs natively without a word: the same kernel as in the mode "native".
    Gap("oneDNN has no float64 LSTM", modes=frozenset({"onednn"}), dtypes=frozenset({"float64"})),
    Gap("oneDNN's float16 LSTM has no gradient", modes=frozenset({"onednn"}), dtypes=frozenset({"float16"})),
    Gap("oneDNN's LSTM has no projection", modes=frozenset({"onednn"}), features=frozenset({"projection"})),
    Gap("torch runs packed sequences without oneDNN", modes=frozenset({"onednn"}), features=frozenset({"ragged"})),
    Gap("torch runs an empty batch without oneDNN", modes=frozenset({"onednn"}), features=frozenset({"no_batch"})),
)
COMPILED = frozenset({"compile", "inductor"})
CELL_GAPS = (
    Gap("AOTAutograd has no double backward", operators=frozenset({"hvp"}), modes=COMPILED),
)


def _layer(spec: str, *gaps: Gap) -> Offer:
    return Offer(
        spec=spec,
        features=FEATURES,
        modes=(Mode("onednn", {"kernel": "onednn"}), Mode("native", {"kernel": "native"})),
        dtypes=DTYPES,
        devices=("cpu", "cuda"),
        operators=frozenset(OPERATORS),
        gaps=LAYER_GAPS + gaps,
    )


def _cell(spec: str, *gaps: Gap) -> Offer:
    return Offer(
        spec=spec,
        features=FEATURES,
        modes=(
            Mode("eager", {"compiled": "no"}),
            Mode("compile", {"compiled": "yes"}, compiled=True),
            Mode("inductor", {"compiled": "yes"}, compiled=True, sweep=True),
        ),
        dtypes=DTYPES,
        devices=("cpu", "cuda"),
        operators=frozenset(OPERATORS),
        gaps=CELL_GAPS + gaps,
    )


NN_LSTM = (_layer("lstm"), _layer("mse", EMPTY_MEAN))
CELL = (_cell("lstm"), _cell("mse", EMPTY_MEAN))
