"""What is verified: y = tanh(x W' + b)."""

from collections.abc import Mapping

import msgspec

from gradassay import Axis, CaseTemplate, Ops, Spec, Tensor, Value


class Affine(msgspec.Struct, frozen=True):
    """What loading needs."""

    features: int
    units: int


class Call(msgspec.Struct, frozen=True):
    """What changes between calls."""

    rows: int


def tensors(config: Affine, call: Call) -> tuple[Tensor, ...]:
    row, feature, unit = Axis("row", call.rows), Axis("feature", config.features), Axis("unit", config.units)
    return (
        Tensor("x", "input", ((row,), (feature,))),
        Tensor("weight", "parameter", ((unit,), (feature,))),
        Tensor("bias", "parameter", ((unit,),)),
        Tensor("y", "output", ((row,), (unit,))),
    )


def equations(ops: Ops, config: Affine, call: Call, tensors: Mapping[str, Value]) -> dict[str, Value]:
    before = ops.mark("before tanh", tensors["x"] @ tensors["weight"].T + tensors["bias"])
    return {"y": ops.tanh(before)}


spec = Spec(
    name="affine",
    version="1",
    config=Affine,
    call=Call,
    tensors=tensors,
    equations=equations,
    draw=lambda config, call, regime, words: {
        tensor.name: words.branch(tensor.name).uniform(tensor.shape)
        for tensor in tensors(config, call)
        if tensor.role != "output"
    },
    features=lambda config, call: frozenset(),
    regimes=("unit",),
    suites=lambda: {"smoke": (CaseTemplate("small", Affine(3, 4), Call(5), "unit", seed=1, pool=True, thorough=True),)},
    call_of=lambda config, tensors: Call(len(tensors["x"])),
    vary=lambda config, call: Call(call.rows + 1),
)
