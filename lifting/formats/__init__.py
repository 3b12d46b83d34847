"""Scenes on disk. A file in this folder is a format.

It has a frozen dataclass `Config`, `build(config) -> Format`, and nothing is registered. A format
lists the views of a scene without decoding a picture; `open_views` reads them one at a time.

Pixels count as in `lifting.types`: formats whose intrinsics come from OpenCV (TUM, ScanNet,
7-Scenes) get half a pixel added, those of COLMAP and nerfstudio do not. Depth that is stored as 0,
65535, NaN or infinity is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from lifting.formats._files import Look
from lifting.formats._labels import LabelledViews, MaskFolder
from lifting.formats._scene import Scene
from lifting.formats._views import SceneViews
from lifting.types import View
from propagate import plugins
from propagate.errors import ConfigError, SceneError

__all__ = [
    "Format",
    "LabelledViews",
    "MaskFolder",
    "SceneViews",
    "label_views",
    "open_views",
    "recognised",
]

KIND = "lifting.formats"


class Format(Protocol):
    """A way in which scenes are stored."""

    def look(self, scene: Path) -> Look:
        """What of the format is there; nothing is missing where the scene is of this format."""
        ...

    def open(self, scene: Path) -> Scene:
        """List the views.

        Raises:
            SceneError: something is missing, damaged or of no use.
        """
        ...


def open_views(
    scene: str | PathLike[str],
    format: str = "auto",
    *,
    every: int = 1,
    options: Mapping[str, Any] | None = None,
) -> SceneViews:
    """The views of a scene on disk, decoded one at a time, each time they are gone through.

    >>> views = lifting.open_views("scene")
    >>> len(views), views.format, views.notes
    (240, 'scannet', ('3 of 243 views skipped: their pose is not finite or not rigid',))

    Args:
        scene: a folder, or the file that describes it.
        format: "colmap", "transforms-json", "tum", "scannet", "sevenscenes", "plain", or "auto".
        every: only each so many-th view, from the first.
        options: for the `Config` of the format.

    Raises:
        SceneError: no such scene, one that fits no format (the message says what is missing for
            the nearest one), or that cannot be read.
        ConfigError: an unknown format or option.
    """
    path = Path(scene)
    if not path.exists():
        raise SceneError(f"{path}: no such file or folder; check the path")
    if every < 1:
        raise ConfigError(f"every must be 1 or more, got {every}")
    options = options or {}
    name = recognised(path) if format == "auto" else format.replace("_", "-")
    found: Format = plugins.build(KIND, name, options)
    lacking = found.look(path).missing
    if lacking:
        raise SceneError(f"{path}: not a scene of format {name!r}: missing {_listed(lacking)}")
    return SceneViews(found.open(path), name, every)


def recognised(path: Path) -> str:
    """The name of the one format that a scene has; SceneError where there is none, or several."""
    looks = {}
    for name in plugins.available(KIND):
        format: Format = plugins.build(KIND, name)
        looks[name] = format.look(path)
    fitting = [name for name, one in looks.items() if not one.missing]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise SceneError(
            f"{path}: may be of the formats {_listed(fitting)}; say which with format "
            "(--format on the command line)"
        )
    name, nearest = max(looks.items(), key=lambda item: _share(item[1]))
    if nearest.found:
        raise SceneError(
            f"{path}: fits no format; for {name!r} it has {_listed(nearest.found)} but lacks "
            f"{_listed(nearest.missing)}"
        )
    names = ", ".join(looks)
    raise SceneError(f"{path}: holds no scene of a known format ({names}); see lifting.formats")


def label_views(views: Iterable[View], masks_dir: str | PathLike[str]) -> LabelledViews:
    """Views with the masks that belong to them, read one at a time as the views are.

    The folder is what `propagate track --out` made (its `masks` are taken, and the scores of its
    `tracks.json`), or any folder of PNGs whose pixels are object ids, palette or grey, 8 or 16 bit.
    A mask belongs to the view whose picture has its name, or the name up to its first dot. Where
    no name fits, the number that a mask has for a name is the place of its view among all pictures
    of the scene, in natural order, from 0.

    A mask has the size of the picture. Where the view is smaller than that, because its depth is,
    each pixel of the view takes the mask's pixel that its middle falls on; a mask of the view's own
    size fits too.

    What the tracker did not know is not held against an object: views that it left unanswered get
    no labels, and where an object is lost, or was not asked for yet, pixels without a mask have no
    vote.

    Args:
        views: from `open_views`, or any views; gone through each time that the result is.
        masks_dir: the folder.

    Raises:
        SceneError: no such folder, no mask in it, or none that belongs to a view; while reading: a
            damaged mask, or one of another size than the picture.
    """
    return LabelledViews(views, MaskFolder.of(Path(masks_dir)))


def _share(look: Look) -> tuple[float, int]:
    """How near a scene is to a format."""
    return len(look.found) / (len(look.found) + len(look.missing)), len(look.found)


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
