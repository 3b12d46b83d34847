"""A program with commands, `--help` and `--version`."""

from typing import Annotated

import typer

import propagate


def application(name: str, purpose: str) -> typer.Typer:
    """An application without commands yet.

    Args:
        name: of the program.
        purpose: one line, shown by `--help`.
    """
    app = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, help=purpose
    )

    def say_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it like this
        if wanted:
            typer.echo(f"{name} {propagate.__version__}")
            raise typer.Exit

    @app.callback(help=purpose)
    def root(  # annotations name a local function, so they are no strings here
        *,
        version: Annotated[
            bool,
            typer.Option("--version", callback=say_version, is_eager=True, help="Say the version."),
        ] = False,
    ) -> None:
        pass

    return app
