"""The tracker: goes through a video frame by frame and asks the segmenter again in each.

The algorithm object holds only settings and weights; everything that changes is in `TrackerState`,
a value that is handed in and out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from propagate import plugins
from propagate.memory import Memory
from propagate.motion import Motion
from propagate.prompting import Config as PromptingConfig
from propagate.prompting import Prompting, merge_prompts
from propagate.segmenters import Segmenter
from propagate.selection import Choice, Selection
from propagate.selection import Config as SelectionConfig
from propagate.types import (
    Candidates,
    FloatArray,
    Frame,
    FrameResult,
    Guess,
    Missing,
    Prompt,
    Recall,
)


@dataclass(frozen=True)
class Config:
    """Which parts a tracker is made of; each part's mapping is `name` and that part's options."""

    segmenter: dict[str, Any] = field(default_factory=lambda: {"name": "lite"})
    motion: dict[str, Any] = field(default_factory=lambda: {"name": "flow"})
    memory: dict[str, Any] = field(default_factory=lambda: {"name": "appearance"})
    prompting: PromptingConfig = field(default_factory=PromptingConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)


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
    """

    motion: Any
    memory: Any
    objects: Mapping[int, ObjectStatus] = field(default_factory=dict)
    last: FrameResult | None = None
    anchors: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Tracker:
    """Segmenter, motion, memory, prompting, selection: any object with the same methods will do."""

    segmenter: Segmenter
    motion: Motion
    memory: Memory
    prompting: Prompting = field(default_factory=lambda: Prompting(PromptingConfig()))
    selection: Selection = field(default_factory=lambda: Selection(SelectionConfig()))

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
            return replace(state, last=_nothing(frame))
        guesses = self.motion.guess(state.motion, frame)  # where now?
        embedding = self.segmenter.encode(frame.image)  # once a frame, all objects share it
        recalls = self.memory.recall(state.memory, embedding)  # what looks like it?
        questions = self._questions(state, frame, asked, guesses, recalls)
        candidates = self.segmenter.decode(embedding, questions)  # all objects in one batch
        result = self._answer(state, frame, asked, candidates, _Beliefs(guesses, recalls))
        return TrackerState(
            motion=self.motion.update(state.motion, frame, result),
            memory=self.memory.update(state.memory, embedding, result, tuple(asked)),
            objects=_statuses(state.objects, result),
            last=result,
            anchors=(*state.anchors, *((frame.index, object_id) for object_id in asked)),
        )

    def drop(self, state: TrackerState, object_ids: Iterable[int]) -> TrackerState:
        """The state without some objects; they are forgotten with the next step."""
        gone = set(object_ids)
        return replace(state, objects={i: s for i, s in state.objects.items() if i not in gone})

    def _questions(
        self,
        state: TrackerState,
        frame: Frame,
        asked: Mapping[int, Prompt],
        guesses: Mapping[int, Guess],
        recalls: Mapping[int, Recall],
    ) -> list[Prompt]:
        """The user's prompts, with what is known of the object, else what the tracker asks."""
        questions = []
        for object_id in sorted({*state.objects, *asked}):
            prompt = asked.get(object_id)
            status = state.objects.get(object_id)
            if prompt is None:
                score = status.score if status is not None else 0.0
                prompt = self.prompting(frame.index, object_id, guesses, recalls, score)
            elif prompt.mask is not None:
                continue  # returned as given: nothing to ask
            elif status is not None:
                evidence = self.prompting.evidence(object_id, guesses, recalls, status.score)
                prompt = replace(prompt, evidence=evidence)
            questions.append(prompt)
        return questions

    def _answer(
        self,
        state: TrackerState,
        frame: Frame,
        asked: Mapping[int, Prompt],
        candidates: Sequence[Candidates],
        beliefs: _Beliefs,
    ) -> FrameResult:
        """Choose among the candidates; say who is missing."""
        seen: list[Choice] = []
        missing: dict[int, Missing] = {}
        for answers in candidates:
            object_id = answers.object_id
            if object_id in asked:
                seen.append(self.selection.choose(answers, None))
                continue
            choice = self.selection.choose(answers, beliefs.expected(object_id))
            frames_missing = state.objects[object_id].missing
            if self.selection.is_seen(choice, was_missing=frames_missing > 0):
                seen.append(choice)
            else:
                guess, recall = beliefs.guesses.get(object_id), beliefs.recalls.get(object_id)
                missing[object_id] = self.selection.why_missing(
                    choice, frames_missing, guess, recall, frame.size_hw
                )
        given = {i: prompt.mask for i, prompt in asked.items() if prompt.mask is not None}
        masks = self.selection.masks(seen, given, frame.size_hw)
        for mask in masks:
            if not mask.pixels.any():
                missing[mask.object_id] = Missing(
                    mask.object_id, "occluded", "covered by other objects", mask.score
                )
        return FrameResult(
            frame.index,
            frame.time_s,
            frame.size_hw,
            tuple(mask for mask in masks if mask.pixels.any()),
            missing,
            frame.stem,
        )


@dataclass(frozen=True)
class _Beliefs:
    """Guesses and recalls of a frame."""

    guesses: Mapping[int, Guess]
    recalls: Mapping[int, Recall]

    def expected(self, object_id: int) -> FloatArray | None:
        """A soft map of where the object should be: what the memory reads, else the guess."""
        recall, guess = self.recalls.get(object_id), self.guesses.get(object_id)
        if recall is not None:
            place: FloatArray = recall.maps[1]
            return place
        return None if guess is None else guess.prior


def _statuses(before: Mapping[int, ObjectStatus], result: FrameResult) -> dict[int, ObjectStatus]:
    statuses = {mask.object_id: ObjectStatus(mask.score) for mask in result.masks}
    for object_id in result.missing:
        old = before.get(object_id, ObjectStatus())
        statuses[object_id] = ObjectStatus(old.score, old.missing + 1)
    return dict(sorted(statuses.items()))


def _nothing(frame: Frame) -> FrameResult:
    return FrameResult(frame.index, frame.time_s, frame.size_hw, stem=frame.stem)


def build(config: Config) -> Tracker:
    """A tracker from its settings.

    Raises:
        ConfigError: an unknown part or option.
        CheckpointError: the segmenter's weights cannot be loaded.
    """
    return Tracker(
        segmenter=_part("propagate.segmenters", config.segmenter),
        motion=_part("propagate.motion", config.motion),
        memory=_part("propagate.memory", config.memory),
        prompting=Prompting(config.prompting),
        selection=Selection(config.selection),
    )


def _part(kind: str, settings: Mapping[str, Any]) -> Any:
    options = dict(settings)
    name = options.pop("name", kind.rpartition(".")[2])
    return plugins.build(kind, name, options)
