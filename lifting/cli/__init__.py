"""The command line: `lift`, see `lift --help`; exit codes: `propagate.console`.

Modules of commands import what is heavy inside their functions, so that help is there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from propagate import console


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit.

    Args:
        arguments: words of the command line; None: those of this process.

    Raises:
        SystemExit: always, with the exit code.
    """
    console.run("lift", _app, arguments)


def _app() -> Any:
    from lifting.cli.app import app

    return app
