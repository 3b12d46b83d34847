"""From candidates to masks: which answer, who is missing and why, whose pixel is it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from propagate import absence
from propagate.logits import most_of_others, on_logits, same_cells, to_picture
from propagate.pieces import Doubts, divided, one_thing, without_doubtful
from propagate.types import (
    BoolArray,
    Candidates,
    Canvas,
    FloatArray,
    FrameResult,
    Guess,
    Mask,
    Missing,
    Prompt,
    Recall,
)

_FALL = 0.3  # of expected IoU from one frame to the next: it may have been taken for another
_CERTAINLY = 4.0  # logits: what an answer must say against what is certain
_STRANGE = 0.15  # cosine: what has come back must not look like something else by more than this
_WHOLE = 1.25  # areas of the best answer, which may be a part of the whole that is larger
_HARDLY = 0.1  # of a place: below it an object is not expected there


@dataclass(frozen=True)
class Config:
    """When an answer counts.

    Attributes:
        least_score: below this expected IoU an object has no mask in the frame.
        return_score: the same for an object that was missing in the frame before, or is found
            elsewhere than where it was followed to; higher, so that a look-alike is not taken for
            the object that went away.
        agreement: weight of the overlap with what is expected, against the predicted IoU, when
            one of several candidates is chosen.
        strangers: a piece apart is left out if what is expected there is below this share of what
            is expected in the piece that is expected most; 0 keeps every piece.
        foreign: a piece is left out if a larger part of it than this looks more like something
            else that the user's answers tell it from; 1 keeps every piece.
        wholeness: how much expected IoU a fresh answer may lack that is larger than the best one by
            a quarter or more: who clicks on a thing to follow it means the whole and not a part.
        patience: frames after which an object that does not come back counts as absent, or as lost
            where something that resembles it is in sight.
        overlap: whether masks may share pixels.
    """

    least_score: float = 0.15
    return_score: float = 0.5
    agreement: float = 0.2
    strangers: float = 0.3
    foreign: float = 0.5
    wholeness: float = 0.12
    patience: int = 15
    overlap: bool = False


@dataclass(frozen=True)
class Choice:
    """The chosen candidate of one object: logits (h, w), expected IoU, what the logits cover.

    `mistaken` where there was an answer, but all of it is something else.
    """

    object_id: int
    logits: FloatArray
    score: float
    canvas: Canvas | None = None
    mistaken: bool = False


class Selection:
    """The policy; has no state."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config
        self._doubts = Doubts(config.strangers, config.foreign)

    def choose(
        self,
        candidates: Candidates,
        expected: FloatArray | None,
        foreign: FloatArray | None = None,
        certain: FloatArray | None = None,
    ) -> Choice:
        """The best candidate for an object that is known.

        What grows or comes nearer shows parts of itself that look like things of their own, and
        what an answer leaves out is not expected in the next frame. So where the object certainly
        is the answer has to be sure of the contrary.

        Args:
            candidates: the answers to one prompt.
            expected: (h, w) 0..1 where the object is believed to be, or None where the user says.
            foreign: (h, w) 1 where there surely is something else, or None where nothing is known.
            certain: (h, w) 0..1, 1 where the object surely is, or None where nothing is known.
        """
        if expected is None:
            return self._largest_of_the_best(candidates)
        place = on_logits(expected, candidates.logits[0], candidates.canvas)
        overlap = _soft_overlap(candidates.logits > 0, place)
        best = int((candidates.scores + self._config.agreement * overlap).argmax())
        found = candidates.logits[best]
        if certain is not None:
            found = found + _CERTAINLY * on_logits(certain, found, candidates.canvas)
        elsewhere = None if foreign is None else on_logits(foreign, found, candidates.canvas)
        logits = without_doubtful(found, place, elsewhere, self._doubts)
        mistaken = bool(logits.max() <= 0 < found.max())
        return replace(_choice(candidates, best, logits), mistaken=mistaken)

    def choose_new(self, candidates: Candidates, prompt: Prompt) -> Choice:
        """The best candidate for an object that starts here: one thing, where the prompt is.

        Args:
            candidates: the answers to the prompt.
            prompt: in pixels of what the candidates show.
        """
        logits = np.stack([one_thing(one, prompt, candidates) for one in candidates.logits])
        return self._largest_of_the_best(replace(candidates, logits=logits))

    def _largest_of_the_best(self, candidates: Candidates) -> Choice:
        areas = np.maximum((candidates.logits > 0).sum((1, 2)), 1)
        larger = areas >= _WHOLE * areas[candidates.scores.argmax()]
        best = int((candidates.scores + self._config.wholeness * larger).argmax())
        return _choice(candidates, best, candidates.logits[best])

    def divide(
        self, choices: tuple[Choice, Choice], places: tuple[FloatArray, FloatArray]
    ) -> tuple[Choice, Choice]:
        """The choices for two objects that pass each other, see `pieces.divided`.

        Args:
            choices: for both.
            places: (h, w) 0..1 each, where they are taken to be.
        """
        one, other = choices
        first, second = (on_logits(place, one.logits, one.canvas) for place in places)
        logits = divided((one.logits, other.logits), (first, second))
        return replace(one, logits=logits[0]), replace(other, logits=logits[1])

    def is_seen(
        self, choice: Choice, place: FloatArray | None, strange: FloatArray | None = None
    ) -> bool:
        """Whether an answer of the tracker's own asking is good enough to be a mask.

        Args:
            choice: the answer.
            place: (h, w) 0..1, where the object was followed to; None where it was missing.
            strange: (h, w) cosines, by which a cell looks more like something else that has been
                seen than like the object, or None.
        """
        inside = choice.logits > 0
        if not inside.any():
            return False
        if place is not None:
            here = on_logits(place, choice.logits, choice.canvas)
            if (here[inside] > _HARDLY).any():
                return choice.score >= self._config.least_score
        if strange is not None:
            more = on_logits(strange, choice.logits, choice.canvas)[inside].mean()
            if more > _STRANGE:
                return False
        return choice.score >= self._config.return_score

    @staticmethod
    def sought(result: FrameResult, scores: Mapping[int, float]) -> set[int]:
        """Objects that an answer does not show, or is all of a sudden much less sure of.

        Args:
            result: the answer.
            scores: of each object, the expected IoU of its last mask.
        """
        fell = {m.object_id for m in result.masks if m.score < scores.get(m.object_id, 0) - _FALL}
        return fell | set(result.missing)

    def why_missing(
        self,
        choice: Choice,
        frames_missing: int,
        guess: Guess | None,
        recall: Recall | None,
        size_hw: tuple[int, int],
    ) -> Missing:
        """State and reason of an object that has no mask."""
        waited = frames_missing >= self._config.patience
        state, reason = absence.diagnosis(guess, recall, size_hw, waited=waited)
        return Missing(choice.object_id, state, reason, choice.score)

    def masks(
        self, choices: Sequence[Choice], given: Mapping[int, BoolArray], size_hw: tuple[int, int]
    ) -> list[Mask]:
        """Masks at the picture's size.

        Masks that the user gave are returned as they are. Of the others a pixel belongs to the
        object that is surest of it, unless overlap is allowed: each one's logits lose the best of
        the other objects' logits, so that no two can be positive at one place however they are
        resized, since resizing is linear and two such margins never sum to more than 0.
        """
        free = [choice for choice in choices if choice.object_id not in given]
        logits = [choice.logits for choice in free]
        if not self._config.overlap and len(free) > 1:
            logits = list(_margins(np.stack(logits)))
        taken = np.zeros(size_hw, bool)
        if not self._config.overlap:
            for pixels in given.values():
                taken |= pixels
        done = [Mask(object_id, pixels, 1.0) for object_id, pixels in given.items()]
        for choice, margin in zip(free, logits, strict=True):
            pixels = to_picture(margin, size_hw, choice.canvas)
            if given and not self._config.overlap:
                pixels &= ~taken
            done.append(Mask(choice.object_id, pixels, choice.score))
        return done


