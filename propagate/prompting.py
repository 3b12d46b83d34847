"""From what the user said, or what is believed of an object, to the question for the segmenter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from propagate import coords
from propagate.errors import InputError, PromptError
from propagate.types import BoolArray, Evidence, FloatArray, Frame, Guess, Prompt, Recall


@dataclass(frozen=True)
class Config:
    """How far each belief counts.

    Attributes:
        prior_trust: factor on the trust in the moved last mask; lower lets an object change shape
            more freely, and be mistaken for its like more easily.
        negatives: most points of other objects that are given as not on this one; the nearest are.
    """

    prior_trust: float = 1.0
    negatives: int = 4


class Prompting:
    """Gathers guess, recall and neighbours into a prompt."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config

    def questions(
        self,
        frame_index: int,
        asked: Mapping[int, Prompt],
        guesses: Mapping[int, Guess],
        recalls: Mapping[int, Recall],
        scores: Mapping[int, float],
    ) -> list[Prompt]:
        """What to ask in a frame: the user's prompts, with what is known, else what is believed.

        Nothing is asked about an object of which nothing is known.

        Args:
            frame_index: of the frame to answer.
            asked: the user's prompts; a mask is returned as given, so there is nothing to ask.
            guesses: where the motion model expects each object.
            recalls: what the memory recognises of each object.
            scores: of every known object the expected IoU of its last mask; a poor mask is a poor
                prior.
        """
        asking = {key: prompt for key, prompt in asked.items() if prompt.mask is None}
        known = {
            key: self.evidence(key, guesses, recalls, score)
            for key, score in scores.items()
            if key in asking or key not in asked
        }
        own = {
            key: Prompt(frame_index, key, evidence=evidence)
            for key, evidence in known.items()
            if key not in asking and _says_something(evidence)
        }
        theirs = {
            key: replace(prompt, evidence=known.get(key, prompt.evidence))
            for key, prompt in asking.items()
        }
        return [prompt for _, prompt in sorted((own | theirs).items())]

    def evidence(
        self,
        object_id: int,
        guesses: Mapping[int, Guess],
        recalls: Mapping[int, Recall],
        score: float,
    ) -> Evidence:
        """The soft part of a prompt; see `questions`."""
        recall = recalls.get(object_id)
        evidence = Evidence(recall=None if recall is None else recall.maps)
        guess = guesses.get(object_id)
        if guess is None:
            return evidence
        others = [g.points_xy[0] for i, g in guesses.items() if i != object_id and len(g.points_xy)]
        nearest = sorted(others, key=lambda point: _distance(guess, point))
        off = np.reshape(nearest[: self._config.negatives], (-1, 2))
        points = np.concatenate([guess.points_xy, off]).astype(np.float32)
        return replace(
            evidence,
            prior=guess.prior,
            trust=float(np.clip(guess.trust * score * self._config.prior_trust, 0, 1)),
            box=guess.box,
            points_xy=points,
            labels=np.arange(len(points)) < len(guess.points_xy),
        )


def merge_prompts(
    prompts: Sequence[Prompt], frame: Frame, known: Iterable[int]
) -> dict[int, Prompt]:
    """One prompt an object, checked against the picture.

    Points are joined; a later box or mask wins.

    Raises:
        PromptError: see `Tracker.step`.
    """
    if not isinstance(frame, Frame):
        raise InputError(
            f"got {type(frame).__name__} for a frame; give propagate.Frame(index, image)"
        )
    merged: dict[int, Prompt] = {}
    for prompt in prompts:
        _check(prompt, frame)
        before = merged.get(prompt.object_id)
        merged[prompt.object_id] = prompt if before is None else _join(before, prompt)
    for object_id, prompt in merged.items():
        if prompt.says_absent and object_id not in set(known):
            raise PromptError(
                f"prompt of object {object_id} in frame {frame.index}: mask is empty: says "
                "that it is not there, but it is not known yet; mark at least one pixel"
            )
        positive = bool(prompt.labels is not None and prompt.labels.any())
        if (
            not positive
            and prompt.box is None
            and prompt.mask is None
            and object_id not in set(known)
        ):
            raise PromptError(
                f"object {object_id} has no mask in frame {frame.index} yet, so a negative point "
                "alone has nothing to take away; add a positive point, a box or a mask, or say "
                "that it is absent"
            )
    return dict(sorted(merged.items()))


def _distance(guess: Guess, point: FloatArray) -> float:
    """Pixels from the middle of where an object is expected to a point (2,)."""
    if guess.box is None:
        return 0.0
    return float(np.linalg.norm(point - coords.box_middle(guess.box)))


def _says_something(evidence: Evidence) -> bool:
    """Whether there is anything to go by."""
    maps = evidence.prior is not None or evidence.recall is not None
    return maps or evidence.box is not None or bool(evidence.labels.any())


def _join(one: Prompt, other: Prompt) -> Prompt:
    labels = [p.labels for p in (one, other) if p.labels is not None]
    return replace(
        one,
        points_xy=np.concatenate([one.points_xy, other.points_xy]),
        labels=np.concatenate(labels),
        box=one.box if other.box is None else other.box,
        mask=one.mask if other.mask is None else other.mask,
    )


def _check(prompt: Prompt, frame: Frame) -> None:
    who = f"prompt of object {prompt.object_id} in frame {prompt.frame_index}"
    height, width = frame.size_hw
    if prompt.frame_index != frame.index:
        raise PromptError(f"{who} was given with frame {frame.index}")
    if not coords.point_inside(prompt.points_xy, frame.size_hw).all():
        raise PromptError(
            f"{who}: a point lies outside the picture, which is {width} x {height}: "
            f"{prompt.points_xy.round(1).tolist()}"
        )
    if prompt.box is not None and coords.clip_box(prompt.box, frame.size_hw) is None:
        raise PromptError(
            f"{who}: box {prompt.box.tolist()} lies outside the picture, {width} x {height}"
        )
    if prompt.mask is not None:
        _check_mask(prompt.mask, who, frame.size_hw)


def _check_mask(mask: BoolArray, who: str, size_hw: tuple[int, int]) -> None:
    if mask.shape != size_hw:
        raise PromptError(
            f"{who}: mask is {mask.shape[1]} x {mask.shape[0]}, "
            f"the picture is {size_hw[1]} x {size_hw[0]}; give a mask of the picture's size"
        )
