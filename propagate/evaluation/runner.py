"""Runs a tracker over a data set and measures what it answers.

For each object the prompt is given in the first frame in which it is annotated. As DAVIS does for
prompted tracking, that frame and the last annotated one are left out of J and F.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from propagate.ahead import Steps, Timed, follow
from propagate.errors import InputError
from propagate.evaluation.davis import LabelMap, Sequence, open_davis
from propagate.evaluation.metrics import contour_accuracy, region_similarity, statistics
from propagate.evaluation.prompts import PromptKind, check_kind, simulate_prompt
from propagate.evaluation.results import FrameScore, ObjectResult, SequenceResult
from propagate.export import make_folder, write_whole
from propagate.export.png import MAX_PALETTE_ID, encode_png
from propagate.types import BoolArray, Frame, FrameResult, Prompt


class StepTracker(Steps, Protocol):
    """What is measured: `propagate.tracker.Tracker`, or anything with its `start` and `step`.

    The `last` of a state is the FrameResult.
    """

    def start(self) -> Any:
        """The state before the first frame."""
        ...


def evaluate(
    root: str | PathLike[str],
    tracker: StepTracker,
    sequences: Iterable[str] | None = None,
    prompt: str = "mask",
    out: str | PathLike[str] | None = None,
    watch: Callable[[], None] | None = None,
) -> Iterator[SequenceResult]:
    """Measure a tracker on a data set laid out like DAVIS; yields as each sequence is done.

    Args:
        root: the folder that holds JPEGImages and Annotations.
        tracker: what is measured.
        sequences: names; None: all.
        prompt: "mask", "box" or "click", made from the true mask of the first frame; or "boxes":
            every frame is answered afresh from the box around its true mask. What a tracker reaches
            on its own, as a share of that, is its efficiency.
        out: a folder for the answers, out/masks/<sequence>/<frame>.png; None writes nothing.
        watch: is called after every frame.

    Raises:
        InputError: the data set, a sequence's name or the kind of prompt is wrong.
        OutputError: the answers cannot be written.
    """
    kind = check_measure(prompt)
    found = open_davis(root, sequences)
    masks = None if out is None else Path(out) / "masks"
    return (
        evaluate_sequence(one, tracker, kind, None if masks is None else masks / one.name, watch)
        for one in found
    )


def check_measure(prompt: str) -> PromptKind | Literal["boxes"]:
    """What `evaluate` accepts as a prompt; InputError for anything else."""
    return "boxes" if prompt == "boxes" else check_kind(prompt)


def evaluate_sequence(
    sequence: Sequence,
    tracker: StepTracker,
    prompt: PromptKind | Literal["boxes"],
    masks: Path | None = None,
    watch: Callable[[], None] | None = None,
) -> SequenceResult:
    """Run a tracker through one sequence; `watch` is called after every frame.

    Raises:
        InputError: fewer than three annotated frames, no object in them, or masks of another size.
        OutputError: the answers cannot be written to the folder `masks`.
    """
    if len(sequence.annotated) < 3:
        raise InputError(
            f"sequence {sequence.name!r} has {len(sequence.annotated)} annotated frames; the first "
            "and the last do not count, so at least 3 are needed"
        )
    asking, frames = _Asking(sequence, prompt), Timed(sequence.video())
    steps = Timed(asking.steps(tracker, frames))
    scores: list[FrameScore] = []
    count = 0
    for frame, state in steps:
        count += 1
        result: FrameResult = state.last
        truth = asking.truth
        if truth is not None and frame.stem != sequence.annotated[-1]:
            scores += [_score(result, truth, frame, one) for one in asking.known]
        if masks is not None:
            _write(masks, frame, result)
        if watch is not None:
            watch()
    objects = _objects(scores)
    if not objects:
        raise InputError(
            f"sequence {sequence.name!r} has no object to score before its last frame; "
            "are the masks named like the pictures?"
        )
    seconds = steps.seconds - frames.seconds - asking.seconds
    return SequenceResult(sequence, tuple(scores), objects, count, seconds)


class _Asking:
    """Goes through a sequence, and asks about each object in the first frame that shows it.

    Attributes:
        seconds: that asking took.
        truth: of the last frame asked about, or None.
        known: objects that were asked about in frames before that one.
    """

    def __init__(self, sequence: Sequence, prompt: PromptKind | Literal["boxes"]) -> None:
        self._sequence = sequence
        self._afresh = prompt == "boxes"
        self._kind: PromptKind = "box" if prompt == "boxes" else prompt
        self.seconds = 0.0
        self.truth: LabelMap | None = None
        self.known: tuple[int, ...] = ()
        self._asked: Collection[int] = ()  # in that one

    def steps(self, tracker: StepTracker, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Any]]:
        """The frames, each with the tracker's state after it."""
        if not self._afresh:
            return follow(tracker, tracker.start(), frames, self._prompts, live=False)
        return (
            (frame, tracker.step(tracker.start(), frame, self._prompts(frame))) for frame in frames
        )

    def _prompts(self, frame: Frame) -> list[Prompt]:
        began = time.perf_counter()
        self.known = tuple(dict.fromkeys((*self.known, *self._asked)))
        self.truth = _truth(self._sequence, frame)
        known = () if self._afresh else self.known
        asked = {} if self.truth is None else _fresh(self.truth, known)
        self._asked = tuple(asked)
        prompts = [
            simulate_prompt(self._kind, seen, frame.index, one) for one, seen in asked.items()
        ]
        self.seconds += time.perf_counter() - began
        return prompts


