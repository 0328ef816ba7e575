"""`gradassay new`."""

from __future__ import annotations

from pathlib import Path

import click

from gradassay._console import user_errors


@click.group("new", short_help="Write a backend that has one function to be filled in.", no_args_is_help=True)
def command() -> None:
    """Write a distribution that is complete but for what only its author knows."""


@command.command("backend")
@click.argument("name")
@click.option("--framework", required=True, metavar="NAME", help="torch, jax, tensorflow or numpy.")
@click.option("--spec", "spec_name", default="lstm", show_default=True, metavar="NAME", help="What it computes.")
@click.option(
    "--into", type=click.Path(path_type=Path), default=Path(), metavar="FOLDER", help="Where its folder is made."
)
def backend(name: str, framework: str, spec_name: str, into: Path) -> None:
    """Write the distribution of a backend: it passes once its one function is filled in."""
    with user_errors():
        from gradassay._new import new_backend

        written = new_backend(name, framework, spec_name, into)
        click.echo(
            f"{written.folder} is written: fill in {written.function} of {written.file}, then\n"
            f"  gradassay verify {written.file}:{written.function}\n"
            f"  pip install -e {written.folder}\n"
            f"  gradassay verify {name}"
        )
