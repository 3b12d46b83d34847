"""The values of the lift: frozen, numpy, checked when made.

Conventions, those of `propagate.types` and these:

- lengths are metres; the camera looks along +z, x points right and y down (OpenCV's axes);
- `a_T_b` takes points in b's frame to a's frame, so `world_T_cam` is the pose of the camera;
- pixel (0, 0) covers [0, 1) x [0, 1), and principal points count in the same way: a picture of
  width W seen by a centred camera has cx = W / 2. COLMAP and nerfstudio count so too; OpenCV,
  most sensors' drivers and Open3D's images put the first centre at (0, 0): `lifting.camera`
  converts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from lifting._checks import check_int32, check_intrinsics, check_pose, numbers, size_text
from propagate.errors import SceneError
from propagate.types import FloatArray, ImageArray, check_image

DoubleArray = npt.NDArray[np.float64]
LabelArray = npt.NDArray[np.int32]

DISTORTION_LENGTHS = (0, 4, 5, 8)


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with lens distortion, and where it stands.

    Attributes:
        K: (3, 3) float64, pixels: focal lengths and principal point, no skew.
        world_T_cam: (4, 4) float64, a rotation and a translation in metres.
        size_hw: (H, W) of its pictures in pixels.
        distortion: (0,), (4,), (5,) or (8,) float64: OpenCV's k1, k2, p1, p2[, k3[, k4, k5, k6]].
    """

    K: DoubleArray
    world_T_cam: DoubleArray
    size_hw: tuple[int, int]
    distortion: DoubleArray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        """Check all of it; lists become arrays."""
        intrinsics = numbers(self.K, (3, 3), "camera: K")
        pose = numbers(self.world_T_cam, (4, 4), "camera: world_T_cam (the pose)")
        distortion = numbers(self.distortion, (-1,), "camera: distortion")
        check_intrinsics(intrinsics)
        check_pose(pose)
        if len(distortion) not in DISTORTION_LENGTHS:
            raise SceneError(
                f"camera: distortion has {len(distortion)} numbers; give 4, 5 or 8 in OpenCV's "
                "order (k1, k2, p1, p2[, k3[, k4, k5, k6]]), or none"
            )
        height, width = (int(side) for side in self.size_hw)
        if height < 1 or width < 1:
            raise SceneError(f"camera: size_hw must be 1 or more, got {self.size_hw}")
        object.__setattr__(self, "K", intrinsics)
        object.__setattr__(self, "world_T_cam", pose)
        object.__setattr__(self, "size_hw", (height, width))
        object.__setattr__(self, "distortion", distortion)

    @property
    def focal_xy(self) -> tuple[float, float]:
        """(fx, fy) in pixels."""
        return float(self.K[0, 0]), float(self.K[1, 1])

    @property
    def centre_xy(self) -> tuple[float, float]:
        """(cx, cy) in pixels, the principal point."""
        return float(self.K[0, 2]), float(self.K[1, 2])

    @property
    def place(self) -> DoubleArray:
        """(3,) the optical centre in the world, metres."""
        return self.world_T_cam[:3, 3]

    @property
    def cam_T_world(self) -> DoubleArray:
        """(4, 4) the inverse of the pose."""
        return np.linalg.inv(self.world_T_cam).astype(np.float64)


