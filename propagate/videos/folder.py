"""A video that is a folder of pictures."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from propagate.errors import VideoError
from propagate.types import Frame
from propagate.videos.images import SUFFIXES, read_image


class FolderSource:
    """Frames of a folder, in natural order of the names; each keeps its stem, none has a time.

    Hidden files, folders and files that are no pictures by their suffix are passed over.
    """

    fps: float | None = None

    def __init__(self, path: Path) -> None:
        """List the pictures and read the first one.

        Raises:
            VideoError: no picture, two with one stem, or the first cannot be read.
        """
        self.name = path.resolve().name
        self._paths = list_pictures(path)
        self.length_hint: int | None = len(self._paths)
        height, width = read_image(self._paths[0]).shape[:2]
        self.size_hw: tuple[int, int] | None = (height, width)

    def read(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The frames with start <= index < stop in order."""
        return map(self.frame, range(len(self._paths))[start:stop])

    def read_backwards(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The same frames, last to first."""
        return map(self.frame, range(len(self._paths))[start:stop][::-1])

    def frame(self, index: int) -> Frame:
        """One frame; VideoError where there is none, it cannot be read, or its size differs."""
        if not 0 <= index < len(self._paths):
            raise VideoError(
                f"{self.name}: no frame {index}; the folder has {len(self._paths)} pictures, "
                "counted from 0"
            )
        path = self._paths[index]
        frame = Frame(index, read_image(path), stem=path.stem)
        if frame.size_hw != self.size_hw:
            raise VideoError(
                f"{path}: the picture is {frame.size_hw} (H, W), the first one, "
                f"{self._paths[0].name}, {self.size_hw}; bring all to one size"
            )
        return frame

    def fingerprint(self) -> dict[str, Any]:
        """Number of pictures and SHA-256 of their names and sizes in bytes."""
        listing = "\n".join(f"{path.name}\t{path.stat().st_size}" for path in self._paths)
        return {
            "kind": "folder",
            "pictures": len(self._paths),
            "sha256": hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest(),
        }


def natural(name: str) -> list[tuple[bool, int, str]]:
    """A key that sorts names as people count: frame2 before frame10."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", name)
    return [(bool(text), int(digits or 0), text) for digits, text in parts]


def list_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, sorted; VideoError where there is none, or a stem twice."""
    try:
        entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise VideoError(f"{folder}: cannot be read ({error.strerror})") from error
    paths = [path for path in entries if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not paths:
        known = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise VideoError(f"{folder}: no pictures in this folder ({known}); check the path")
    paths.sort(key=lambda path: (natural(path.stem), path.name))
    for one, other in zip(paths, paths[1:], strict=False):
        if one.stem == other.stem:
            raise VideoError(
                f"{folder}: {one.name} and {other.name} would be the same frame; keep one of them"
            )
    return paths
