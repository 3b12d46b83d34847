"""The values that a clip is drawn from: things, where they are when, light; and what is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from propagate.testing.stress.outlines import Outline, Points
from propagate.types import ImageArray

LabelMap = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Pose:
    """Where a thing is: middle in pixels, pixels of its unit, radians clockwise, phase."""

    x: float
    y: float
    scale: float
    angle: float = 0.0
    phase: float = 0.0

    def matrix(self) -> Points:
        """(2, 3) from the object's units to pixels."""
        cos, sin = self.scale * np.cos(self.angle), self.scale * np.sin(self.angle)
        return np.array([[cos, -sin, self.x], [sin, cos, self.y]])


@dataclass(frozen=True, eq=False)
class Actor:
    """A thing in a scene.

    Attributes:
        object_id: 1 or more; 0 for what nobody asks about, such as what hides others.
        outline: its shape.
        skin: its texture, from fine to coarse, each (h, h, 3) uint8.
        poses: (T, 5) x, y, scale, angle and phase in each frame, see `Pose`.
        flat: whether it is drawn in its texture alone, without shading.
    """

    object_id: int
    outline: Outline
    skin: tuple[ImageArray, ...]
    poses: Points
    flat: bool = False

    def pose(self, time: float) -> Pose:
        """At a time in frames, between two by interpolation."""
        first = int(np.clip(np.floor(time), 0, max(len(self.poses) - 2, 0)))
        last = min(first + 1, len(self.poses) - 1)
        values = self.poses[first] + (time - first) * (self.poses[last] - self.poses[first])
        return Pose(*values.tolist())


@dataclass(frozen=True)
class Light:
    """What the camera makes of the scene's colours.

    Attributes:
        gain: factor on them, 1 as they are.
        shot: noise that grows with the root of brightness: deviation in levels at 255.
        read: noise that is always there: deviation in levels.
    """

    gain: float = 1.0
    shot: float = 2.0
    read: float = 1.0


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that a clip is drawn from.

    Attributes:
        size_hw: (H, W) pixels of a picture.
        background: (H', W', 3) uint8, larger than the picture.
        camera: (T, 2) x, y pixels of the background where the picture's corner is.
        actors: from back to front.
        light: of the camera.
        shutter: share of a frame's time that it is open; 0 smears nothing.
        shadow: how much of the light a shadow takes, 0..1.
        seed: of the noise.
    """

    size_hw: tuple[int, int]
    background: ImageArray
    camera: Points
    actors: tuple[Actor, ...]
    light: Light = Light()
    shutter: float = 0.0
    shadow: float = 0.3
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture and the truth about it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) int32, the object's id, 0 where there is none.
        whole: object id → pixels that it would take if nothing hid it and the picture had no edge.
    """

    image: ImageArray
    labels: LabelMap
    whole: dict[int, float]
