"""What the user sees while a command works: a bar on a terminal's stderr, lines on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

Advance = Callable[[int], None]
"""Tell it how many steps are done."""


@contextmanager
def bar(title: str, total: int | None, *, quiet: bool = False) -> Iterator[Advance]:
    """Show progress while the block runs; nothing where stderr is no terminal, or when quiet."""
    console = Console(stderr=True)
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with shown:
        task = shown.add_task(title, total=total)
        yield lambda done: shown.update(task, completed=done)


def warn(notes: Iterable[str]) -> None:
    """What was left out or assumed, a line each on stderr."""
    for note in notes:
        print("lift: warning:", " ".join(note.split()), file=sys.stderr)


def say(text: str, *, quiet: bool = False) -> None:
    """A line on stdout."""
    if not quiet:
        print(text)


def show(table: Table) -> None:
    """A table on stdout, as wide as it needs where nobody looks at a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)
