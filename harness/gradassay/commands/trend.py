"""`gradassay trend`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gradassay._console import user_errors


@click.command("trend", short_help="Noise units and time over many runs, and the steps in them.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR|RUN.jsonl...")
@click.option("--by-date", is_flag=True, help="Put runs in order of time alone, not of version first.")
@click.option(
    "--format", "kind", type=click.Choice(["text", "markdown"]), default="text", show_default=True, help="How to print."
)
@click.option("--fail-on-step", is_flag=True, help="Exit with 1 if anything rose, or fails that passed.")
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Keep the largest errors known in this file: it only ever rises.",
)
def command(runs: tuple[Path, ...], by_date: bool, kind: str, fail_on_step: bool, records: Path | None) -> None:
    """Show noise units and time of many runs in order of version, then of time, and name the steps in them.

    DIR is a folder of runs (.jsonl, .jsonl.gz, .jsonl.xz). Runs that were not asked the same (another spec, other
    limits, suites or data) are named and not compared. With --records, a saved case (.safetensors), as `hunt` keeps
    them, may be given too: it is asked again, and entered with what it gives here.

    \b
    Exit status: 0  the runs were read
                 1  with --fail-on-step: something rose, or fails since
                 2  what was asked for cannot be
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    with user_errors():
        from rich.console import Console

        from gradassay._errors import UsageError
        from gradassay.runs._many import Many, files
        from gradassay.runs._trend import trend
        from gradassay.views import trend as view
        from gradassay.views._lines import print_line
        from gradassay.views.markdown import escape

        saved = [path for path in runs if path.suffix == ".safetensors"]
        if saved and records is None:
            raise UsageError(f"{saved[0]} is a saved case, and no run: add --records FILE.json to enter it there")
        named = files([path for path in runs if path not in saved])
        console = Console()
        rose = False
        if records is not None:
            from gradassay.runs._ratchet import ratchet
            from gradassay.views.ratchet import lines as of_records

            for line in of_records(ratchet(records, named, saved)):
                if kind == "text":
                    print_line(console, line)
                elif line.text:
                    click.echo(f"- {escape(line.text.strip())}")
        elif len(named) < 2:
            raise UsageError(f"{named[0]} is one run: a trend needs two; to look at one, gradassay show {named[0]}")
        if len(named) > 1:
            many = Many.read(named)
            found = trend(many, by_date=by_date)
            if kind == "markdown":
                click.echo(view.as_markdown(many, found), nl=False)
            else:
                for line in view.lines(many, found, console.width, ascii_only=console.options.ascii_only):
                    print_line(console, line)
            rose = any(view.rose(step) for step in found.steps)
    sys.exit(1 if fail_on_step and rose else 0)
