"""What the subcommands share: printing a run, and errors that a user can mend. Only click is imported here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from gradassay._record import Record

INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended


def report(records: list[Record], markdown: Path | None, junit: Path | None = None) -> None:
    """Print a run, and write its summary and its JUnit file, if it has come to anything."""
    if not records:
        return
    if markdown is not None:
        from gradassay.views.markdown import markdown as as_markdown

        _write(markdown, as_markdown(records))
    if junit is not None:
        from gradassay.views.junit import junit as as_junit

        _write(junit, as_junit(records))
    render(records)


def _write(path: Path, text: str) -> None:
    from gradassay._errors import UsageError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def render(records: list[Record], *, failed_only: bool = False) -> None:
    from rich.console import Console

    from gradassay.views import terminal

    terminal.render(records, Console(), failed_only=failed_only)


def interrupted(kept: str = "") -> NoReturn:
    click.echo(f"gradassay: interrupted{kept}", err=True)
    sys.exit(INTERRUPTED)


@contextmanager
def user_errors() -> Iterator[None]:
    """Print an error that the user can mend without a traceback, and exit with 2; Ctrl-C exits with 130."""
    from gradassay._errors import UsageError
    from gradassay._plugins import PluginError
    from gradassay._record import RecordError
    from gradassay.views._words import printable

    try:
        yield
    except (UsageError, PluginError, RecordError) as error:
        lines = [printable(line, longest=10_000) for line in str(error).splitlines()]
        click.echo("gradassay: " + "\n  ".join(lines), err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        interrupted()
