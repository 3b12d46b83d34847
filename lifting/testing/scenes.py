"""A scene of meshes whose every point is known: its pictures, depth, labels and true cloud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lifting import camera as cameras
from lifting._open3d import Hits, Raycaster
from lifting.testing.materials import Lamp, Material, dot, shaded, unit
from lifting.testing.meshes import Mesh
from lifting.types import Camera, DoubleArray, LabelArray, LabelledCloud, View
from propagate.errors import SceneError
from propagate.types import BoolArray, FloatArray, ImageArray

_LAMP_WIDTH = 0.7  # metres; how far the parts of the lamp lie apart
_PARTS = np.array([[1, 1], [-1, 0.8], [-0.8, -1], [0.9, -0.9]]) / 2
_NOTHING = np.array([0.62, 0.66, 0.70], np.float32)


@dataclass(frozen=True, eq=False)
class Solid:
    """A thing in a scene.

    Attributes:
        label: its object's id; 0 for what belongs to no object.
        mesh: in its own space, where its texture lives.
        material: what it looks like.
        shift: (3,) metres, where its origin stands in the world.
        turn_degrees: about the vertical.
        name: what it is, for people.
    """

    label: int
    mesh: Mesh
    material: Material
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_degrees: float = 0.0
    name: str = ""

    @cached_property
    def placed(self) -> Mesh:
        """The mesh in the world."""
        return self.mesh.moved(self.shift, self.turn_degrees)

    @cached_property
    def normals(self) -> FloatArray:
        """(T, 3, 3) of the corners, in the world."""
        return self.placed.corner_normals().astype(np.float32)


@dataclass(frozen=True, eq=False)
class Scene:
    """Things and a lamp; z is up, metres.

    Attributes:
        solids: what stands in it.
        lamp: (3,) where the lamp hangs.
        middle: (3,) what cameras should look at.
        reach: metres, how far from the middle cameras may stand.
    """

    solids: tuple[Solid, ...]
    lamp: tuple[float, float, float] = (0.6, -0.8, 2.4)
    middle: tuple[float, float, float] = (0.0, 0.0, 0.0)
    reach: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a scene of nothing."""
        if not self.solids:
            raise SceneError("a scene needs at least one solid")

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids in it, in order, without 0."""
        return tuple(sorted({one.label for one in self.solids} - {0}))

    @cached_property
    def names(self) -> dict[int, str]:
        """What each id is."""
        return {one.label: one.name for one in self.solids if one.label}

    @cached_property
    def _labels(self) -> LabelArray:
        return np.array([one.label for one in self.solids], np.int32)

    @cached_property
    def _rays(self) -> Raycaster:
        return Raycaster([(one.placed.vertices, one.placed.triangles) for one in self.solids])

    def look(self, camera: Camera, *, detail: int = 2, name: str = "") -> View:
        """What a camera sees: the picture, exact depth and exact labels, at the pixels' middles.

        Args:
            camera: where and which; a lens with distortion too.
            detail: the picture is the mean of `detail` x `detail` rays a pixel, 0 makes none,
                which is several times as fast.
            name: of the view.
        """
        hits, _ = self._hits(camera, cameras.pixel_rays(camera).reshape(-1, 2))
        met = hits.meshes >= 0
        depth = np.where(met, hits.distance, 0).astype(np.float32).reshape(camera.size_hw)
        labels = np.where(met, self._labels[hits.meshes], 0).astype(np.int32)
        image = self._picture(camera, detail) if detail else None
        return View(camera, depth, labels.reshape(camera.size_hw), image=image, name=name)

    def views(
        self, cameras_on_way: Iterable[Camera], *, detail: int = 2, fps: float = 25.0
    ) -> Iterator[View]:
        """A view for each camera, named frame-000000 and on, `fps` of them a second."""
        for index, camera in enumerate(cameras_on_way):
            seen = self.look(camera, detail=detail, name=f"frame-{index:06d}")
            yield View(
                camera, seen.depth, seen.labels, image=seen.image, name=seen.name,
                time_s=index / fps,
            )  # fmt: skip

    def truth(self, points: npt.ArrayLike) -> tuple[LabelArray, FloatArray]:
        """(N,) the label of the surface nearest to each point (N, 3), and metres to it."""
        meshes, apart = self._rays.nearest(points)
        return self._labels[meshes], apart

    def cloud(
        self, spacing_m: float = 0.01, seen_by: Sequence[Camera] = (), seed: int = 0
    ) -> LabelledCloud:
        """The true cloud: random points on all surfaces, about one a square of `spacing_m`.

        Args:
            spacing_m: metres.
            seen_by: where given, only points that one of these cameras sees, with the number of
                those that do.
            seed: of the points.
        """
        random = np.random.default_rng(seed)
        parts = [_scattered(one, spacing_m, random) for one in self.solids]
        points = np.concatenate([part for part, _ in parts])
        colours = np.concatenate([part for _, part in parts])
        labels = np.repeat(self._labels, [len(part) for part, _ in parts])
        cloud = LabelledCloud(points.astype(np.float32), labels, colours=colours)
        if not seen_by:
            return cloud
        counts = np.zeros(len(points), np.int32)
        for camera in seen_by:
            counts += self.is_seen(cloud.points, camera)
        whole = LabelledCloud(cloud.points, labels, cloud.confidence, colours, counts)
        return whole.select(counts > 0)

    def is_seen(self, points: npt.ArrayLike, camera: Camera) -> BoolArray:
        """(N,) bool: which points (N, 3) on surfaces a camera sees."""
        wanted = np.asarray(points, np.float64)
        pixels, _ = cameras.project(camera, wanted)
        seen = cameras.in_picture(camera, pixels, cameras.to_camera(camera, wanted))
        inside = np.flatnonzero(seen)
        start = np.broadcast_to(camera.place, (len(inside), 3))
        seen[inside] = ~self._rays.is_blocked(start, wanted[inside])
        return seen

    def _hits(self, camera: Camera, ideal: npt.ArrayLike) -> tuple[Hits, FloatArray]:
        """What rays (N, 2), x / z and y / z, meet, and their directions, of z 1 in the camera."""
        turn = camera.world_T_cam[:3, :3].T.astype(np.float32)
        directions = np.asarray(ideal, np.float32) @ turn[:2] + turn[2]
        return self._rays.cast(camera.place, directions), directions

    def _picture(self, camera: Camera, detail: int) -> ImageArray:
        """(H, W, 3): every ray of a pixel sees another part of the lamp, so shadows are soft."""
        height, width = camera.size_hw
        y, x = np.mgrid[:height, :width]
        total = np.zeros((height * width, 3), np.float32)
        for part in range(detail * detail):
            offset = (np.array([part % detail, part // detail]) + 0.5) / detail
            pixels = np.stack([x.ravel(), y.ravel()], axis=1) + offset
            total += self._seen(camera, cameras.to_ideal(camera, pixels), part)
        grey: ImageArray = np.rint(total * (255 / detail**2)).astype(np.uint8)
        return grey.reshape(height, width, 3)

    def _seen(self, camera: Camera, ideal: DoubleArray, part: int) -> FloatArray:
        """(N, 3) 0..1: the colours along rays, lit by one part of the lamp."""
        hits, directions = self._hits(camera, ideal)
        seen = np.broadcast_to(_NOTHING, (len(ideal), 3)).copy()
        met = np.flatnonzero(hits.meshes >= 0)
        directions = directions[met]
        points = camera.place.astype(np.float32) + directions * hits.distance[met, None]
        to_eye = unit(-directions)
        colours, normals, gloss = self._surfaces(hits, met)
        normals *= np.where(dot(normals, to_eye) < 0, np.float32(-1), np.float32(1))[:, None]
        shift = np.append(_PARTS[part % len(_PARTS)] * _LAMP_WIDTH, 0)
        place = (np.asarray(self.lamp) + shift).astype(np.float32)
        off_surface = points + np.float32(1e-3) * normals
        lit = ~self._rays.is_blocked(off_surface, np.broadcast_to(place, points.shape))
        lamp = Lamp(unit(place - points), 0.65, gloss)
        seen[met] = shaded(colours, normals, to_eye, lamp, lit)
        return seen

    def _surfaces(
        self, hits: Hits, met: npt.NDArray[np.intp]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Colours (N, 3), normals (N, 3) and gloss (N,) of what the rays `met` hit."""
        colours, gloss = np.zeros((len(met), 3), np.float32), np.zeros(len(met), np.float32)
        normals, meshes = np.zeros((len(met), 3), np.float32), hits.meshes[met]
        for index in np.unique(meshes):
            solid = self.solids[index]
            mine = np.flatnonzero(meshes == index)
            triangles, weights = hits.triangles[met[mine]], hits.corner_weights[met[mine]]
            corners = solid.mesh.vertices.astype(np.float32)[solid.mesh.triangles]
            places = np.einsum("nki,nk->ni", corners[triangles], weights)
            colours[mine] = solid.material.colours(places)
            normals[mine] = np.einsum("nki,nk->ni", solid.normals[triangles], weights)
            gloss[mine] = solid.material.gloss
        return colours, unit(normals), gloss


def _scattered(
    solid: Solid, spacing_m: float, random: np.random.Generator
) -> tuple[DoubleArray, ImageArray]:
    """Points (N, 3) spread evenly over a solid, and their colours."""
    areas = solid.placed.areas()
    count = max(1, round(float(areas.sum()) / spacing_m**2))
    triangles = random.choice(len(areas), count, p=areas / areas.sum())
    one, two = random.random((2, count))
    root = np.sqrt(one)
    weights = np.stack([1 - root, root * (1 - two), root * two], axis=1)[:, :, None]
    corners = solid.mesh.triangles[triangles]
    places = (solid.mesh.vertices[corners] * weights).sum(axis=1)
    points = (solid.placed.vertices[corners] * weights).sum(axis=1)
    colours = solid.material.colours(places.astype(np.float32))
    return points, np.rint(255 * colours).astype(np.uint8)
