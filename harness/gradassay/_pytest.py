"""The pytest plugin: options, a marker, the fixture `assay`, and what becomes of the verdicts of a session.

It is loaded into every pytest run of an environment, so it imports pytest alone, which is there: all else when it is
first used.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradassay._assay import Assay
    from gradassay._bench import Bench, Item, Told
    from gradassay._waivers import Waivers

CONFORMANCE = "gradassay.conformance"
MARKER = "gradassay"
SESSION = "gradassay-session"  # the name that `Session` is registered by
PARAMETER = "gradassay_item"
FROM_OPTIONS = "__gradassay_from_options__"  # an attribute of tests whose targets the options name
VERDICTS = pytest.StashKey[list[str]]()

NO_TARGET = (
    f"{CONFORMANCE} needs a target: add --gradassay-target TARGET (such as torch/float32; `gradassay backends` lists "
    "what is installed), or gradassay_target to the ini file"
)
LISTS = {
    "target": ("TARGET", "verify this target, backend[/mode][/device][/dtype]; may be repeated"),
    "suite": ("NAME", "this suite alone, or `drawn` for cases that Hypothesis draws; may be repeated"),
    "property": ("NAME", "ask this property alone; may be repeated"),
}
SINGLE = {
    "report": ("FILE.jsonl", "write every verdict to this file, as `gradassay verify --out` does"),
    "waivers": ("FILE.toml", "known failures: they fail no test, but the run fails if one is not met"),
    "examples": ("N", "how many cases are drawn for one test of the suite `drawn` (20)"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gradassay", "gradassay: are the gradients right?")
    for name, (metavar, told) in LISTS.items():
        group.addoption(f"--gradassay-{name}", action="append", default=[], metavar=metavar, help=told)
        parser.addini(f"gradassay_{name}", f"as --gradassay-{name}, one or several", type="args", default=[])
    for name, (metavar, told) in SINGLE.items():
        group.addoption(f"--gradassay-{name}", metavar=metavar, help=told)
        parser.addini(f"gradassay_{name}", f"as --gradassay-{name}", default="")
    parser.addini(
        "gradassay_folder", "where cases that fail are saved, beside the rootdir's files", default=".gradassay"
    )


def pytest_configure(config: pytest.Config) -> None:
    told = "of gradassay's own tests and those that use `assay`; properties=[...], dtype=... and so on go to `check`"
    config.addinivalue_line("markers", f"{MARKER}(**arguments): {told}")
    if any(arg.partition("::")[0] == CONFORMANCE for arg in config.args) and not option_list(config, "target"):
        raise pytest.UsageError(NO_TARGET)
    for name in ("report", "waivers"):
        if path := _path(config, name):
            setattr(config.option, f"gradassay_{name}", str(path))  # whole, for workers that start elsewhere
    session = Session(config)
    config.pluginmanager.register(session, SESSION)
    if option(config, "waivers") or option(config, "report"):
        session.check()


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Give our own test module a name that can be typed, wherever it is installed."""
    if module_path.name != "conformance.py" or module_path.parent != Path(__file__).parent:
        return None
    module: pytest.Module = pytest.Module.from_parent(parent, path=module_path, nodeid=CONFORMANCE)
    return module


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if (wanted := getattr(metafunc.function, FROM_OPTIONS, None)) is None:
        return
    from gradassay.testing import from_options

    items = from_options(metafunc.config, **wanted)
    metafunc.parametrize(PARAMETER, items, ids=[item.id for item in items])


def pytest_itemcollected(item: pytest.Item) -> None:
    if "assay" in getattr(item, "fixturenames", ()):
        item.add_marker(MARKER)


@pytest.fixture
def assay(request: pytest.FixtureRequest) -> Assay:
    """`assay(layer, x=x)` holds a live layer against the certified reference, as `gradassay.check` does.

    The test fails, with what is wrong and where, if the layer is. Arguments go to `check`; those that are the same for
    every call of a test may stand in `@pytest.mark.gradassay(...)`.
    """
    from gradassay._assay import Assay

    return Assay(request)


def option(config: pytest.Config, name: str) -> str:
    """Return a single option, or the ini file's; empty if neither is given."""
    return str(config.getoption(f"gradassay_{name}") or config.getini(f"gradassay_{name}"))


