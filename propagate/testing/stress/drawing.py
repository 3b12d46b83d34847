"""Draws a scene: things in front of each other over a background, with the truth of each pixel.

A pixel belongs to the layer that contributes most to its colour. Edges are soft because a pixel
that is half covered is half coloured, and a thing that moves while the shutter is open is smeared:
then the truth is where most of the light came from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from propagate.coords import to_opencv
from propagate.testing.stress.outlines import Part, Points
from propagate.testing.stress.scene import Actor, Drawn, LabelMap, Pose, Scene
from propagate.testing.stress.textures import TILE
from propagate.types import FloatArray, ImageArray

Window = tuple[int, int, int, int]
"""(x0, y0, x1, y1) pixels, end-exclusive."""

_FINE = 4  # a pixel's coverage is counted on so many by so many points
_SHIFT = 4  # binary digits of a fraction of such a point
_SUBFRAMES = 5  # pictures that a smeared one is the mean of
_SKIN_REACH = 1.4  # of an object's unit to each side that a skin covers


@dataclass(frozen=True, eq=False)
class _Layer:
    """An actor in one picture: its part of it, coverage (h, w) and colour times coverage."""

    actor: Actor
    window: Window
    cover: FloatArray
    light: FloatArray

    @property
    def part(self) -> tuple[slice, slice]:
        x0, y0, x1, y1 = self.window
        return slice(y0, y1), slice(x0, x1)


def draw(scene: Scene, index: int) -> Drawn:
    """One frame of a scene; the same scene and index give the same."""
    height, width = scene.size_hw
    x, y = scene.camera[index]
    shift = np.array([[1, 0, -x], [0, 1, -y]])
    picture = cv2.warpAffine(scene.background, shift, (width, height)).astype(np.float32)
    layers = [_layer(actor, scene, index) for actor in scene.actors]
    shown = [layer for layer in layers if layer is not None]
    for layer in shown:
        if scene.shadow and not layer.actor.flat:
            _cast(picture, layer, scene.shadow)
        picture[layer.part] *= 1 - layer.cover[..., None]
        picture[layer.part] += layer.light
    whole = {
        actor.object_id: _whole_area(actor, index) for actor in scene.actors if actor.object_id > 0
    }
    return Drawn(_exposed(picture, scene, index), _labels(shown, scene.size_hw), whole)


def _labels(layers: list[_Layer], size_hw: tuple[int, int]) -> LabelMap:
    """Front to back, what is left of the light is shared out; the largest share owns the pixel."""
    left = np.ones(size_hw, np.float32)
    best = np.zeros(size_hw, np.float32)
    labels = np.zeros(size_hw, np.int32)
    for layer in reversed(layers):
        share = left[layer.part] * layer.cover
        wins = share > best[layer.part]
        labels[layer.part][wins] = layer.actor.object_id
        best[layer.part][wins] = share[wins]
        left[layer.part] -= share
    labels[left >= best] = 0
    return labels


def _layer(actor: Actor, scene: Scene, index: int) -> _Layer | None:
    """An actor drawn alone; None where it is out of the picture."""
    times = [float(index)]
    if scene.shutter:
        times = (index + scene.shutter * np.linspace(-0.5, 0.5, _SUBFRAMES)).tolist()
    poses = [actor.pose(time) for time in times]
    window = _window(actor, poses, scene.size_hw)
    if window is None:
        return None
    drawn = [_parts(actor, pose, window) for pose in poses]
    cover: FloatArray = np.mean([one for one, _ in drawn], axis=0, dtype=np.float32)
    light: FloatArray = np.mean([one for _, one in drawn], axis=0, dtype=np.float32)
    return _Layer(actor, window, cover, light)


def _window(actor: Actor, poses: list[Pose], size_hw: tuple[int, int]) -> Window | None:
    """The part of the picture that an actor touches."""
    corners = np.concatenate(
        [one for pose in poses for part in actor.outline for one in _placed(part, pose)]
    )
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, size_hw[::-1])
    if (high <= low).any():
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _placed(part: Part, pose: Pose) -> list[Points]:
    """(N, 2) each, a part's polygons in pixels."""
    matrix = pose.matrix()
    return [one @ matrix[:, :2].T + matrix[:, 2] for one in part.outline(pose.phase)]


def _parts(actor: Actor, pose: Pose, window: Window) -> tuple[FloatArray, FloatArray]:
    """Coverage (h, w) and colour times coverage (h, w, 3) of an actor in a part of the picture."""
    size = window[3] - window[1], window[2] - window[0]
    cover = np.zeros(size, np.float32)
    light = np.zeros((*size, 3), np.float32)
    for part in actor.outline:
        alpha = _coverage(_placed(part, pose), window)
        colour = _coloured(actor, part, pose, window)
        shade = alpha if actor.flat else alpha * _roundness(alpha, pose.scale) * part.shade
        light *= 1 - alpha[..., None]
        light += colour * shade[..., None]
        cover += alpha * (1 - cover)
    return cover, light


