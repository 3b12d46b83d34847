"""What a user corrects in a finished track, and what has to be computed again for it.

A track between two neighbouring anchors depends on these two alone, so a new anchor touches what
lies between its neighbours and nothing else. Between two anchors a forward and a backward pass are
fused, see `propagate.fusion`; both remember what the objects look like at both ends. Objects that
are not corrected keep their masks, but for pixels that a corrected one takes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from propagate import absence
from propagate.anchors import Anchor, Gap, gaps_beside, neighbours
from propagate.errors import InputError, PromptError
from propagate.fusion import Answer, fuse, packed, separated, settled, unpacked
from propagate.prompting import merge_prompts
from propagate.selection import Choice, Selection
from propagate.shown import Shown, after, last_of
from propagate.tracker import Tracker
from propagate.types import Frame, FrameResult, Mask, Prompt
from propagate.videos import Video

_NOT_FOUND = Answer(0.0, "lost", None, "not seen in the frame that the search began with")
_BETWEEN = Answer(0.0, "absent", None, "not there in the frames around")


@dataclass
class Recomputation:
    """A correction under way: iterate `work` to the end, then read `changed`.

    Attributes:
        video: the frames of the results.
        before: frame index → result; looked up one at a time, so it may read from disk.
        tracker: answers again.
        anchors: what was answered before.
        prompts: what is answered now; those of one frame and object are joined.
        gaps: what is computed.
    """

    video: Video
    before: Mapping[int, FrameResult]
    tracker: Tracker
    anchors: Collection[Anchor]
    prompts: Sequence[Prompt] = ()
    gaps: Sequence[Gap] = field(init=False)
    _changes: dict[int, dict[int, Answer]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Find the gaps; PromptError for a frame or an object that is not there."""
        if not self.before:
            raise InputError("there is no result that could be corrected; track first")
        first, last = min(self.before), max(self.before)
        known = sorted({object_id for _, object_id in self.anchors})
        for prompt in self.prompts:
            if prompt.frame_index not in self.before:
                raise PromptError(
                    f"frame {prompt.frame_index} has no result that could be corrected; "
                    f"there are frames {first} to {last}"
                )
            if prompt.object_id not in known:
                named = ", ".join(map(str, known)) or "none"
                raise PromptError(
                    f"object {prompt.object_id} is not known, there are: {named}; "
                    "for another object, track again"
                )
        new = {(prompt.frame_index, prompt.object_id) for prompt in self.prompts}
        self.gaps = gaps_beside({*self.anchors, *new}, new, last, self._away(new))

    def _away(self, new: Collection[Anchor]) -> set[Anchor]:
        """The anchors in which an object that is looked at is not in the picture."""
        said = {(one.frame_index, one.object_id) for one in self.prompts if one.says_absent}
        objects = {object_id for _, object_id in new}
        old = {one for one in self.anchors if one[1] in objects and one not in new}
        return said | _lacking(self.before, old)

    @classmethod
    def both_ways(
        cls,
        video: Video,
        before: Mapping[int, FrameResult],
        tracker: Tracker,
        anchors: Collection[Anchor],
    ) -> Recomputation:
        """Fuse what was tracked forwards with a backward pass wherever an object has two anchors.

        Nothing is left to do where none has.
        """
        whole = cls(video, before, tracker, anchors)
        every = gaps_beside(anchors, set(anchors), max(before), _lacking(before, anchors))
        whole.gaps = [gap for gap in every if gap.closed]
        return whole

    @property
    def total(self) -> int:
        """Steps of `work`."""
        return len(self._asked) + sum(gap.steps for gap in self.gaps)

    @property
    def _asked(self) -> list[int]:
        return sorted({prompt.frame_index for prompt in self.prompts})

    def work(self) -> Iterator[int]:
        """Compute; yields how many steps are done.

        Raises:
            PromptError: a prompt does not fit its picture.
            InputError: the results are not those of this video.
            VideoError: a frame cannot be read, or not out of order.
        """
        done = 0
        for index in self._asked:
            self._answer(index)
            done += 1
            yield done
        for gap in self.gaps:
            passes: list[dict[int, dict[int, Answer]]] = []
            for near, far in gap.ways:
                passes.append({})
                for index, answers in self._pass(gap, near, far):
                    passes[-1][index] = answers
                    done += 1
                    yield done
            self._merge(gap, passes)

    def changed(self) -> Iterator[FrameResult]:
        """The frames that are not as they were, in order; those with a new prompt always are."""
        for index in sorted(self._changes):
            result = self.now(index)
            if index in self._asked or not _same(result, self.before[index]):
                yield result

    @property
    def _shown(self) -> Shown:
        return Shown(self.tracker, self._frame, self.now)

    def now(self, index: int) -> FrameResult:
        """The result of a frame as far as it is computed; KeyError where there was none."""
        before = self.before[index]
        return unpacked(self._changes[index], before) if index in self._changes else before

    def _answer(self, index: int) -> None:
        """Answer the new prompts of one frame; they correct what is there."""
        frame = self._frame(index)
        before = self.now(index)
        here = [prompt for prompt in self.prompts if prompt.frame_index == index]
        away = {prompt.object_id for prompt in here if prompt.says_absent}
        asked = merge_prompts(here, frame, [*away, *(mask.object_id for mask in before.masks)])
        asked = {i: prompt for i, prompt in asked.items() if i not in away}
        given = [Mask(i, prompt.mask) for i, prompt in asked.items() if prompt.mask is not None]
        if len(given) == len(asked):
            result = FrameResult(index, None, frame.size_hw, tuple(given))
        else:
            settled_before = [
                *self.anchors,
                *((p.frame_index, p.object_id) for p in self.prompts if p.frame_index < index),
            ]
            state = self._shown.again(index, neighbours(settled_before, index, asked))
            number = after(state)
            numbered = [replace(prompt, frame_index=number) for prompt in asked.values()]
            result = last_of(self.tracker.step(state, replace(frame, index=number), numbered))
        answers = {i: answer for i, answer in packed(result).items() if i in asked}
        empty = [i for i in asked if i not in answers or answers[i].rle is None]
        if empty:
            raise PromptError(
                f"nothing of object {empty[0]} is found in frame {index} with these prompts; "
                "add a point on it, a box or a mask"
            )
        gone = FrameResult(
            index, None, frame.size_hw, (), {i: absence.said_absent(i) for i in away}
        )
        self._settle(index, {**answers, **packed(gone)}, fixed=())

    def _pass(self, gap: Gap, near: int, far: int) -> Iterator[tuple[int, dict[int, Answer]]]:
        """What the tracker says of the objects from `near`, left out, to `far`: (frame, answers).

        Frames get numbers that grow, whatever the direction: no part of a tracker has to know.
        """
        away = () if all(gap.shown) else gap.objects
        state = self._shown.coming_to(near, far if gap.closed else gap.also, away)
        window = self.video.window(gap.first, gap.last + 1)
        index = near
        for frame in window if near < far else window.reversed():
            if frame.index == near:
                continue
            index, number = frame.index, after(state)
            self._check(frame)
            rivals = [] if index == far else self._rivals(gap, index, number)
            state = self.tracker.step(state, replace(frame, index=number), rivals)
            answers = packed(last_of(state))
            yield index, {i: answers.get(i, _NOT_FOUND) for i in gap.objects}
        if index != far:
            raise InputError(f"the video ends with frame {index}, the results go on to {far}")

    def _rivals(self, gap: Gap, index: int, number: int) -> list[Prompt]:
        """What the user said of other objects in a frame."""
        others = self._anchored(index) - set(gap.objects)
        if not others:
            return []
        masks = [mask for mask in self.now(index).masks if mask.object_id in others]
        return [Prompt(number, mask.object_id, mask=mask.pixels) for mask in masks]

    def _merge(self, gap: Gap, passes: Sequence[Mapping[int, Mapping[int, Answer]]]) -> None:
        """Fuse the passes of a gap, and put the outcome in the place of what was there."""
        last = gap.last - gap.closed
        frames = [index for index in sorted(self.before) if gap.first < index <= last]
        fused = {i: self._fused(gap, passes, i) for i in gap.objects}
        for index in frames:
            answers = {i: found.get(index, _BETWEEN) for i, found in fused.items()}
            self._settle(index, separated(answers), self._anchored(index))

    def _fused(
        self, gap: Gap, passes: Sequence[Mapping[int, Mapping[int, Answer]]], object_id: int
    ) -> dict[int, Answer]:
        """Frame → what the passes, two at most, say of one object."""
        found = [{index: each[object_id] for index, each in one.items()} for one in passes]
        if len(found) < 2:
            return found[0] if found else {}
        first, last = (packed(self.now(index)) for index in (gap.first, gap.last))
        ends = first.get(object_id, _NOT_FOUND), last.get(object_id, _NOT_FOUND)
        forward, backward = ([one[index] for index in sorted(one)] for one in found)
        return dict(
            zip(
                sorted({*found[0], *found[1]}),
                fuse([ends[0], *forward], [*backward, ends[1]]),
                strict=True,
            )
        )

    def _anchored(self, index: int) -> set[int]:
        """The objects that the user answered in a frame, before or now."""
        now = {prompt.object_id for prompt in self.prompts if prompt.frame_index == index}
        return {i for frame, i in self.anchors if frame == index} | now

    def _settle(self, index: int, answers: Mapping[int, Answer], fixed: Collection[int]) -> None:
        if _shares_pixels(self.tracker.selection):
            self._changes[index] = {**packed(self.now(index)), **answers}
        else:
            self._changes[index] = settled(self.now(index), answers, fixed)

    def _frame(self, index: int) -> Frame:
        frame = self.video.frame(index)
        self._check(frame)
        return frame

    def _check(self, frame: Frame) -> None:
        """InputError unless the results speak of this frame."""
        if frame.index not in self.before:
            raise InputError(f"frame {frame.index} of the video has no result; track it first")
        size_hw = self.before[frame.index].size_hw
        if frame.size_hw != size_hw:
            raise InputError(
                f"frame {frame.index} is {frame.size_hw} (H, W), its result {size_hw}; "
                "give the video that was tracked"
            )


def _lacking(results: Mapping[int, FrameResult], anchors: Collection[Anchor]) -> set[Anchor]:
    """Those whose object has no mask there; each frame is looked up once."""
    indices = {index for index, _ in anchors} & set(results)
    seen = {index: {mask.object_id for mask in results[index].masks} for index in indices}
    return {(index, i) for index, i in anchors if index in seen and i not in seen[index]}


def _shares_pixels(selection: Selection) -> bool:
    """Whether a selection lets masks overlap: tried, since any object with its methods will do."""
    everywhere = np.ones((1, 1), bool)
    other = Choice(2, np.ones((1, 1), np.float32), 1.0)
    masks = selection.masks([other], {1: everywhere}, (1, 1))
    return all(mask.pixels.all() for mask in masks)


def _same(one: FrameResult, other: FrameResult) -> bool:
    """Whether two results of a frame say the same."""
    masks = {mask.object_id: mask for mask in other.masks}
    return (
        one.missing == other.missing
        and [mask.object_id for mask in one.masks] == sorted(masks)
        and all(
            (mask.score, mask.state) == (masks[mask.object_id].score, masks[mask.object_id].state)
            and np.array_equal(mask.pixels, masks[mask.object_id].pixels)
            for mask in one.masks
        )
    )
