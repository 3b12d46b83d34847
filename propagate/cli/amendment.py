"""Files of a finished run that are replaced together, or not at all.

New files are gathered in `.amend/` beside the old ones. Once its list is there they are all
complete; from then on they are only renamed to their places, and whoever comes next goes on with
that. Before, an interrupted amendment leaves the run as it was.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from propagate.errors import OutputError
from propagate.export import make_folder, write_whole

_LIST = "complete.json"


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
        try:
            if self.staging.exists():
                shutil.rmtree(self.staging)
        except OSError as error:
            raise OutputError(f"{self.staging}: cannot be removed ({error.strerror})") from error
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

    def commit(self, last: str) -> None:
        """Put all new files in their places, `last` at the end; OutputError where that fails."""
        names = sorted(
            path.relative_to(self.staging).as_posix()
            for path in self.staging.rglob("*")
            if path.is_file()
        )
        names = [*(name for name in names if name != last), last]
        write_whole(self.staging / _LIST, json.dumps(names).encode())
        self.complete()

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
        shutil.rmtree(self.staging, ignore_errors=True)
        return True