@dataclass(frozen=True, eq=False)
class View:
    """What one camera saw: pixels of the same size throughout, that of the camera.

    Attributes:
        camera: intrinsics and pose.
        depth: (H, W) float32, metres along the optical axis (z, not along the ray), 0 where there
            is none; or None.
        labels: (H, W) int32, the object's id, 0 where there is none; or None where nothing was
            segmented (such a view adds geometry, and no vote).
        confidence: (H, W) float32, 0..1, how far each pixel may be believed; or None.
        image: (H, W, 3) uint8 RGB, or None.
        scores: id → expected IoU of its mask, 0..1; an id that is not listed counts as 1.
        name: the source's own name of the picture, or "".
        time_s: seconds, or None.
    """

    camera: Camera
    depth: FloatArray | None = None
    labels: LabelArray | None = None
    confidence: FloatArray | None = None
    image: ImageArray | None = None
    scores: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    name: str = ""
    time_s: float | None = None

    def __post_init__(self) -> None:
        """Check kinds, ranges, and that every picture has the camera's size."""
        if not isinstance(self.camera, Camera):
            raise SceneError(f"{self}: camera must be a lifting.Camera, got {self.camera!r}")
        if self.depth is not None:
            object.__setattr__(self, "depth", self._depth(np.asarray(self.depth)))
        if self.labels is not None:
            object.__setattr__(self, "labels", self._labels(np.asarray(self.labels)))
        if self.confidence is not None:
            confidence = self._sized("confidence", np.asarray(self.confidence))
            confidence = confidence.astype(np.float32, copy=False)
            if not (confidence.min() >= 0 and confidence.max() <= 1):
                raise SceneError(f"{self}: confidence must lie in 0..1")
            object.__setattr__(self, "confidence", confidence)
        if self.image is not None:
            check_image(self.image)
            self._sized("image", self.image)
        scores = {int(key): float(value) for key, value in self.scores.items()}
        wrong = [key for key, value in scores.items() if not 0 <= value <= 1]
        if wrong:
            raise SceneError(f"{self}: the score of id {wrong[0]} must lie in 0..1")
        object.__setattr__(self, "scores", MappingProxyType(scores))

    def __str__(self) -> str:
        return f"view {self.name!r}" if self.name else "view"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "scores": dict(self.scores)}

    @property
    def size_hw(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.camera.size_hw

    def with_labels(self, labels: npt.ArrayLike, scores: Mapping[int, float] | None = None) -> View:
        """The same view with other masks.

        Args:
            labels: (H, W) whole numbers, 0 where there is no object.
            scores: id → expected IoU, 0..1; by default every mask counts as 1.

        Raises:
            SceneError: labels of another size or below 0.
        """
        return replace(self, labels=np.asarray(labels), scores=scores or {})

    def _sized(self, what: str, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        found = pixels.shape[:2]
        if found != self.size_hw or pixels.ndim != (3 if what == "image" else 2):
            raise SceneError(
                f"{self}: {what} is {size_text(pixels.shape)}, but its camera's pictures are "
                f"{size_text(self.size_hw)}; resize it, or give the camera that it belongs to"
            )
        return pixels

    def _depth(self, depth: npt.NDArray[Any]) -> FloatArray:
        self._sized("depth", depth)
        if depth.dtype.kind != "f":
            raise SceneError(
                f"{self}: depth must be metres as float32, got {depth.dtype}; "
                "divide by the sensor's scale (often 1000)"
            )
        if not np.isfinite(depth).all():
            count = int((~np.isfinite(depth)).sum())
            raise SceneError(
                f"{self}: depth has {count} pixels that are NaN or infinite; put 0 where there is "
                "no depth"
            )
        if depth.min() < 0:
            raise SceneError(f"{self}: depth is negative; it is metres along +z, 0 for none")
        return depth.astype(np.float32, copy=False)

    def _labels(self, labels: npt.NDArray[Any]) -> LabelArray:
        self._sized("labels", labels)
        if labels.dtype.kind not in "iub":
            raise SceneError(f"{self}: labels must be whole numbers, got {labels.dtype}")
        if labels.dtype != np.int32:
            check_int32(labels, f"{self}: labels")
        if labels.min() < 0:
            raise SceneError(f"{self}: labels must be 0 (none) or more, got {labels.min()}")
        return labels.astype(np.int32, copy=False)


@dataclass(frozen=True, eq=False)
class LabelledCloud:
    """Points in the world, each with an object's id.

    Attributes:
        points: (N, 3) float32, metres.
        labels: (N,) int32, 0 where no object is known.
        confidence: (N,) float32, 0..1, how sure the label is; by default 1.
        colours: (N, 3) uint8 RGB, or None.
        view_counts: (N,) int32, how many views saw the point; by default 0.
    """

    points: FloatArray
    labels: LabelArray
    confidence: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    colours: ImageArray | None = None
    view_counts: LabelArray = field(default_factory=lambda: np.zeros(0, np.int32))

    def __post_init__(self) -> None:
        """Check that there is one of each for every point, and that all points are finite."""
        points = np.asarray(self.points)
        if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "fiu":
            raise SceneError(f"cloud: points must be (N, 3) numbers, got {points.shape}")
        if not np.isfinite(points).all():
            raise SceneError("cloud: points hold NaN or infinity; leave those out")
        count = len(points)
        labels = np.asarray(self.labels)
        confidence = np.asarray(self.confidence, np.float32)
        seen = np.asarray(self.view_counts, np.int32)
        confidence = confidence if len(confidence) else np.ones(count, np.float32)
        seen = seen if len(seen) else np.zeros(count, np.int32)
        for name, values in (("labels", labels), ("confidence", confidence), ("view_counts", seen)):
            if values.shape != (count,):
                raise SceneError(f"cloud: {count} points, but {name} is {values.shape}")
        if labels.dtype.kind not in "iub":
            raise SceneError(f"cloud: labels must be whole numbers, got {labels.dtype}")
        check_int32(labels, "cloud: labels")
        if self.colours is not None:
            colours = np.asarray(self.colours)
            if colours.shape != (count, 3) or colours.dtype != np.uint8:
                found = f"{colours.shape} {colours.dtype}"
                raise SceneError(f"cloud: colours must be ({count}, 3) uint8, got {found}")
        object.__setattr__(self, "points", points.astype(np.float32, copy=False))
        object.__setattr__(self, "labels", labels.astype(np.int32, copy=False))
        object.__setattr__(self, "confidence", confidence)
        object.__setattr__(self, "view_counts", seen)

    def __len__(self) -> int:
        """How many points."""
        return len(self.points)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids that some point has, in order, without 0."""
        return tuple(int(one) for one in np.unique(self.labels) if one > 0)

    def select(self, wanted: npt.NDArray[Any]) -> LabelledCloud:
        """The points that an index or a mask (N,) bool picks.

        `cloud.select(cloud.labels == 7)` is the cloud of object 7.
        """
        return LabelledCloud(
            self.points[wanted],
            self.labels[wanted],
            self.confidence[wanted],
            None if self.colours is None else self.colours[wanted],
            self.view_counts[wanted],
        )
