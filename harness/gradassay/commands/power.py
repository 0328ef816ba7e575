"""`gradassay power`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gradassay._console import user_errors


@click.command("power", short_help="Plant faults, and say which of them are found.")
@click.option("--spec", "name", default="lstm", show_default=True, metavar="NAME", help="Whose faults.")
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Ask this suite, in the order typed.")
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="Plant this fault only; may be repeated.")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice(["float64", "float32", "bfloat16", "float16"]),
    help="Compute in this dtype; may be repeated.  [default: float64]",
)
@click.option("--whole", is_flag=True, help="Ask to the end of a suite that kills: everything that sees a fault.")
@click.option("--scaled", is_flag=True, help="Find the smallest scaled fault that each property sees.")
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, metavar="N", help="Processes.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write what was measured as JSON.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write the table as Markdown.")
@click.option(
    "--rivals", type=click.Path(path_type=Path), metavar="FILE", help="Set what other checks kill beside it (JSON)."
)
@click.option(
    "--from", "known", type=click.Path(path_type=Path), metavar="FILE", help="Show this, and measure nothing."
)
def command(
    name: str,
    suites: tuple[str, ...],
    faults: tuple[str, ...],
    dtypes: tuple[str, ...],
    whole: bool,
    scaled: bool,
    jobs: int,
    out: Path | None,
    markdown: Path | None,
    rivals: Path | None,
    known: Path | None,
) -> None:
    """Run every planted fault of a spec as a backend, and say what kills it.

    Suites are asked one after the other, the smallest first, until a case kills the fault. What is right, but computed
    in another way, is asked the first of them, and nothing may accuse it.

    \b
    Exit status: 0  every fault is killed, and nothing right accused
                 1  a fault survives, or something right is accused
                 2  what was asked for cannot be
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    with user_errors():
        from gradassay._measure import measure, read, write
        from gradassay._recording import check_writable
        from gradassay.views.power import Progress, markdown_of, read_rivals, show

        for path in (out, markdown):
            if path is not None:
                check_writable(path)
        beside = read_rivals(rivals) if rivals is not None else None
        if known is not None:
            report = read(known)
        else:
            with Progress() as progress:
                report = measure(
                    name,
                    suites=suites,
                    faults=faults,
                    dtypes=dtypes or ("float64",),
                    whole=whole,
                    scaled=scaled,
                    jobs=jobs,
                    on_outcome=progress.take,
                )
        if out is not None:
            write(report, out)
        if markdown is not None:
            markdown.write_text(markdown_of(report, beside), encoding="utf-8")
        show(report)
    sys.exit(0 if report.well else 1)
