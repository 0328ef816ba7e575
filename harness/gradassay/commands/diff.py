"""`gradassay diff`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradassay._console import user_errors

if TYPE_CHECKING:
    from gradassay.runs._diff import Diff

FORMATS = ("terminal", "markdown", "github")


def finite(context: click.Context, option: click.Parameter, factor: float | None) -> float | None:
    """Refuse a factor beyond which nothing ever is."""
    if factor is not None and not 1 <= factor < float("inf"):
        raise click.BadParameter(f"{factor} should be a number from 1 on")
    return factor


@click.command("diff", short_help="Compare two runs: what broke, drifted or was lost.")
@click.argument("base", type=click.Path(path_type=Path), metavar="BASE.jsonl")
@click.argument("new", type=click.Path(path_type=Path), metavar="NEW.jsonl")
@click.option(
    "--floor",
    "floors",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RUN.jsonl",
    help="A repeat of BASE: what moves between the two is no drift; may be repeated.",
)
@click.option(
    "--factor",
    type=float,
    callback=finite,
    metavar="X",
    help="By how much the noise units of many elements may move: 1.5 if not given, and more for few elements.",
)
@click.option(
    "--map", "renamed", multiple=True, metavar="OLD=NEW", help="A target of BASE, or its beginning, by NEW's name."
)
@click.option("--strict", is_flag=True, help="Exit with 1 also if the comparison is not fair.")
@click.option("--format", "shown_as", type=click.Choice(FORMATS), default=FORMATS[0], help="How it is shown.")
def command(
    base: Path,
    new: Path,
    floors: tuple[Path, ...],
    factor: float | None,
    renamed: tuple[str, ...],
    strict: bool,
    shown_as: str,
) -> None:
    """Compare two runs: what broke, drifted, was lost, was fixed, and is new since BASE.

    The first line says whether the comparison is fair, the last one what it comes to. What broke or was lost counts
    in any comparison: verdicts are against the truth. Noise units count in a fair one.

    \b
    Exit status: 0  nothing broke, drifted or was lost
                 1  something did, or fails that BASE did not ask, or NEW
                    did not complete; with --strict, also if the comparison
                    is not fair
                 2  a file cannot be read, or the runs have nothing in common
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    with user_errors():
        from gradassay._errors import UsageError
        from gradassay.runs._diff import diff
        from gradassay.runs._drift import FACTOR
        from gradassay.runs._regressed import check_repeat, load, nothing_in_common, same_run

        told = load(base, renames(renamed))
        later = load(new)
        repeats = [load(floor) for floor in floors]
        for path, repeat in zip(floors, repeats, strict=True):
            check_repeat(told, repeat, path)
            if same_run(repeat, later):
                raise UsageError(f"--floor {path} is NEW itself: what moved would be no drift; give a repeat of BASE")
        if why := nothing_in_common(told, later, base, new):
            raise UsageError(f"{why}\nfor a target that has another name now, give --map OLD=NEW")
        found = diff(told, later, factor=FACTOR if factor is None else factor, repeats=repeats)
        show(found, shown_as)
    sys.exit(1 if found.regressed or (strict and not found.fair.fair) else 0)


def renames(given: tuple[str, ...]) -> dict[str, str]:
    """Return `--map OLD=NEW` as a dictionary."""
    from gradassay._errors import UsageError

    found = {}
    for one in given:
        old, sign, new = one.partition("=")
        if not (old and sign and new):
            raise UsageError(f"--map {one} should be OLD=NEW, say torch-2.12=torch-2.13")
        found[old] = new
    return found


def show(found: Diff, shown_as: str) -> None:
    """Print a comparison; for GitHub, also append it to the summary of the step, if there is one."""
    import os

    from rich.console import Console

    from gradassay._errors import UsageError
    from gradassay.views import diff as view
    from gradassay.views.github import annotate

    if shown_as == "terminal":
        view.render(found, Console())
    elif shown_as == "markdown":
        click.echo(view.markdown(found), nl=False)
    else:
        for line in annotate(found):
            click.echo(line)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            try:
                with Path(summary).open("a", encoding="utf-8") as stream:
                    stream.write(view.markdown(found))
            except OSError as error:
                raise UsageError(f"cannot write {summary}, the summary of this step: {error.strerror}") from error
