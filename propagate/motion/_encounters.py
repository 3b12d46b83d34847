"""Two objects that pass each other: where each is while one hides the other.

Of two that look alike pictures hardly tell whose a pixel is. For the short while in which they
overlap each keeps its shape and goes on as it came; what both together are seen to cover corrects
their places and speeds. What moves in the overlap as one of them does shows which is in front.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import cv2
import numpy as np

from propagate import coords
from propagate.motion import _objects
from propagate.types import FloatArray, Frame, FrameResult, Guess, ImageArray

_KNOWN = 4  # frames that an object must have been followed for its speed to be believed
_LONGEST = 40  # frames
_LOOK = 1.0  # cells by which two may come nearer between two looks ahead
_MEETING = 0.3  # of the smaller one that the other one will hide
_AGREEMENT = 0.5  # to which both, where they are taken to be, explain what is found of them
_TRUST = 0.8
_REACH = 2  # cells by which a place may be corrected in a frame
_PLACE_GAIN, _SPEED_GAIN = 0.7, 0.25  # parts of a correction that are believed
_UNSEEN = 0.1  # weight of what they should cover and do not: something else may hide it
_COST = 0.016  # of that agreement, which a step of a cell must bring
_CLEAR = 0.1  # share by which the pictures must differ less if it is in front

_NEIGHBOURS = np.ones((3, 3), np.uint8)

Step = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Passing:
    """One of the two.

    Attributes:
        seen: as it was in the last frame before they touched.
        offset_xy: (2,) pixels from there.
        speed_xy: (2,) pixels a frame.
    """

    seen: _objects.Seen
    offset_xy: _objects.Vector
    speed_xy: _objects.Vector

    def after(self, frames: int) -> Passing:
        """So many frames later."""
        return replace(self, offset_xy=self.offset_xy + frames * self.speed_xy)

    def corrected(self, step: Step, size_hw: coords.Size) -> Passing:
        """Moved by cells, as far as those are believed."""
        pixels = coords.scale_points(step, self.seen.cover.shape, size_hw)
        return replace(
            self,
            offset_xy=self.offset_xy + _PLACE_GAIN * pixels,
            speed_xy=self.speed_xy + _SPEED_GAIN * pixels,
        )

    @property
    def box(self) -> FloatArray:
        """(4,) pixels, around it."""
        return np.asarray(self.seen.box + np.tile(self.offset_xy, 2), np.float32)

    def cover(self, size_hw: coords.Size) -> FloatArray:
        """(h, w) 0..1, which cells it covers."""
        return _objects.move_cover(self.seen.cover, _objects.shift(self.offset_xy), size_hw)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Two pictures (h, w), grey and small, of `size_hw` pixels: of a frame and the one before."""

    before: ImageArray
    now: ImageArray
    size_hw: coords.Size


