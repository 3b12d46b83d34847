"""The commands."""

from __future__ import annotations

from typing import Annotated

import typer

import propagate
from lifting.cli.auto import auto
from lifting.cli.info import info
from lifting.cli.run import run
from lifting.cli.view import view

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Masks of many views, lifted into one labelled 3D point cloud.",
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it like this
    if wanted:
        print(f"lift {propagate.__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Masks of many views, lifted into one labelled 3D point cloud."""


app.command()(run)
app.command()(auto)
app.command()(info)
app.command()(view)
