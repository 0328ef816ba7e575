"""`gradassay verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gradassay._console import interrupted as end_interrupted
from gradassay._console import report, user_errors


@click.command("verify", short_help="Verify targets, and print a verdict.")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Verify this suite only; may be repeated.")
@click.option("--spec", "specs", multiple=True, metavar="NAME", help="Verify this spec only; may be repeated.")
@click.option("--case", "cases", multiple=True, metavar="NAME", help="Verify this case only; may be repeated.")
@click.option(
    "--property", "properties", multiple=True, metavar="NAME", help="Ask this property only; may be repeated."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN.jsonl", help="Write every record to this file.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write a summary as Markdown.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the verdicts as JUnit XML.")
@click.option("--shard", default="", metavar="K/N", help="Ask the K-th of N parts alone: see `gradassay merge`.")
@click.option("--waivers", type=click.Path(path_type=Path), metavar="FILE", help="Known failures, as TOML.")
@click.option(
    "--baseline", type=click.Path(path_type=Path), metavar="FOLDER", help="Then compare with this platform's baseline."
)
@click.option("--in-process", is_flag=True, help="Run backends in this process, for a debugger.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Backends at a time.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, metavar="N", help="Processes that share the run's questions."
)
@click.option(
    "--deadline", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Limit of one request."
)
@click.option("--sweep", is_flag=True, help="Add the modes and suites that are too slow for every run.")
@click.option(
    "--ladder/--no-ladder", default=None, help="Climb the smoke ladder first; a function in a file does anyway."
)
@click.option("--no-diagnosis", is_flag=True, help="Do not look for the mistake behind a failure.")
@click.option("--no-cache", is_flag=True, help="Compute truth and noise anew.")
def command(
    targets: tuple[str, ...],
    suites: tuple[str, ...],
    specs: tuple[str, ...],
    cases: tuple[str, ...],
    properties: tuple[str, ...],
    out: Path | None,
    markdown: Path | None,
    junit: Path | None,
    shard: str,
    waivers: Path | None,
    baseline: Path | None,
    in_process: bool,
    jobs: int | None,
    workers: int,
    deadline: float | None,
    sweep: bool,
    ladder: bool | None,
    no_diagnosis: bool,
    no_cache: bool,
) -> None:
    """Verify targets against the certified reference, and print a verdict.

    A TARGET is backend[/mode][/device][/dtype], the parts after the backend in any order; a part that is left
    out means all of it: torch/float32, jax/cpu:1. Without a target every installed backend is verified.
    The backend may be a decorated function in a file or a module: fast.py:lstm/float32, package.module:lstm.

    With --workers 2 two processes share the questions, each with its own process of every backend; what they write is
    one run. It pays where one backend is asked much, and truth is in the cache.

    With --shard 2/4 the second of four parts is asked, on a machine of its own. What only the whole run tells, as
    whether each target reached a verdict on gradients, is left to `gradassay merge`.

    \b
    Exit status: 0  all is well, or a waiver expects what is not
                 1  something failed or errored, a waiver is not met, a
                    target reached no verdict on gradients, the run did
                    not complete, or --baseline found a regression
                 2  what was asked for cannot be
               130  interrupted; what was computed is kept
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    with user_errors():
        from gradassay._errors import UsageError
        from gradassay._recording import Recording, check_writable
        from gradassay._run import verify as run
        from gradassay.views._summary import Summary

        for path in (markdown, junit):
            if path is not None:
                check_writable(path)
        if baseline is not None and baseline.is_file():
            raise UsageError(f"--baseline {baseline} is a file; name its folder, which may hold other platforms' too")
        if baseline is not None and not baseline.is_dir():
            raise UsageError(
                f"there is no folder {baseline}; a baseline is made by `gradassay baseline update RUN.jsonl`"
            )
        interrupted = False
        with Recording(out) as recording:
            try:
                records = run(
                    targets,
                    suites=suites,
                    specs=specs,
                    cases=cases,
                    properties=properties,
                    in_process=in_process,
                    jobs=jobs,
                    workers=workers,
                    deadline=deadline,
                    sweep=sweep,
                    diagnose=not no_diagnosis,
                    cache=not no_cache,
                    on_record=recording.take,
                    waivers=waivers,
                    ladder=ladder,
                    shard=shard,
                )
                if workers > 1:
                    recording.settle(records)
            except KeyboardInterrupt:
                interrupted = True
        report(recording.records, markdown, junit)
    if interrupted:
        kept = out is not None and recording.records
        end_interrupted(f"; what was computed is kept: gradassay show {out}" if kept else "")
    well = Summary.of(recording.records).well
    if baseline is not None:
        with user_errors():
            from gradassay.commands.baseline import against
            from gradassay.runs._told import Told

            told = Told.of(recording.records)
            if told.verdicts:
                click.echo()
                well = against(told, out or Path("this run"), baseline) and well
    sys.exit(0 if well else 1)
