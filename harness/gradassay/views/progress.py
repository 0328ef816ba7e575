"""A run while it goes on: a live line on a terminal, and a plain line for each finished target everywhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from gradassay.views._words import printable, seconds

STYLES = {"failed": "bold red", "errored": "bold magenta"}
HEARTBEAT = 20.0  # seconds without a line, after which a plain display says where it is


class Progress:
    """Counts what is done against what is planned.

    `with Progress({"numpy/native/cpu/float64": 12}) as progress: progress.advance(target, "passed")`

    Args:
        total_by_target: how many steps each target has; a target that takes more is let take more.
        console: standard error when it is not given, so that standard output holds the report alone.
        clock: seconds, for the tests.
    """

    def __init__(
        self,
        total_by_target: Mapping[str, int],
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console(stderr=True)
        self._total = dict(total_by_target)
        self._seen: dict[str, Counter[str]] = {target: Counter() for target in total_by_target}
        self._clock = clock
        self._start = self._said = clock()
        live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bar = Bar(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not live,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live = live
        self._task = self._bar.add_task("starting", total=sum(self._total.values()) or None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        for target, outcomes in self._seen.items():
            if 0 < outcomes.total() < self._total.get(target, 0):
                self._finished(target)
        if any(self._seen.values()):
            self._say("")

    def advance(self, target: str, outcome: str) -> None:
        """Count one step of a target, with its outcome; the target's last step writes its line."""
        outcomes = self._seen.setdefault(target, Counter())
        outcomes[outcome] += 1
        self._bar.update(self._task, advance=1, description=self._now(target))
        if outcomes.total() == self._total.get(target):
            self._finished(target)
        elif not self._live and self._clock() - self._said >= HEARTBEAT:
            self._say(f"  {self._where_now()}")

    def finish(self, target: str, outcome: str) -> None:
        """Count all that is left of a target at once: its device is not here, or its worker did not start."""
        for _ in range(self._total.get(target, 0) - self._seen.setdefault(target, Counter()).total()):
            self.advance(target, outcome)

    def note(self, text: str) -> None:
        """Write a line of its own: a worker that starts, a compilation that takes long."""
        self._say(f"  {printable(text)}")

    def _finished(self, target: str) -> None:
        outcomes = self._seen[target]
        total = self._total.get(target, 0)
        done = "" if outcomes.total() >= total else f" (stopped at {outcomes.total():,} of {total:,})"
        said = ", ".join(f"{outcomes[outcome]:,} {outcome}" for outcome in sorted(outcomes, key=_order))
        style = next((STYLES[outcome] for outcome in STYLES if outcomes[outcome]), "")
        self._say(f"{printable(target)}: {said}{done}", style)

    def _now(self, target: str) -> str:
        all_outcomes = sum(self._seen.values(), Counter[str]())
        bad = [f"{all_outcomes[outcome]:,} {outcome}" for outcome in STYLES if all_outcomes[outcome]]
        return ", ".join([printable(target), *bad])

    def _where_now(self) -> str:
        done = sum(outcomes.total() for outcomes in self._seen.values())
        total = sum(self._total.values())
        of = f" of {total:,}" if total else ""
        return f"{done:,}{of} done after {seconds(self._clock() - self._start)}"

    def _say(self, text: str, style: str = "") -> None:
        self._said = self._clock()
        if self._console.options.ascii_only:
            text = text.encode("ascii", "backslashreplace").decode()
        self._console.print(Text(text, style=style), soft_wrap=True)


def _order(outcome: str) -> int:
    known = ("passed", "failed", "errored", "waived", "blind", "skipped", "not applicable")
    return known.index(outcome) if outcome in known else len(known)
