"""Objects cut out of photos, pasted into clips on paths of their own.

A cutout moves, turns in the picture, is squeezed as a thing that turns in depth is, and bends as
living things do. Some show a new side while they go: from one edge on, another texture takes the
place of the known one, so that the network learns to keep what it has never seen but what belongs
to the object.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from propagate.training.photos import LabelArray
from propagate.types import BoolArray, FloatArray, ImageArray

NEW_SIDE = 0.3
"""How often a pasted object shows another side while it moves."""


@dataclass(frozen=True)
class Cutout:
    """An object cut out of a photo: (h, w, 3) uint8 and its alpha (h, w) float32 0..1."""

    image: ImageArray
    alpha: FloatArray


@dataclass(frozen=True)
class _Pose:
    """Where a cutout is in one picture: its centre in pixels, degrees, scale, squeeze."""

    place: npt.NDArray[np.float64]
    angle: float
    scale: float
    axis: float
    squeeze: float

    def matrix(self, size_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
        """(2, 3) from pixels of a cutout of `size_hw` to pixels of the picture."""
        squeeze = _turn(self.axis) @ np.diag([np.exp(self.squeeze), 1.0]) @ _turn(-self.axis)
        linear = self.scale * _turn(np.deg2rad(self.angle)) @ squeeze
        centre = np.array([size_hw[1] / 2, size_hw[0] / 2])
        return np.concatenate([linear, (self.place - linear @ centre)[:, None]], 1)


def cut_out(photo: ImageArray, inside: BoolArray) -> Cutout | None:
    """An object of a photo (H, W, 3) with a soft edge, or None where its size is of no use."""
    if not 0.01 < inside.mean() < 0.6:
        return None
    mask = inside.astype(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    window = np.s_[max(y - 2, 0) : y + height + 2, max(x - 2, 0) : x + width + 2]
    inner = cv2.erode(mask[window], np.ones((3, 3), np.uint8)).astype(np.float32)
    alpha = cv2.GaussianBlur(inner, (0, 0), 0.8)
    room = max(width, height) // 8  # to bend into
    return Cutout(
        np.asarray(
            cv2.copyMakeBorder(photo[window], room, room, room, room, cv2.BORDER_REPLICATE),
            np.uint8,
        ),
        np.asarray(
            cv2.copyMakeBorder(alpha, room, room, room, room, cv2.BORDER_CONSTANT), np.float32
        ),
    )


def recolour(rng: np.random.Generator, cutout: Cutout) -> Cutout:
    """The same object in a slightly other light: a look-alike, not a copy."""
    gain = np.exp(rng.normal(0, 0.15)) * np.exp(rng.normal(0, 0.1, 3))
    image = np.clip(cutout.image * gain.astype(np.float32), 0, 255).astype(np.uint8)
    return Cutout(image, cutout.alpha)


def paste(
    rng: np.random.Generator,
    pictures: list[ImageArray],
    maps: list[LabelArray],
    cutout: Cutout,
    object_id: int,
) -> None:
    """Paste a cutout into every picture along a path of its own; edits the lists' arrays."""
    height, width = maps[0].shape
    looks = _looks(rng, cutout, len(pictures))
    poses = _path(rng, cutout, (height, width), len(pictures))
    strength = 0.06 * rng.random() ** 2 * max(cutout.alpha.shape)
    bend = np.zeros((4, 4, 2), np.float32)
    for picture, map_, look, pose in zip(pictures, maps, looks, poses, strict=True):
        _blend(picture, map_, _bent(replace(cutout, image=look), bend), pose, object_id)
        bend = bend + rng.normal(0, strength, bend.shape).astype(np.float32)


def _path(
    rng: np.random.Generator, cutout: Cutout, size_hw: tuple[int, int], frames: int
) -> list[_Pose]:
    size = np.array(size_hw[::-1])
    place = rng.uniform(0.1, 0.9, 2) * size
    calm = rng.random()  # some hardly move, some cross the picture in a few frames
    speed = rng.normal(0, 0.2 * calm, 2) * size
    scale = np.exp(rng.uniform(np.log(0.18), np.log(0.85))) * max(size_hw) / max(cutout.alpha.shape)
    angle, turn = rng.normal(0, 10), rng.normal(0, 12 * calm)
    axis, squeeze, squeezing = rng.uniform(0, np.pi), 0.0, rng.normal(0, 0.12 * calm)
    poses = []
    for _ in range(frames):
        poses.append(_Pose(place, angle, scale, axis, squeeze))
        place = place + speed + rng.normal(0, 0.03 * calm, 2) * size
        speed = speed * 0.8 + rng.normal(0, 0.04 * calm, 2) * size
        angle += turn
        squeeze = float(np.clip(squeeze + squeezing, -0.9, 0.4))
        scale *= np.exp(rng.normal(0, 0.1 * calm))
    return poses


def _looks(rng: np.random.Generator, cutout: Cutout, frames: int) -> list[ImageArray]:
    """The cutout's picture in every frame: mostly the same, sometimes with a new side."""
    if rng.random() >= NEW_SIDE:
        return [cutout.image] * frames
    height, width = cutout.alpha.shape
    other = recolour(rng, Cutout(cutout.image[:, ::-1], cutout.alpha)).image
    if rng.random() < 0.5:
        other = np.roll(other, int(rng.integers(3)), 2)
    direction = rng.uniform(0, 2 * np.pi)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    along = (x * np.cos(direction) + y * np.sin(direction)).astype(np.float32)
    reach = float(np.abs(along).max())
    final = rng.uniform(-0.6, 0.6) * reach
    looks = []
    for frame in range(frames):
        edge = reach + (final - reach) * frame / max(frames - 1, 1)
        share = np.clip((along - edge) / 0.1, 0, 1)[..., None] if frame else np.float32(0)
        looks.append((cutout.image * (1 - share) + other * share).astype(np.uint8))
    return looks


def _bent(cutout: Cutout, bend: FloatArray) -> Cutout:
    """A cutout displaced smoothly by (4, 4, 2) pixels."""
    if not bend.any():
        return cutout
    height, width = cutout.alpha.shape
    field = cv2.resize(bend, (width, height), interpolation=cv2.INTER_CUBIC)
    x = np.arange(width, dtype=np.float32) + field[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + field[..., 1]
    image = cv2.remap(cutout.image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.remap(cutout.alpha, x, y, cv2.INTER_LINEAR)
    return Cutout(np.asarray(image, np.uint8), np.asarray(alpha, np.float32))


def _blend(
    picture: ImageArray, map_: LabelArray, cutout: Cutout, pose: _Pose, object_id: int
) -> None:
    """Draw a cutout into the part of the picture that it touches."""
    height, width = cutout.alpha.shape
    matrix = pose.matrix((height, width))
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]) @ matrix.T
    low = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, (map_.shape[1], map_.shape[0]))
    if (high <= low).any():
        return
    matrix[:, 2] -= low
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    alpha = cv2.warpAffine(cutout.alpha, matrix, size)
    colour = cv2.warpAffine(cutout.image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    blended = cv2.blendLinear(picture[window], np.asarray(colour, np.uint8), 1 - alpha, alpha)
    picture[window] = blended
    map_[window][alpha > 0.5] = object_id


def _turn(angle: float) -> npt.NDArray[np.float64]:
    """(2, 2) rotation by radians."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