def _truth(sequence: Sequence, frame: Frame) -> LabelMap | None:
    """The true ids of a frame, of the picture's size."""
    truth = sequence.truth(frame.stem or "")
    if truth is not None and truth.shape != frame.size_hw:
        raise InputError(
            f"sequence {sequence.name!r}, frame {frame.stem}: the mask is {truth.shape} (H, W), "
            f"the picture {frame.size_hw}; use masks and pictures of one resolution"
        )
    return truth


def _fresh(truth: LabelMap, known: tuple[int, ...]) -> dict[int, BoolArray]:
    """Id → true mask of what is seen for the first time, sorted by id."""
    seen = np.unique(truth).tolist()
    return {one: truth == one for one in seen if one > 0 and one not in known}


def _score(result: FrameResult, truth: LabelMap, frame: Frame, object_id: int) -> FrameScore:
    """Compare one object with the truth."""
    # Where masks overlap a pixel can only have one id, as in a file of masks.
    prediction = result.label_map() == object_id
    wanted = truth == object_id
    found = object_id in result
    missing = result.missing.get(object_id)
    gone = "unknown" if missing is None else missing.state
    return FrameScore(
        frame.index,
        frame.stem or "",
        object_id,
        region_similarity(prediction, wanted),
        contour_accuracy(prediction, wanted),
        result[object_id].score if found else None,
        result[object_id].state if found else gone,
    )


def _objects(scores: Iterable[FrameScore]) -> tuple[ObjectResult, ...]:
    """Statistics an object, sorted by id."""
    series: dict[int, list[FrameScore]] = {}
    for one in scores:
        series.setdefault(one.object_id, []).append(one)
    return tuple(
        ObjectResult(
            object_id,
            statistics([one.j for one in series[object_id]]),
            statistics([one.f for one in series[object_id]]),
        )
        for object_id in sorted(series)
    )


def _write(folder: Path, frame: Frame, result: FrameResult) -> None:
    """Keep an answer as a PNG that DAVIS's own tools read."""
    labels = result.label_map()
    data = encode_png(labels, wide=bool(labels.max() > MAX_PALETTE_ID))
    write_whole(make_folder(folder) / f"{frame.stem}.png", data)
