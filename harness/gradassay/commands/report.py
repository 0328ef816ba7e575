"""`gradassay report`."""

from __future__ import annotations

from pathlib import Path

import click

from gradassay._console import user_errors


@click.command("report", short_help="Write one run or several as one HTML file.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN.jsonl...")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    metavar="FILE.html",
    show_default=True,
    help="The file to write.",
)
def command(runs: tuple[Path, ...], out: Path) -> None:
    """Write saved runs as one HTML file, which needs no network: the answer, a matrix, every verdict, pictures.

    Of several runs, the first is what the others are held against. The exit status tells whether the file was written,
    not whether the runs were well.
    """
    with user_errors():
        from gradassay._errors import UsageError
        from gradassay._record import read
        from gradassay._recording import check_writable
        from gradassay.views._conclusion import conclusion
        from gradassay.views._summary import Summary
        from gradassay.views.html import Run, check_installed, html

        check_installed()
        check_writable(out)
        if same := next((run for run in runs if run.exists() and out.exists() and run.samefile(out)), None):
            raise UsageError(f"{same} is a run that is to be read, and would be overwritten: name another file with -o")
        clear = len({run.name for run in runs}) == len(runs)
        shown = [Run(run.name if clear else str(run), Summary.of(read(run))) for run in runs]
        page = html(shown)
        try:
            out.write_text(page, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {out}: {error.strerror}") from error
        for run in shown:
            click.echo(f"{run.name}: {conclusion(run.summary)}")
        click.echo(f"Written to {out} ({len(page.encode()) / 1e6:.1f} MB)")
