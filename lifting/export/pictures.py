"""Pictures of clouds without a display: points drawn as small discs into a depth buffer.

Edges are darkened where the depth jumps, so that shapes can be read without normals (Boucheny,
"Visualisation scientifique de grands volumes de donnees", 2009, calls it eye-dome lighting).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lifting import camera as cameras
from lifting._checks import direction as check_direction
from lifting.types import Camera, DoubleArray, LabelArray, LabelledCloud
from propagate.errors import OutputError, SceneError
from propagate.export import replacing
from propagate.types import FloatArray, Frame, ImageArray

_FINER = 2  # drawn so many times larger, then averaged
_PAPER = np.array([246, 246, 244], np.float32)
_TINT, _FADE = 0.55, 0.35  # of an object's colour; of the paper over what is no object
_WIDE = 0.8  # of the gap between points: discs of this radius close a surface
_WIDEST = 26  # pixels
_LONE = 0.01  # metres, of points too few to have a gap
_DOME = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1))
_DARKER = 18.0
_FOCAL = 1.6  # of the shorter side
_CUT = 1.3  # radii before the middle: what is nearer to the camera stands in the way
_FAR = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Stage:
    """How a cloud is looked at: from a ring around its middle.

    Attributes:
        middle: (3,) metres, what the camera looks at.
        radius: metres, of the ball around it that fills the picture.
        up: (3,) the direction that points up in the picture.
        azimuth: degrees, where on the ring the camera stands; with z up, 0 is +x and 90 is +y.
        elevation: degrees above the level, -85..85.
        size_hw: (H, W) pixels.
    """

    middle: DoubleArray
    radius: float
    up: DoubleArray
    azimuth: float = 35.0
    elevation: float = 28.0
    size_hw: tuple[int, int] = (720, 960)

    @property
    def distance(self) -> float:
        """Metres from the camera to the middle."""
        return 2.05 * _FOCAL * self.radius

    def level_axes(self) -> DoubleArray:
        """(2, 3) the level directions at 0 and 90 degrees of azimuth."""
        up = np.asarray(self.up, np.float64) / np.linalg.norm(self.up)
        side = np.eye(3)[int(np.argmin(np.abs(up)))]
        side = side - (side @ up) * up
        side /= np.linalg.norm(side)
        return np.stack([side, np.cross(up, side)])

    def camera(self, turn: float = 0.0, finer: int = 1) -> Camera:
        """The camera after a turn of so many degrees, its pictures `finer` times larger."""
        up, flat = self.up / np.linalg.norm(self.up), self.level_axes()
        angle, high = np.radians(self.azimuth + turn), np.radians(np.clip(self.elevation, -85, 85))
        away = np.cos(high) * (np.cos(angle) * flat[0] + np.sin(angle) * flat[1])
        ahead = -(away + np.sin(high) * up)
        right = np.cross(ahead, up)
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(ahead, right), ahead], axis=1)
        height, width = (finer * side for side in self.size_hw)
        focal = _FOCAL * min(height, width)
        pose[:3, 3] = self.middle - ahead * self.distance
        K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        return Camera(K, pose, (height, width))


def stage_for(
    cloud: LabelledCloud,
    up: npt.ArrayLike | None = None,
    *,
    seen_from: Sequence[Camera] = (),
    size_hw: tuple[int, int] = (720, 960),
) -> Stage:
    """A stage that shows the cloud's objects, or all of it where it has none, but for outliers.

    Args:
        cloud: what to show.
        up: (3,) which direction is up; by default as the cameras of `seen_from` say, or else +z.
        seen_from: cameras that saw the cloud; the stage looks from their side.
        size_hw: (H, W) pixels of the picture.

    Raises:
        SceneError: a cloud without a point, or no direction up.
    """
    if not len(cloud):
        raise SceneError("the cloud has no point to draw")
    if up is None:
        up = up_of(seen_from) if seen_from else (0, 0, 1)
    direction = check_direction(up, "up")
    points = cloud.points[cloud.labels > 0] if (cloud.labels > 0).any() else cloud.points
    low, high = np.quantile(points.astype(np.float64), [0.005, 0.995], axis=0)
    radius = max(float(np.linalg.norm(high - low)) / 2, 1e-3)
    stage = Stage((low + high) / 2, radius, direction, size_hw=size_hw)
    if not seen_from:
        return stage
    side, beside = stage.level_axes()
    away = np.mean([camera.place for camera in seen_from], axis=0) - stage.middle
    return replace(stage, azimuth=float(np.degrees(np.arctan2(away @ beside, away @ side))))


def up_of(seen_from: Iterable[Camera]) -> DoubleArray:
    """(3,) up, as people who hold cameras level on average mean it.

    Raises:
        SceneError: no camera, or cameras that disagree altogether.
    """
    ups = [-camera.world_T_cam[:3, 1] for camera in seen_from]
    mean = np.sum(ups, axis=0) if ups else np.zeros(3)
    if np.linalg.norm(mean) < 1e-6:
        raise SceneError("these cameras do not say where up is")
    up: DoubleArray = mean / np.linalg.norm(mean)
    return up


def draw_cloud(cloud: LabelledCloud, stage: Stage | None = None, turn: float = 0.0) -> ImageArray:
    """(H, W, 3) uint8 RGB: the cloud, its objects tinted with the colours of their ids.

    Args:
        cloud: to draw.
        stage: from where; by default `stage_for(cloud)`.
        turn: degrees that the camera goes on along its ring.

    Raises:
        SceneError: a cloud without a point.
    """
    import cv2

    stage = stage or stage_for(cloud)
    camera = stage.camera(turn, _FINER)
    gap = _gap(cloud.points)
    cut = max(stage.distance - _CUT * stage.radius, 0.0)
    depth, index = _splatted(cloud.points, camera, _WIDE * gap, cut)
    image = np.empty((*camera.size_hw, 3), np.float32)
    image[:] = _PAPER
    drawn = index >= 0
    image[drawn] = inks(cloud)[index[drawn]] * _shade(depth, 2 * gap)[drawn][:, None]
    rounded = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    small: ImageArray = np.asarray(
        cv2.resize(rounded, stage.size_hw[::-1], interpolation=cv2.INTER_AREA), np.uint8
    )
    return small


def turntable(
    cloud: LabelledCloud, stage: Stage | None = None, count: int = 90, fps: float = 30.0
) -> Iterator[Frame]:
    """`count` pictures of the cloud, once round, as frames of a video."""
    stage = stage or stage_for(cloud)
    for index in range(count):
        yield Frame(index, draw_cloud(cloud, stage, 360 * index / count), index / fps)


def write_picture(
    path: str | os.PathLike[str], cloud: LabelledCloud, stage: Stage | None = None
) -> None:
    """Write a picture of the cloud; the kind follows from the name's ending, PNG or JPEG.

    Raises:
        SceneError: a cloud without a point.
        OutputError: it cannot be written, or the ending is of no known kind.
    """
    import cv2

    target = Path(path)
    if target.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise OutputError(f"{target}: a picture's name must end in .png, .jpg or .jpeg")
    done, data = cv2.imencode(target.suffix, draw_cloud(cloud, stage)[:, :, ::-1])
    if not done:
        raise OutputError(f"{target}: the picture cannot be encoded")
    with replacing(target) as temporary:
        temporary.write_bytes(data.tobytes())


def write_turntable(
    path: str | os.PathLike[str],
    cloud: LabelledCloud,
    stage: Stage | None = None,
    *,
    count: int = 90,
    fps: float = 30.0,
) -> None:
    """Write an MP4 that goes once round the cloud in `count` pictures, `fps` a second.

    Raises:
        SceneError: a cloud without a point.
        OutputError: it cannot be written.
    """
    from propagate.export._mp4 import write_mp4

    with replacing(Path(path)) as temporary:
        write_mp4(temporary, turntable(cloud, stage, count, fps), fps)


def inks(cloud: LabelledCloud) -> FloatArray:
    """(N, 3) float32, 0..255: the colour that each point is drawn in.

    Objects are tinted with the colours of their ids, what is no object fades.
    """
    from propagate.export._drawing import colour_of

    grey = np.full((len(cloud), 3), 150, np.uint8)
    own = (grey if cloud.colours is None else cloud.colours).astype(np.float32)
    if not cloud.object_ids:
        return own
    strength = np.where(cloud.labels > 0, _TINT, _FADE)[:, None].astype(np.float32)
    ids, place = np.unique(cloud.labels, return_inverse=True)
    tints = np.array([_PAPER if key <= 0 else colour_of(int(key)) for key in ids], np.float32)
    inks: FloatArray = own + strength * (tints[place.ravel()] - own)
    return inks


def _splatted(
    points: FloatArray, camera: Camera, size_m: float, cut_m: float
) -> tuple[FloatArray, LabelArray]:
    """Points as discs of a radius in metres, the nearest in front; none nearer than `cut_m`.

    Returns:
        (H, W) depth, infinite where there is none; the row of the point seen there, -1 for none.
    """
    height, width = camera.size_hw
    pixels, away = cameras.project(camera, points)
    rim = 2 * _WIDEST + 1  # so that no disc leaves the buffer
    with np.errstate(invalid="ignore"):
        inside = (pixels > -_WIDEST).all(axis=1) & (away > max(cut_m, 1e-6))
        inside &= (pixels < (width + _WIDEST, height + _WIDEST)).all(axis=1)
    rows = np.flatnonzero(inside)
    distance = away[rows].astype(np.float32)
    column, row = (np.floor(pixels[rows]).astype(np.int64) + rim).T
    across = width + 2 * rim
    # Bits of positive floats are ordered as the floats are: the least key is the nearest point.
    keys = (distance.view(np.int32).astype(np.int64) << 32) | rows
    nearest = np.full(across * (height + 2 * rim), _FAR, np.int64)
    reach = size_m * max(camera.focal_xy) / distance
    radius = np.clip(np.ceil(reach), 1, _WIDEST).astype(np.int64)
    for one in np.unique(radius):
        mine = radius == one
        places, own = row[mine] * across + column[mine], keys[mine]
        for y in range(-one, one + 1):
            for x in range(-one, one + 1):
                if x * x + y * y <= one * one:
                    np.minimum.at(nearest, places + (y * across + x), own)
    seen = nearest.reshape(-1, across)[rim:-rim, rim:-rim]
    depth = (seen >> 32).astype(np.int32).view(np.float32)
    known = seen != _FAR
    index = np.where(known, seen & 0xFFFFFFFF, -1).astype(np.int32)
    return np.where(known, depth, np.float32(np.inf)), index


def _gap(points: FloatArray) -> float:
    """Metres between neighbours on a surface: to the fourth nearest, the median."""
    from scipy.spatial import cKDTree

    if len(points) < 5:
        return _LONE
    few = points[:: max(1, len(points) // 2000)]
    apart, _ = cKDTree(points).query(few, k=[5])
    return max(float(np.median(apart)), 1e-6)


def _shade(depth: FloatArray, slack_m: float) -> FloatArray:
    """(H, W) 0..1: darker where neighbours are nearer by much more than `slack_m`."""
    known = np.isfinite(depth)
    far = np.where(known, depth, np.float32(1e6))
    logs = np.log2(far)
    slack = np.float32(slack_m / np.log(2)) / far
    total = np.zeros_like(logs)
    for y, x in _DOME:
        beside = np.roll(logs, (_FINER * y, _FINER * x), axis=(0, 1))
        total += np.clip(logs - beside - slack, 0, 0.06)
    shade: FloatArray = np.exp(-_DARKER / len(_DOME) * total)
    return shade
