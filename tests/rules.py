"""Every rule of the tape as a small function over `Ops`, and its derivative by complex step in plain NumPy.

The complex step, d/de f(x + i h e) / h at h = 1e-40, has no cancellation and shares no code with the tape: `Plain`
runs the same functions on complex arrays (Squire and Trapp, 'Using complex variables to estimate derivatives of real
functions', 1998). A value of `stop` has no imaginary part; one of `splice` has that of its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradassay._words import Words

Complex = npt.NDArray[np.complex128]
Floats = npt.NDArray[np.float64]
STEP = 1e-40


class Plain:
    """`Ops` on complex NumPy arrays, written out."""

    def constant(self, array: npt.ArrayLike) -> Complex:
        return np.asarray(array, dtype=np.complex128)

    def sigmoid(self, a: Complex) -> Complex:
        small = np.exp(np.where(a.real >= 0, -a, a))
        return np.where(a.real >= 0, 1.0, small) / (1.0 + small)

    def tanh(self, a: Complex) -> Complex:
        return np.tanh(a)

    def exp(self, a: Complex) -> Complex:
        return np.exp(a)

    def log(self, a: Complex) -> Complex:
        return np.log(a)

    def sqrt(self, a: Complex) -> Complex:
        return np.sqrt(a)

    def divide(self, a: Any, b: Any) -> Complex:
        return np.asarray(a / b)

    def maximum(self, a: Any, b: Any) -> Complex:
        a, b = self.constant(a), self.constant(b)
        return np.where(a.real > b.real, a, b)

    def logsumexp(self, a: Complex, axis: int) -> Complex:
        return np.log(np.exp(a).sum(axis=axis))

    def sum(self, a: Complex, axis: int | tuple[int, ...] | None = None) -> Complex:
        return np.asarray(a.sum(axis=axis))

    def where(self, mask: npt.ArrayLike, a: Any, b: Any) -> Complex:
        return np.where(np.asarray(mask), a, b)

    def gather(self, a: Complex, rows: npt.ArrayLike) -> Complex:
        return a[np.asarray(rows)]

    def stack(self, values: Sequence[Complex], axis: int) -> Complex:
        return np.stack(values, axis=axis)

    def concatenate(self, values: Sequence[Complex], axis: int) -> Complex:
        return np.concatenate(values, axis=axis)

    def reshape(self, a: Complex, shape: tuple[int, ...]) -> Complex:
        return a.reshape(shape)

    def stop(self, a: Complex) -> Complex:
        return a.real.astype(np.complex128)

    def splice(self, value: Complex, gradient: Complex) -> Complex:
        return value.real + 1j * gradient.imag

    def mark(self, name: str, a: Complex, /, **where: int | str) -> Complex:
        return a


@dataclass(frozen=True)
class Rule:
    """A function that exercises one operation: `apply(ops, *operands)`. `shapes` are the operands'."""

    name: str
    operation: str  # the tape's method that it exercises
    shapes: tuple[tuple[int, ...], ...]
    apply: Callable[..., Any]
    positive: bool = False

    def operands(self) -> list[Floats]:
        """Well away from kinks and poles: magnitudes from 0.2 to 1.8, all different, of both signs or of one."""
        drawn = []
        for i, shape in enumerate(self.shapes):
            words = Words(7, self.name, str(i))
            size = 1.0 + 0.8 * words.uniform(shape)
            drawn.append(size if self.positive else np.where(words.uniform(shape) > 0, size, -size))
        return drawn


def _weight_at_three_steps(ops: Any, x: Any, h: Any, w: Any) -> Any:
    """What a recurrent weight goes through: used at every step, and each product feeds the next."""
    for t in range(3):
        h = ops.tanh(h @ w + x[t])
    return h


