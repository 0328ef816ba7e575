"""A case as one file: what was asked, of whom, and every number of it, so that it replays anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from gradassay import _plugins
from gradassay._case import Case
from gradassay._errors import UsageError
from gradassay._frame import FrameError, decode, encode
from gradassay._published import Seal, Truth, UnsoundError
from gradassay._session import join, part
from gradassay._spec import DIFFERENTIABLE, Array, CaseTemplate, Spec, Tensor, Tensors
from gradassay._target import DTYPES, numpy_dtype

FORMAT, WITH_TRUTH = 1, 2  # of a case alone, and of a published vector
SUITE = "saved"
GROUPS = ("tensors", "cotangents", "tangents")


class CaseFileError(UsageError):
    """A file that holds no case, or one that cannot be asked here: the message names the file and what it should be."""


class _Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The metadata of the file."""

    case_format: int
    spec: str
    spec_version: str
    name: str
    config: dict[str, Any]
    call: dict[str, Any]
    regime: str
    seed: int
    ask: dict[str, Any]
    dtype: str
    target: str
    properties: tuple[str, ...]
    note: dict[str, str]
    order: tuple[str, ...] = ()  # of the tensors, which the seed of the noise depends on; the file sorts them
    truth: Seal | None = None


@dataclass(frozen=True)
class SavedCase:
    """A case with whom it was asked of (a target as printed; may be empty), and by which properties (none: all).

    A published vector has the truth of its outputs and gradients too, which was found sound when it was read.
    """

    case: Case
    target: str = ""
    properties: tuple[str, ...] = ()
    note: Mapping[str, str] = field(default_factory=dict)
    truth: Truth | None = None


def save(
    path: Path,
    case: Case,
    *,
    target: str = "",
    properties: tuple[str, ...] = (),
    note: Mapping[str, str] | None = None,
    truth: Truth | None = None,
) -> None:
    """Write a case to one file, of which a torn write leaves nothing.

    Args:
        path: its folder is made if it is not there; ".safetensors" is the usual ending.
        note: what was seen, in words, by name; shown when the file is replayed.
        truth: of the case, which makes the file a published vector.

    Raises:
        CaseFileError: if the file cannot be written.
    """
    facts = _Facts(
        case_format=FORMAT if truth is None else WITH_TRUTH,
        spec=case.spec.name,
        spec_version=case.spec.version,
        name=case.template.name,
        config=msgspec.to_builtins(case.config),
        call=msgspec.to_builtins(case.call),
        regime=case.template.regime,
        seed=case.template.seed,
        ask=msgspec.to_builtins(dict(case.template.ask)),
        dtype=case.dtype,
        target=target,
        properties=properties,
        note=dict(note or {}),
        order=tuple(case.tensors),
        truth=None if truth is None else truth.seal(case),
    )
    groups: dict[str, Tensors] = {name: getattr(case, name) for name in GROUPS}
    if truth is not None:
        groups["truth"] = truth.tensors()
    blob = encode(msgspec.to_builtins(facts), join(groups))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(blob)
        partial.replace(path)
    except OSError as error:
        raise CaseFileError(f"cannot write {path}: {error.strerror}") from error


def load(path: Path) -> SavedCase:
    """Return the case of a file, bit for bit as it was saved.

    Raises:
        CaseFileError: if the file cannot be read, holds no case, tensors that do not fit its configuration, or a truth
            that is not sound.
        PluginError: if its spec is not installed.
    """
    try:
        metadata, arrays = decode(path.read_bytes())
    except OSError as error:
        raise CaseFileError(f"cannot read {path}: {error.strerror}") from error
    except FrameError as error:
        raise CaseFileError(f"{path} is no saved case: {error}") from error
    if (found := metadata.get("case_format")) not in (FORMAT, WITH_TRUTH):
        what = "is no saved case: its metadata has no case_format" if found is None else f"has format {found}"
        raise CaseFileError(f"{path} {what}; this version of gradassay reads formats {FORMAT} and {WITH_TRUTH}")
    try:
        facts = msgspec.convert(metadata, _Facts)
        spec: Spec[Any, Any] = _plugins.find("spec", facts.spec).load()
        config, call = msgspec.convert(facts.config, spec.config), msgspec.convert(facts.call, spec.call)
    except msgspec.ValidationError as error:
        raise CaseFileError(f"{path} is no case of this version of gradassay: {error}") from error
    template = CaseTemplate(facts.name, config, call, facts.regime, facts.seed, thorough=True, ask=facts.ask)
    tensors, cotangents, tangents = (_ordered(part(arrays, group), facts.order) for group in GROUPS)
    case = Case(spec, SUITE, template, facts.dtype, tensors, cotangents, tangents)
    if wrong := _misfit(case):
        raise CaseFileError(f"{path}: {wrong}")
    if (found == WITH_TRUTH) != (facts.truth is not None):
        has = "no truth" if facts.truth is None else "a truth"
        raise CaseFileError(f"{path} has format {found} and {has}; with a truth it should be {WITH_TRUTH}")
    try:
        truth = None if facts.truth is None else Truth.opened(case, facts.truth, part(arrays, "truth"))
    except UnsoundError as error:
        raise CaseFileError(f"the truth in {path} {error}") from error
    return SavedCase(case, facts.target, facts.properties, facts.note, truth)


def _ordered(arrays: Tensors, order: tuple[str, ...]) -> Tensors:
    return {name: arrays[name] for name in (*(n for n in order if n in arrays), *(n for n in arrays if n not in order))}


def _misfit(case: Case) -> str:
    """Say how the arrays do not fit the case's table of tensors, or nothing."""
    if case.dtype not in DTYPES:
        return f"dtype {case.dtype!r}; it should be one of {', '.join(DTYPES)}"
    inward = {name for name, tensor in case.table.items() if tensor.role != "output"}
    if wrong := sorted(inward ^ case.tensors.keys()):
        state = "is missing" if wrong[0] in inward else f"is no input of {case.spec.name} with this configuration"
        return f"tensor {wrong[0]} {state}; there should be {', '.join(sorted(inward))}"
    outputs = set(case.outputs)
    differentiable = {name for name, tensor in case.table.items() if tensor.role in DIFFERENTIABLE}
    for group, arrays, known in (
        ("tensor", case.tensors, inward),
        ("cotangent", case.cotangents, outputs),
        ("tangent", case.tangents, differentiable),
    ):
        for name, array in arrays.items():
            if name not in known:
                return f"{group} of {name}, which has none; it should be one of {', '.join(sorted(known))}"
            if wrong_array := _wrong_array(case.table[name], array, case.dtype):
                return f"{group} {name} has {wrong_array}"
    return ""


def _wrong_array(tensor: Tensor, array: Array, dtype: str) -> str:
    if array.shape != tensor.shape:
        return f"shape {array.shape}; it should be {tensor.shape}"
    if tensor.role == "index":
        return "" if array.dtype.kind in "iu" else f"dtype {array.dtype}; it should be integers"
    return "" if array.dtype == numpy_dtype(dtype) else f"dtype {array.dtype}; it should be {dtype}"
