"""`gradassay replay`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gradassay._console import interrupted as end_interrupted
from gradassay._console import report, user_errors


@click.command("replay", short_help="Ask a saved case again.")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.argument("target", required=False, default="")
@click.option(
    "--property", "properties", multiple=True, metavar="NAME", help="Ask this property instead; may be repeated."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN.jsonl", help="Write every record to this file.")
@click.option("--in-process", is_flag=True, help="Run the backend in this process, for a debugger.")
@click.option(
    "--deadline", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Limit of one request."
)
def command(
    file: Path,
    target: str,
    properties: tuple[str, ...],
    out: Path | None,
    in_process: bool,
    deadline: float | None,
) -> None:
    """Ask a case that was saved in FILE again, and print a verdict as `verify` does.

    It is asked of TARGET, backend[/mode][/device], or of whom it was asked before. FILE is one that a failing test
    has named: it holds every number of the case.

    \b
    Exit status: 0  all is well
                 1  something failed or errored
                 2  what was asked for cannot be: FILE is no case, or the target
                    does not offer it
               130  interrupted
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    with user_errors():
        from gradassay._recording import Recording
        from gradassay._replay import replay
        from gradassay.views._summary import Summary

        interrupted = False
        with Recording(out) as recording:
            try:
                replay(
                    file,
                    target,
                    properties=properties,
                    in_process=in_process,
                    deadline=deadline,
                    on_record=recording.take,
                )
            except KeyboardInterrupt:
                interrupted = True
        report(recording.records, None)
    if interrupted:
        end_interrupted()
    sys.exit(0 if Summary.of(recording.records).well else 1)
