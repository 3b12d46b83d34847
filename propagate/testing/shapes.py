"""Small videos whose masks are known exactly: textured shapes that move over a texture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from propagate.coords import pixel_centres
from propagate.errors import InputError
from propagate.masks import box_of, centre
from propagate.types import BoolArray, Frame, FrameResult, ImageArray, Mask, Missing, Prompt

Scenario = Literal["apart", "crossing", "leaving"]
_TILE = 64  # pixels; an object's texture repeats after so many


@dataclass(frozen=True, eq=False)
class MovingShapes:
    """A made video and the truth about it.

    Attributes:
        images: (T, H, W, 3) uint8 RGB.
        masks: object id → (T, H, W) bool, the pixels where it is seen.
        scenario: as asked for.
    """

    images: ImageArray
    masks: Mapping[int, BoolArray]
    scenario: Scenario

    def frames(self) -> Iterator[Frame]:
        """The frames in order, 25 a second."""
        for index, image in enumerate(self.images):
            yield Frame(index, image, time_s=index / 25)

    def prompts(self, kind: Literal["mask", "box", "point"], index: int = 0) -> list[Prompt]:
        """One prompt for each object that is seen in frame `index`, made from the truth."""
        prompts = []
        for key, stack in self.masks.items():
            mask = stack[index]
            point = centre(mask)
            if point is None:
                continue
            if kind == "mask":
                prompts.append(Prompt(index, key, mask=mask))
            elif kind == "box":
                prompts.append(Prompt(index, key, box=box_of(mask)))
            else:
                prompts.append(Prompt(index, key, points_xy=point[None]))
        return prompts

    def result(self, index: int) -> FrameResult:
        """The perfect answer for frame `index`."""
        state: Literal["occluded", "absent"] = (
            "occluded" if self.scenario == "crossing" else "absent"
        )
        seen = {key: stack[index] for key, stack in self.masks.items()}
        return FrameResult(
            index,
            index / 25,
            (self.images.shape[1], self.images.shape[2]),
            tuple(Mask(key, mask) for key, mask in seen.items() if mask.any()),
            {key: Missing(key, state, "hidden") for key, mask in seen.items() if not mask.any()},
        )


def moving_shapes(
    count: int = 2,
    length: int = 24,
    size_hw: tuple[int, int] = (96, 128),
    scenario: Scenario = "apart",
    seed: int = 0,
) -> MovingShapes:
    """Textured ellipses and boxes that move and turn over a textured background.

    Args:
        count: objects, ids 1 to `count`, of different sizes and colours.
        length: frames, 2 or more.
        size_hw: (H, W) pixels, 32 or more each.
        scenario: "apart": each in a lane of its own, always in full view; "crossing": 1 and 2, 3
            and 4, ... pass on one line, the lower id is in front and larger; "leaving": each
            leaves the picture, is gone in the middle frame, and returns.
        seed: of colours and textures; the same arguments give the same video.

    Raises:
        InputError: too few objects or frames, too small, or no such scenario.
    """
    if count < 1 or length < 2 or min(size_hw) < 32 or scenario not in get_args(Scenario):
        raise InputError(
            "moving shapes need count >= 1, length >= 2, sides >= 32 and a scenario of apart, "
            f"crossing, leaving; got {count}, {length}, {size_hw}, {scenario!r}"
        )
    random = np.random.default_rng(seed)
    background = _texture(random, size_hw, np.array([105, 110, 115]))
    shapes = [_Shape.make(random, number, count, size_hw, scenario) for number in range(count)]
    images = np.empty((length, *size_hw, 3), np.uint8)
    owners = np.zeros((length, *size_hw), int)
    for index in range(length):
        images[index] = background
        for shape in reversed(shapes):  # the first one is painted last: it is in front
            inside, colours = shape.at(index / (length - 1), size_hw, scenario)
            images[index][inside] = colours[inside]
            owners[index][inside] = shape.number + 1
    return MovingShapes(images, {key + 1: owners == key + 1 for key in range(count)}, scenario)


@dataclass(frozen=True, eq=False)
class _Shape:
    number: int
    middle_y: float
    radii: npt.NDArray[np.float64]
    texture: ImageArray
    turns: float

    @staticmethod
    def make(
        random: np.random.Generator,
        number: int,
        count: int,
        size_hw: tuple[int, int],
        scenario: Scenario,
    ) -> _Shape:
        height, width = size_hw
        lanes, lane = (count + 1) // 2, number // 2  # two that cross share a lane
        if scenario != "crossing":
            lanes, lane = count, number
        reach = min(0.4 * height / max(lanes, 1.4), 0.2 * width) * (1.0, 0.7, 0.55)[number % 3]
        hue = 2 * np.pi * (number / count + random.uniform(0, 0.4 / count))
        colour = 128 + 100 * np.cos(hue + np.array([0, 2.1, 4.2]))
        tile = _texture(random, (_TILE, _TILE), colour)
        middle = height * (lane + 0.5) / lanes
        return _Shape(number, middle, reach * np.array([1, 0.75]), tile, random.uniform(-0.3, 0.3))

    def at(
        self, part: float, size_hw: tuple[int, int], scenario: Scenario
    ) -> tuple[BoolArray, ImageArray]:
        """(H, W) bool and (H, W, 3) uint8 when `part` of the video, 0..1, has gone by."""
        import cv2

        width, reach = size_hw[1], self.radii.max()
        x = {
            "apart": width / 2 + (width / 2 - reach - 1) * np.sin(np.pi * (part - 0.3)),
            "crossing": reach + 1 + (width - 2 * reach - 2) * part,
            "leaving": 0.35 * width + (0.65 * width + reach + 2) * np.sin(np.pi * part) ** 2,
        }[scenario]
        x = width - x if self.number % 2 else x
        turn = 2 * np.pi * self.turns * part
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        own = ((pixel_centres(size_hw) - [x, self.middle_y]) @ rotation).astype(np.float32)
        scaled = own / self.radii
        ellipse = np.square(scaled).sum(axis=-1) <= 1
        inside = ellipse if self.number % 2 == 0 else np.abs(scaled).max(axis=-1) <= 0.85
        place = (own + _TILE / 2) % _TILE
        colours = cv2.remap(
            self.texture, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
        )
        return inside, colours.astype(np.uint8)


def _texture(
    random: np.random.Generator, size_hw: tuple[int, int], colour: npt.NDArray[Any]
) -> ImageArray:
    """(H, W, 3) uint8: a colour with blotches of two sizes, so that points can be followed."""
    import cv2

    total = np.zeros((*size_hw, 1))
    for cell, strength in ((12, 22), (4, 14)):
        grid = random.uniform(-strength, strength, [side // cell + 2 for side in size_hw])
        total[..., 0] += cv2.resize(grid, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(colour + total, 0, 255).astype(np.uint8)
