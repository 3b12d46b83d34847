"""Meshes of simple solids, standing on z = 0 with their middle at x = y = 0; z is up, metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lifting.types import DoubleArray, LabelArray

_SEGMENTS = 40
_CREASE = np.cos(np.radians(40.0))  # faces that meet at a sharper angle keep an edge


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles, seen from outside anticlockwise.

    Attributes:
        vertices: (V, 3) float64, metres.
        triangles: (T, 3) int32, rows of `vertices`.
    """

    vertices: DoubleArray
    triangles: LabelArray

    def moved(self, shift: npt.ArrayLike, turn_degrees: float = 0.0) -> Mesh:
        """Turned about the z axis, then shifted by (3,) metres."""
        return self.tilted(rotation("z", turn_degrees), shift)

    def tilted(self, turn: DoubleArray, shift: npt.ArrayLike = (0, 0, 0)) -> Mesh:
        """Turned by a rotation (3, 3), then shifted by (3,) metres."""
        return Mesh(self.vertices @ turn.T + np.asarray(shift, np.float64), self.triangles)

    def areas(self) -> DoubleArray:
        """(T,) square metres."""
        areas: DoubleArray = 0.5 * np.linalg.norm(self._crosses(), axis=1)
        return areas

    def volume(self) -> float:
        """Cubic metres inside, of a closed mesh."""
        a, b, c = (self.vertices[self.triangles[:, k]] for k in range(3))
        return float((a * np.cross(b, c)).sum() / 6)

    def corner_normals(self) -> DoubleArray:
        """(T, 3, 3): the normal at each corner of each triangle.

        It is the mean over the faces around the corner that bend away little, so that round
        surfaces are shaded round and edges stay sharp.
        """
        crosses = self._crosses()
        length = np.maximum(np.linalg.norm(crosses, axis=1, keepdims=True), 1e-30)
        faces = crosses / length
        _, place = np.unique(np.round(self.vertices, 7), axis=0, return_inverse=True)
        corner = place.ravel()[self.triangles].ravel()
        order = np.argsort(corner, kind="stable")
        counts = np.bincount(corner)
        starts = np.cumsum(counts) - counts
        each = counts[corner]
        one = np.repeat(np.arange(len(corner)), each)
        step = np.arange(len(one)) - np.repeat(np.cumsum(each) - each, each)
        other = order[starts[corner[one]] + step]
        smooth = (faces[one // 3] * faces[other // 3]).sum(axis=1) > _CREASE
        sums = np.zeros((len(corner), 3))
        np.add.at(sums, one[smooth], crosses[other[smooth] // 3])
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-30)
        normals: DoubleArray = sums.reshape(-1, 3, 3)
        return normals

    def _crosses(self) -> DoubleArray:
        a, b, c = (self.vertices[self.triangles[:, k]] for k in range(3))
        crosses: DoubleArray = np.cross(b - a, c - a)
        return crosses


def joined(*meshes: Mesh) -> Mesh:
    """Several meshes as one; where they cut through each other the inner parts stay."""
    counts = np.cumsum([0, *(len(one.vertices) for one in meshes)])
    return Mesh(
        np.concatenate([one.vertices for one in meshes]),
        np.concatenate(
            [one.triangles + start for one, start in zip(meshes, counts, strict=False)]
        ).astype(np.int32),
    )


def rotation(axis: str, degrees: float) -> DoubleArray:
    """(3, 3): a turn about "x", "y" or "z"."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    one, other = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    turn = np.eye(3)
    turn[[one, other], [one, other]] = cosine
    turn[one, other], turn[other, one] = -sine, sine
    return turn


def box(width: float, depth: float, height: float) -> Mesh:
    """A box of x, y and z sides in metres."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float64)
    corners = (corners - [0.5, 0.5, 0]) * [width, depth, height]
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    triangles = [tri for a, b, c, d in quads for tri in ((a, b, c), (a, c, d))]
    return Mesh(corners, np.array(triangles, np.int32))


def lathe(profile: npt.ArrayLike, segments: int = _SEGMENTS) -> Mesh:
    """What turns about the z axis.

    Args:
        profile: (K, 2) radius and height in metres, from below up the outside and down the inside,
            if there is one; closed where it begins and ends at radius 0, or where it began.
        segments: corners of a circle.
    """
    radius, height = np.asarray(profile, np.float64).T
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    rings = np.stack(
        [
            radius[:, None] * np.cos(angle),
            radius[:, None] * np.sin(angle),
            np.broadcast_to(height[:, None], (len(height), segments)),
        ],
        axis=-1,
    )
    vertices = rings.reshape(-1, 3)
    mesh = Mesh(vertices, _grid(len(radius), segments))
    return Mesh(vertices, mesh.triangles[mesh.areas() > 1e-12])  # none at the poles


def cylinder(radius: float, height: float) -> Mesh:
    """Closed above and below."""
    return lathe([(0, 0), (radius, 0), (radius, height), (0, height)])


def sphere(radius: float) -> Mesh:
    """A ball that touches z = 0."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, _SEGMENTS // 2)
    return lathe(np.stack([radius * np.cos(angle), radius + radius * np.sin(angle)], axis=1))


def torus(radius: float, thickness: float) -> Mesh:
    """A ring lying on z = 0; `radius` is that of the middle of the tube, `thickness` the tube's."""
    angle = np.linspace(0, 2 * np.pi, _SEGMENTS // 2 + 1)
    tube = np.stack(
        [radius + thickness * np.sin(angle), thickness - thickness * np.cos(angle)], axis=1
    )
    return lathe(tube)


def _grid(rings: int, segments: int) -> LabelArray:
    """Triangles between neighbouring rings."""
    ring, place = np.meshgrid(np.arange(rings - 1), np.arange(segments), indexing="ij")
    here, right = ring * segments + place, ring * segments + (place + 1) % segments
    above, both = here + segments, right + segments
    triangles = np.stack([here, right, both, here, both, above], axis=-1)
    return triangles.reshape(-1, 3).astype(np.int32)
