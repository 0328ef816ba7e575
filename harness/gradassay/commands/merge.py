"""`gradassay merge`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gradassay._console import report, user_errors


@click.command("merge", short_help="Put the shards of a run together.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SHARD.jsonl...")
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN.jsonl", help="Write the whole run to this file.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write a summary as Markdown.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the verdicts as JUnit XML.")
@click.option(
    "--waivers", type=click.Path(path_type=Path), metavar="FILE", help="Known failures: those that the shards had."
)
def command(
    runs: tuple[Path, ...], out: Path | None, markdown: Path | None, junit: Path | None, waivers: Path | None
) -> None:
    """Put the shards of one run together, or runs of different targets, and print what they come to.

    Shards are made by `gradassay verify --shard k/n`. What is missing is named, and the run is incomplete then.
    Parts that do not belong together are refused: other versions, suites or data, or the same part twice.

    The exit status is that of `gradassay verify`.
    """
    with user_errors():
        from gradassay._errors import UsageError
        from gradassay._record import encode
        from gradassay._recording import check_writable
        from gradassay._waivers import Waivers
        from gradassay.runs._merge import merge
        from gradassay.runs._part import Part
        from gradassay.views._summary import Summary

        for path in (out, markdown, junit):
            if path is not None:
                check_writable(path)
        if out is not None and out.resolve() in [run.resolve() for run in runs]:
            raise UsageError(f"{out} is one of the files to merge; write the run to another one")
        records = merge([Part.of(run) for run in runs], Waivers.of(waivers) if waivers is not None else None)
        if out is not None:
            try:
                with out.open("wb") as stream:
                    stream.writelines(map(encode, records))
            except OSError as error:
                raise UsageError(f"cannot write {out}: {error.strerror}") from error
        report(records, markdown, junit)
    sys.exit(0 if Summary.of(records).well else 1)
