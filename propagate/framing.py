"""Which part of a picture is looked at: all of it, or a window around what is followed.

A network sees few pixels. Where the objects are small, a window shows them larger, at much the
same size in every frame, however far away they are; it costs no more time than the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from propagate.coords import Size, Window
from propagate.masks import box_of
from propagate.types import Evidence, FloatArray, FrameResult, Guess, Prompt
from propagate.windows import window_around

_STEP = 0.85  # a window is this much smaller than the next larger one
_FARTHER = 1.7  # sides of the window in which something is sought that one does not show
_NEARLY_ALL = 0.8  # of the sides of what is looked at: a window that large shows little else
_MOSTLY = 0.9  # of a mask
_ANSWER_TRUST = 0.5  # in the answer to a click, when it is asked about again from near


@dataclass(frozen=True)
class Config:
    """How close to look.

    Attributes:
        margin: room on each side of an object, in its own sizes; less shows it larger, more still
            holds it when it moves fast.
        closest: smallest window, as a share of the picture's sides; 1 always shows all of it.
    """

    margin: float = 0.27
    closest: float = 0.25


class Framing:
    """Chooses windows of the picture's shape; has no state."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config

    def window(
        self, size_hw: Size, boxes: Sequence[FloatArray], before: Window | None = None
    ) -> Window:
        """The smallest window that holds boxes with room around them.

        Args:
            size_hw: (H, W) of the picture.
            boxes: (4,) each, pixels, of everything looked for; none shows the whole picture.
            before: the window of the last frame: it stays while it fits, so that nothing flickers.
        """
        if not boxes or self._config.closest >= 1:
            return Window.whole(size_hw)
        tight, roomy = (self._needed(boxes, size_hw, part) for part in (0.5, 1.0))
        if before is not None and before.holds(tight):
            share = (before.y1 - before.y0) / size_hw[0]
            if self._share(roomy, size_hw) > share * _STEP**2:
                return before
        return window_around(roomy, size_hw, self._share(roomy, size_hw))

    def closer(
        self, window: Window, asked: Mapping[int, Prompt], result: FrameResult
    ) -> Window | None:
        """A much smaller window around what clicks alone have found, or None.

        What a click belongs to is seen from afar, the edge of that from near.

        Args:
            window: from where `result` was seen.
            asked: id → the user's prompt.
            result: the answers.
        """
        vague = [prompt for prompt in asked.values() if _is_vague(prompt)]
        if not vague or result.missing:
            return None
        boxes = [box_of(mask.pixels) for mask in result.masks]
        boxes += [extent_of(prompt) for prompt in vague]
        found = [box for box in boxes if box is not None]
        near = self.window(result.size_hw, found)
        return near if near.size_hw[0] < _NEARLY_ALL * window.size_hw[0] else None

    def wider(self, window: Window, result: FrameResult, sought: Collection[int]) -> Window | None:
        """Where to look as well: things may have jumped out of a window, or reach out of it.

        What jumped is not far: a small thing is recognised in a window some larger, where it would
        not be in the whole picture, which is looked at in the next frame if need be.

        Args:
            window: from where `result` was seen.
            result: the answers.
            sought: objects that it does not show, or hardly.

        Returns:
            A larger window if something is sought, one that holds more beyond the edges at which
            masks are cut off, or None.
        """
        whole = Window.whole(result.size_hw)
        if window == whole:
            return None
        if sought:
            share = _FARTHER * window.size_hw[0] / result.size_hw[0]
            if share >= _NEARLY_ALL:
                return whole
            return window_around(window.corners, result.size_hw, share)
        found = _reaching(window, result)
        if all(np.array_equal(box, beyond) for box, beyond in found):
            return None
        return self.window(result.size_hw, [beyond for _, beyond in found])

    def lacks(
        self, window: Window, result: FrameResult, sought: Collection[int]
    ) -> tuple[int, int]:
        """How many objects are sought, and how many a window cuts off; see `wider`."""
        found = _reaching(window, result)
        return len(sought), sum(not np.array_equal(*pair) for pair in found)

    def _needed(self, boxes: Sequence[FloatArray], size_hw: Size, part: float) -> FloatArray:
        """What must be in sight: (4,), within the picture, with a part of the margin."""
        grown = []
        for box in boxes:
            size = box[2:] - box[:2]
            room = part * self._config.margin * np.maximum(size, size.max() / 2)
            grown.append(np.concatenate([box[:2] - room, box[2:] + room]))
        low = np.maximum(np.min([one[:2] for one in grown], 0), 0)
        high = np.minimum(np.max([one[2:] for one in grown], 0), size_hw[::-1])
        return np.concatenate([low, high]).astype(np.float32)

    def _share(self, needed: FloatArray, size_hw: Size) -> float:
        """The window's side as a share of the picture's: 1, 0.85, 0.72, ... as fits."""
        share = float(np.max((needed[2:] - needed[:2]) / size_hw[::-1]))
        steps = np.floor(np.log(max(share, self._config.closest)) / np.log(_STEP) + 1e-6)
        return float(_STEP ** max(steps, 0))