def option_list(config: pytest.Config, name: str) -> tuple[str, ...]:
    """Return what an option was repeated with, or the ini file's list."""
    return tuple(config.getoption(f"gradassay_{name}") or config.getini(f"gradassay_{name}"))


def _path(config: pytest.Config, name: str) -> Path | None:
    """A path as typed is taken from where pytest was started; one of the ini file, from there."""
    if typed := config.getoption(f"gradassay_{name}"):
        return config.invocation_params.dir / str(typed)
    written = str(config.getini(f"gradassay_{name}"))
    return (config.inipath.parent if config.inipath else config.rootpath) / written if written else None


def session_of(config: pytest.Config) -> Session:
    found = config.pluginmanager.get_plugin(SESSION)
    assert isinstance(found, Session)
    return found


class Session:
    """What one pytest session, or one worker of pytest-xdist, has verified; the controller puts it together."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.versions: dict[str, dict[str, str]] = {}  # of backends that were at work here
        self._started = datetime.now(UTC)
        self._worker = hasattr(config, "workerinput")
        self._texts: list[str] = []  # verdicts, as JSON
        self._told: list[dict[str, Any]] = []  # what workers say when they end
        self._items: list[Item] = []  # of tests that were collected, deselected or not
        self._deselected = any("::" in arg for arg in config.args)
        self._lines: list[tuple[str, bool]] = []  # for the terminal, and whether it is bad
        self._bench: Bench | None = None

    def check(self) -> None:
        """Refuse files that cannot be read or written, before a run that needs them."""
        from gradassay._errors import UsageError
        from gradassay._recording import check_writable

        try:
            self.known()
            if (path := option(self.config, "report")) and not self._worker:
                check_writable(Path(path))
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error

    @cached_property
    def waivers(self) -> Waivers:
        return self.known()

    def known(self) -> Waivers:
        """Read the file of known failures."""
        from gradassay._waivers import Waivers

        return Waivers.of(option(self.config, "waivers") or None)

    def bench(self, session: pytest.Session) -> Bench:
        """Return the backends at work in this session."""
        if self._bench is None:
            from gradassay._bench import Bench

            self._bench = Bench(_items(session.items), self.waivers)
            self.config.add_cleanup(self._bench.close)
            self.versions |= self._bench.versions
            self._bench.versions = self.versions
        return self._bench

    def record(self, node: pytest.Item, told: Sequence[Told]) -> None:
        """Keep what was found with the report of its test: so it crosses from a worker to the controller."""
        from gradassay._record import encode

        node.stash.setdefault(VERDICTS, []).extend(encode(record).decode() for record in told)

    # --- hooks

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call" and VERDICTS in item.stash:
            setattr(report, MARKER, item.stash[VERDICTS])
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not self._worker:
            self._texts += getattr(report, MARKER, [])

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._deselected = True
        self._items += _items(items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._items += _items(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Called by pytest-xdist for every worker that has ended."""
        if told := getattr(node, "workeroutput", {}).get(MARKER):
            self._told.append(told)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        wanted = option(self.config, "report") or option(self.config, "waivers")
        if not (wanted or self._items or self._texts or self.versions or self._told):
            return
        from gradassay._gathered import Gathered, tell

        self._told.append(tell(self._items, self.versions, self._deselected, self.waivers, self._bench))
        if self._worker:
            self.config.workeroutput[MARKER] = self._told[-1]  # type: ignore[attr-defined]  # pytest-xdist's
            return
        if self.config.option.collectonly:
            return
        stopped = bool(session.shouldstop or session.shouldfail) or exitstatus not in _ENDED
        gathered = Gathered.of(self._texts, self._told, self.waivers, started=self._started, complete=not stopped)
        if path := option(self.config, "report"):
            gathered.write(Path(path))
        self._lines = gathered.lines(option(self.config, "report"))
        if gathered.wrong and exitstatus in _ENDED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._lines:
            terminalreporter.section("gradassay")
            for text, bad in self._lines:
                terminalreporter.write_line(text, red=bad)


_ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


def _items(tests: Sequence[pytest.Item]) -> list[Item]:
    """What `conformance` asks in these tests."""
    called = (getattr(test, "callspec", None) for test in tests)
    return [spec.params[PARAMETER] for spec in called if spec is not None and PARAMETER in spec.params]
