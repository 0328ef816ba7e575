"""`gradassay publish`."""

from __future__ import annotations

from pathlib import Path

import click

from gradassay._console import user_errors


@click.command("publish", short_help="Put the truth into a saved case.")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write here, and leave FILE as it is.")
@click.option("--no-cache", is_flag=True, help="Compute truth and noise anew.")
def command(file: Path, out: Path | None, no_cache: bool) -> None:
    """Compute truth and noise of a case that was saved in FILE, and put them in: a published vector.

    `gradassay replay` and `gradassay.check(layer, truth=FILE)` then take them from there. They are sealed, and held
    against the equations when they are read: numbers that were changed are refused.
    """
    with user_errors():
        from gradassay._casefile import load, save
        from gradassay._oracle import Oracle
        from gradassay._published import Truth
        from gradassay._run import in_memory

        saved = load(file)
        truth = Truth.of(saved.case, Oracle(in_memory()) if no_cache else None)
        to = out or file
        save(to, saved.case, target=saved.target, properties=saved.properties, note=saved.note, truth=truth)
    size = to.stat().st_size
    click.echo(f"{to}: truth and noise of {len(truth.references)} tensors of {saved.case.id}; {size:,} bytes in all")