def denied(far: FrameResult, near: FrameResult, window: Window) -> set[int]:
    """Objects that a look from afar shows in a window where a look from near does not.

    From near more can be told, so those are not believed.

    Args:
        far: the answer from afar.
        near: the answer from near.
        window: where that one looked.
    """
    return {
        mask.object_id
        for mask in far.masks
        if mask.object_id in near.missing
        and mask.pixels[window.slices].sum() > _MOSTLY * mask.pixels.sum()
    }


def _reaching(window: Window, result: FrameResult) -> list[tuple[FloatArray, FloatArray]]:
    """The box (4,) of each mask, and the same with what a window may cut off."""
    boxes = [box_of(mask.pixels) for mask in result.masks]
    return [(box, _beyond(window, box, result.size_hw)) for box in boxes if box is not None]


def _beyond(window: Window, box: FloatArray, size_hw: Size) -> FloatArray:
    """A box (4,), with half a window more beyond each edge of the window that cuts it off."""
    edges, ends = window.corners, Window.whole(size_hw).corners
    half = np.array([edges[0] - edges[2], edges[1] - edges[3]], np.float32) / 2
    cut = (box == edges) & (edges != ends)
    return np.where(cut, box + np.concatenate([half, -half]), box).astype(np.float32)


def boxes_sought(
    ids: Iterable[int], asked: Mapping[int, Prompt], guesses: Mapping[int, Guess]
) -> list[FloatArray]:
    """Boxes (4,) around all that has to be seen; none where something may be anywhere.

    Args:
        ids: of all objects.
        asked: id → the user's prompt in this frame.
        guesses: id → where an object that was seen in the last frame is now.
    """
    boxes: list[FloatArray] = []
    for object_id in ids:
        prompt, guess = asked.get(object_id), guesses.get(object_id)
        box = None if guess is None else guess.box
        if box is None and (prompt is None or _is_vague(prompt)):
            return []
        extent = None if prompt is None else extent_of(prompt)
        boxes += [one for one in (box, extent) if one is not None]
    return boxes


def extent_of(prompt: Prompt) -> FloatArray | None:
    """The box around everything that a prompt speaks of, or None."""
    boxes = [] if prompt.box is None else [prompt.box]
    if prompt.mask is not None and (box := box_of(prompt.mask)) is not None:
        boxes.append(box)
    if len(prompt.points_xy):
        boxes.append(np.concatenate([prompt.points_xy.min(0), prompt.points_xy.max(0)]))
    if not boxes:
        return None
    corners = np.stack(boxes)
    extent = np.concatenate([corners[:, :2].min(0), corners[:, 2:].max(0)])
    return np.asarray(extent, np.float32)


def with_answers(asked: Mapping[int, Prompt], result: FrameResult) -> dict[int, Prompt]:
    """Prompts of clicks alone, with the answers they got as rough masks."""
    prompts = dict(asked)
    for object_id, prompt in asked.items():
        if _is_vague(prompt) and object_id in result:
            pixels = result[object_id].pixels.astype(np.float32)
            prior = cv2.resize(pixels, (320, 192), interpolation=cv2.INTER_AREA)
            evidence = Evidence(prior=np.asarray(prior, np.float32), trust=_ANSWER_TRUST)
            prompts[object_id] = replace(prompt, evidence=evidence)
    return prompts


def _is_vague(prompt: Prompt) -> bool:
    """Whether there are clicks alone, which do not say how far an object reaches."""
    return prompt.box is None and prompt.mask is None
