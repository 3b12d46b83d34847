"""Data sets laid out like DAVIS: JPEGImages/<sequence>/*.jpg and Annotations/<sequence>/*.png.

Above the sequences there may be a folder of the resolution, `480p` as in DAVIS itself.
Masks are PNGs named like the pictures. A mask is black and white (one object, id 1) or its pixels
are ids; beside ids 255 means "do not care" and is read as background, as DAVIS's own evaluation of
prompted tracking does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from propagate.config import nearest
from propagate.errors import InputError
from propagate.videos import Video, open_video, png
from propagate.videos.images import SUFFIXES

LabelMap = npt.NDArray[np.int32]

_ARCHIVES = (".tar", ".tgz", ".zip", ".gz", ".xz", ".bz2")
_RESOLUTIONS = ("480p", "Full-Resolution", "1080p")
_VOID = 255


@dataclass(frozen=True)
class Sequence:
    """One video with its true masks.

    Attributes:
        name: of its folders.
        pictures: folder of JPEGs or PNGs.
        annotations: folder of PNGs.
    """

    name: str
    pictures: Path
    annotations: Path

    @cached_property
    def annotated(self) -> tuple[str, ...]:
        """Stems of the annotated frames, sorted."""
        return tuple(sorted(path.stem for path in self.annotations.glob("*.png")))

    @cached_property
    def black_and_white(self) -> bool:
        """Whether the first mask holds 255 only: then 255 is the object and not "do not care"."""
        stored = self._stored(self.annotated[0]).astype(np.int32)
        return bool(((stored == 0) | (stored == _VOID)).all())

    def video(self) -> Video:
        """The pictures; VideoError where they cannot be read."""
        return open_video(self.pictures)

    def picture(self, stem: str) -> Path:
        """The file of a frame; InputError where there is none."""
        for suffix in SUFFIXES:
            path = self.pictures / f"{stem}{suffix}"
            if path.is_file():
                return path
        raise InputError(f"{self.pictures}: the picture {stem} is gone")

    def truth(self, stem: str) -> LabelMap | None:
        """(H, W) int32 true ids of a frame, all 0 where no object is seen; None: not annotated.

        Raises:
            InputError: the mask cannot be read.
        """
        if stem not in self.annotated:
            return None
        stored = self._stored(stem).astype(np.int32)
        if self.black_and_white:
            return (stored > 0).astype(np.int32)
        return np.where(stored == _VOID, 0, stored)

    def _stored(self, stem: str) -> png.Levels:
        path = self.annotations / f"{stem}.png"
        return read_labels(path)


def read_labels(path: Path) -> png.Levels:
    """(H, W) the numbers in a palette or grey PNG, as stored.

    Raises:
        InputError: missing, damaged or in colours.
    """
    try:
        stored = png.samples(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except png.BadPng as error:
        raise InputError(f"{path}: {error}; save the mask as a palette or grey PNG") from error
    if stored.ndim != 2:
        raise InputError(f"{path}: the mask is in colours; save it as a palette or grey PNG")
    return stored


def open_davis(
    root: str | PathLike[str], names: Iterable[str] | None = None
) -> tuple[Sequence, ...]:
    """The sequences of a data set, by name.

    Args:
        root: the folder that holds JPEGImages and Annotations.
        names: only these, in this order; None: all that have masks, sorted.

    Raises:
        InputError: not such a folder, no such sequence, or one without pictures or masks.
    """
    root = Path(root)
    pictures, annotations = _folder(root, "JPEGImages"), _folder(root, "Annotations")
    known = sorted(path.name for path in annotations.iterdir() if path.is_dir())
    if not known:
        raise InputError(f"{annotations}: no sequences; it needs a folder of PNGs for each")
    wanted = known if names is None else list(names)
    for name in wanted:
        if name not in known:
            hint = nearest(name, known)
            raise InputError(f"no sequence {name!r}{hint}; there are: {', '.join(known)}")
    return tuple(_sequence(name, pictures / name, annotations / name) for name in wanted)


def _folder(root: Path, kind: str) -> Path:
    """The folder that holds the sequences, with the resolution's folder where there is one."""
    if root.is_file():
        mend = "unpack it and give the folder" if root.suffix in _ARCHIVES else "give a folder"
        raise InputError(f"{root} is a file; {mend} that holds JPEGImages and Annotations")
    folder = root / kind
    if not folder.is_dir():
        raise InputError(
            f"{root}: no folder {kind!r}; give the folder that holds JPEGImages and Annotations"
        )
    for resolution in _RESOLUTIONS:
        if (folder / resolution).is_dir():
            return folder / resolution
    return folder


def _sequence(name: str, pictures: Path, annotations: Path) -> Sequence:
    """A sequence that has both of its halves."""
    if not pictures.is_dir():
        raise InputError(f"sequence {name!r} has masks but no pictures: {pictures} is missing")
    sequence = Sequence(name, pictures, annotations)
    if not sequence.annotated:
        raise InputError(f"{annotations}: no PNG masks in this folder")
    return sequence