def _coverage(polygons: list[Points], window: Window) -> FloatArray:
    """(h, w) 0..1: how much of each pixel lies inside one of the polygons, to an eighth."""
    x0, y0, x1, y1 = window
    inside = np.zeros(((y1 - y0) * _FINE, (x1 - x0) * _FINE), np.uint8)
    for points in polygons:
        fine = to_opencv((points - [x0, y0]) * _FINE)
        corners = [np.round(fine * 2**_SHIFT).astype(np.int32)]
        one = np.zeros_like(inside)
        cv2.fillPoly(one, corners, 255, cv2.LINE_8, _SHIFT)
        # An eighth of a pixel to each side: half of the line that `fillPoly` fills is outside.
        cv2.polylines(one, corners, isClosed=True, color=128, shift=_SHIFT)
        np.maximum(inside, one, out=inside)
    mean = cv2.resize(inside, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    return np.asarray(mean, np.float32) / np.float32(255)


def _coloured(actor: Actor, part: Part, pose: Pose, window: Window) -> FloatArray:
    """(h, w, 3) the skin as it lies on a part, from the level that fits its size."""
    wanted = 2 * _SKIN_REACH * pose.scale / TILE
    level = int(np.clip(np.floor(-np.log2(max(wanted, 1e-6))), 0, len(actor.skin) - 1))
    tile = actor.skin[level]
    unit = 2 * _SKIN_REACH / len(tile)  # of the object a pixel of the tile
    to_object = np.array([[unit, 0, -_SKIN_REACH], [0, unit, -_SKIN_REACH], [0, 0, 1]])
    to_part = np.vstack([part.turn(pose.phase), [0, 0, 1]])
    matrix = pose.matrix() @ to_part @ to_object
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - [window[0] + 0.5, window[1] + 0.5]
    size = window[2] - window[0], window[3] - window[1]
    colour = cv2.warpAffine(
        tile, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(colour, np.float32)


def _roundness(alpha: FloatArray, scale: float) -> FloatArray:
    """(h, w) brightness that falls towards the edge and is higher above, as on a round thing."""
    reach = max(3, int(0.3 * scale) | 1)
    near = cv2.blur(alpha, (reach, reach), borderType=cv2.BORDER_REPLICATE)
    above = np.roll(near, reach // 3, axis=0)
    light: FloatArray = (0.72 + 0.33 * near + 0.35 * (near - above)).astype(np.float32)
    return light


def _cast(picture: FloatArray, layer: _Layer, strength: float) -> None:
    """Darken what lies below and to the right of a thing, softly."""
    x0, y0, x1, y1 = layer.window
    height, width = picture.shape[:2]
    reach = max(2, round(0.12 * min(x1 - x0, y1 - y0)))
    x, y = x0 - reach, y0 - reach // 2
    padded = np.pad(layer.cover, ((reach, 2 * reach), (2 * reach, 2 * reach)))
    kernel = 2 * reach + 1
    soft = cv2.blur(cv2.blur(padded, (kernel, kernel)), (kernel, kernel))
    rows = slice(max(0, -y), min(soft.shape[0], height - y))
    columns = slice(max(0, -x), min(soft.shape[1], width - x))
    if rows.stop > rows.start and columns.stop > columns.start:
        target = picture[y + rows.start : y + rows.stop, x + columns.start : x + columns.stop]
        target *= 1 - strength * soft[rows, columns, None]


def _exposed(picture: FloatArray, scene: Scene, index: int) -> ImageArray:
    """What the sensor makes of the light."""
    light = scene.light
    signal = picture * np.float32(light.gain)
    if light.shot or light.read:
        random = np.random.default_rng((scene.seed, index))
        spread = np.sqrt(light.read**2 + light.shot**2 * signal.clip(0) / 255)
        signal = signal + random.standard_normal(signal.shape, np.float32) * spread
    return np.clip(np.round(signal), 0, 255).astype(np.uint8)


def _whole_area(actor: Actor, index: int) -> float:
    """Pixels of an actor in a frame where nothing hides it or cuts it off."""
    pose = actor.pose(float(index))
    placed = [one for part in actor.outline for one in _placed(part, pose)]
    every = np.concatenate(placed)
    low, high = np.floor(every.min(axis=0)).astype(int), np.ceil(every.max(axis=0)).astype(int)
    return float(_coverage(placed, (low[0], low[1], high[0] + 1, high[1] + 1)).sum())
