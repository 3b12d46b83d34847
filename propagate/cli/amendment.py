"""Files of a finished run that are replaced together, or not at all.

New files are gathered in `.amend/` beside the old ones. Once its list is there they are all
complete; from then on they are only renamed to their places, and whoever comes next goes on with
that. Before, an interrupted amendment leaves the run as it was.

What it replaces may be kept in `.undo/`, in a folder of its own: that is an amendment as well, and
becomes the next one when the last is to be undone.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from propagate.errors import OutputError
from propagate.export import make_folder, write_whole

_LIST = "complete.json"
_BEFORE = ".before"
_PAST = ".past"  # says that what waits is what was there before
_KEPT = 20
"""Amendments that can be undone; the oldest are forgotten."""


@dataclass(frozen=True)
class Amendment:
    """New files for a folder; see the module."""

    folder: Path

    @property
    def staging(self) -> Path:
        """Where the new files wait."""
        return self.folder / ".amend"

    def begin(self) -> None:
        """Drop what an interrupted amendment has left; OutputError where it cannot be."""
        self._clear()
        make_folder(self.staging)

    def place(self, name: str) -> Path:
        """Where a new file has to be written, for example "masks/00012.png"."""
        path = self.staging / name
        make_folder(path.parent)
        return path

    def drop(self) -> None:
        """Forget new files that were not committed."""
        if not (self.staging / _LIST).is_file():
            shutil.rmtree(self.staging, ignore_errors=True)

    def commit(self, last: str, *, undoable: bool = False) -> None:
        """Put all new files in their places, `last` at the end; OutputError where that fails."""
        names = sorted(
            path.relative_to(self.staging).as_posix()
            for path in self.staging.rglob("*")
            if path.is_file()
        )
        names = [*(name for name in names if name != last), last]
        if undoable:
            self._keep(names)
        write_whole(self.staging / _LIST, json.dumps(names).encode())
        self.complete()

    def undo(self) -> list[str]:
        """Put back what the last undoable amendment has replaced; the names of its files, or []."""
        if not (self.staging / _PAST).is_file():
            self.complete()  # an amendment that was interrupted; else this undoing was
        if not (self.staging / _LIST).is_file():
            kept = self._undoable()
            if not kept:
                return []
            self._clear()
            try:
                os.replace(kept[-1], self.staging)
            except OSError as error:
                raise OutputError(f"{kept[-1]}: cannot be moved ({error.strerror})") from error
        names: list[str] = json.loads((self.staging / _LIST).read_text(encoding="utf-8"))
        self.complete()
        return names

    def complete(self) -> bool:
        """Finish what was interrupted while files were renamed; whether there was something."""
        path = self.staging / _LIST
        if not path.is_file():
            return False
        for name in json.loads(path.read_text(encoding="utf-8")):
            new = self.staging / name
            try:
                if new.exists():
                    os.replace(new, self.folder / name)
            except OSError as error:
                raise OutputError(
                    f"{self.folder / name}: cannot be replaced ({error.strerror}); "
                    "the same command goes on from here"
                ) from error
        if (self.staging / _BEFORE).is_dir():
            kept = self._undoable()
            number = int(kept[-1].name) + 1 if kept else 1
            os.replace(self.staging / _BEFORE, make_folder(self._past) / f"{number:05d}")
            for folder in kept[: max(0, len(kept) + 1 - _KEPT)]:
                shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self.staging, ignore_errors=True)
        return True

    def _clear(self) -> None:
        try:
            if self.staging.exists():
                shutil.rmtree(self.staging)
        except OSError as error:
            raise OutputError(f"{self.staging}: cannot be removed ({error.strerror})") from error

    @property
    def _past(self) -> Path:
        return self.folder / ".undo"

    def _undoable(self) -> list[Path]:
        """Folders of what was replaced, oldest first."""
        return sorted(path for path in self._past.glob("[0-9]*") if (path / _LIST).is_file())

    def _keep(self, names: Sequence[str]) -> None:
        """Keep the files of these names as they are now."""
        before = self.staging / _BEFORE
        there = [name for name in names if (self.folder / name).is_file()]
        for name in there:
            make_folder((before / name).parent)
            try:
                os.link(self.folder / name, before / name)
            except OSError:  # a file system without links
                shutil.copy2(self.folder / name, before / name)
        (before / _PAST).touch()
        write_whole(before / _LIST, json.dumps(there).encode())
