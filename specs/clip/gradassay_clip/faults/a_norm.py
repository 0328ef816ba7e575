"""A. The norm: of what it is taken, and how."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np

from gradassay import Fault
from gradassay_clip.faults._seen import added, every, floats, largest, own_norm, seen
from gradassay_lstm.faults._at_marks import Where, at

GLOBAL = frozenset({"global_norm"})


def _of_each(tape: Any, value: Any, where: Where) -> Any:
    limit = seen(tape, "limit", where)
    return tape.divide(limit, tape.maximum(own_norm(tape, where), limit))


def _without_the_last(tape: Any, total: Any, where: Where) -> Any:
    return added(every(tape, "squares")[:-1] or [total])


def _mean(tape: Any, norm: Any, where: Where) -> Any:
    return norm * (1.0 / sqrt(sum(prod(g.shape) for g in every(tape, "g"))))


def _of_largest(tape: Any, norm: Any, where: Where) -> Any:
    candidates = [largest(tape, g) for g in every(tape, "g")]
    return candidates[int(np.argmax([float(floats(one)) for one in candidates]))]


faults = (
    Fault(
        "norm-of-each-for-the-norm-of-all",
        "every tensor is clipped by its own norm, where one norm of all was asked for",
        "keras-team/keras#13575",
        edits=at("scale", _of_each),
        needs=GLOBAL,
    ),
    Fault(
        "norm-without-the-last-tensor",
        "the last tensor is clipped, but does not count in the norm",
        "none known",
        ("norm",),
        edits=at("total", _without_the_last),
        needs=GLOBAL,
    ),
    Fault(
        "norm-not-rooted",
        "the sum of squares is taken for the norm",
        "none known",
        ("norm",),
        edits=at("norm", lambda t, v, w: seen(t, "total", w)),
        needs=GLOBAL,
    ),
    Fault(
        "norms-added",
        "the norms of the tensors are added, not their squares",
        "none known",
        ("norm",),
        edits=at("norm", lambda t, v, w: added([own_norm(t, dict(key)) for key in t.marks["g"]])),
        needs=GLOBAL,
    ),
    Fault(
        "root-of-the-mean-square",
        "the squares are averaged, not added",
        "none known",
        ("norm",),
        edits=at("norm", _mean),
        needs=GLOBAL,
    ),
    Fault(
        "largest-element-for-the-norm",
        "the norm is the largest magnitude of an element",
        "none known",
        ("norm",),
        edits=at("norm", _of_largest),
        needs=GLOBAL,
    ),
)