def on_one_grid(choices: Iterable[Choice]) -> list[Choice]:
    """The choices, all on the finest cells among them: what was seen from near has smaller ones."""
    found = list(choices)
    logits = same_cells([choice.logits for choice in found])
    return [replace(choice, logits=one) for choice, one in zip(found, logits, strict=True)]


def _choice(candidates: Candidates, best: int, logits: FloatArray) -> Choice:
    score = float(candidates.scores[best])
    return Choice(candidates.object_id, logits, score, candidates.canvas)


def _margins(logits: FloatArray) -> FloatArray:
    """(N, h, w) → each one minus the best of the others or of the background (0).

    Of equals the first one has the cell, so that two prompts for one thing do not lose it.
    """
    apart = logits.copy()
    for n in range(1, len(apart)):
        tied = (apart[n] == apart[:n]).any(0)
        apart[n][tied] = -np.abs(apart[n][tied])
    return apart - most_of_others(np.concatenate([apart, np.zeros_like(logits[:1])]))[:-1]


def _soft_overlap(masks: BoolArray, place: FloatArray) -> FloatArray:
    """IoU of masks (K, h, w) with a soft map (h, w)."""
    flat = masks.reshape(len(masks), -1).astype(np.float32)
    both = flat @ place.ravel()
    either = flat.sum(1) + place.sum() - both  # the larger of the two, summed over cells
    overlap: FloatArray = both / np.maximum(either, 1e-6)
    return overlap
