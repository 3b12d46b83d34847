"""The command line: `propagate`, see `propagate --help`; exit codes: `propagate.console`.

Modules of commands import what is heavy inside their functions, so that help is there at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from propagate import console

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # numbers of mallopt(3)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit.

    Args:
        arguments: words of the command line; None: those of this process.

    Raises:
        SystemExit: always, with the exit code.
    """
    _keep_freed_memory()
    console.run("propagate", _app, arguments)


def _app() -> Any:
    from propagate.cli.app import app

    return app


def _keep_freed_memory() -> None:
    """Let the C library keep what is freed: a network asks for the same megabytes every frame.

    Fetching them from the system each time takes a sixth of the time of a frame.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # not glibc
    mallopt(_MMAP_THRESHOLD, 2**25)
    mallopt(_TRIM_THRESHOLD, 2**30)
    mallopt(_ARENA_MAX, 1)  # threads share what is kept, or each would keep its own