@dataclass(frozen=True, eq=False)
class Encounter:
    """Two objects that pass each other.

    Attributes:
        since: the last frame before they touched.
        index: of the frame that `pair` speaks of.
        pair: object id → where it is.
        unlike: for each of them, the sum of how far pictures differed in the overlap if it is in
            front and moves on.
    """

    since: int
    index: int
    pair: Mapping[int, Passing]
    unlike: tuple[float, float] = (0.0, 0.0)

    def tell(
        self, guesses: Mapping[int, Guess], frame: Frame, pictures: Pictures
    ) -> dict[int, Guess]:
        """Guesses, those of the two told apart: gone on as they came, one in front of the other."""
        now = {key: one.after(abs(frame.index - self.index)) for key, one in self.pair.items()}
        front = replace(self, unlike=self._compared(now, pictures)).front
        one, other = self.pair
        told = {}
        for key, partner in ((one, other), (other, one)):
            way = _objects.shift(now[key].offset_xy)
            guess = _objects.carry(key, now[key].seen, way, _TRUST, frame.size_hw)
            told[key] = replace(guess, passing=partner)
        if front is not None:
            back = other if front == one else one
            hiding, hidden = told[front].prior, told[back].prior
            if hiding is not None and hidden is not None:
                told[back] = replace(told[back], prior=hidden * (1 - hiding))
        return {**guesses, **told}

    @property
    def front(self) -> int | None:
        """Which of the two is in front; None where that is not clear."""
        one, other = self.unlike
        if abs(one - other) <= _CLEAR * (one + other):
            return None
        return tuple(self.pair)[int(one > other)]

    def _compared(self, now: Mapping[int, Passing], pictures: Pictures) -> tuple[float, float]:
        """`unlike` with what another pair of pictures shows."""
        covers = [one.cover(pictures.size_hw) for one in now.values()]
        shape_hw = pictures.now.shape
        both = cv2.resize(np.minimum(*covers), shape_hw[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
        if not both.any():
            return self.unlike
        before, sums = pictures.before.astype(np.float32), []
        for key, sum_ in zip(now, self.unlike, strict=True):
            pixels = now[key].offset_xy - self.pair[key].offset_xy
            x, y = coords.scale_points(pixels, pictures.size_hw, shape_hw)
            shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
            gone_on = cv2.warpAffine(before, shift, shape_hw[::-1], borderMode=cv2.BORDER_REPLICATE)
            sums.append(sum_ + float(np.abs(pictures.now - gone_on)[both].sum()))
        return sums[0], sums[1]

    def after(
        self, index: int, pictures: Pictures, now: Mapping[int, _objects.Seen]
    ) -> Encounter | None:
        """The encounter after a frame; None where they have passed, or are somewhere else."""
        size_hw = pictures.size_hw
        if abs(index - self.since) > _LONGEST or not all(key in now for key in self.pair):
            return None
        here = {key: one.after(abs(index - self.index)) for key, one in self.pair.items()}
        fresh = [now[key].cover for key in self.pair if now[key].index == index]
        agreement = 1.0
        if fresh:
            covers = [one.cover(size_hw) for one in here.values()]
            steps, agreement = _fitted(covers, np.max(fresh, axis=0))
            here = {
                key: one.corrected(step, size_hw) if now[key].index == index else one
                for (key, one), step in zip(here.items(), steps, strict=True)
            }
        touching = _touch([one.cover(size_hw) for one in here.values()])
        if not touching or agreement < _AGREEMENT:
            return None
        return Encounter(self.since, index, here, self._compared(here, pictures))

    def hides_enough(self, size_hw: coords.Size) -> bool:
        """Whether, going on, one will hide a good part of the other."""
        one, other = self.pair.values()
        nearer = coords.scale_points(one.speed_xy - other.speed_xy, size_hw, one.seen.cover.shape)
        frames_a_look = max(1, int(_LOOK / max(float(np.abs(nearer).max()), 1e-3)))
        for frames in range(1, _LONGEST, frames_a_look):
            then = [each.after(frames) for each in self.pair.values()]
            if any(coords.clip_box(each.box, size_hw) is None for each in then):
                return False
            if _apart(then[0].box, then[1].box):
                continue  # covers cost more to look at
            covers = [each.cover(size_hw) for each in then]
            smaller = min(cover.sum() for cover in covers)
            if smaller <= 0:
                return False
            if np.minimum(*covers).sum() > _MEETING * smaller:
                return True
        return False


def encounters(
    before: Sequence[Encounter],
    known: Mapping[int, _objects.Seen],
    now: Mapping[int, _objects.Seen],
    result: FrameResult,
    pictures: Pictures | None,
) -> tuple[Encounter, ...]:
    """Those that go on after a frame, and those that begin with it.

    Args:
        before: after the frame before.
        known: the objects after the frame before.
        now: the objects after this one.
        result: the answer for the frame.
        pictures: of both frames; None where the sizes differ, or there is one only.
    """
    after = [one.after(result.index, pictures, now) for one in before] if pictures else []
    going = [one for one in after if one is not None]
    busy = {key for one in going for key in one.pair}
    return (*going, *_beginning(busy, known, now, result))


def _beginning(
    busy: set[int],
    known: Mapping[int, _objects.Seen],
    now: Mapping[int, _objects.Seen],
    result: FrameResult,
) -> Iterator[Encounter]:
    free = [
        key
        for key, seen in now.items()
        if key not in busy and seen.index == result.index and key in known
    ]
    for pair in combinations(free, 2):
        if busy & set(pair):
            continue
        one, other = (known[key] for key in pair)
        if one.index != other.index or min(one.frames, other.frames) < _KNOWN:
            continue
        if not _may_touch(now[pair[0]], now[pair[1]], result.size_hw):
            continue
        if not _touch([now[key].cover for key in pair]) or _touch([one.cover, other.cover]):
            continue
        if (found := _met(pair, known, now, result)) is not None:
            busy |= set(pair)
            yield found


def _met(
    pair: tuple[int, int],
    known: Mapping[int, _objects.Seen],
    now: Mapping[int, _objects.Seen],
    result: FrameResult,
) -> Encounter | None:
    """The encounter of two that have just touched, if one will hide much of the other.

    They go on as fast as they went of late, or, if that leads nowhere, as in this frame.
    """
    since = known[pair[0]].index
    frames = abs(result.index - since)
    of_late = {key: now[key].steady_xy for key in pair}
    just_now = {key: now[key].speed_xy for key in pair}
    for speeds in (of_late, just_now):
        here = {
            key: Passing(known[key], np.zeros(2), speed).after(frames)
            for key, speed in speeds.items()
        }
        found = Encounter(since, result.index, here)
        if found.hides_enough(result.size_hw):
            return found
    return None


def _fitted(covers: Sequence[FloatArray], found: FloatArray) -> tuple[list[Step], float]:
    """By which cells two covers (h, w) must move to explain what was found, and how well then."""
    steps: list[Step] = [(0, 0), (0, 0)]
    reach = range(-_REACH, _REACH + 1)
    for number in (0, 1, 0, 1):
        fixed = _objects.nudged(covers[1 - number], steps[1 - number])
        fits = {
            step: _explained(np.maximum(_objects.nudged(covers[number], step), fixed), found)
            - _COST * (step[0] ** 2 + step[1] ** 2) ** 0.5
            for step in product(reach, reach)
        }
        steps[number] = max(fits, key=lambda step: fits[step])
    final = [_objects.nudged(cover, step) for cover, step in zip(covers, steps, strict=True)]
    return steps, _explained(np.maximum(*final), found)


def _explained(covers: FloatArray, found: FloatArray) -> float:
    """How well covers explain what was found: IoU, in which what was not found counts less."""
    both = float(np.minimum(covers, found).sum())
    unseen, unexplained = float(covers.sum()) - both, float(found.sum()) - both
    return both / max(both + _UNSEEN * unseen + unexplained, 1e-6)


def _may_touch(one: _objects.Seen, other: _objects.Seen, size_hw: coords.Size) -> bool:
    """Whether boxes lie near enough; of many objects most do not, and covers cost more to look at.

    A mask fills less than a cell beyond its box, and `_touch` looks one cell further.
    """
    return not _apart(one.box, other.box, coords.scale_points((3, 3), one.cover.shape, size_hw))


def _apart(one: FloatArray, other: FloatArray, room: FloatArray | float = 0.0) -> bool:
    """Whether between two boxes (4,) there is more room than that along x or y."""
    return bool(((one[2:] + room < other[:2]) | (other[2:] + room < one[:2])).any())


def _touch(covers: Sequence[FloatArray]) -> bool:
    """Whether two covers (h, w) lie within a cell of each other."""
    wider = cv2.dilate(covers[0], _NEIGHBOURS)
    return bool((np.minimum(wider, covers[1]) > 0.1).any())
