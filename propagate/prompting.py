"""From what is believed of an object to the question put to the segmenter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from propagate.types import Evidence, Guess, Prompt, Recall


@dataclass(frozen=True)
class Config:
    """How far each belief counts.

    Attributes:
        prior_trust: factor on the trust in the moved last mask. A mask that is fed back locks its
            errors in, so a segmenter that recognises the object does better with little of it.
        negatives: most points of other objects that are given as not on this one.
    """

    prior_trust: float = 0.6
    negatives: int = 4


class Prompting:
    """Gathers guess, recall and neighbours into a prompt."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config

    def __call__(
        self,
        frame_index: int,
        object_id: int,
        guesses: Mapping[int, Guess],
        recalls: Mapping[int, Recall],
        score: float,
    ) -> Prompt:
        """The prompt for an object that the tracker follows.

        Args:
            frame_index: of the frame to answer.
            object_id: a known object.
            guesses: where the motion model expects each object.
            recalls: what the memory recognises of each object.
            score: expected IoU of the object's last mask; a poor mask is a poor prior.
        """
        return Prompt(
            frame_index,
            object_id,
            evidence=self.evidence(object_id, guesses, recalls, score),
        )

    def evidence(
        self,
        object_id: int,
        guesses: Mapping[int, Guess],
        recalls: Mapping[int, Recall],
        score: float,
    ) -> Evidence:
        """The soft part of the prompt; see `__call__`."""
        recall = recalls.get(object_id)
        evidence = Evidence(recall=None if recall is None else recall.maps)
        guess = guesses.get(object_id)
        if guess is None:
            return evidence
        others = [g.points_xy[:1] for i, g in guesses.items() if i != object_id and len(g.points_xy)]
        others = others[: self._config.negatives]
        points = np.concatenate([guess.points_xy, *others]).astype(np.float32)
        return replace(
            evidence,
            prior=guess.prior,
            trust=float(np.clip(guess.trust * score * self._config.prior_trust, 0, 1)),
            box=guess.box,
            points_xy=points,
            labels=np.arange(len(points)) < len(guess.points_xy),
        )
