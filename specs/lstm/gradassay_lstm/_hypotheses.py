"""Further ways for an LSTM to be wrong, tried when one is diagnosed: conventions, too many for a catalogue.

The gate orders, the biases and the layouts are edits of the equations; what is exchanged around them is a model that
renames, turns or permutes what goes in and comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple

from gradassay import Fault
from gradassay_lstm._backward import mistakes
from gradassay_lstm._config import LSTM
from gradassay_lstm._exchanged import exchanges
from gradassay_lstm._layout import layouts
from gradassay_lstm._tensors import GATES
from gradassay_lstm.faults._at_marks import stop

CANONICAL = "".join(GATES)
Where = Mapping[str, int | str]
BIASES = ("bias_ih", "bias_hh")


def hypotheses(config: LSTM) -> tuple[Fault, ...]:
    """Return what a configuration may have wrong beside the catalogue."""
    return (*_orders(), *_readings(config), *_biases(config), *_carries(), *mistakes(config), *exchanges(config))


def _said(order: str) -> str:
    return ", ".join(order)


def _whose(order: str) -> str:
    names = [name for name, layout in layouts.items() if layout.gates == order]
    return f" (as {names[0]}'s is)" if names else ""


def _blocks(tape: Any, array: Any, order: Sequence[int], axis: int) -> Any:
    """Return the four gate blocks along an axis (-1 or -2), block k being the old block `order[k]`."""
    size = array.shape[axis] // len(GATES)
    cuts = [slice(k * size, (k + 1) * size) for k in order]
    return tape.concatenate([array[:, cut] if axis == -1 else array[cut] for cut in cuts], axis=axis)


def _orders() -> Iterator[Fault]:
    """The 23 other orders of the gates, in value and gradient, and in the gradient alone.

    A backend whose blocks lie in the order P finds the gate k of ours where P has it.
    """
    for order in map("".join, permutations(CANONICAL)):
        if order == CANONICAL:
            continue
        read = [order.index(gate) for gate in CANONICAL]
        yield Fault(
            f"gate-order-{order}",
            f"the gate order is {_said(order)}{_whose(order)}; should be {_said(CANONICAL)}",
            "none known",
            (),
            edits=lambda u, k=read: {"gates": lambda tape, v, where: _blocks(tape, v, k, -1)},  # type: ignore[misc]  # mypy cannot type the default
        )
        yield Fault(
            f"gate-order-{order}-in-gradient",
            f"the outputs are right, but the gate order of the gradients is {_said(order)}{_whose(order)}; "
            f"should be {_said(CANONICAL)}",
            "none known",
            (),
            edits=lambda u, k=read: {"gates": lambda tape, v, where: tape.splice(v, _blocks(tape, v, k, -1))},  # type: ignore[misc]  # as above
        )


# --- one framework's arrays read as another's


class Mixture(NamedTuple):
    """What decides what comes of reading arrays that were written in one layout as those of another."""

    written: str  # the gate orders
    read: str
    turn: int  # 1: written (4 gates, in) and read (in, 4 gates); -1: the other way round; 0: alike
    offset: float  # what ends up on the forget gate's bias


def _readings(config: LSTM) -> Iterator[Fault]:
    """What comes of handing one framework's arrays to another: each different mixture once, with all its pairs."""
    pairs: dict[Mixture, list[str]] = {}
    for mine, written in layouts.items():
        for theirs, read in layouts.items():
            turn = int(read.transposed) - int(written.transposed)
            offset = read.forget_offset - written.forget_offset if config.bias else 0.0
            if turn or offset:  # a gate order alone is among the orders
                mixture = Mixture(written.gates, read.gates, turn, offset)
                pairs.setdefault(mixture, []).append(f"{mine}'s arrays are read as {theirs}'s")
    for mixture, said in pairs.items():
        told = []
        if mixture.turn:
            shapes = ("(4 gates, in)", "(in, 4 gates)")[:: mixture.turn]
            told.append(f"the memory of matrices {shapes[0]} is taken for {shapes[1]}")
        if mixture.written != mixture.read:
            told.append(f"gates {_said(mixture.written)} are taken for {_said(mixture.read)}")
        if mixture.offset:
            told.append(f"{mixture.offset:+g} on the forget gate's bias")
        more = f" (or like pairs: {len(said) - 1} more)" if len(said) > 1 else ""
        yield Fault(
            "layout-" + "-".join(map(str, mixture)),
            f"{said[0]}{more}: {', '.join(told)}",
            "none known",
            (),
            edits=_reading(mixture),
        )
    for turn in (1, -1):
        mixture = Mixture(CANONICAL, CANONICAL, turn, 0.0)
        for name in ("weight_ih", "weight_hh"):
            sides = ("(4 gates, in)", "(in, 4 gates)")[::turn]
            yield Fault(
                f"{name}-turned{turn:+d}",
                f"the memory of {name}, {sides[0]}, is taken for {sides[1]}",
                "none known",
                (),
                edits=lambda u, n=name, m=mixture: {n: _matrix(m)},  # type: ignore[misc]  # as above
            )
    if config.input_size == config.hidden_size:
        yield Fault(
            "weight_ih-transposed",
            "each gate's input weights are transposed, in value and in gradient",
            "none known",
            (),
            edits=lambda u: {"weight_ih": _each_transposed},
        )


