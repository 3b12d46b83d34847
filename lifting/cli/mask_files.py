"""Masks that commands make themselves, in the layout of `propagate track`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from lifting.formats import SceneViews
from lifting.formats._pictures import read_labels
from propagate.errors import InputError
from propagate.export import make_folder, write_whole
from propagate.export.png import encode_png
from propagate.masks import box_of
from propagate.types import FrameResult

_MOST = 65535

Answers = dict[int, list[dict[str, Any]]]
"""For each view what is known of each object, as in `tracks.json`."""


@dataclass(frozen=True, eq=False)
class MaskFiles:
    """DIR/masks/NAME.png, one a view, and DIR/tracks.json.

    Attributes:
        folder: DIR.
        views: whose masks they are.
    """

    folder: Path
    views: SceneViews

    def name(self, at: int) -> str:
        """The name of a view's mask, without suffix."""
        path = PurePath(self.views.shots[at].name)
        parts = [part for part in path.with_suffix("").parts if part not in ("/", "..")]
        return str(PurePath(*parts))

    def path(self, at: int) -> Path:
        """The file of a view's mask."""
        return self.folder / "masks" / f"{self.name(at)}.png"

    def read(self, at: int) -> npt.NDArray[np.int32]:
        """(H, W) ids; 0 everywhere where there is no file yet."""
        if self.path(at).is_file():
            return read_labels(self.path(at))
        return np.zeros(self.views.shots[at].camera.size_hw, np.int32)

    def write(self, at: int, labels: npt.NDArray[Any]) -> None:
        """Write ids (H, W), whole or not at all.

        Raises:
            InputError: an id over 65535, which no PNG can hold.
            OutputError: it cannot be written.
        """
        if labels.max(initial=0) > _MOST:
            raise InputError(f"object ids over {_MOST} do not fit into a PNG; take smaller ones")
        make_folder(self.path(at).parent)
        write_whole(self.path(at), encode_png(labels, wide=bool(labels.max(initial=0) > 255)))

    def clear(self) -> None:
        """Remove what an interrupted run has left."""
        for at in range(len(self.views)):
            self.path(at).unlink(missing_ok=True)

    def tracks(self) -> Answers | None:
        """What was said of each view's objects; None where that was not written yet.

        Raises:
            InputError: it is damaged.
        """
        path = self.folder / "tracks.json"
        if not path.is_file():
            return None
        try:
            frames = json.loads(path.read_text(encoding="utf-8"))["frames"]
            return {int(frame["index"]): list(frame["objects"]) for frame in frames}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: damaged; remove it, or give a new folder") from error

    def write_tracks(self, answers: Answers) -> None:
        """Write what was said of each view's objects, as `propagate track` does."""
        frames = [
            {"index": at, "stem": self.name(at), "time_s": None, "objects": answers[at]}
            for at in sorted(answers)
        ]
        values = {"format": "propagate-tracks", "version": 1, "frames": frames}
        write_whole(self.folder / "tracks.json", (json.dumps(values) + "\n").encode())


def entries(result: FrameResult) -> list[dict[str, Any]]:
    """What a tracker's answer says of its objects, in the words of `tracks.json`."""
    found = [entry(mask.object_id, mask.state, mask.score) for mask in result.masks]
    for one, mask in zip(found, result.masks, strict=True):
        box = box_of(mask.pixels)
        one["box"] = None if box is None else box.astype(int).tolist()
    for gone in result.missing.values():
        found.append({**entry(gone.object_id, gone.state, gone.score), "reason": gone.reason})
    return sorted(found, key=lambda one: int(one["id"]))


def entry(object_id: int, state: str, score: float) -> dict[str, Any]:
    """One object in one view; add a box where it has a mask."""
    return {"id": object_id, "state": state, "score": round(min(1.0, max(0.0, float(score))), 4)}
