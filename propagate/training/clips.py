"""Short synthetic clips from stills, with exact masks.

A photo is looked at by a moving camera; its content bends a little; objects cut out of other
photos are pasted on top and move on paths of their own (`cutouts`), which gives occlusion, exits,
and, pasted twice, look-alikes. Everything is drawn from one random generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from propagate.training import cutouts
from propagate.training.photos import LabelArray, segment_ids
from propagate.types import FloatArray, ImageArray

PASTED = 1 << 15
"""Ids of pasted objects start here."""


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
    bend: float = 0.03


Clip = tuple[ImageArray, LabelArray]
"""Pictures (T, H, W, 3) uint8 and label maps (T, H, W) int32."""


def make_clip(  # noqa: PLR0913 - one a thing to see
    rng: np.random.Generator,
    photo: ImageArray,
    labels: LabelArray,
    backdrop: ImageArray,
    pasted: list[cutouts.Cutout],
    settings: ClipSettings,
) -> Clip:
    """A clip of `settings.frames` pictures of a photo, a backdrop around it, and pasted cutouts."""
    camera = _camera_path(rng, labels, settings)
    bends = [_bend(rng, settings) for _ in range(settings.frames)]
    height, width = labels.shape
    around = np.asarray(cv2.resize(backdrop, (width, height)), np.uint8)
    pictures: list[ImageArray] = []
    maps: list[LabelArray] = []
    exact = labels.astype(np.uint16)  # remap has no int32
    for matrix, bend in zip(camera, bends, strict=True):
        x, y = _sampling_grid(matrix, bend, settings.size_hw)
        place = cv2.convertMaps(x, y, cv2.CV_16SC2)  # once, for whatever is looked up there
        picture = cv2.remap(photo, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if min(x.min(), y.min()) < 0 or x.max() > width - 1 or y.max() > height - 1:
            beyond = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
            seen = cv2.remap(around, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            cv2.copyTo(seen, beyond.view(np.uint8), picture)
        map_ = cv2.remap(exact, x, y, cv2.INTER_NEAREST, borderValue=0)
        pictures.append(np.asarray(picture, np.uint8))
        maps.append(map_.astype(np.int32))
    for number, cutout in enumerate(pasted):
        cutouts.paste(rng, pictures, maps, cutout, PASTED + number)
    flip = rng.random() < 0.5
    light = _light(rng)
    done = [_photograph(rng, picture, light) for picture in pictures]
    images, label_maps = np.stack(done), np.stack(maps)
    if flip:
        images, label_maps = images[:, :, ::-1], label_maps[:, :, ::-1]
    return np.ascontiguousarray(images), np.ascontiguousarray(label_maps)


def _camera_path(
    rng: np.random.Generator, labels: LabelArray, settings: ClipSettings
) -> list[FloatArray]:
    """For each frame the (2, 3) affine map from picture pixels to photo pixels."""
    height, width = labels.shape
    out_h, out_w = settings.size_hw
    low, high = settings.zoom
    span = max(height, width) * np.exp(rng.uniform(np.log(low), np.log(high)))
    scale = span / max(out_h, out_w)
    ids = segment_ids(labels)
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
    x = np.arange(width, dtype=np.float32) + bend[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + bend[..., 1]
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2],
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2],
    )


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
        noise = rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(2, 10))
        picture = np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)
    return picture
