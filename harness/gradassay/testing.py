"""Conformance tests for pytest: `test_conformance = conformance("numpy/float32")` in a test file, and no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from gradassay._backend import Backend
from gradassay._bench import Item, Told, lay_out
from gradassay._errors import UsageError
from gradassay._plan import DRAWN, SMOKE, Question
from gradassay._pytest import (
    FROM_OPTIONS,
    MARKER,
    NO_TARGET,
    PARAMETER,
    Session,
    option,
    option_list,
    session_of,
)
from gradassay._record import Cause, Verdict
from gradassay.views._summary import WAIVED, counted
from gradassay.views._words import some

Names = str | Sequence[str] | None


def conformance(
    target: str | Backend | None = None, *, suite: Names = None, properties: Sequence[str] | None = None
) -> Callable[..., None]:
    """Return a parametrised test, one for each property of each case; assign it to a name that pytest collects.

    Collecting reads the static offers alone: no framework is imported, and nothing is drawn. A backend works in a
    process of its own, one for all tests of a pytest session; a backend that is an object works in this one.

    Args:
        target: as on the command line, `backend[/mode][/device][/dtype]`, or a backend as an object; the options
            (`--gradassay-target`, `--gradassay-suite`, `--gradassay-property`, or those of the ini file) decide what is
            not given here, if this is not.
        suite: the name of a suite, or several; `drawn` stands for cases that Hypothesis draws. With a target `smoke`
            if not given, and otherwise what the options name, or every suite and `drawn`.
        properties: names; all that apply to a case if not given.

    Raises:
        UsageError: if a name does not exist; `PluginError` if a plugin that is named cannot be used.
    """
    suites = (suite,) if isinstance(suite, str) else tuple(suite or ())

    def test(gradassay_item: Item, request: pytest.FixtureRequest) -> None:
        ask(gradassay_item, request)

    if target is None:
        setattr(test, FROM_OPTIONS, {"suites": suites, "properties": tuple(properties or ())})
    else:
        items = lay_out(target, suites or (SMOKE,), properties or ())
        pytest.mark.parametrize(PARAMETER, items, ids=[item.id for item in items])(test)
    return getattr(pytest.mark, MARKER)(test)  # type: ignore[no-any-return]


def from_options(config: pytest.Config, suites: Sequence[str], properties: Sequence[str]) -> list[Item]:
    """Lay out the tests of the targets that the options name.

    Raises:
        CollectError: if there is none, or a name does not exist.
    """
    targets = option_list(config, "target")
    suites = suites or option_list(config, "suite")
    properties = properties or option_list(config, "property")
    try:
        if not targets:
            raise UsageError(NO_TARGET)
        _examples(config)
        laid = [item for target in targets for item in lay_out(target, suites, properties, drawn=True)]
    except UsageError as error:
        raise pytest.Collector.CollectError(str(error)) from error
    return list({item.id: item for item in laid}.values())


def ask(item: Item, request: pytest.FixtureRequest) -> None:
    """Ask what a test asks, and end it: passed, skipped, failed, or failed as a waiver expects."""
    session = session_of(request.config)
    bench = session.bench(request.session)
    notes: tuple[str, ...] = ()
    if item.question is None:
        told, notes = _draw(item, request, session)
    else:
        told = bench.ask(item)
    session.record(request.node, told)
    _end(told, notes, request, session)


def _draw(item: Item, request: pytest.FixtureRequest, session: Session) -> tuple[list[Told], tuple[str, ...]]:
    """Hold a property on cases that Hypothesis draws; save the one that fails, and say how to ask it again."""
    from gradassay._casefile import save
    from gradassay._drawn import hold

    bench = session.bench(request.session)
    config = request.config
    found = hold(
        item,
        lambda question: bench.put(item, question),
        _examples(config),
        _seed(config),
    )
    if found.failing is None:
        return list(found.verdicts), ()
    case, target = found.failing, "" if item.local else str(item.job.target)
    words = (str(item.job.target), item.job.offer.spec, item.asks.name)
    name = "-".join(words).replace("/", "-").replace(":", "-")
    path = config.rootpath / str(config.getini("gradassay_folder")) / f"{name}.safetensors"
    wrong = sorted(
        {f"{v.property} of {v.tensor}" if v.tensor else v.property for v in found.verdicts if counted(v) != "passed"}
    )
    save(path, case, target=target, properties=(item.asks.name,), note={"wrong": some(wrong, 8)})
    shown = _near(path, config.invocation_params.dir)
    replay = f"gradassay replay {shown}"
    again_asked = bench.put(item, Question(case.spec, DRAWN, case.template, (item.asks,)), diagnose=True)
    told: list[Told] = [*found.verdicts, *(cause for cause in again_asked if isinstance(cause, Cause))]
    if target:
        told = [msgspec.structs.replace(record, replay=replay) for record in told]
    again = f"case {found.cases}, shrunk" + (", and right when it was asked again" if found.flaky else "")
    notes = (
        f"drawn       {case.config}",
        f"            {case.call}, regime {case.template.regime}, seed {case.template.seed}",
        f"saved       {shown} ({again})",
        *(() if target else (f"replay      {replay} TARGET",)),
    )
    return told, notes


def _examples(config: pytest.Config) -> int:
    from gradassay._drawn import EXAMPLES

    text = option(config, "examples")
    if text and not (text.isdecimal() and int(text)):
        raise UsageError(f"gradassay-examples is {text!r}; it should be a whole number above 0")
    return int(text) if text else EXAMPLES


def _seed(config: pytest.Config) -> int | None:
    """Return the seed of Hypothesis' own option, if it was given: then other cases are drawn."""
    given = config.getoption("hypothesis_seed", None)
    if given is None:
        return None
    from random import getrandbits

    return getrandbits(32) if given == "random" else int(given)


