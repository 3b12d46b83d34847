"""Asks the segmenter of all objects at once, then again where an answer falls short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scipy.special import expit

from propagate.beliefs import Beliefs
from propagate.identity import elsewhere
from propagate.logits import without_padding
from propagate.segmenters import Segmenter
from propagate.selection import Choice, Selection, on_one_grid
from propagate.types import Candidates, Embedding, Evidence, Prompt

_FIRST_ANSWER = 0.5  # trust in it, when a correction is asked about again


@dataclass(frozen=True, eq=False)
class Asking:
    """What there is to ask with, and what is known before.

    Attributes:
        segmenter: is asked.
        selection: chooses among its candidates.
        embedding: the part of the picture that `beliefs` are about.
        asked: id → the user's prompt in this frame.
        missing: id → for how many frames a known object has been missing; 0 for one in sight.
        beliefs: of motion and memory.
    """

    segmenter: Segmenter
    selection: Selection
    embedding: Embedding
    asked: Mapping[int, Prompt]
    missing: Mapping[int, int]
    beliefs: Beliefs

    def choices(self, questions: Sequence[Prompt]) -> list[Choice]:
        """The best answers, in the order of the questions; all are on the same cells."""
        choices: dict[int, Choice] = {}
        again = []
        for question, answer in self._answered(questions):
            choices[question.object_id] = choice = self._choice(question, answer)
            if (more := self._again(question, choice)) is not None:
                again.append(more)
        for question, answer in self._answered(again):
            choices[question.object_id] = self._choice(question, answer)
        return on_one_grid(choices.values())

    def _answered(self, questions: Sequence[Prompt]) -> list[tuple[Prompt, Candidates]]:
        if not questions:
            return []
        answers = self.segmenter.decode(self.embedding, questions)  # all objects in one batch
        return list(zip(questions, answers, strict=True))

    def _choice(self, question: Prompt, answer: Candidates) -> Choice:
        """The best candidate."""
        key, beliefs = question.object_id, self.beliefs
        if key in self.asked:
            if key in self.missing:
                return self.selection.choose(answer, None)
            return self.selection.choose_new(answer, question)
        certain = None if self.missing[key] else beliefs.certain(key)
        return self.selection.choose(answer, beliefs.expected(key), beliefs.foreign(key), certain)

    def _again(self, question: Prompt, choice: Choice) -> Prompt | None:
        """What else to ask about an object, or None.

        What is nothing but something else is sought elsewhere. And of an object in sight that the
        user corrects motion and memory say once more what is to be corrected: so the correction is
        asked about again with the answer to it alone, as a rough mask. That is how a segmenter
        learns to be corrected (Kirillov et al., "Segment Anything", 2023, section 3).
        """
        key = question.object_id
        if key in self.asked:
            if self.missing.get(key, 1):
                return None
            covered = expit(without_padding(choice.logits, choice.canvas))
            return replace(question, evidence=Evidence(covered, _FIRST_ANSWER))
        foreign = self.beliefs.foreign(key) if choice.mistaken else None
        return None if foreign is None else elsewhere(question, foreign)
