"""The ways to one block, what each is estimated to cost, and in which words it was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from gradassay._spec import Array, Tensors
from gradassay.jacobians._chain import chain
from gradassay.jacobians._linear import Linear
from gradassay.jacobians._memory import LANE
from gradassay.jacobians._piece import Piece
from gradassay.jacobians._stretches import applies, sizes
from gradassay.jacobians._sweep import forward, grid, reverse, rows_shared
from gradassay.views._words import count

# In multiplications and additions, at the ten a nanosecond that one core does: a call of a framework takes half a
# millisecond beside its arithmetic, and each step that it sweeps a twentieth of one.
CALL, STEP = 5e6, 5e5
SWEEP = 4  # times the parameters, for each lane, row and step: a product forward and one back
LENGTHS = (1, 2, 4, 8, 16, 32)  # of the stretches of a chain

Run = Callable[[Linear, Piece, Tensors, Array], Array]


@dataclass(frozen=True)
class Route:
    """A way to fill a block.

    Attributes:
        name: "reverse", "forward" or "chain", and how many directions go at once.
        work: what it is estimated to take, in multiplications and additions.
        words: the estimate in words.
        run: (linear, piece, inputs, zeros) to the block, which may be other memory than the zeros that it is given.
        batched: whether it fails, rather than going on one by one, where the backend cannot take many directions.
    """

    name: str
    work: float
    words: str
    run: Run
    batched: bool

    @property
    def kind(self) -> str:
        """The name without lengths."""
        return self.name.partition(", stretches")[0]


def routes(linear: Linear, piece: Piece, parameters: int, itemsize: int, budget: int) -> list[Route]:
    """Return the routes that a backend has to a block, the cheapest first.

    Args:
        linear: says what the backend can do, and what it has refused.
        parameters: how many numbers the model's parameters are.
        itemsize: bytes of a number.
        budget: bytes that the directions of one call may take, with what a sweep keeps for them.
    """
    numbers = sum(prod(tensor.shape) for tensor in piece.table.values() if tensor.role != "parameter")
    most = max(1, int(budget // (LANE * itemsize * max(numbers, 1))))
    found = [*_sweeps(linear, piece, parameters, most), *_chains(linear, piece, parameters, most)]
    return sorted(found, key=lambda route: route.work)


def _sweeps(linear: Linear, piece: Piece, parameters: int, most: int) -> Iterator[Route]:
    row, other = rows_shared(piece)
    steps, rows = max(piece.steps, 1), piece.rows
    shared = f", one for all {rows} rows" if row is not None and rows > 1 else ""

    def route(name: str, side: str, lanes: int, at_once: int, run: Run, batched: bool) -> Route:
        calls = -(-lanes // at_once)
        weight = getattr(linear.model, "push_cost", 1.0) if side == "forward" else 1.0
        work = weight * (lanes * rows * steps * SWEEP * parameters + calls * (CALL + steps * STEP))
        what = "cotangent" if side == "reverse" else "tangent"
        words = f"{count(lanes, what)}{shared} over {count(steps, 'step')} in {count(calls, 'call')}"
        return Route(name, work, words, run, batched)

    if linear.can("vjp"):
        lanes, at_once = prod(grid(piece.of, row)), most
        if linear.can("vjps"):
            run = _reverse(at_once, repeat=False)
            yield route("reverse, batched", "reverse", lanes, at_once, run, True)
        else:
            yield route("reverse, one by one", "reverse", lanes, 1, _reverse(1, repeat=False), False)
        if piece.folded:
            run = _reverse(at_once, repeat=True)
            repeated = route("reverse, rows repeated", "reverse", lanes, at_once, run, False)
            yield Route(
                repeated.name, 1.5 * repeated.work, repeated.words, run, False
            )  # the forward pass is repeated too
    if linear.can("jvp"):
        lanes = prod(grid(piece.wrt, other))
        at_once, name = (most, "forward, batched") if linear.can("jvps") else (1, "forward, one by one")
        yield route(name, "forward", lanes, at_once, _forward(at_once), linear.can("jvps"))


def _chains(linear: Linear, piece: Piece, parameters: int, most: int) -> Iterator[Route]:
    if not linear.can("vjp") or not applies(piece):
        return
    out, into, state = sizes(piece)
    for length in LENGTHS:
        if length >= piece.steps:
            break
        stretches = -(-piece.steps // length)
        lanes = length * out + state
        if lanes * length > most * piece.steps:  # all of them go in one call
            continue
        seen = into * piece.steps / 2 if into else prod(grid(piece.wrt, rows_shared(piece)[1]))
        products = 2.0 * piece.rows * stretches * lanes * state * seen
        calls = stretches + 1
        swept = lanes * piece.rows * piece.steps * SWEEP * parameters
        work = swept + products + calls * CALL + (piece.steps + 2 * length) * STEP
        words = (
            f"{count(stretches, 'stretch', 'stretches')} of {count(length, 'step')}, {count(lanes, 'cotangent')} each, "
            f"together in {count(calls, 'call')}"
        )
        for repeat in (False, True):
            if repeat or linear.can("vjps"):
                name = "chain, rows repeated" if repeat else "chain, batched"
                cost = work + 0.5 * swept if repeat else work
                yield Route(f"{name}, stretches of {length}", cost, words, _chain(length, repeat), not repeat)


def _reverse(lanes: int, repeat: bool) -> Run:
    return lambda linear, piece, inputs, block: reverse(linear, piece, inputs, block, lanes, repeat)


def _forward(lanes: int) -> Run:
    return lambda linear, piece, inputs, block: forward(linear, piece, inputs, block, lanes)


def _chain(length: int, repeat: bool) -> Run:
    return lambda linear, piece, inputs, block: chain(linear, piece, inputs, block, length, repeat)