def _near(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _end(told: Sequence[Told], notes: Sequence[str], request: pytest.FixtureRequest, session: Session) -> None:
    """Fail, skip or pass the test that these verdicts are of.

    One tensor that passed is a question that was answered: the test passes, and its report says which were not.
    """
    verdicts = [record for record in told if isinstance(record, Verdict)]
    causes = [record for record in told if isinstance(record, Cause)]
    outcomes = {counted(verdict) for verdict in verdicts}
    if outcomes & {"failed", "errored"}:
        pytest.fail(_explained(verdicts, causes, notes), pytrace=False)
    if not outcomes:
        pytest.fail("no verdict was reached: the property found nothing to look at", pytrace=False)
    if WAIVED in outcomes:
        waivers = (session.waivers.waiver(verdict) for verdict in verdicts)
        pytest.xfail("; ".join(sorted({waiver.why for waiver in waivers if waiver is not None})))
        bare = [msgspec.structs.replace(verdict, waived="") for verdict in verdicts]
        pytest.fail(_explained(bare, causes, notes), pytrace=False)  # with --runxfail, xfail does nothing
    undecided = [verdict for verdict in verdicts if verdict.outcome != "passed"]
    first = undecided[0] if undecided else None
    if first is not None and "passed" in outcomes:
        lines = dict.fromkeys(f"{v.tensor or v.property} {v.outcome}: {v.reason}" for v in undecided)
        said = "\n".join([f"{len(undecided)} of {len(verdicts)} verdicts undecided", *lines])
        request.node.add_report_section("call", "gradassay", said)
    elif first is not None:
        pytest.skip(f"{first.outcome}: {first.reason}" if first.outcome != "skipped" else first.reason)


def _explained(verdicts: Sequence[Verdict], causes: Sequence[Cause], notes: Sequence[str]) -> str:
    from gradassay.views.check import explanation

    return "\n".join([explanation(verdicts, causes), *(f"  {note}" for note in notes)])
