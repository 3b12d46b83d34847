"""The tracker: goes through a video frame by frame and asks the segmenter again in each.

The algorithm object holds only settings and weights; everything that changes is in `TrackerState`,
a value that is handed in and out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from propagate import absence, plugins
from propagate.asking import Asking
from propagate.beliefs import Beliefs
from propagate.coords import Window
from propagate.framing import Config as FramingConfig
from propagate.framing import Framing, boxes_sought, denied, with_answers
from propagate.identity import divided, settled
from propagate.memory import Memory
from propagate.motion import Motion
from propagate.prompting import Config as PromptingConfig
from propagate.prompting import Prompting, merge_prompts
from propagate.segmenters import Segmenter
from propagate.selection import Choice, Selection
from propagate.selection import Config as SelectionConfig
from propagate.types import Embedding, Frame, FrameResult, Guess, Missing, Prompt
from propagate.windows import mask_in_picture, prompt_in


@dataclass(frozen=True)
class Config:
    """Which parts a tracker is made of; each part's mapping is `name` and that part's options."""

    segmenter: dict[str, Any] = field(default_factory=lambda: {"name": "lite"})
    motion: dict[str, Any] = field(default_factory=lambda: {"name": "flow"})
    memory: dict[str, Any] = field(default_factory=lambda: {"name": "appearance"})
    prompting: PromptingConfig = field(default_factory=PromptingConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    framing: FramingConfig = field(default_factory=FramingConfig)


@dataclass(frozen=True)
class ObjectStatus:
    """What the tracker knows of one object besides its looks and place.

    Attributes:
        score: expected IoU of its last mask.
        missing: frames in a row without a mask.
    """

    score: float = 1.0
    missing: int = 0


@dataclass(frozen=True, eq=False)
class TrackerState:
    """Everything that changes. Replaced, never edited; picklable: stop, save, resume.

    Attributes:
        motion, memory: states of those parts.
        objects: id → status, in order of id.
        last: the last answer, or None before the first frame.
        anchors: (frame index, object id) that the user answered.
        window: the part of the last picture that was looked at.
    """

    motion: Any
    memory: Any
    objects: Mapping[int, ObjectStatus] = field(default_factory=dict)
    last: FrameResult | None = None
    anchors: tuple[tuple[int, int], ...] = ()
    window: Window | None = None


@dataclass(frozen=True)
class Tracker:
    """Segmenter, motion, memory, prompting …: any object with the same methods will do."""

    segmenter: Segmenter
    motion: Motion
    memory: Memory
    prompting: Prompting = field(default_factory=lambda: Prompting(PromptingConfig()))
    selection: Selection = field(default_factory=lambda: Selection(SelectionConfig()))
    framing: Framing = field(default_factory=lambda: Framing(FramingConfig()))

    def start(self) -> TrackerState:
        """The state before the first frame."""
        return TrackerState(self.motion.start(), self.memory.start())

    def step(
        self, state: TrackerState, frame: Frame, prompts: Sequence[Prompt] = ()
    ) -> TrackerState:
        """Answer one frame; the answer is `last` of the returned state.

        Args:
            state: from `start` or the step before.
            frame: the next picture; its size may change.
            prompts: of this frame: new objects, or corrections of known ones.

        Raises:
            PromptError: a prompt for another frame, of another size, outside the picture, or with
                only negative points for an object that is not known.
        """
        asked = merge_prompts(prompts, frame, known=state.objects)
        if not state.objects and not asked:
            nothing = FrameResult(frame.index, frame.time_s, frame.size_hw, stem=frame.stem)
            return replace(self.start(), last=nothing)  # what was dropped is forgotten
        guesses = self.motion.guess(state.motion, frame)  # where now?
        sure = {
            i: g for i, g in guesses.items() if i in state.objects and not state.objects[i].missing
        }
        boxes = boxes_sought({*state.objects, *asked}, asked, sure)
        same_size = state.last is not None and state.last.size_hw == frame.size_hw
        window = self.framing.window(frame.size_hw, boxes, state.window if same_size else None)
        look = first = self._look(state, frame, asked, guesses, window)
        closer = self.framing.closer(window, asked, look.result)
        if closer is not None:
            look = self._look(state, frame, with_answers(asked, look.result), guesses, closer)
        elif (wider := self.framing.wider(window, look.result, look.sought)) is not None:
            wide = self._look(state, frame, asked, guesses, wider)
            doubted = denied(wide.result, look.result, window) - set(asked)
            wide = replace(wide, sought=wide.sought | doubted)
            look = min(look, wide, key=lambda o: self.framing.lacks(o.window, o.result, o.sought))
        result = look.result
        return TrackerState(
            motion=self.motion.update(state.motion, frame, result),
            memory=self._remember(state, frame, tuple(asked), (first, look)),
            objects=_statuses(state.objects, result),
            last=result,
            anchors=(*state.anchors, *((frame.index, object_id) for object_id in asked)),
            window=look.window,
        )

    def drop(self, state: TrackerState, object_ids: int | Iterable[int]) -> TrackerState:
        """The state without some objects, or one; after the next step an id is free again."""
        gone = set(object_ids) if isinstance(object_ids, Iterable) else {object_ids}
        return replace(state, objects={i: s for i, s in state.objects.items() if i not in gone})

    def _look(
        self,
        state: TrackerState,
        frame: Frame,
        asked: Mapping[int, Prompt],
        guesses: Mapping[int, Guess],
        window: Window,
    ) -> _Look:
        """Answer all questions from one part of the picture."""
        embedding = self.segmenter.encode(frame.image[window.slices])  # all objects share it
        part = window.part(frame.size_hw)
        recalls = self.memory.recall(state.memory, embedding, part)  # what looks like it?
        followed = [i for i, status in state.objects.items() if not status.missing]
        beliefs = settled(Beliefs(guesses, recalls, window, frame.size_hw), followed)
        scores = {i: status.score for i, status in state.objects.items()}
        questions = [
            prompt_in(window, question, frame.size_hw)
            for question in self.prompting.questions(
                frame.index, asked, beliefs.guesses, beliefs.recalls, scores
            )
        ]
        missing = {i: status.missing for i, status in state.objects.items()}
        asking = Asking(self.segmenter, self.selection, embedding, asked, missing, beliefs)
        choices = asking.choices(questions)
        result = self._answer(state, frame, asked, choices, beliefs)
        return _Look(window, embedding, result, self.selection.sought(result, scores) - set(asked))

    def _remember(
        self, state: TrackerState, frame: Frame, asked: tuple[int, ...], looks: tuple[_Look, _Look]
    ) -> Any:
        """The memory after a frame and the first and the last look at it.

        Where the user answered it holds the whole picture as well: what was never seen cannot be
        told from the object later.
        """
        first, last = looks
        memory, whole = state.memory, Window.whole(frame.size_hw)
        if asked and last.window != whole:
            seen = first.embedding if first.window == whole else self.segmenter.encode(frame.image)
            memory = self.memory.update(memory, seen, last.result, asked)
        part = last.window.part(frame.size_hw)
        return self.memory.update(memory, last.embedding, last.result, asked, part)

    def _answer(
        self,
        state: TrackerState,
        frame: Frame,
        asked: Mapping[int, Prompt],
        choices: Sequence[Choice],
        beliefs: Beliefs,
    ) -> FrameResult:
        """What is seen, and who is missing."""
        seen, missing = self._seen(state, asked, choices, beliefs)
        seen = divided(seen, beliefs, self.selection)
        given = {i: prompt.mask for i, prompt in asked.items() if prompt.mask is not None}
        shown = {object_id: mask[beliefs.window.slices] for object_id, mask in given.items()}
        found = self.selection.masks(seen, shown, beliefs.window.size_hw)
        masks = [mask_in_picture(mask, beliefs.window, frame.size_hw, given) for mask in found]
        answers = {choice.object_id: choice.logits for choice in choices}
        empty = [mask for mask in masks if not mask.pixels.any()]
        missing |= {m.object_id: absence.without_pixels(m, answers.get(m.object_id)) for m in empty}
        return FrameResult(
            frame.index,
            frame.time_s,
            frame.size_hw,
            tuple(mask for mask in masks if mask.pixels.any()),
            missing,
            frame.stem,
        )

    def _seen(
        self,
        state: TrackerState,
        asked: Mapping[int, Prompt],
        choices: Sequence[Choice],
        beliefs: Beliefs,
    ) -> tuple[list[Choice], dict[int, Missing]]:
        """The choices that are good enough to be masks, and what is missing."""
        seen: list[Choice] = []
        missing = {i: absence.never_seen(i) for i in state.objects if i not in asked}
        for choice in choices:
            object_id = choice.object_id
            missing.pop(object_id, None)
            if object_id in asked:
                seen.append(choice)
                continue
            frames_missing = state.objects[object_id].missing
            place = None if frames_missing else beliefs.place(object_id)
            if self.selection.is_seen(choice, place, beliefs.strange(object_id)):
                seen.append(choice)
            else:
                guess, recall = beliefs.guesses.get(object_id), beliefs.recalls.get(object_id)
                missing[object_id] = self.selection.why_missing(
                    choice, frames_missing, guess, recall, beliefs.size_hw
                )
        return seen, missing


@dataclass(frozen=True, eq=False)
class _Look:
    """What a part of the picture gave; `sought` are objects that it shows hardly or not at all."""

    window: Window
    embedding: Embedding
    result: FrameResult
    sought: set[int]


def _statuses(before: Mapping[int, ObjectStatus], result: FrameResult) -> dict[int, ObjectStatus]:
    statuses = {mask.object_id: ObjectStatus(mask.score) for mask in result.masks}
    for object_id in result.missing:
        old = before.get(object_id, ObjectStatus())
        statuses[object_id] = ObjectStatus(old.score, old.missing + 1)
    return dict(sorted(statuses.items()))


def build(config: Config) -> Tracker:
    """A tracker from its settings.

    Raises:
        ConfigError: an unknown part or option.
        CheckpointError: the segmenter's weights cannot be loaded.
    """
    return Tracker(
        segmenter=plugins.part("propagate.segmenters", config.segmenter),
        motion=plugins.part("propagate.motion", config.motion),
        memory=plugins.part("propagate.memory", config.memory),
        prompting=Prompting(config.prompting),
        selection=Selection(config.selection),
        framing=Framing(config.framing),
    )
