"""`gradassay baseline`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from gradassay._console import user_errors
from gradassay.commands.diff import FORMATS, finite, show

if TYPE_CHECKING:
    from gradassay.runs._told import Told

DEFAULT = Path("reports/baselines")
folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=DEFAULT,
    show_default=True,
    help="Where baselines are kept, one a platform.",
)


@click.group("baseline", short_help="Keep a run a platform, and compare with it.", no_args_is_help=True)
def command() -> None:
    """Keep one run a platform, and compare new runs with it.

    A baseline is a run with what comparisons need alone, small enough to be committed: PLATFORM.jsonl.xz, say
    linux-x86_64.jsonl.xz. `gradassay diff` and `gradassay show` read it as they read any run.
    """


@command.command("update")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN.jsonl")
@folder_option
@click.option("--accept-failures", is_flag=True, help="Take a run that is not well: what fails in it is then known.")
@click.option(
    "--accept-less", is_flag=True, help="Take a run that was not asked, or has not reached, all that the baseline has."
)
def update(run: Path, folder: Path, accept_failures: bool, accept_less: bool) -> None:
    """Make a run the baseline of its platform, and show what that accepts.

    \b
    Exit status: 0  it is written
                 2  it is refused, or a file cannot be read or written
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    with user_errors():
        from gradassay._errors import UsageError
        from gradassay._record import read
        from gradassay.runs._baseline import header_of, path_of, platform_of, save
        from gradassay.runs._diff import diff
        from gradassay.runs._regressed import load
        from gradassay.runs._told import Told
        from gradassay.views._conclusion import conclusion
        from gradassay.views._summary import Summary
        from gradassay.views._words import count

        records = list(read(run))
        summary, header = Summary.of(records), header_of(records, run)
        path = path_of(header, folder)
        if not summary.complete:
            raise UsageError(f"{run} did not complete, and can be no baseline: {conclusion(summary)}")
        if header.shard:
            raise UsageError(f"{run} is part {header.shard} of a run, and can be no baseline: merge the parts first")
        if not summary.well and not accept_failures:
            raise UsageError(
                f"{run} is not well: {conclusion(summary)}\n"
                "with --accept-failures it becomes the baseline all the same, and its failures are known then"
            )
        if path.exists():
            found = diff(load(path), Told.of(records))
            gone = [f"{count(len(found.unasked), 'verdict')} was not asked"] if len(found.unasked) == 1 else []
            gone += [f"{count(len(found.unasked), 'verdict')} were not asked"] if len(found.unasked) > 1 else []
            lost = len(found.lost) + len(found.unoffered)
            gone += [f"{count(lost, 'verdict')} {'was' if lost == 1 else 'were'} not reached"] if lost else []
            if gone and not accept_less:
                raise UsageError(
                    f"{run} has less than the baseline: {' and '.join(gone)}; ask everything, "
                    "or let the baseline shrink with --accept-less"
                )
            show(found, "terminal")
        else:
            click.echo(f"The first baseline of {platform_of(header)}: there is nothing to compare it with.")
        size = save(records, path)
        click.echo(f"Wrote {path}: {count(len(summary.verdicts), 'verdict')}, {size / 1e6:.2f} MB")


@command.command("compare")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN.jsonl")
@folder_option
@click.option("--factor", type=float, callback=finite, metavar="X", help="As in `gradassay diff`.")
@click.option("--strict", is_flag=True, help="Exit with 1 also without a baseline, and if the comparison is not fair.")
@click.option("--format", "shown_as", type=click.Choice(FORMATS), default=FORMATS[0], help="How it is shown.")
@click.pass_context
def compare(context: click.Context, run: Path, folder: Path, factor: float | None, strict: bool, shown_as: str) -> None:
    """Compare a run with the baseline of its platform, on what the run was asked.

    \b
    Exit status: 0  nothing broke, drifted or was lost, or there is no
                    baseline of this platform, or it was asked
                    nothing alike (which is said)
                 1  something did; with --strict, also if there is no
                    baseline or the comparison is not fair
                 2  a file cannot be read
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    with user_errors():
        from gradassay._errors import UsageError
        from gradassay.runs._regressed import load

        new = load(run)
        if context.get_parameter_source("folder") != ParameterSource.DEFAULT and not folder.is_dir():
            raise UsageError(f"there is no folder {folder}; a baseline is made by `gradassay baseline update {run}`")
        well = against(new, run, folder, factor=factor, strict=strict, shown_as=shown_as)
    sys.exit(0 if well else 1)


def against(
    new: Told, run: Path, folder: Path, *, factor: float | None = None, strict: bool = False, shown_as: str = "terminal"
) -> bool:
    """Compare a run with the baseline of its platform and show it; return whether nothing regressed."""
    from gradassay.runs._baseline import path_of, platform_of, platforms
    from gradassay.runs._diff import diff
    from gradassay.runs._drift import FACTOR
    from gradassay.runs._regressed import load, nothing_in_common

    path = path_of(new.header, folder)
    if not path.exists():
        have = f"there is one of {', '.join(there)}" if (there := platforms(folder)) else "there is none at all"
        click.echo(f"No baseline of {platform_of(new.header)} in {folder}: nothing was compared; {have}.")
        return not strict
    base = load(path)
    if why := nothing_in_common(base, new, path, run):
        from gradassay.views._words import printable

        click.echo(f"Nothing was compared: {printable(why, longest=10_000)}.")
        return not strict
    click.echo(f"gradassay: compared with {path}", err=True)
    found = diff(base, new, factor=FACTOR if factor is None else factor)
    show(found, shown_as)
    return not (found.regressed or (strict and not found.fair.fair))
