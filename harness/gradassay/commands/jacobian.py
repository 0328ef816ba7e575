"""`gradassay jacobian`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradassay._console import user_errors


@click.command("jacobian", short_help="Compute a Jacobian, or a block of it.")
@click.argument("target")
@click.option("--of", "of", required=True, metavar="OUTPUT[INDEX]", help="What is differentiated: 'y[:, 4:8]'.")
@click.option("--wrt", required=True, metavar="INPUT[INDEX]", help="What it is differentiated by: 'x[:, 2:6]'.")
@click.option("--spec", "spec_name", default="lstm", show_default=True, metavar="NAME", help="The model.")
@click.option("--suite", default="smoke", show_default=True, metavar="NAME", help="The suite that the case is of.")
@click.option("--case", "case_name", metavar="NAME", help="The case whose sizes and data are taken: the suite's first.")
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE.npz", help="Tensors of your own, with --config.")
@click.option("--config", metavar="JSON", help='Their sizes: \'{"input_size": 8, "hidden_size": 16}\'.')
@click.option("--tune", is_flag=True, help="Time the cheapest routes, and take the fastest.")
@click.option("--certify", is_flag=True, help="Hold it against the certified reference.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.npy", help="Write the numbers, part by part.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE.svg", help="Draw its blocks of steps.")
def command(
    target: str,
    of: str,
    wrt: str,
    spec_name: str,
    suite: str,
    case_name: str | None,
    data: Path | None,
    config: str | None,
    tune: bool,
    certify: bool,
    out: Path | None,
    picture: Path | None,
) -> None:
    """Compute d OUTPUT / d INPUT on TARGET, backend[/mode][/device][/dtype] or FILE.py:NAME, by the cheapest route.

    \b
    Exit status: 0  it was computed, and with --certify it passed
                 1  with --certify: it failed, or the reference is blind
                 2  what was asked for cannot be
    """  # noqa: D301  (click reads the backspace character: do not wrap this paragraph)
    with user_errors():
        from gradassay._errors import UsageError
        from gradassay.jacobians import jacobian_plan
        from gradassay.jacobians._typed import at_case, at_data
        from gradassay.jacobians._written import written

        if (data is None) != (config is None):
            raise UsageError("--data and --config go together: tensors, and the sizes of the model that they are of")
        found_at = at_case(spec_name, suite, case_name) if data is None else at_data(spec_name, data, config or "")
        tensors: dict[str, Any] = dict(found_at[0])
        plan = jacobian_plan(
            target,
            of=written(of, "--of"),
            wrt=written(wrt, "--wrt"),
            config=found_at[1],
            spec=spec_name,
            tune=tune,
            **tensors,
        )
        if out is not None:
            click.echo(str(plan.into(out)))
            if not certify and picture is None:
                return
        found = plan()
        click.echo(str(found))
        if picture is not None:
            found.picture(picture)
            click.echo(f"  drawn  {picture}")
        if certify:
            verdict = found.certified
            click.echo(str(verdict))
            if not verdict:
                raise SystemExit(1)
