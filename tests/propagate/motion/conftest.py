"""Pictures in which a textured thing moves exactly as told over a textured background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from propagate.masks import box_of
from propagate.types import Frame, FrameResult, Mask, Missing

SIZE_HW = (240, 320)


def texture(seed, size_hw, grain=3.0):
    noise = np.random.default_rng(seed).normal(size=(*size_hw, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Scene:
    """A textured ellipse with half axes (45, 30) over a texture.

    The texture is painted afresh for every place, at any fraction of a pixel, so the truth is
    exact.
    """

    background: np.ndarray
    thing: np.ndarray

    def at(self, index, centre, scale=1.0, occluder=None):
        """(Frame, mask) with the thing at `centre`; `occluder` is the x where a cover begins."""
        height, width = self.background.shape[:2]
        y, x = np.mgrid[:height, :width] + 0.5
        u, v = (x - centre[0]) / scale, (y - centre[1]) / scale
        mask = (u / 45) ** 2 + (v / 30) ** 2 <= 1
        look = [(u + 63.5).astype(np.float32), (v + 63.5).astype(np.float32)]
        painted = cv2.remap(self.thing, *look, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        image = np.where(mask[..., None], painted, self.background)
        if occluder is not None:
            covered = (x >= occluder) & (x < occluder + 60)
            shifted = np.roll(self.background[::-1], int(occluder), axis=1)
            image = np.where(covered[..., None], shifted, image)
        return Frame(index, np.ascontiguousarray(image)), mask

    @staticmethod
    def answered(frame, masks=None, missing=()):
        """The result for a frame: id → mask (H, W) bool, and the ids that have none."""
        found = tuple(Mask(key, mask) for key, mask in (masks or {}).items())
        gone = {key: Missing(key, "occluded", "hidden") for key in missing}
        return FrameResult(frame.index, None, frame.size_hw, found, gone)

    @staticmethod
    def feed(motion, steps):
        """The state after (frame, mask) pairs of object 1; a mask of None stands for missing."""
        state = motion.start()
        for frame, mask in steps:
            motion.guess(state, frame)
            masks, missing = ({}, [1]) if mask is None else ({1: mask}, [])
            state = motion.update(state, frame, Scene.answered(frame, masks, missing))
        return state

    @staticmethod
    def off(guess, mask):
        """How far the guessed box is from the mask's, in pixels at the worst side."""
        return float(np.abs(guess.box - box_of(mask)).max())

    @staticmethod
    def overlap(guess, mask):
        """IoU of the prior, at the picture's size, with a mask."""
        prior = cv2.resize(guess.prior, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
        return np.count_nonzero(prior & mask) / np.count_nonzero(prior | mask)


@pytest.fixture(scope="session")
def scene():
    return Scene(texture(1, SIZE_HW), texture(2, (128, 128)))
