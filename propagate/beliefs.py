"""What motion and memory say of the objects in a frame, as maps of the part that is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from propagate.coords import Size, Window
from propagate.types import FloatArray, Guess, Recall
from propagate.windows import map_in

_SURE = 0.7  # from which on motion and memory count as sure of a cell, more the more they are


@dataclass(frozen=True)
class Beliefs:
    """Guesses and recalls of a frame of `size_hw`, and the part of it that is looked at."""

    guesses: Mapping[int, Guess]
    recalls: Mapping[int, Recall]
    window: Window
    size_hw: Size

    def expected(self, object_id: int) -> FloatArray | None:
        """A soft map of the window, where the object is: what the memory reads, else the guess."""
        recall = self.recalls.get(object_id)
        if recall is None:
            return self.place(object_id)
        read: FloatArray = recall.maps[1]
        return read

    def foreign(self, object_id: int) -> FloatArray | None:
        """A map of the window, 1 where memory or motion is sure of something else; or None."""
        recall, guess = self.recalls.get(object_id), self.guesses.get(object_id)
        if recall is None or guess is None or guess.still is None:
            return None if recall is None else recall.foreign
        foreign = map_in(self.window, guess.still, self.size_hw)
        if recall.foreign is not None:
            cells = foreign.shape[::-1]
            read = cv2.resize(recall.foreign, cells, interpolation=cv2.INTER_LINEAR)
            foreign = np.maximum(foreign, np.asarray(read, np.float32))
        return foreign

    def strange(self, object_id: int) -> FloatArray | None:
        """A map of the window, how much more it looks like something else; or None."""
        recall = self.recalls.get(object_id)
        return None if recall is None else recall.strange

    def certain(self, object_id: int) -> FloatArray | None:
        """A map of the window, 0..1, where motion and memory are both sure of it; or None."""
        place, recall = self.place(object_id), self.recalls.get(object_id)
        if place is None or recall is None:
            return None
        read = cv2.resize(recall.maps[1], place.shape[::-1], interpolation=cv2.INTER_LINEAR)
        sure = np.clip((np.minimum(place, read) - _SURE) / (1 - _SURE), 0, 1)
        return np.asarray(sure, np.float32)

    def passing(self) -> list[tuple[int, int]]:
        """Pairs of objects that pass each other."""
        pairs = [(i, guess.passing) for i, guess in sorted(self.guesses.items())]
        return [(one, other) for one, other in pairs if other is not None and one < other]

    def place(self, object_id: int) -> FloatArray | None:
        """A soft map of the window, where motion expects the object; None where it cannot say."""
        guess = self.guesses.get(object_id)
        if guess is None or guess.prior is None:
            return None
        return map_in(self.window, guess.prior, self.size_hw)
