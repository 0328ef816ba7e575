"""`gradassay attribute`."""

from __future__ import annotations

from pathlib import Path

import click

from gradassay._console import user_errors


@click.command("attribute", short_help="Which axis moved the numbers: versions, machine, device or mode?")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN.jsonl...")
@click.option("--markdown", is_flag=True, help="Print it as Markdown.")
def command(runs: tuple[Path, ...], markdown: bool) -> None:
    """Say which axis moved the noise units and the outcomes of runs: versions, machine, device or mode.

    Verdicts on the same question are set beside each other where one axis alone differs; what changed together cannot
    be told apart, and the run that would tell is named. RUN.jsonl may be a folder of runs, and compressed. One run is
    enough to compare its modes and devices. The exit status tells whether the runs could be read.
    """
    with user_errors():
        from rich.console import Console

        from gradassay._errors import UsageError
        from gradassay.runs._attribute import attribute
        from gradassay.runs._many import Many, files
        from gradassay.views._lines import print_line
        from gradassay.views.attribute import as_markdown, lines

        many = Many.read(files(runs))
        if not many.asked:
            raise UsageError(f"{', '.join(map(str, runs))}: no verdict at all, so that there is nothing to compare")
        accounts = attribute(many)
        if markdown:
            click.echo(as_markdown(many, accounts), nl=False)
            return
        console = Console()
        for line in lines(many, accounts):
            print_line(console, line)
