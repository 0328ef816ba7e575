"""`gradassay backends`."""

from __future__ import annotations

import sys

import click

from gradassay._console import user_errors


@click.command("backends")
def command() -> None:
    """List the installed backends and what they offer.

    Exit status: 1 when a backend that is installed cannot be used.
    """
    with user_errors():
        from rich.console import Console

        from gradassay import _plugins
        from gradassay.views.offers import render

        broken = render(_plugins.backends(), Console())
    sys.exit(1 if broken else 0)
