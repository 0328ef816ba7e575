"""Suites: named cases in TOML files, checked strictly where they enter.

A file holds `[[case]]` tables, and `[[ladder]]` tables that stand for a case at each of several `values` of what it
goes `over`; the cases of a ladder are named by its name and the value.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from gradassay._errors import UsageError
from gradassay._spec import DIFFERENTIABLE, CaseTemplate, Tensor
from gradassay_lstm._config import LSTM, Call
from gradassay_lstm._draw import regimes
from gradassay_lstm._tensors import tensors

ConfigType = TypeVar("ConfigType")
CallType = TypeVar("CallType")
Table = Callable[[Any, Any], Sequence[Tensor]]
Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
Steps = tuple[int, int]  # first and one past the last


class SuiteError(UsageError):
    """A suite that cannot be read. The message names the file, the case and the field."""


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Part of a Jacobian: steps of an output with respect to steps of an input, each as [first, one past the last]."""

    of: str
    of_steps: Steps
    wrt: str
    wrt_steps: Steps


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to ask of a case beside values and gradients."""

    cotangents: Literal["last output"] | None = None  # every other output's, and earlier step's, is zero
    marks: tuple[str, ...] = ()  # points of the equations whose gradients are wanted
    jacobian: tuple[tuple[str, str], ...] = ()  # pairs (of, wrt)
    jacobian_block: Block | None = None
    process: bool = False  # also in a process that has just started


class Case(msgspec.Struct, Generic[ConfigType, CallType], frozen=True, forbid_unknown_fields=True):
    name: Name
    config: ConfigType
    call: CallType
    seed: Annotated[int, msgspec.Meta(ge=0)]
    regime: str = "unit"
    question: str = ""
    pool: bool = False
    thorough: bool = False
    ask: Ask = Ask()


class Ladder(msgspec.Struct, frozen=True):
    """The fields that a ladder has beyond a case's."""

    name: Name
    over: Annotated[str, msgspec.Meta(pattern=r"^(regime|(config|call)(\.[a-z0-9_]+)+)$")]
    values: Annotated[tuple[int | str, ...], msgspec.Meta(min_length=1)]


@cache
def suites() -> Mapping[str, tuple[CaseTemplate, ...]]:
    """Return the LSTM's suites by name."""
    return read(files("gradassay_lstm") / "suites", tensors)


def read(
    folder: Traversable,
    table: Table,
    config: type = LSTM,
    call: type = Call,
    among: Sequence[str] = regimes,
) -> dict[str, tuple[CaseTemplate, ...]]:
    """Return the suites of a folder, one for each TOML file, by the file's name: of the LSTM, or of another spec.

    Args:
        folder: of the TOML files.
        table: from a configuration and a call to the labelled tensors.
        config: the type of the spec's configurations, a `msgspec.Struct`.
        call: the type of its calls.
        among: its regimes.

    Raises:
        SuiteError: if a file is not TOML, or a case is malformed or asks for what its tensors do not have.
    """
    toml = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): tuple(_cases(file, table, Case[config, call], among)) for file in toml}  # type: ignore[valid-type]  # types known at run time


def _cases(file: Traversable, table: Table, kind: Any, among: Sequence[str]) -> Iterator[CaseTemplate]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SuiteError(f"{file.name} is not TOML: {error}") from error
    if unknown := sorted(content.keys() - {"case", "ladder"}):
        raise SuiteError(
            f"{file.name} has {unknown[0]!r} at its top; it should have [[case]] and [[ladder]] tables only"
        )
    seen: set[str] = set()
    for number, raw in enumerate(_expanded(file.name, content), start=1):
        where = f"{file.name}, case {raw.get('name', f'number {number}')!r}"
        case: Case[Any, Any] = _convert(raw, kind, where)
        if case.name in seen:
            raise SuiteError(f"{where}, field name: an earlier case has it; a name should be unique in its suite")
        seen.add(case.name)
        _check(case, table, among, where)
        yield CaseTemplate(
            name=case.name,
            config=case.config,
            call=case.call,
            regime=case.regime,
            seed=case.seed,
            question=case.question,
            pool=case.pool,
            thorough=case.thorough,
            ask=msgspec.to_builtins(case.ask),
        )


def _expanded(file: str, content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the cases as raw tables, ladders taken apart."""
    for kind in ("case", "ladder"):
        if not isinstance(content.get(kind, []), list):
            raise SuiteError(f"{file} has [{kind}]; it should be [[{kind}]]")
    yield from content.get("case", [])
    for raw in content.get("ladder", []):
        ladder = _convert(raw, Ladder, f"{file}, ladder {raw.get('name', '')!r}")
        for value in ladder.values:
            rung = copy.deepcopy({key: raw[key] for key in raw if key not in ("over", "values")})
            *tables, field = ladder.over.split(".")
            table = rung
            for name in tables:
                table = table.setdefault(name, {})
            table[field] = value
            yield rung | {"name": f"{ladder.name}-{value}"}


def _convert(raw: Mapping[str, Any], type_: Any, where: str) -> Any:
    try:
        return msgspec.convert(raw, type_)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        field = path.strip("`.")
        raise SuiteError(f"{where}, field {field}: {message}" if field else f"{where}: {message}") from error


def _check(case: Case[Any, Any], table: Table, among: Sequence[str], where: str) -> None:
    """Hold what a case names against the regimes and the tensors that it has."""
    if case.regime not in among:
        raise SuiteError(f"{where}, field regime: no {case.regime!r}; it should be one of {', '.join(among)}")
    try:
        there = table(case.config, case.call)
    except ValueError as error:
        raise SuiteError(f"{where}, field call: {error}") from error
    outputs = {tensor.name for tensor in there if tensor.role == "output"}
    inputs = {tensor.name for tensor in there if tensor.role in DIFFERENTIABLE}
    block = case.ask.jacobian_block
    pairs = [("jacobian", of, wrt) for of, wrt in case.ask.jacobian]
    pairs += [("jacobian_block", block.of, block.wrt)] if block else []
    for field, of, wrt in pairs:
        for name, known in ((of, outputs), (wrt, inputs)):
            if name not in known:
                raise SuiteError(
                    f"{where}, field ask.{field}: no {name!r}; it should be one of {', '.join(sorted(known))}"
                )
    for first, end in (block.of_steps, block.wrt_steps) if block else ():
        if not 0 <= first < end <= case.call.steps:
            raise SuiteError(
                f"{where}, field ask.jacobian_block: steps [{first}, {end}]; "
                f"they should be [first, one past the last] within 0 to {case.call.steps}"
            )
