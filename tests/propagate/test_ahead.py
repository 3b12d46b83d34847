"""Two threads answer as one does, and take no frame before its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

import propagate
from propagate import ahead
from propagate.ahead import Timed, follow, in_their_frames
from propagate.errors import VideoError
from propagate.testing import moving_shapes
from propagate.tracker import Tracker
from propagate.types import Frame


class TwoLanes:
    """Any segmenter as one that wants two threads; counts in which it worked."""

    lanes = 2

    def __init__(self, segmenter) -> None:
        self.segmenter = segmenter
        self.encoded: list[str] = []
        self.decoded: list[str] = []

    def encode(self, image):
        self.encoded.append(threading.current_thread().name)
        return self.segmenter.encode(image)

    def decode(self, embedding, prompts):
        self.decoded.append(threading.current_thread().name)
        return self.segmenter.decode(embedding, prompts)


@pytest.fixture(scope="module")
def alone() -> Tracker:
    settings = {"name": "lite", "device": "cpu", "area": 160 * 256, "precision": "float32"}
    return propagate.load_tracker(segmenter=settings)


@pytest.fixture
def shared(alone) -> Tracker:
    return replace(alone, segmenter=TwoLanes(alone.segmenter))


@pytest.fixture(scope="module")
def clip():
    return moving_shapes(count=5, length=7, size_hw=(160, 256), seed=4)


def stepped(tracker, frames, prompts):
    state = tracker.start()
    asks = in_their_frames(prompts)
    for frame in frames:
        state = tracker.step(state, frame, asks(frame))
        yield state.last


def followed(tracker, frames, prompts, *, live=False):
    start = tracker.start()
    for frame, state in follow(tracker, start, frames, in_their_frames(prompts), live=live):
        assert state.last.index == frame.index
        yield state.last


def assert_alike(one, other) -> None:
    assert {m.object_id for m in one.masks} == {m.object_id for m in other.masks}
    differing = (one.label_map() != other.label_map()).mean()
    assert differing < 2e-4  # sums are made in another order


def test_two_threads_answer_as_one(alone, shared, clip):
    frames, prompts = list(clip.frames()), clip.prompts("mask")
    one, two = (
        list(run) for run in (stepped(alone, frames, prompts), followed(shared, frames, prompts))
    )
    assert len(one) == len(two) == len(frames)
    for expected, found in zip(one, two, strict=True):
        assert_alike(expected, found)
    ahead = [name for name in shared.segmenter.encoded if name.startswith("ahead")]
    assert len(ahead) >= len(frames) - 2  # all but the first, and the one that it leads to
    assert any(name.startswith("ahead") for name in shared.segmenter.decoded)


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512",
    reason="kernels for other processors may add in another order",
)
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_few_objects_get_the_very_same_answers(precision):
    """No sum depends on the number of threads, so neither does a track."""
    few = moving_shapes(count=2, length=6, size_hw=(160, 256), seed=5)
    tracker = propagate.load_tracker(segmenter={"name": "lite", "precision": precision})
    both = replace(tracker, segmenter=TwoLanes(tracker.segmenter))
    frames, prompts = list(few.frames()), few.prompts("mask")
    pairs = zip(stepped(tracker, frames, prompts), followed(both, frames, prompts), strict=True)
    for expected, found in pairs:
        np.testing.assert_array_equal(expected.label_map(), found.label_map())
        assert [m.score for m in expected.masks] == [m.score for m in found.masks]


def test_the_same_bytes_each_time(shared, clip):
    frames, prompts = list(clip.frames()), clip.prompts("box")
    one, two = (list(followed(shared, frames, prompts)) for _ in range(2))
    for before, now in zip(one, two, strict=True):
        np.testing.assert_array_equal(before.label_map(), now.label_map())
        assert [m.score for m in before.masks] == [m.score for m in now.masks]


def test_pictures_may_change_their_size(alone, shared, clip):
    prompts = clip.prompts("mask")
    frames = [
        frame if frame.index < 4 else replace(frame, image=cv2.resize(frame.image, (208, 144)))
        for frame in clip.frames()
    ]
    both = stepped(alone, frames, prompts), followed(shared, frames, prompts)
    for expected, found in zip(*both, strict=True):
        assert found.size_hw == expected.size_hw
        assert_alike(expected, found)


def test_a_broken_frame_loses_no_answer_before_it(shared, clip):
    def frames() -> Iterator[Frame]:
        yield from list(clip.frames())[:3]
        raise VideoError("frame 3 is damaged")

    answers = followed(shared, frames(), clip.prompts("mask"))
    assert [next(answers).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(VideoError, match="frame 3"):
        next(answers)


@pytest.mark.parametrize(("live", "taken"), [(True, 1), (False, 2)])
def test_a_live_source_is_not_read_ahead(shared, clip, live, taken):
    seen = []

    def frames() -> Iterator[Frame]:
        for frame in clip.frames():
            seen.append(frame.index)
            yield frame

    answers = followed(shared, frames(), clip.prompts("mask"), live=live)
    assert next(answers).index == 0
    assert len(seen) == taken
    answers.close()


def test_leaves_the_threads_as_they_were(shared, clip):
    before, running = torch.get_num_threads(), threading.active_count()
    answers = followed(shared, clip.frames(), clip.prompts("mask"))
    for _ in range(3):
        next(answers)
        assert torch.get_num_threads() == before
    answers.close()
    assert torch.get_num_threads() == before
    assert threading.active_count() == running


def test_other_numbers_of_threads_do_not_slow_bytes_down():
    """Weights are packed for a number of threads; for another they would be packed at each call."""
    from propagate.segmenters._lite.int8 import IntegerConvolution, is_possible

    if not is_possible():
        pytest.skip("this build of torch has no 8-bit convolutions")
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(16, 24, 1)
    fast = IntegerConvolution(conv, (0.02, 0), (0.02, 100))
    x = torch.randint(0, 255, (1, 16, 20, 20), dtype=torch.uint8)
    x = x.contiguous(memory_format=torch.channels_last)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(fast(x))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)
    assert set(fast._packed) == {1, 2}


def test_what_items_took_is_known_also_after_the_last_one(monkeypatch) -> None:
    now = 0.0

    def slow():
        nonlocal now
        for item in range(3):
            now += 2
            yield item
        now += 1

    monkeypatch.setattr(ahead.time, "perf_counter", lambda: now)
    timed = Timed(slow())
    assert timed.seconds == 0
    assert next(timed) == 0
    now += 100  # what is done with an item does not count
    assert list(timed) == [1, 2]
    assert timed.seconds == 7
