"""How far a run is, on disk beside its output, so that it goes on where it was killed.

The file is a NumPy archive of plain arrays: reading it runs no code.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lifting.formats import SceneViews
from lifting.formats._labels import LabelledViews
from lifting.lifter import LiftState
from lifting.tally import Tally
from propagate.errors import InputError
from propagate.export import replacing

_SHARE = 0.05  # of the time, at most, goes into writing
_SOONEST_S = 0.5
_PARTS = {
    "version": "another version of lift",
    "scene": "another scene, format or --every",
    "masks": "other masks",
    "cloud": "another --cloud",
    "settings": "other settings",
}


@dataclass
class Checkpoint:
    """The file of a run.

    Attributes:
        path: of the file.
        request: everything that decides what comes out, as JSON values, under the names of _PARTS.
    """

    path: Path
    request: dict[str, Any]
    _written: float = field(default_factory=time.monotonic)
    _cost: float = 0.0

    @staticmethod
    def beside(out: Path, request: dict[str, Any]) -> Checkpoint:
        """That of the run that makes `out`."""
        return Checkpoint(out.with_name(f".{out.name}.part.npz"), request)

    def load(self, start: LiftState) -> LiftState:
        """The state that was kept, `start` where there is none.

        Raises:
            InputError: damaged, or of another run.
        """
        if not self.path.exists():
            return start
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                request = json.loads(bytes(archive["request"]))
                views, labelled, count = (int(one) for one in archive["counts"])
                tallies = tuple(
                    Tally(*(_plain(archive[f"{one.name}{number}"]) for one in fields(Tally)))
                    for number in range(count)
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{self.path}: damaged; remove it and start anew") from error
        for key, what in _PARTS.items():
            if request.get(key) != self.request.get(key):
                raise InputError(
                    f"{self.path}: the run that was interrupted had {what}; resume it with the "
                    "same command, or leave --resume out to start anew"
                )
        return LiftState(tallies, views, labelled, start.target)

    def keep(self, state: LiftState, *, now: bool = False) -> None:
        """Write the state, whole or not at all, unless that was done only just before.

        Args:
            state: after some views.
            now: write in any case.

        Raises:
            OutputError: it cannot be written.
        """
        begin = time.monotonic()
        if not now and begin - self._written < max(_SOONEST_S, self._cost / _SHARE):
            return
        arrays = {
            f"{one.name}{number}": getattr(tally, one.name)
            for number, tally in enumerate(state.tallies)
            for one in fields(Tally)
        }
        arrays["request"] = np.frombuffer(json.dumps(self.request).encode(), np.uint8)
        arrays["counts"] = np.array([state.views, state.labelled, len(state.tallies)])
        with replacing(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        self._written = time.monotonic()
        self._cost = self._written - begin

    def remove(self) -> None:
        """Drop the file where there is one."""
        self.path.unlink(missing_ok=True)


def _plain(value: npt.NDArray[Any]) -> Any:
    """A number that was stored as an array, as a number again."""
    return value.item() if value.ndim == 0 else value


def describe_scene(views: SceneViews) -> str:
    """SHA-256 of the names, cameras and sizes in bytes of what is read."""
    digest = hashlib.sha256(f"{views.format} {views.every}".encode())
    for shot in views.shots:
        camera = shot.camera
        depth = None if shot.depth is None else shot.depth.path
        said = [shot.name, camera.size_hw, camera.distortion.tolist(), _bytes([shot.image, depth])]
        digest.update(json.dumps(said).encode("utf-8", "surrogateescape"))
        digest.update(camera.K.tobytes() + camera.world_T_cam.tobytes())
    return digest.hexdigest()


def describe_masks(views: LabelledViews) -> str:
    """SHA-256 of the names and sizes in bytes of masks, and of what the tracker said of them."""
    digest = hashlib.sha256()
    for name, path in views.masks.files.items():
        said = f"{name} {_bytes([path])} {views.masks.answers.get(name)}"
        digest.update(said.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _bytes(paths: Sequence[Path | None]) -> list[int]:
    return [path.stat().st_size if path is not None and path.is_file() else -1 for path in paths]
