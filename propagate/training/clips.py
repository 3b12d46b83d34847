"""Short synthetic clips from stills, with exact masks.

A photo is looked at by a moving camera; its content bends a little; objects cut out of other
photos are pasted on top and move on paths of their own, which gives occlusion, exits, and, pasted
twice, look-alikes. Everything is drawn from one random generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from propagate.training.photos import LabelArray
from propagate.types import FloatArray, ImageArray

PASTED = 1 << 20
"""Ids of pasted objects start here."""


@dataclass(frozen=True)
class Cutout:
    """An object cut out of a photo: (h, w, 3) uint8 and its alpha (h, w) float32 0..1."""

    image: ImageArray
    alpha: FloatArray


@dataclass(frozen=True)
class ClipSettings:
    """How wild a clip is.

    Attributes:
        frames: pictures in a clip.
        size_hw: of each picture, pixels.
        zoom: lowest and highest share of the photo's longer side that the picture spans.
        shift, turn, growth: largest change a frame: of the picture's size, degrees, log scale.
        bend: strongest elastic displacement, of the picture's size.
    """

    frames: int = 3
    size_hw: tuple[int, int] = (320, 320)
    zoom: tuple[float, float] = (0.4, 1.1)
    shift: float = 0.10
    turn: float = 8.0
    growth: float = 0.12
    bend: float = 0.02


Clip = tuple[ImageArray, LabelArray]
"""Pictures (T, H, W, 3) uint8 and label maps (T, H, W) int32."""


def make_clip(
    rng: np.random.Generator,
    photo: ImageArray,
    labels: LabelArray,
    cutouts: list[Cutout],
    settings: ClipSettings,
) -> Clip:
    """A clip of `settings.frames` pictures of one photo with pasted cutouts."""
    camera = _camera_path(rng, labels, settings)
    bends = [_bend(rng, settings) for _ in range(settings.frames)]
    fill = photo.reshape(-1, 3).mean(0).tolist()
    pictures: list[ImageArray] = []
    maps: list[LabelArray] = []
    for matrix, bend in zip(camera, bends, strict=True):
        x, y = _sampling_grid(matrix, bend, settings.size_hw)
        picture = cv2.remap(photo, x, y, cv2.INTER_LINEAR, borderValue=fill)
        # Labels fit float32 exactly (ids are small); remap has no int32.
        map_ = cv2.remap(labels.astype(np.float32), x, y, cv2.INTER_NEAREST, borderValue=0)
        pictures.append(np.asarray(picture, np.uint8))
        maps.append(map_.astype(np.int32))
    for number, cutout in enumerate(cutouts):
        _paste(rng, pictures, maps, cutout, PASTED + number)
    flip = rng.random() < 0.5
    light = _light(rng)
    done = [_photograph(rng, picture, light) for picture in pictures]
    images, label_maps = np.stack(done), np.stack(maps)
    if flip:
        images, label_maps = images[:, :, ::-1], label_maps[:, :, ::-1]
    return np.ascontiguousarray(images), np.ascontiguousarray(label_maps)


def cut_out(rng: np.random.Generator, photo: ImageArray, labels: LabelArray) -> Cutout | None:
    """A random object of a photo with a soft edge, or None where none is of a useful size."""
    ids, areas = np.unique(labels[labels > 0], return_counts=True)
    fit = ids[(areas > 0.01 * labels.size) & (areas < 0.5 * labels.size)]
    if not len(fit):
        return None
    mask = (labels == rng.choice(fit)).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    window = np.s_[max(y - 2, 0) : y + height + 2, max(x - 2, 0) : x + width + 2]
    inner = cv2.erode(mask[window], np.ones((3, 3), np.uint8)).astype(np.float32)
    return Cutout(photo[window], np.asarray(cv2.GaussianBlur(inner, (0, 0), 0.8), np.float32))


def _camera_path(
    rng: np.random.Generator, labels: LabelArray, settings: ClipSettings
) -> list[FloatArray]:
    """For each frame the (2, 3) affine map from picture pixels to photo pixels."""
    height, width = labels.shape
    out_h, out_w = settings.size_hw
    low, high = settings.zoom
    span = max(height, width) * np.exp(rng.uniform(np.log(low), np.log(high)))
    scale = span / max(out_h, out_w)
    ids = np.unique(labels[labels > 0])
    centre = np.array([width / 2, height / 2])
    if len(ids) and rng.random() < 0.85:
        ys, xs = np.nonzero(labels == rng.choice(ids))
        centre = np.array([xs.mean(), ys.mean()]) + rng.normal(0, 0.12, 2) * span
    if rng.random() < 0.8:  # keep the picture inside the photo where it fits
        half = np.minimum(scale * np.array([out_w, out_h]), (width, height)) / 2
        centre = np.clip(centre, half, (width, height) - half)
    angle = rng.normal(0, 4.0)
    stretch = np.exp(rng.normal(0, 0.05))
    calm = rng.random() ** 1.5  # most clips are calm, some are wild
    path = []
    for _ in range(settings.frames):
        turn = np.deg2rad(angle)
        linear = scale * np.array(
            [[np.cos(turn) * stretch, -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        )
        offset = centre - linear @ np.array([out_w / 2, out_h / 2])
        path.append(np.concatenate([linear, offset[:, None]], 1).astype(np.float32))
        centre = centre + rng.normal(0, settings.shift * calm, 2) * span
        angle += rng.normal(0, settings.turn * calm)
        scale *= np.exp(rng.normal(0, settings.growth * calm))
    return path


def _bend(rng: np.random.Generator, settings: ClipSettings) -> FloatArray:
    """A smooth displacement (H, W, 2) in picture pixels."""
    height, width = settings.size_hw
    strength = settings.bend * rng.random() ** 2 * max(height, width)
    coarse = rng.normal(0, strength, (5, 5, 2)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth, np.float32)


def _sampling_grid(
    matrix: FloatArray, bend: FloatArray, size_hw: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Where each picture pixel looks in the photo: x and y, (H, W) float32."""
    height, width = size_hw
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = x + bend[..., 0], y + bend[..., 1]
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2],
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2],
    )


