"""What the user sees while a command works: a bar on a terminal's stderr, one line a warning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

T = TypeVar("T")
_NO_TERMINAL = 1000  # columns: no command or path in a table is cut short

Advance = Callable[[int], None]
"""Tell it how many steps are done."""


@contextmanager
def bar(
    title: str, total: int | None, unit: str = "frames", *, quiet: bool = False
) -> Iterator[Advance]:
    """Show progress while the block runs; nothing where stderr is no terminal, or when quiet.

    Args:
        title: what is going on.
        total: steps in all, or None where unknown.
        unit: what a step is.
        quiet: show nothing.
    """
    console = Console(stderr=True)
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with shown:
        task = shown.add_task(title, total=total)
        yield lambda done: shown.update(task, completed=done)


class _Rate(ProgressColumn):
    """Steps a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The speed of the last steps."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self._unit}/s")


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """The warnings about the user's data in the block, each said once in one line on stderr.

    What libraries tell programmers stays hidden.
    """
    heard: list[str] = []

    def hear(message: Warning | str, category: type[Warning], *_: object) -> None:
        text = " ".join(str(message).split())
        ours = category.__module__.startswith("propagate.")
        if ours and text not in heard:
            heard.append(text)
            warn("propagate", [text])

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = hear  # type: ignore[assignment]
        yield heard


def warn(name: str, notes: Iterable[str]) -> None:
    """What was left out or assumed, a line each on stderr, after the program's name."""
    for note in notes:
        sys.stderr.write(f"{name}: warning: {' '.join(note.split())}\n")


def show(table: Table) -> None:
    """A table on stdout, as wide as it needs where nobody looks at a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_NO_TERMINAL)
    console.print(table)


def counted(count: int, thing: str) -> str:
    """A number of things in words: 1 object, 2 objects."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def say(text: str, *, quiet: bool = False) -> None:
    """A line on stdout."""
    if not quiet:
        sys.stdout.write(f"{text}\n")


@dataclass(frozen=True)
class Watched(Generic[T]):
    """An iterable that tells how many items were taken, each time it is iterated.

    Attributes:
        items: what is handed on.
        advance: is told.
    """

    items: Iterable[T]
    advance: Advance

    def __iter__(self) -> Iterator[T]:
        """The items."""
        for count, item in enumerate(self.items, start=1):
            yield item
            self.advance(count)
