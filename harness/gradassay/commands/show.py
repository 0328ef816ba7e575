"""`gradassay show`."""

from __future__ import annotations

from pathlib import Path

import click

from gradassay._console import render, user_errors


@click.command("show")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN.jsonl")
@click.option("--markdown", is_flag=True, help="Print a summary as Markdown.")
@click.option("--junit", is_flag=True, help="Print the verdicts as JUnit XML.")
@click.option("--failed", is_flag=True, help="Only what failed or errored, and the last line.")
def command(run: Path, markdown: bool, junit: bool, failed: bool) -> None:
    """Show a saved run. The exit status tells whether it could be read, not whether it was well."""
    with user_errors():
        from gradassay._errors import UsageError
        from gradassay._record import read

        if markdown and failed:
            raise UsageError("--markdown and --failed do not go together: the Markdown summary is short already")
        if junit and (markdown or failed):
            other = "--markdown" if markdown else "--failed"
            raise UsageError(f"--junit and {other} do not go together: one of them says what to print")
        records = list(read(run))
        if markdown:
            from gradassay.views.markdown import markdown as as_markdown

            click.echo(as_markdown(records), nl=False)
        elif junit:
            from gradassay.views.junit import junit as as_junit

            click.echo(as_junit(records), nl=False)
        else:
            render(records, failed_only=failed)