def _paste(
    rng: np.random.Generator,
    pictures: list[ImageArray],
    maps: list[LabelArray],
    cutout: Cutout,
    object_id: int,
) -> None:
    """Paste a cutout into every picture along a path of its own; edits the lists' arrays."""
    height, width = maps[0].shape
    place = rng.uniform(0.1, 0.9, 2) * (width, height)
    speed = rng.normal(0, 0.14, 2) * (width, height)
    scale = rng.uniform(0.2, 0.65) * max(height, width) / max(cutout.alpha.shape)
    angle, turn = rng.normal(0, 10), rng.normal(0, 8)
    centre = np.array(cutout.alpha.shape[::-1]) / 2
    for picture, map_ in zip(pictures, maps, strict=True):
        pivot = (float(centre[0]), float(centre[1]))
        matrix = np.asarray(cv2.getRotationMatrix2D(pivot, angle, scale), np.float64)
        matrix[:, 2] += place - centre
        alpha = cv2.warpAffine(cutout.alpha, matrix, (width, height))
        colour = cv2.warpAffine(
            cutout.image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        blend = alpha[..., None]
        picture[:] = (picture * (1 - blend) + colour * blend).astype(np.uint8)
        map_[alpha > 0.5] = object_id
        place = place + speed + rng.normal(0, 0.02, 2) * (width, height)
        angle += turn
        scale *= np.exp(rng.normal(0, 0.08))


def _light(rng: np.random.Generator) -> FloatArray:
    """(3, 3) colour matrix and a gain and offset that the whole clip shares, as (3, 4)."""
    saturation = 0.05 if rng.random() < 0.04 else float(np.exp(rng.normal(0, 0.25)))
    grey = np.full((3, 3), 1 / 3)
    matrix = saturation * np.eye(3) + (1 - saturation) * grey
    matrix *= np.exp(rng.normal(0, 0.18)) * np.exp(rng.normal(0, 0.05, (3, 1)))
    offset = rng.normal(0, 14, (3, 1))
    return np.concatenate([matrix, offset], 1).astype(np.float32)


def _photograph(rng: np.random.Generator, picture: ImageArray, light: FloatArray) -> ImageArray:
    """Light, a little flicker, blur and noise."""
    flicker = light * np.float32(np.exp(rng.normal(0, 0.05)))
    picture = np.asarray(cv2.transform(picture, flicker), np.uint8)
    chance = rng.random()
    if chance < 0.12:
        blurred = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 1.8)))
        picture = np.asarray(blurred, np.uint8)
    elif chance < 0.22:
        length = int(rng.integers(3, 10))
        kernel = np.zeros((length, length), np.float32)
        end = rng.integers(0, length)
        cv2.line(kernel, (0, int(end)), (length - 1, int(length - 1 - end)), 1.0)
        picture = np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)
    if rng.random() < 0.2:
        noise = rng.normal(0, rng.uniform(2, 10), picture.shape)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return picture
