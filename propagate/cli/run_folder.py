"""The folder of a run: what is in it, and whether a run may start or go on there.

masks/ tracks.json overlay.mp4   the results
run.json                         made last: what was asked, and how it went
.undo/                           what corrections have replaced, see `propagate.cli.amendment`
.run/request.json                while the run is on: what was asked
.run/state.pt                    while the run is on: the tracker's state, every few frames
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from propagate.errors import InputError
from propagate.export import make_folder, write_whole

Status = Literal["new", "interrupted", "complete"]

_PARTS = {
    "version": "another version of propagate",
    "source": "another source",
    "frames": "another --start or --stop",
    "prompts": "other prompts",
    "settings": "other settings",
    "export": "another --export",
    "both_ways": "another --both-ways",
}


@dataclass(frozen=True)
class RunFolder:
    """The folder and what lies where in it."""

    path: Path

    @property
    def state_file(self) -> Path:
        """The tracker's state."""
        return self.path / ".run" / "state.pt"

    @property
    def report_file(self) -> Path:
        """What there is when the run is complete."""
        return self.path / "run.json"

    @property
    def _request_file(self) -> Path:
        return self.path / ".run" / "request.json"

    def check(self, request: dict[str, Any], *, resume: bool) -> Status:
        """Whether a run with this request starts, goes on, or was done already.

        Args:
            request: everything that decides what comes out, as JSON values.
            resume: whether an earlier run of the same request may be continued.

        Raises:
            InputError: the folder holds something else, another run, or a run that was not asked
                to be continued.
        """
        status = self._status()
        if status == "new":
            return status
        if not resume:
            raise InputError(f"{self.path}: {_REFUSALS[status]}")
        earlier = self._earlier(status)
        different = [name for key, name in _PARTS.items() if earlier.get(key) != request.get(key)]
        if different:
            raise InputError(
                f"{self.path}: the run in this folder had {different[0]}; "
                "resume it with the same command, or give another folder"
            )
        return status

    def begin(self, request: dict[str, Any]) -> None:
        """Make the folder and note what was asked; OutputError where that cannot be done."""
        make_folder(self._request_file.parent)
        write_whole(self._request_file, dump({"request": request}))

    def finish(self, report: dict[str, Any]) -> None:
        """Write the report and drop what only an unfinished run needs."""
        write_whole(self.report_file, dump(report))
        self.close()

    def close(self) -> None:
        """Drop what only an unfinished run needs."""
        shutil.rmtree(self._request_file.parent, ignore_errors=True)

    def _status(self) -> Status:
        """What the folder holds; InputError where that is no run of ours."""
        if self.report_file.is_file():
            return "complete"
        if self._request_file.is_file():
            return "interrupted"
        if not self.path.exists():
            return "new"
        if not self.path.is_dir():
            raise InputError(f"{self.path}: is a file; give a folder for the results")
        left = [each for each in self.path.iterdir() if each.name != ".run"]
        if left:
            raise InputError(
                f"{self.path}: the folder is not empty and holds no run; give a new one"
            )
        return "new"

    def _earlier(self, status: Status) -> dict[str, Any]:
        """The request of the run in the folder."""
        path = self.report_file if status == "complete" else self._request_file
        try:
            request = json.loads(path.read_text(encoding="utf-8"))["request"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: damaged; give a new folder") from error
        return request if isinstance(request, dict) else {}


_REFUSALS = {
    "complete": "holds a finished run; give a new folder",
    "interrupted": "holds a run that was interrupted; add --resume to go on, or give a new folder",
}


def require_empty(path: Path) -> None:
    """InputError unless `path` is an empty folder or nothing at all."""
    if path.is_dir() and any(path.iterdir()):
        raise InputError(f"{path}: the folder is not empty; give a new one")
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; give a folder for the results")


def dump(values: dict[str, Any]) -> bytes:
    """JSON as run.json is written."""
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
