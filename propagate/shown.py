"""The state of a tracker that comes to a frame whose masks are known already.

Where a track is corrected, tracking begins in the middle: with what the frame shows, and with what
other frames tell of the same objects.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from propagate.tracker import Tracker, TrackerState
from propagate.types import Frame, FrameResult, Prompt


@dataclass(frozen=True)
class Shown:
    """Frames and their results, and the tracker that is shown them.

    Attributes:
        tracker: any.
        frame: index → the frame.
        result: index → what is on it now.
    """

    tracker: Tracker
    frame: Callable[[int], Frame]
    result: Callable[[int], FrameResult]

    def again(self, index: int, others: Sequence[int]) -> TrackerState:
        """Just before a frame is seen again whose masks are known, which may be wrong.

        So what the objects look like it knows from other frames.
        """
        before = self.result(index)
        ids = [mask.object_id for mask in before.masks]
        place = self._step(self.tracker.start(), index, len(others), ids)
        objects = {i: replace(status, score=before[i].score) for i, status in place.objects.items()}
        return replace(place, memory=self._all(others).memory, objects=objects)

    def coming_to(self, near: int, other: int | None, away: Collection[int] = ()) -> TrackerState:
        """After the first frame of a pass, `near`; another frame is remembered as well.

        Args:
            near: index.
            other: index, or None.
            away: objects that are not in the picture in one of the two: what is there instead is
                remembered as well.
        """
        ids = {*(mask.object_id for mask in self.result(near).masks), *away}
        order = [near] if other is None else [other, near]
        if other is not None and any(i not in self.result(other) for i in away):
            order = [near, *order]  # what is not there has to be known first
        return self._all(order, ids, away)

    def _all(
        self,
        indices: Sequence[int],
        ids: Collection[int] | None = None,
        away: Collection[int] = (),
    ) -> TrackerState:
        """After the last of some frames, numbered from 0 on; it remembers all of them.

        Only the memory goes from one to the next: they are no neighbours, so neither motion nor
        the window of one says anything of another.
        """
        state = self.tracker.start()
        for number, index in enumerate(indices):
            known = {i: status for i, status in state.objects.items() if i in away}
            unmoved = replace(self.tracker.start(), memory=state.memory, objects=known)
            state = self._step(unmoved, index, number, ids)
        return state

    def _step(
        self, state: TrackerState, index: int, number: int, ids: Collection[int] | None
    ) -> TrackerState:
        """After a frame whose masks are given; `number` stands for its index.

        What the state knows and the frame does not show is not there.
        """
        frame = replace(self.frame(index), index=number)
        prompts = [
            Prompt(number, mask.object_id, mask=mask.pixels)
            for mask in self.result(index).masks
            if ids is None or mask.object_id in ids
        ]
        nowhere = np.zeros(frame.size_hw, bool)
        gone = [i for i in state.objects if i not in self.result(index)]
        prompts += [Prompt(number, i, mask=nowhere) for i in gone]
        return self.tracker.step(state, frame, prompts)


def after(state: TrackerState) -> int:
    """The number of the next frame."""
    return last_of(state).index + 1


def last_of(state: TrackerState) -> FrameResult:
    """The answer that a step leaves."""
    assert state.last is not None
    return state.last
