"""The loop over a video, in two threads: while objects are followed, the next picture is encoded.

A small network keeps two cores busy by half: its layers are too short to be shared out well. Two
threads that work on different things, each on half of the cores, get more done. Which part of the
next picture will be looked at is not known when its encoding begins; it is taken to be that of the
last one, which it mostly is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, TypeGuard, TypeVar

import torch

from propagate.errors import PropagateError
from propagate.segmenters import Segmenter
from propagate.tracker import Tracker, TrackerState
from propagate.types import Candidates, Embedding, Frame, ImageArray, Prompt

_WORTH_SHARING = 4  # questions: fewer are answered sooner in one batch

T = TypeVar("T")
Asks = Callable[[Frame], Sequence[Prompt]]
"""The prompts of a frame."""


class Timed(Iterator[T]):
    """Items, and the `seconds` that it took to get them so far."""

    def __init__(self, items: Iterable[T]) -> None:
        """Nothing is taken yet."""
        self._items = iter(items)
        self.seconds = 0.0

    def __next__(self) -> T:
        """The next item."""
        began = time.perf_counter()
        try:
            return next(self._items)
        finally:
            self.seconds += time.perf_counter() - began


class Steps(Protocol):
    """What can be followed with: a `Tracker`, or anything with its `step`."""

    def step(self, state: Any, frame: Frame, prompts: Sequence[Prompt] = ()) -> Any:
        """See `Tracker.step`."""
        ...


def follow(
    tracker: Steps, state: Any, frames: Iterable[Frame], asks: Asks, *, live: bool
) -> Iterator[tuple[Frame, Any]]:
    """Step through frames; yields each with the state after it.

    Args:
        tracker: a `Tracker` is stepped in two threads if its segmenter has two `lanes`.
        state: before the first frame.
        frames: in order.
        asks: what the user says of a frame.
        live: a frame is answered before the next one is taken, which may have to be waited for.
    """
    if live or not _has_two_lanes(tracker):
        for frame in frames:
            state = tracker.step(state, frame, asks(frame))
            yield frame, state
        return
    with _in_two_lanes(tracker.segmenter) as lanes:
        tracker = replace(tracker, segmenter=lanes)
        for frame, coming in _with_next(frames):
            if coming is not None:
                lanes.foresee(state, coming)
            with _threads(lanes.threads):
                state = tracker.step(state, frame, asks(frame))
            yield frame, state


def in_their_frames(prompts: Iterable[Prompt]) -> Asks:
    """Prompts that are all known beforehand."""
    by_frame: dict[int, list[Prompt]] = {}
    for prompt in prompts:
        by_frame.setdefault(prompt.frame_index, []).append(prompt)
    return lambda frame: by_frame.get(frame.index, ())


def _has_two_lanes(tracker: Steps) -> TypeGuard[Tracker]:
    return isinstance(tracker, Tracker) and getattr(tracker.segmenter, "lanes", 1) > 1


class _Lanes:
    """A segmenter that encodes what is foreseen, and half of the answers, in another thread."""

    def __init__(self, segmenter: Segmenter, other: ThreadPoolExecutor, threads: int) -> None:
        self._segmenter, self._other, self.threads = segmenter, other, threads
        self._foreseen: list[tuple[ImageArray, Future[Embedding]]] = []

    def foresee(self, state: TrackerState, coming: Frame) -> None:
        """Begin to encode what will be looked at in a frame, as far as the state before tells."""
        if state.window is None or state.last is None or state.last.size_hw != coming.size_hw:
            return
        part = coming.image[state.window.slices]
        embedding = self._other.submit(self._segmenter.encode, part)
        self._foreseen = [*self._foreseen[-1:], (part, embedding)]  # of this frame and the next

    def encode(self, image: ImageArray) -> Embedding:
        """See `Segmenter.encode`."""
        for part, embedding in self._foreseen:
            if _is_same(part, image):
                return embedding.result()
        return self._segmenter.encode(image)

    def decode(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        """See `Segmenter.decode`."""
        if len(prompts) < _WORTH_SHARING:
            return self._segmenter.decode(embedding, prompts)
        half = len(prompts) // 2
        ours, theirs = prompts[:half], prompts[half:]
        waiting = self._other.submit(self._segmenter.decode, embedding, theirs)
        found = self._segmenter.decode(embedding, ours)
        if waiting.cancel():  # the other thread is busy still
            return [*found, *self._segmenter.decode(embedding, theirs)]
        return [*found, *waiting.result()]


@contextmanager
def _in_two_lanes(segmenter: Segmenter) -> Iterator[_Lanes]:
    """A segmenter with a second thread; each gets half of the cores."""
    half = max(1, torch.get_num_threads() // 2)
    other = ThreadPoolExecutor(1, "ahead", torch.set_num_threads, (half,))
    try:
        yield _Lanes(segmenter, other, half)
    finally:
        other.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch computes in so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _with_next(frames: Iterable[Frame]) -> Iterator[tuple[Frame, Frame | None]]:
    """Each frame with the next one; an error in reading that one is raised when it has its turn."""
    waiting = iter(frames)
    frame = next(waiting, None)
    while frame is not None:
        coming, problem = None, None
        try:
            coming = next(waiting, None)
        except PropagateError as error:
            problem = error
        yield frame, coming
        if problem is not None:
            raise problem
        frame = coming


def _is_same(one: ImageArray, other: ImageArray) -> bool:
    """Whether two views show the same part of the same picture in memory."""
    place = one.__array_interface__["data"], one.shape, one.strides
    return place == (other.__array_interface__["data"], other.shape, other.strides)
