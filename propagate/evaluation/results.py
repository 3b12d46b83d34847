"""What a measurement gives: values a frame, an object, a sequence, and over the data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from propagate.errors import InputError
from propagate.evaluation.davis import Sequence
from propagate.evaluation.metrics import Statistics, calibration_error


@dataclass(frozen=True)
class FrameScore:
    """One object in one frame.

    Attributes:
        index: of the frame.
        stem: the frame's name.
        object_id: 1 or more.
        j: region similarity, 0..1.
        f: contour accuracy, 0..1.
        score: the IoU that the tracker expected; None where it gave no mask.
        state: what the tracker said of the object.
    """

    index: int
    stem: str
    object_id: int
    j: float
    f: float
    score: float | None
    state: str


@dataclass(frozen=True)
class ObjectResult:
    """One object over its frames."""

    object_id: int
    j: Statistics
    f: Statistics

    @property
    def j_and_f(self) -> float:
        """Mean of J and F."""
        return (self.j.mean + self.f.mean) / 2


@dataclass(frozen=True)
class SequenceResult:
    """One sequence.

    Attributes:
        sequence: where it came from.
        frames: every frame and object that counts, in order.
        objects: sorted by id.
        frame_count: frames that the tracker went through.
        seconds: that its steps took; reading and scoring are not in it.
    """

    sequence: Sequence
    frames: tuple[FrameScore, ...]
    objects: tuple[ObjectResult, ...]
    frame_count: int
    seconds: float

    @property
    def j(self) -> float:
        """Mean J of the objects."""
        return float(np.mean([one.j.mean for one in self.objects]))

    @property
    def f(self) -> float:
        """Mean F of the objects."""
        return float(np.mean([one.f.mean for one in self.objects]))

    @property
    def j_and_f(self) -> float:
        """Mean of J and F."""
        return (self.j + self.f) / 2

    @property
    def frames_per_second(self) -> float:
        """Frames by the seconds of the tracker's steps."""
        return self.frame_count / self.seconds if self.seconds > 0 else float("inf")

    @property
    def score_pairs(self) -> tuple[tuple[float, float], ...]:
        """(expected IoU, IoU) of every mask that the tracker gave."""
        return tuple((one.score, one.j) for one in self.frames if one.score is not None)

    @property
    def calibration(self) -> float:
        """Expected calibration error of the scores, 0..1; nan where there was no mask."""
        return calibration_error(self.score_pairs)


def summary(results: Iterable[SequenceResult]) -> dict[str, float]:
    """Means over the whole data set, as DAVIS takes them: over all objects of all sequences.

    Returns:
        "j_and_f", and for j and f "…_mean", "…_recall" and "…_decay"; "frames_per_second" over all
        frames, and "calibration_error" over all masks.

    Raises:
        InputError: no result.
    """
    results = list(results)
    objects = [one for result in results for one in result.objects]
    if not objects:
        raise InputError("there is no result to summarise")
    values: dict[str, float] = {"j_and_f": float(np.mean([one.j_and_f for one in objects]))}
    for name in ("j", "f"):
        for part in ("mean", "recall", "decay"):
            series = [getattr(getattr(one, name), part) for one in objects]
            values[f"{name}_{part}"] = float(np.mean(series))
    seconds = sum(result.seconds for result in results)
    frames = sum(result.frame_count for result in results)
    values["frames_per_second"] = frames / seconds if seconds > 0 else float("inf")
    pairs = [pair for result in results for pair in result.score_pairs]
    values["calibration_error"] = calibration_error(pairs)
    return values
