"""What all command lines of the project share: exit codes, one line for an error, what is shown.

Exit codes: 0 done; 2 what the user gave cannot be used or written, in one line on stderr that says
what was wrong and how to mend it; 1 anything else, also in one line, with the traceback where the
environment has PROPAGATE_DEBUG; 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

INTERRUPTED = 130


def run(name: str, load: Callable[[], Any], arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit.

    Args:
        name: of the program, which begins every line on stderr.
        load: gives the typer application; called when errors are caught already.
        arguments: words of the command line; None: those of this process.

    Raises:
        SystemExit: always, with the exit code.
    """
    if not os.environ.get("PROPAGATE_DEBUG"):
        sys.excepthook = partial(_one_line, name)
    try:
        code = _code(name, load, arguments)
    except KeyboardInterrupt:
        code = INTERRUPTED
    raise SystemExit(code)


def _code(name: str, load: Callable[[], Any], arguments: Sequence[str] | None) -> int:
    """The exit code of a command."""
    import typer

    from propagate.errors import InputError, OutputError, PropagateError

    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        # Not `app(...)`: that would put typer's own hook in the place of `_one_line`.
        command = typer.main.get_command(load())
        code = command.main(words, prog_name=name, standalone_mode=False)
    except _usage_error() as error:
        return _complain(name, f"{error.format_message()} (see {name} --help)", 2)
    except (InputError, OutputError) as error:
        return _complain(name, error, 2)
    except PropagateError as error:
        return _complain(name, error, 1)
    except typer.Abort:
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _usage_error() -> Any:
    """The class of what typer raises for words that it does not know.

    It is click's, which typer brings along under a name that changed between versions.
    """
    import typer

    return next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def _complain(name: str, error: object, code: int) -> int:
    """Say in one line what was wrong, after the traceback where it is wanted."""
    if os.environ.get("PROPAGATE_DEBUG") and isinstance(error, BaseException):
        traceback.print_exception(error)
    sys.stderr.write(f"{name}: {' '.join(str(error).split())}\n")
    return code


def _one_line(
    name: str, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """What Python does with an exception that nobody caught, in one line; the exit code is 1."""
    words = " ".join(f"{kind.__name__}: {error}".split())
    sys.stderr.write(f"{name}: {words} (PROPAGATE_DEBUG=1 shows where)\n")
