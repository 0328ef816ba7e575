"""The command `gradassay`. Only click is imported here; each subcommand imports what it needs."""

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


def _print_version(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"gradassay {version('gradassay')}")
        except PackageNotFoundError:
            click.echo("gradassay, from a source tree that is not installed")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def main() -> None:
    """Say whether outputs, gradients, Jacobians and second derivatives are right.

    Every backend is held against a certified reference, in units of the rounding noise that a correct
    implementation would show.
    """


@main.command(short_help="Verify targets, and print a verdict.")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Verify this suite only; may be repeated.")
@click.option("--spec", "specs", multiple=True, metavar="NAME", help="Verify this spec only; may be repeated.")
@click.option("--case", "cases", multiple=True, metavar="NAME", help="Verify this case only; may be repeated.")
@click.option(
    "--property", "properties", multiple=True, metavar="NAME", help="Ask this property only; may be repeated."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN.jsonl", help="Write every record to this file.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write a summary as Markdown.")
@click.option("--in-process", is_flag=True, help="Run backends in this process, for a debugger.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Worker processes at a time.")
@click.option(
    "--deadline", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Limit of one request."
)
@click.option("--sweep", is_flag=True, help="Add the modes that are too slow for every run.")
@click.option("--no-cache", is_flag=True, help="Compute truth and noise anew.")
def verify(
    targets: tuple[str, ...],
    suites: tuple[str, ...],
    specs: tuple[str, ...],
    cases: tuple[str, ...],
    properties: tuple[str, ...],
    out: Path | None,
    markdown: Path | None,
    in_process: bool,
    jobs: int | None,
    deadline: float | None,
    sweep: bool,
    no_cache: bool,
) -> None:
    """Verify targets against the certified reference, and print a verdict.

    A TARGET is backend[/mode][/device][/dtype], the parts after the backend in any order; a part that is left
    out means all of it: torch/float32, jax/cpu:1. Without a target every installed backend is verified.

    \b
    Exit status: 0  all is well
                 1  something failed or errored, a target reached no verdict
                    on gradients, or the run did not complete
                 2  what was asked for cannot be
               130  interrupted; what was computed is kept
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    with _user_errors():
        from gradassay._recording import Recording, check_writable
        from gradassay._run import verify as run
        from gradassay.views._summary import Summary

        if markdown is not None:
            check_writable(markdown)
        interrupted = False
        with Recording(out) as recording:
            try:
                run(
                    targets,
                    suites=suites,
                    specs=specs,
                    cases=cases,
                    properties=properties,
                    in_process=in_process,
                    jobs=jobs,
                    deadline=deadline,
                    sweep=sweep,
                    cache=not no_cache,
                    on_record=recording.take,
                )
            except KeyboardInterrupt:
                interrupted = True
        _report(recording.records, markdown)
    if interrupted:
        kept = out is not None and recording.records
        _interrupted(f"; what was computed is kept: gradassay show {out}" if kept else "")
    sys.exit(0 if Summary.of(recording.records).well else 1)


@main.command()
def backends() -> None:
    """List the installed backends and what they offer.

    Exit status: 1 when a backend that is installed cannot be used.
    """
    with _user_errors():
        from rich.console import Console

        from gradassay import _plugins
        from gradassay.views.offers import render

        broken = render(_plugins.backends(), Console())
    sys.exit(1 if broken else 0)


@main.command()
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN.jsonl")
@click.option("--markdown", is_flag=True, help="Print a summary as Markdown.")
@click.option("--failed", is_flag=True, help="Only what failed or errored, and the last line.")
def show(run: Path, markdown: bool, failed: bool) -> None:
    """Show a saved run. The exit status tells whether it could be read, not whether it was well."""
    with _user_errors():
        from gradassay._errors import UsageError
        from gradassay._record import read

        if markdown and failed:
            raise UsageError("--markdown and --failed do not go together: the Markdown summary is short already")
        records = list(read(run))
        if markdown:
            from gradassay.views.markdown import markdown as as_markdown

            click.echo(as_markdown(records), nl=False)
        else:
            _render(records, failed_only=failed)


def _report(records: list[Record], markdown: Path | None) -> None:
    """Print a run, and write its summary, if it has come to anything."""
    if not records:
        return
    if markdown is not None:
        from gradassay._errors import UsageError
        from gradassay.views.markdown import markdown as as_markdown

        try:
            markdown.write_text(as_markdown(records), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {markdown}: {error.strerror}") from error
    _render(records)


def _render(records: list[Record], *, failed_only: bool = False) -> None:
    from rich.console import Console

    from gradassay.views.terminal import render

    render(records, Console(), failed_only=failed_only)


def _interrupted(kept: str = "") -> NoReturn:
    click.echo(f"gradassay: interrupted{kept}", err=True)
    sys.exit(INTERRUPTED)


@contextmanager
def _user_errors() -> Iterator[None]:
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
        _interrupted()


if __name__ == "__main__":
    main()
