"""What a format finds in a folder, before any picture is decoded; and how a view is read from it.

A view has the size of its depth, where it has depth: more pixels would only repeat what the sensor
saw. A depth picture that is smaller than the colour picture takes the colour camera at its own
size (pixel edges stay where they are: `lifting.camera.resized`), or intrinsics of its own; the
colours and labels of a view are then those of the colour pixel that each depth pixel's middle
falls on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lifting import camera as cameras
from lifting._checks import check_pose
from lifting.formats._pictures import read_colour, read_depth
from lifting.types import Camera, DoubleArray, LabelledCloud, View
from propagate.errors import SceneError
from propagate.types import BoolArray

_SHAPE_TOLERANCE = 0.02  # of the aspect ratio; ScanNet's depth differs from its colours by 0.4 %


@dataclass(frozen=True, eq=False)
class DepthPicture:
    """Depth on disk.

    Attributes:
        path: see `lifting.formats._pictures.read_depth`.
        metres_per_unit: of whole numbers.
        metres_per_float: of floats.
        K: (3, 3) its own intrinsics; None: those of the colour picture, scaled.
    """

    path: Path
    metres_per_unit: float = 0.001
    metres_per_float: float = 1.0
    K: DoubleArray | None = None


@dataclass(frozen=True, eq=False)
class Shot:
    """A view on disk.

    Attributes:
        index: its place among all pictures of the scene, in natural order of their names, those
            that were skipped counted too: the number of the frame where the pictures are a video.
        name: the source's own name of the picture, a path from the folder of pictures.
        camera: of the colour picture; its pose may be anything until `gathered` has checked it.
        image: the picture, or None where there is none.
        depth: or None.
        time_s: seconds, or None.
    """

    index: int
    name: str
    camera: Camera
    image: Path | None = None
    depth: DepthPicture | None = None
    time_s: float | None = None


@dataclass(frozen=True, eq=False)
class Draft:
    """What a format knows of a view: a camera without its pose, and a pose yet to be checked.

    Attributes:
        name, image, depth, time_s: see `Shot`.
        lens: intrinsics and size; its own pose is not used.
        pose: (4, 4) `world_T_cam`, anything.
    """

    name: str
    lens: Camera
    pose: npt.NDArray[Any]
    image: Path | None = None
    depth: DepthPicture | None = None
    time_s: float | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """What is in a folder.

    Attributes:
        path: the folder or file that was opened.
        shots: those views that can be used.
        notes: what was left out or assumed, a line each.
        points: reads the points that come with the scene; None where there are none.
        metric: whether lengths are metres; else they are in a unit of the scene's own.
    """

    path: Path
    shots: tuple[Shot, ...]
    notes: tuple[str, ...] = ()
    points: Callable[[], LabelledCloud] | None = None
    metric: bool = True


def gathered(path: Path, drafts: Sequence[Draft]) -> Scene:
    """The scene of those views whose pose is finite and rigid and whose depth is there.

    Pictures that are absent leave a view without colours.

    Args:
        path: of the scene.
        drafts: all views, in order.

    Raises:
        SceneError: nothing is left.
    """
    posed = np.array([_rigid(draft.pose) for draft in drafts], bool)
    listed = np.array([draft.depth is not None for draft in drafts], bool)
    there = np.array([d.depth is not None and d.depth.path.is_file() for d in drafts], bool)
    pictured = np.array([d.image is not None and d.image.is_file() for d in drafts], bool)
    kept = posed & (there | ~listed)
    if not len(drafts):
        raise SceneError(f"{path}: the scene is empty: it names no picture")
    if not posed.any():
        raise SceneError(
            f"{path}: none of the {len(drafts)} poses is a finite rotation and translation; check "
            "how they were written"
        )
    if not kept.any():
        first = next(d.depth.path for d in drafts if d.depth is not None)
        raise SceneError(f"{path}: the depth of no view is there, such as {first}; copy it again")
    shots = tuple(
        Shot(
            index,
            draft.name,
            replace(draft.lens, world_T_cam=np.asarray(draft.pose, np.float64)),
            draft.image if pictured[index] else None,
            draft.depth,
            draft.time_s,
        )
        for index, draft in enumerate(drafts)
        if kept[index]
    )
    total = len(drafts)
    notes = [
        f"{count} of {total} views {what}"
        for count, what in (
            (int((~posed).sum()), "skipped: their pose is not finite or not rigid"),
            (int((posed & ~kept).sum()), "skipped: their depth picture is missing"),
            (int((kept & ~pictured).sum()), "have no picture, so no colours"),
        )
        if count
    ]
    return Scene(path, shots, tuple(notes))


def read_view(shot: Shot) -> View:
    """Decode a view.

    Raises:
        SceneError: a picture is damaged, of another size than its camera's, or depth that cannot
            belong to it.
    """
    image = None if shot.image is None else read_colour(shot.image)
    if image is not None and image.shape[:2] != shot.camera.size_hw:
        raise SceneError(_mixed(shot, image.shape[:2]))
    if shot.depth is None:
        return View(shot.camera, image=image, name=shot.name, time_s=shot.time_s)
    of = shot.depth
    depth = read_depth(of.path, of.metres_per_unit, of.metres_per_float)
    camera = depth_camera(shot, (depth.shape[0], depth.shape[1]))
    if image is not None:
        image, _ = seen_from(image, shot.camera, camera)
    return View(camera, depth, image=image, name=shot.name, time_s=shot.time_s)


def depth_camera(shot: Shot, size_hw: tuple[int, int]) -> Camera:
    """The camera of the depth picture, of the size given."""
    if shot.depth is not None and shot.depth.K is not None:
        return replace(shot.camera, K=shot.depth.K, size_hw=size_hw)
    if size_hw == shot.camera.size_hw:
        return shot.camera
    height, width = shot.camera.size_hw
    ratio = (size_hw[1] / size_hw[0]) / (width / height)
    if abs(ratio - 1) > _SHAPE_TOLERANCE:
        where = shot.depth.path if shot.depth is not None else shot.name
        raise SceneError(
            f"{where}: depth is {size_hw[1]}x{size_hw[0]}, the picture {width}x{height}: not the "
            "same shape, so it is of another camera; register it to the picture, or give its own "
            "intrinsics"
        )
    return cameras.resized(shot.camera, size_hw)


def seen_from(
    pixels: npt.NDArray[Any], source: Camera, target: Camera
) -> tuple[npt.NDArray[Any], BoolArray | None]:
    """What another camera at the same place sees of a picture: nearest pixels.

    Args:
        pixels: (H, W, ...) of the source.
        source: whose picture it is.
        target: a camera with the same lens and pose.

    Returns:
        (h, w, ...); (h, w) bool where the target sees what the source shows, None for everywhere.
        Elsewhere the nearest border pixel is given.
    """
    if source.size_hw == target.size_hw and np.array_equal(source.K, target.K):
        return pixels, None
    places, inside = [], []
    for axis, side in ((1, 0), (0, 1)):  # rows follow y, columns x
        focal, centre = source.focal_xy[axis], source.centre_xy[axis]
        middle = np.arange(target.size_hw[side]) + 0.5
        ray = (middle - target.centre_xy[axis]) / target.focal_xy[axis]
        place = np.floor(ray * focal + centre + 1e-9)
        most = source.size_hw[side] - 1
        inside.append((place >= 0) & (place <= most))
        places.append(np.clip(place, 0, most).astype(np.intp))
    seen = inside[0][:, None] & inside[1][None, :]
    return pixels[np.ix_(*places)], None if seen.all() else seen


def _rigid(pose: npt.NDArray[Any]) -> bool:
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        return False
    try:
        check_pose(pose)
    except SceneError:
        return False
    return True


def _mixed(shot: Shot, found: tuple[int, ...]) -> str:
    height, width = shot.camera.size_hw
    return (
        f"{shot.image}: the picture is {found[1]}x{found[0]}, its camera's are {width}x{height}: "
        "two cameras are mixed; give each its own intrinsics, or a folder of its own"
    )
