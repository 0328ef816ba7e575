"""`gradassay hunt`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gradassay._console import interrupted as end_interrupted
from gradassay._console import user_errors


@click.command("hunt", short_help="Search for the worst case of a target, and keep it.")
@click.argument("target", metavar="TARGET")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), required=True, metavar="N", help="How long, in all."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("hunt"),
    show_default=True,
    metavar="FOLDER",
    help="Keep the worst cases here; those that are there stand until they are beaten.",
)
@click.option("--spec", default="", metavar="NAME", help="Search this spec; the first that can be, by default.")
@click.option(
    "--property", "properties", multiple=True, metavar="NAME", help="Ask this property only; may be repeated."
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Draw these cases; others each time, by default.")
@click.option(
    "--deadline", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Limit of one request."
)
def command(
    target: str,
    minutes: float,
    out: Path,
    spec: str,
    properties: tuple[str, ...],
    seed: int | None,
    deadline: float | None,
) -> None:
    """Search for the cases that bring a target nearest to its limits, and keep the worst of each property and tensor.

    Sizes, options, calls, regimes of data and seeds are drawn, and what uses most of its limit is drawn from again.
    Each worst case is one file of FOLDER, for `gradassay replay`. A case that is wrong is shrunk, kept, and ends the
    search. Several targets (torch, say) have an equal share of the time.

    \b
    Exit status: 0  nothing failed
                 1  something failed or errored, or a target reached no verdict
                 2  what was asked for cannot be
               130  interrupted; what was found is kept
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    with user_errors():
        import os
        from importlib.util import find_spec
        from random import SystemRandom

        import platformdirs
        from rich.console import Console

        from gradassay._errors import UsageError
        from gradassay._run import DEADLINE
        from gradassay.views.hunt import print_event

        if find_spec("hypothesis") is None:
            raise UsageError(
                "hunt draws cases with Hypothesis, which is not installed: pip install 'gradassay[pytest]'"
            )
        # It keeps tables of its own, by default in the working directory.
        os.environ.setdefault(
            "HYPOTHESIS_STORAGE_DIRECTORY", str(platformdirs.user_cache_path("gradassay") / "hypothesis")
        )
        from gradassay._hunt import hunt

        console = Console()
        try:
            found = hunt(
                target,
                seconds=60 * minutes,
                folder=out,
                seed=SystemRandom().randrange(2**32) if seed is None else seed,
                spec=spec,
                properties=properties,
                deadline=DEADLINE if deadline is None else deadline,
                tell=lambda elapsed, event: print_event(console, elapsed, event),
            )
        except KeyboardInterrupt:
            end_interrupted(f"; what was found is kept in {out}" if out.exists() else "")
    sys.exit(0 if all(one.found and one.wrong is None for one in found) else 1)
