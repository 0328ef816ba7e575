"""A side as it is typed: `y`, `y[:, 4:8]`, `x[0, -1]`, `weight_ih_l0[[0, 3]]`."""

from __future__ import annotations

import ast
from typing import Any

from gradassay._errors import UsageError
from gradassay.jacobians._side import Asked


def written(text: str, what: str) -> Asked:
    """Return what a text asks for; only numbers, slices, `...` and lists of numbers are read.

    Raises:
        UsageError: if it is nothing of the kind.
    """
    try:
        node = ast.parse(text, mode="eval").body
        match node:
            case ast.Name(id=name):
                return name
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                return name, _index(index)
    except (SyntaxError, ValueError):
        pass  # what would be right is said below, for all that is wrong
    raise UsageError(f"{what}: {text!r} names no part of a tensor; write it as y, or y[:, 4:8], or x[0, -1]")


def _index(node: ast.expr) -> Any:
    match node:
        case ast.Tuple(elts=parts):
            return tuple(_index(part) for part in parts)
        case ast.Slice(lower=lower, upper=upper, step=step):
            return slice(*(None if part is None else _number(part) for part in (lower, upper, step)))
        case ast.List(elts=parts):
            return [_number(part) for part in parts]
        case ast.Constant(value=value) if value is Ellipsis:
            return ...
    return _number(node)


def _number(node: ast.expr) -> int:
    found = ast.literal_eval(node)
    if not isinstance(found, int) or isinstance(found, bool):
        raise ValueError(found)
    return found
