"""The command `gradassay`. Only click is imported here; each subcommand is a module of `commands`, found there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

COMMANDS = Path(__file__).parent / "commands"


class Commands(click.Group):
    """Subcommands by the names of their modules: one that is not asked for is not imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(file.stem for file in COMMANDS.glob("[!_]*.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"gradassay.commands.{cmd_name}").command
        return command


def _print_version(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"gradassay {version('gradassay')}")
        except PackageNotFoundError:
            click.echo("gradassay, from a source tree that is not installed")
        context.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def main() -> None:
    """Say whether outputs, gradients, Jacobians and second derivatives are right.

    Every backend is held against a certified reference, in units of the rounding noise that a correct
    implementation would show.
    """


if __name__ == "__main__":
    main()
