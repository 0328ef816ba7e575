"""What a caller gives, by the spec's canonical names, made into a case; every refusal says what would be right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradassay._case import Case
from gradassay._errors import UsageError
from gradassay._plugins import unknown
from gradassay._spec import DIFFERENTIABLE, Array, CaseTemplate, Spec, Tensor, Tensors
from gradassay._target import DTYPES, numpy_dtype
from gradassay._words import Words

SUITE, CASE = "live", "live/data"
KEPT = 64  # configurations
Convert = Callable[[object], Array | None]


@dataclass(frozen=True)
class GivenCase(Case):
    """A case whose data somebody gave; `chosen` is what is differentiated."""

    chosen: tuple[str, ...]

    @property
    def differentiable(self) -> tuple[str, ...]:
        return self.chosen

    @property
    def drawn(self) -> tuple[Tensors, ...]:
        return self.tensors, self.cotangents  # the tangents follow from the tensors


class OnRequest(Mapping[str, Array]):
    """Random directions of unit scale by name, each drawn when it is asked for: most checks ask for none."""

    def __init__(self, words: Words, shapes: Mapping[str, tuple[int, ...]], dtype: str) -> None:
        self._words, self._shapes, self._dtype = words, dict(shapes), dtype
        self._drawn: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._drawn:
            normal = self._words.branch(name).normal(self._shapes[name])
            self._drawn[name] = normal.astype(numpy_dtype(self._dtype))
        return self._drawn[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


@dataclass(frozen=True)
class Known:
    """All tensors that calls of one configuration may have, with their shapes in words."""

    spec: Spec[Any, Any]
    tensors: Mapping[str, Tensor]
    shapes: Mapping[str, str]
    required: frozenset[str]

    @classmethod
    def of(cls, spec: Spec[Any, Any], config: Any) -> Known:
        """Ask the table of every call that the spec's suites make; a size that a call decides is named by its axis.

        That takes milliseconds, and is kept: nothing of a spec changes.
        """
        name = id(spec), repr(config)
        if name not in _KNOWN:
            while len(_KNOWN) >= KEPT:
                _KNOWN.pop(next(iter(_KNOWN)), None)
            _KNOWN[name] = cls._asked(spec, config)  # which holds the spec, so that no other gets its id
        return _KNOWN[name]

    @classmethod
    def _asked(cls, spec: Spec[Any, Any], config: Any) -> Known:
        found: dict[str, Tensor] = {}
        shapes: dict[str, str] = {}
        required: frozenset[str] | None = None
        for call in {repr(t.call): t.call for templates in spec.suites().values() for t in templates}.values():
            table = {tensor.name: tensor for tensor in spec.tensors(config, call)}
            other = {tensor.name: tensor for tensor in spec.tensors(config, spec.vary(config, call))}
            found |= table
            shapes |= {name: _in_words(tensor, other[name]) for name, tensor in table.items() if name not in shapes}
            always = frozenset(name for name, tensor in table.items() if not tensor.optional)
            required = always if required is None else required & always
        inward = {name: tensor for name, tensor in found.items() if tensor.role != "output"}
        return cls(spec, found, shapes, (required or frozenset()) & inward.keys())

    def listing(self, names: Sequence[str] = ()) -> str:
        """`x (row, step, 3); optional: h0 (1, row, 4)`: the named tensors, or all that go in but parameters."""
        wanted = names or [n for n, t in self.tensors.items() if t.role not in ("output", "parameter")]
        always = [f"{name} {self.shapes[name]}" for name in wanted if names or name in self.required]
        maybe = [f"{name} {self.shapes[name]}" for name in wanted if not names and name not in self.required]
        return ", ".join(always) + (f"; optional: {', '.join(maybe)}" if maybe else "")

    def problems(self, names: Sequence[str]) -> int:
        """Count the names that are unknown, and those that are missing."""
        data = {name for name in self.required if self.tensors[name].role != "parameter"}
        return len(set(names) - self.tensors.keys()) + len(data - set(names))


def _in_words(tensor: Tensor, other: Tensor) -> str:
    """Write a shape: a size as a number where two calls share it, else by the names of its axes."""
    sizes = zip(tensor.axes, tensor.shape, other.shape, strict=True)
    words = [str(a) if a == b else "*".join(axis.name for axis in group) for group, a, b in sizes]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


_KNOWN: dict[tuple[int, str], Known] = {}  # by the identity of a spec, whose fields need have no hash


def to_arrays(given: Mapping[str, object], converts: Sequence[Convert]) -> dict[str, Array]:
    """Return what was given as NumPy arrays: a framework's tensor by its backend, all else as NumPy takes it.

    Raises:
        UsageError: for what is no array of numbers.
    """
    arrays = {}
    for name, value in given.items():
        found = next((array for convert in converts if (array := convert(value)) is not None), None)
        if found is None:
            try:
                found = np.asarray(value)
            except (TypeError, ValueError, RuntimeError) as error:  # what frameworks raise from `__array__`
                raise UsageError(f"{name} cannot be read as an array: {error}") from error
        if found.dtype == object:
            raise UsageError(f"{name} is {type(value).__name__}, no array of numbers; give an array or a tensor")
        arrays[name] = found
    return arrays


def checked(
    given: Mapping[str, Array], table: Mapping[str, Tensor], dtype: str, rounded: bool, what: str = ""
) -> dict[str, Array]:
    """Return arrays of the table's shapes in `dtype` (an index in int64), or say what is wrong with one.

    Args:
        rounded: whether numbers of another floating dtype are rounded to this one, or refused.
        what: what an array is, in front of its name: "cotangent of ".
    """
    arrays = {}
    for name, array in given.items():
        tensor, called = table[name], what + name
        axes = ", ".join(" * ".join(axis.name for axis in group) for group in tensor.axes)
        if array.shape != tensor.shape:
            raise UsageError(f"{called} has shape {array.shape}; should be {tensor.shape}, that is ({axes})")
        if tensor.role == "index":
            arrays[name] = array.astype(np.int64)
            continue
        if array.dtype.kind == "c":
            raise UsageError(f"{called} is {array.dtype}: complex numbers are out of scope; should be {dtype}")
        if array.dtype.name not in DTYPES:
            raise UsageError(f"{called} is {array.dtype}; should be {dtype}")
        if array.dtype != numpy_dtype(dtype) and not rounded:
            raise UsageError(
                f"{called} is {array.dtype}, but the parameters are {dtype}: convert it, or say dtype={dtype!r} "
                "to have it rounded"
            )
        with np.errstate(over="ignore"):  # what is beyond the dtype's range is told in the next line
            arrays[name] = array.astype(numpy_dtype(dtype))
        if strange := int((~np.isfinite(arrays[name].astype(np.float64))).sum()):
            raise UsageError(f"{called} is not finite in {dtype} at {strange} of {array.size} elements; all should be")
    return arrays


def case_of(
    known: Known,
    config: Any,
    given: Mapping[str, Array],
    dtype: str,
    *,
    rounded: bool,
    cotangents: Mapping[str, Array] | None,
    wrt: Sequence[str] | None,
    properties: Sequence[str],
) -> Case:
    """Return the case that these tensors (parameters among them) make.

    Raises:
        UsageError: if a name is unknown, a tensor missing, or one of another shape or dtype than it should be.
    """
    spec = known.spec
    refuse_names(known, list(given))
    for name, array in given.items():
        if array.ndim != len(known.tensors[name].axes):
            raise UsageError(f"{name} has shape {array.shape}; should be {known.shapes[name]}")
        if known.tensors[name].role == "index" and array.dtype.kind not in "iu":
            raise UsageError(f"{name} is {array.dtype}; should be integers")
    try:
        call = spec.call_of(config, given)
        table = {tensor.name: tensor for tensor in spec.tensors(config, call)}
    except ValueError as error:
        raise UsageError(f"these tensors make no call of {spec.name}: {error}") from error
    ordered = {name: given[name] for name in table if name in given}
    tensors = checked(ordered, table, dtype, rounded)
    seed = _seed(tensors)
    words = Words(seed, "check")
    outputs = [name for name, tensor in table.items() if tensor.role == "output"]
    if cotangents is None:
        random = {name: words.branch("cotangent").branch(name).normal(table[name].shape) for name in outputs}
        seen = {name: array.astype(numpy_dtype(dtype)) for name, array in random.items()}
    else:
        _names("output", list(cotangents), outputs, "cotangents")
        seen = checked(cotangents, table, dtype, rounded, "cotangent of ")
    able = [name for name in tensors if table[name].role in DIFFERENTIABLE]
    if wrt is not None:
        if whole := [name for name in wrt if name in tensors and table[name].role == "index"]:
            raise UsageError(
                f"wrt: {whole[0]} is an index of integers: no gradient by it exists; there are {', '.join(able)}"
            )
        _names("tensor", wrt, able, "wrt")
    chosen = tuple(able if wrt is None else (name for name in able if name in wrt))
    tangents = OnRequest(words.branch("tangent"), {name: table[name].shape for name in chosen}, dtype)
    ask = {"jacobian": [(of, by) for of in outputs for by in chosen] if "jacobian" in properties else ()}
    template = CaseTemplate(CASE, config, call, spec.regimes[0], seed, ask=ask)
    return GivenCase(spec, SUITE, template, dtype, tensors, seen, tangents, chosen)


def refuse_names(known: Known, names: Sequence[str]) -> None:
    """Refuse names that the spec does not know for an input, and a set of them in which one is missing."""
    inward = [name for name, tensor in known.tensors.items() if tensor.role != "output"]
    for name in names:
        if name not in inward:
            output = name in known.tensors
            wrong = f"{name} is an output: it is computed, not given" if output else unknown("tensor", name, inward)
            raise UsageError(f"{wrong}\n{known.spec.name} takes {known.listing()}")
    if missing := [name for name in inward if name in known.required and name not in names]:
        raise UsageError(f"missing: {known.listing(missing)}\n{known.spec.name} takes {known.listing()}")


def _names(what: str, names: Sequence[str], there: Sequence[str], argument: str) -> None:
    if not names:
        raise UsageError(f"{argument} names nothing; leave it out for all of {', '.join(there)}")
    for name in names:
        if name not in there:
            raise UsageError(f"{argument}: {unknown(what, name, there)}")


def _seed(tensors: Tensors) -> int:
    """Return a number that depends on every byte of the data."""
    digest = hashlib.sha256()
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode() + array.tobytes())
    return int.from_bytes(digest.digest()[:8], "little")