RULES = (
    Rule("add", "add", ((2, 3), (2, 3)), lambda ops, a, b: a + b),
    Rule("add with broadcasting of rows", "add", ((2, 3), (3,)), lambda ops, a, b: a + b),
    Rule("add with broadcasting of both", "add", ((2, 1), (1, 3)), lambda ops, a, b: a + b),
    Rule("add with broadcasting of a length-1 axis in front", "add", ((3,), (4, 1, 3)), lambda ops, a, b: a + b),
    Rule("add of one tensor twice", "add", ((2, 2),), lambda ops, a: a + a),
    Rule("add of a number", "add", ((3,),), lambda ops, a: 2.0 + a + 1.0),
    Rule("subtract", "add", ((2, 3), (3,)), lambda ops, a, b: a - b),
    Rule("subtract from a number", "add", ((3,),), lambda ops, a: 2.0 - a),
    Rule("negate", "negate", ((2, 3),), lambda ops, a: -a),
    Rule("multiply", "multiply", ((2, 3), (2, 3)), lambda ops, a, b: a * b),
    Rule("multiply with broadcasting", "multiply", ((2, 1, 3), (4, 1)), lambda ops, a, b: a * b),
    Rule("multiply of one tensor by itself", "multiply", ((2, 3),), lambda ops, a: a * a),
    Rule("multiply by a number", "multiply", ((3,),), lambda ops, a: 3.0 * a * 0.5),
    Rule("divide", "divide", ((2, 3), (2, 3)), lambda ops, a, b: ops.divide(a, b)),
    Rule("divide with broadcasting", "divide", ((3,), (2, 1)), lambda ops, a, b: ops.divide(a, b)),
    Rule("divide a number", "divide", ((3,),), lambda ops, a: ops.divide(ops.constant(2.0), a)),
    Rule("sigmoid", "sigmoid", ((2, 3),), lambda ops, a: ops.sigmoid(a)),
    Rule("sigmoid at both ends", "sigmoid", ((6,),), lambda ops, a: ops.sigmoid(a * 20.0)),
    Rule("tanh", "tanh", ((2, 3),), lambda ops, a: ops.tanh(a)),
    Rule("exp", "exp", ((2, 3),), lambda ops, a: ops.exp(a)),
    Rule("log", "log", ((2, 3),), lambda ops, a: ops.log(a), positive=True),
    Rule("sqrt", "sqrt", ((2, 3),), lambda ops, a: ops.sqrt(a), positive=True),
    Rule("maximum", "maximum", ((3, 4), (3, 4)), lambda ops, a, b: ops.maximum(a, b)),
    Rule("maximum with broadcasting", "maximum", ((3, 4), (4,)), lambda ops, a, b: ops.maximum(a, b)),
    Rule("maximum with a number", "maximum", ((5,),), lambda ops, a: ops.maximum(a, 0.0)),
    Rule("logsumexp", "logsumexp", ((2, 3),), lambda ops, a: ops.logsumexp(a, -1)),
    Rule("logsumexp over another axis", "logsumexp", ((2, 3, 2),), lambda ops, a: ops.logsumexp(a * 3.0, -2)),
    Rule("matmul", "matmul", ((2, 3), (3, 4)), lambda ops, a, b: a @ b),
    Rule("matmul of a constant", "matmul", ((3, 2),), lambda ops, b: ops.constant(np.eye(3) + 0.5) @ b),
    Rule("matmul of a matrix by itself", "matmul", ((3, 3),), lambda ops, a: a @ a),
    Rule("matmul of a weight at three steps", "matmul", ((3, 2, 3), (2, 3), (3, 3)), _weight_at_three_steps),
    Rule(
        "matmul of a weight that is also used otherwise",
        "matmul",
        ((2, 3), (2, 3), (3, 3)),
        lambda ops, a, b, w: a @ w + b @ w * w[:2] + a @ w.T,
    ),
    Rule("sum of everything", "sum", ((2, 3),), lambda ops, a: ops.sum(a)),
    Rule("sum over the last axis", "sum", ((2, 3),), lambda ops, a: ops.sum(a, -1)),
    Rule("sum over the first axis", "sum", ((2, 3),), lambda ops, a: ops.sum(a, -2)),
    Rule("sum over two axes that are apart", "sum", ((2, 3, 4),), lambda ops, a: ops.sum(a, (-3, -1))),
    Rule(
        "where",
        "where",
        ((2, 3), (2, 3)),
        lambda ops, a, b: ops.where(np.array([[True, False, True], [False, False, True]]), a, b),
    ),
    Rule(
        "where with broadcasting",
        "where",
        ((2, 3), (3,)),
        lambda ops, a, b: ops.where(np.array([[True], [False]]), a, b),
    ),
    Rule("where with a number", "where", ((2, 3),), lambda ops, a: ops.where(np.array([[True], [False]]), a, 0.0)),
    Rule("gather of repeated and absent rows", "gather", ((4, 3),), lambda ops, a: ops.gather(a, [2, 0, 2, 2])),
    Rule("gather of a table of rows", "gather", ((4, 2),), lambda ops, a: ops.gather(a, [[3, 1], [1, 0], [3, 3]])),
    Rule("index of an integer", "index", ((3, 2),), lambda ops, a: a[1]),
    Rule("index of a slice with a stride", "index", ((5, 2),), lambda ops, a: a[::2]),
    Rule("index of disjoint pieces", "index", ((2, 6),), lambda ops, a: a[:, :2] * a[:, 2:4] + a[:, 4:]),
    Rule("index of overlapping pieces", "index", ((2, 4),), lambda ops, a: a[:, :3] * a[:, 1:] + a[:, 1:]),
    Rule("index beside a whole use", "index", ((2, 4),), lambda ops, a: a * a[:, 2:3] + a[0]),
    Rule("transpose", "transpose", ((2, 3),), lambda ops, a: a.T),
    Rule("concatenate", "concatenate", ((2, 3), (2, 1)), lambda ops, a, b: ops.concatenate([a, b, a], axis=-1)),
    Rule("concatenate rows", "concatenate", ((2, 3), (1, 3)), lambda ops, a, b: ops.concatenate([a, b], axis=-2)),
    Rule("stack", "stack", ((2, 3), (2, 3)), lambda ops, a, b: ops.stack([a, b], axis=-1)),
    Rule("stack in front", "stack", ((2, 3), (2, 3)), lambda ops, a, b: ops.stack([a, b, a], axis=-3)),
    Rule("reshape", "reshape", ((2, 6),), lambda ops, a: ops.reshape(a, (3, 1, 4))),
    Rule("stop", "stop", ((2, 3),), lambda ops, a: a * ops.stop(a)),
    Rule("splice", "splice", ((2, 3), (2, 3)), lambda ops, a, b: ops.splice(a * b, a * 3.0) * b),
    Rule("mark", "mark", ((2, 3),), lambda ops, a: ops.mark("point", a * 2.0, step=0) * a),
)


def complex_step(rule: Rule) -> list[Floats]:
    """Return d out / d operand for each operand, of shape `out.shape + operand.shape`."""
    return jacobians(lambda *operands: rule.apply(Plain(), *operands), rule.operands())


def jacobians(function: Callable[..., Complex], operands: Sequence[Floats]) -> list[Floats]:
    found = []
    for k, operand in enumerate(operands):
        columns = []
        for i in range(operand.size):
            moved = [np.array(a, dtype=np.complex128) for a in operands]
            moved[k].reshape(-1)[i] += 1j * STEP
            columns.append(np.asarray(function(*moved)).imag / STEP)
        found.append(np.stack(columns, axis=-1).reshape(*columns[0].shape, *operand.shape))
    return found
