"""Where results go. A file in this folder is an exporter.

It has a frozen dataclass `Config` and `build(config: Config) -> Exporter`.

A run may be killed at any moment and resumed: each exporter keeps what it has written of the
first `Run.done` frames, drops the rest, and ends with the very bytes of a run that was
never interrupted. Files that exist are whole: they are written under a temporary name in the same
folder and renamed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from propagate.errors import OutputError
from propagate.types import Frame, FrameResult


@dataclass(frozen=True, eq=False)
class Run:
    """What an exporter may know before the first frame.

    Attributes:
        frames: the source's frames that the run covers, first to last; iterated again at the end
            by exporters that draw on them.
        fps: frames a second, nominal; None where unknown.
        object_ids: ids known from the start, so that a folder of masks has one kind of file.
        done: frames that an interrupted run has written and that are kept; 0 starts anew.
    """

    frames: Iterable[Frame] = ()
    fps: float | None = None
    object_ids: tuple[int, ...] = ()
    done: int = 0


class Writer(Protocol):
    """Takes the results of one run, in order."""

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Keep the result of one frame; it survives a kill from now on.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def close(self) -> None:
        """Make what needs all frames. Called once after the last frame; not after an error."""
        ...


class Exporter(Protocol):
    """A kind of output with its settings."""

    def open(self, folder: Path, run: Run) -> Writer:
        """Start or resume writing into a folder, which is made where it is absent.

        Raises:
            OutputError: no permission, or what a resumed run should find there is missing.
        """
        ...


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is either as before or complete; OutputError where it cannot be."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it at the end, removed after an error.

    Raises:
        OutputError: the file system refuses.
    """
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_folder(path: Path) -> Path:
    """Make a folder and those above it where they are absent; OutputError where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: the folder cannot be made ({error.strerror})") from error
    return path