def _reading(mixture: Mixture) -> Callable[[float], Mapping[str, Any]]:
    edits: dict[str, Any] = {name: _matrix(mixture) for name in ("weight_ih", "weight_hh")}
    if mixture.written != mixture.read:
        edits |= dict.fromkeys(BIASES, _ordered(mixture))
    if mixture.offset:
        edits["gates"] = _forget_bias(mixture.offset)
    return lambda u: edits


def _places(order: str, of: str) -> list[int]:
    return [of.index(gate) for gate in order]


def _matrix(mixture: Mixture) -> Any:
    def edit(tape: Any, v: Any, where: Where) -> Any:
        if mixture.written != CANONICAL:
            v = _blocks(tape, v, _places(mixture.written, CANONICAL), -2)
        if mixture.turn > 0:
            v = tape.reshape(v, v.shape[::-1]).T
        elif mixture.turn < 0:
            v = tape.reshape(v.T, v.shape)
        return v if mixture.read == CANONICAL else _blocks(tape, v, _places(CANONICAL, mixture.read), -2)

    return edit


def _ordered(mixture: Mixture) -> Any:
    def edit(tape: Any, v: Any, where: Where) -> Any:
        column = tape.reshape(v, (*v.shape, 1))
        written = _blocks(tape, column, _places(mixture.written, CANONICAL), -2)
        return tape.reshape(_blocks(tape, written, _places(CANONICAL, mixture.read), -2), v.shape)

    return edit


def _forget_bias(added: float) -> Any:
    def edit(tape: Any, v: Any, where: Where) -> Any:
        size = v.shape[-1] // len(GATES)
        parts = [v[:, k * size : (k + 1) * size] for k in range(len(GATES))]
        parts[CANONICAL.index("f")] = parts[CANONICAL.index("f")] + added
        return tape.concatenate(parts, axis=-1)

    return edit


def _each_transposed(tape: Any, v: Any, where: Where) -> Any:
    size = v.shape[0] // len(GATES)
    if v.shape[1] != size:  # of a higher layer, which is not square
        return v
    return tape.concatenate([v[k * size : (k + 1) * size].T for k in range(len(GATES))], axis=-2)


# --- biases and carries


def _biases(config: LSTM) -> Iterator[Fault]:
    def of(name: str, sentence: str, edits: Mapping[str, Any]) -> Fault:
        return Fault(name, sentence, "none known", (), edits=lambda u: edits)

    def scaled(factor: float) -> Any:
        return lambda tape, v, where: v * factor

    for added in (1.0, -1.0):
        said = "added to" if added > 0 else "missing from"
        yield of(f"forget-bias{added:+.0f}", f"1 is {said} the forget gate's bias", {"gates": _forget_bias(added)})
    if not config.bias:
        return
    for one, other in (BIASES, BIASES[::-1]):
        yield of(f"{one}-ignored", f"{one} is not used: one bias where there are two", {one: scaled(0.0)})
        yield of(f"{one}-doubled", f"{one} is added twice", {one: scaled(2.0)})
        if one == "bias_hh":  # of the two, the one whose mark comes second can see the other
            yield of(f"{one}-is-{other}", f"{other} is used in the place of {one}", {one: _twin(other)})
    yield of("biases-ignored", "neither bias is used", dict.fromkeys(BIASES, scaled(0.0)))
    yield of("biases-doubled", "both biases are added twice", dict.fromkeys(BIASES, scaled(2.0)))
    yield of("biases-halved", "the mean of the two biases is used, not their sum", dict.fromkeys(BIASES, scaled(0.5)))


def _twin(other: str) -> Any:
    return lambda tape, v, where: tape.marks[other][tuple(sorted(where.items()))]


def _carries() -> Iterator[Fault]:
    """Truncations, and a carry that is dropped on the way back."""

    def stopped(*marks: str) -> Any:
        return lambda u: dict.fromkeys(marks, stop)

    for name, sentence, marks in (
        ("carry-detached", "h and c are detached at every step: truncated to one", ("h_before", "c_before")),
        ("h-detached", "h is detached at every step, c is not", ("h_before",)),
        ("c-detached", "c is detached at every step, h is not", ("c_before",)),
        ("forget-detached", "the forget gate is a constant to the derivative", ("forget",)),
        ("gates-detached", "every gate is a constant to the derivative", ("gates",)),
        ("y-detached", "the outputs of layers are detached: what arrives at y goes nowhere", ("y",)),
        ("layers-detached", "layers are detached from one another", ("layer_output",)),
    ):
        yield Fault(f"every-{name}", sentence, "none known", (), edits=stopped(*marks), minimum={"step": 1})
