"""What the two backends can do: static data, each gap with its reason."""

from __future__ import annotations

from dataclasses import replace

from gradassay._backend import OPERATORS, Gap, Mode, Offer
from gradassay_lstm._features import FEATURES
from gradassay_torch.programs import programs

DTYPES = ("float64", "float32", "bfloat16", "float16")
EMPTY_MEAN = Gap("the mean over no elements is undefined", features=frozenset({"no_steps", "no_batch"}))

LAYER_GAPS = (
    Gap("nn.LSTM draws its dropout masks itself: it takes none", features=frozenset({"dropout"})),
    Gap("nn.LSTM takes both initial states or neither", features=frozenset({"partial_states"})),
    Gap("torch's packed sequences refuse a sample of length 0", features=frozenset({"zero_length"})),
    Gap("nn.LSTM refuses a sequence of length 0", features=frozenset({"no_steps"})),
)
# What a library lacks, torch runs natively without a word: that is the kernel of the mode "native".
ONEDNN_GAPS = (
    Gap("oneDNN's LSTM has no projection: torch runs its native one", features=frozenset({"projection"})),
    Gap("torch runs packed sequences without oneDNN", features=frozenset({"ragged"})),
    Gap("torch runs an empty batch without oneDNN", features=frozenset({"no_batch"})),
)
CUDNN_GAPS = (
    Gap("cuDNN's LSTM has neither forward mode nor a second derivative", operators=frozenset({"jvp", "hvp"})),
)
CELL_GAPS = (
    Gap(
        "torch gives None, not zeros, as the gradient of what no step has used",
        operators=frozenset({"vjp", "hvp"}),
        features=frozenset({"no_steps"}),
    ),
    Gap("there is no step to checkpoint", modes=frozenset({"checkpoint"}), features=frozenset({"no_steps"})),
    Gap(
        "an empty Jacobian computes no step again",
        operators=frozenset({"jacobian"}),
        modes=frozenset({"checkpoint"}),
        features=frozenset({"no_batch"}),
    ),
    Gap(
        "AOTAutograd has no double backward",
        operators=frozenset({"hvp"}),
        modes=frozenset({"compile", "inductor"}),
    ),
)


# Another switch turned, with whichever kernel torch takes; on the CPU alone: cuDNN has no backward in evaluation mode.
VARIANTS = (
    Mode("evaluation", {"training": "no"}, variant=True),
    Mode("time-major", {"layout": "time major"}, variant=True),
)
BACKWARD = Mode("backward", {"accumulated_in": ".grad"}, variant=True)


# Packed: the padding is never read.
PROMISES = {"lstm": frozenset({"nan-safe padding"}), "mse": frozenset[str]()}


def _layer(spec: str, modes: tuple[Mode, ...], device: str, dtypes: tuple[str, ...], gaps: tuple[Gap, ...]) -> Offer:
    return Offer(
        spec=spec,
        features=FEATURES,
        modes=modes,
        dtypes=dtypes,
        devices=(device,),
        operators=frozenset(OPERATORS),
        gaps=LAYER_GAPS + gaps,
        promises=PROMISES[spec],
    )


def _layers(spec: str, *gaps: Gap) -> tuple[Offer, ...]:
    """One offer a kernel: each has its own device and dtypes. oneDNN has no float64, and no gradient in float16."""
    return (
        _layer(spec, (Mode("onednn", {"kernel": "onednn"}),), "cpu", ("float32", "bfloat16"), ONEDNN_GAPS + gaps),
        _layer(spec, (Mode("native", {"kernel": "native"}),), "cpu", DTYPES, gaps),
        _layer(spec, VARIANTS, "cpu", DTYPES, gaps),
        replace(_layer(spec, (BACKWARD,), "cpu", DTYPES, gaps), operators=frozenset({"forward", "vjp"})),
        _layer(
            spec, (Mode("cudnn", {"kernel": "cudnn"}),), "cuda", ("float64", "float32", "float16"), CUDNN_GAPS + gaps
        ),
        _layer(spec, (Mode("fused-cell", {"kernel": "fused-cell"}, sweep=True),), "cuda", DTYPES, gaps),
    )


def _cell(spec: str, *gaps: Gap) -> Offer:
    return Offer(
        spec=spec,
        features=FEATURES,
        modes=(
            Mode("eager", {"compiled": "no"}),
            Mode("compile", {"compiled": "yes"}, compiled=True),
            Mode("inductor", {"compiled": "yes"}, compiled=True, sweep=True),
            Mode("checkpoint", {"checkpointed": "yes"}, variant=True),
        ),
        dtypes=DTYPES,
        devices=("cpu", "cuda"),
        operators=frozenset(OPERATORS),
        gaps=CELL_GAPS + gaps,
    )


PROGRAMS = tuple(offer for program in programs.values() for offer in program.offers)
NN_LSTM = (*_layers("lstm"), *_layers("mse", EMPTY_MEAN), *PROGRAMS)
CELL = (_cell("lstm"), _cell("mse", EMPTY_MEAN))
