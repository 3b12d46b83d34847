"""Arrays and iterables as videos; windows; reading ahead."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest

from propagate.errors import VideoError
from propagate.types import Frame
from propagate.videos import Video, open_video
from propagate.videos.prefetch import Prefetched


def numbered(count, size_hw=(4, 6)):
    """(T, H, W, 3) uint8 whose pictures hold their own number."""
    return np.broadcast_to(
        np.arange(count, dtype=np.uint8)[:, None, None, None], (count, *size_hw, 3)
    ).copy()


def indices(frames):
    return [frame.index for frame in frames]


def stream(count, taken):
    """Pictures one after another; notes each that is taken."""
    for number, image in enumerate(numbered(count)):
        taken.append(number)
        yield image


def test_the_package_of_videos_loads_no_decoder():
    code = (
        "import sys, propagate.videos; print({'cv2', 'av', 'decord', 'torch'} & set(sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"


# Arrays ------------------------------------------------------------------------------------------


def test_an_array_is_a_video():
    array = numbered(5)
    video = open_video(array)
    assert isinstance(video, Video)
    assert (video.size_hw, video.length_hint, video.fps) == ((4, 6), 5, None)
    assert [int(frame.image[0, 0, 0]) for frame in video] == indices(video) == [0, 1, 2, 3, 4]
    assert indices(video.reversed()) == [4, 3, 2, 1, 0]
    assert video.frame(3).image[0, 0, 0] == 3
    assert np.shares_memory(next(iter(video)).image, array)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 4, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 3), np.float32),
        np.zeros((2, 4, 4, 4), np.uint8),
    ],
)
def test_an_array_of_another_kind_is_refused(array):
    with pytest.raises(VideoError, match=r"must be \(T, H, W, 3\) uint8 RGB, got"):
        open_video(array)


def test_an_array_is_told_from_another():
    one, other = numbered(5), numbered(5)
    assert open_video(one).fingerprint() == open_video(other).fingerprint()
    other[-1, 0, 0, 0] += 1
    assert open_video(one).fingerprint() != open_video(other).fingerprint()


# Windows -----------------------------------------------------------------------------------------


def test_windows_of_windows_only_shrink():
    video = open_video(numbered(10), start=2, stop=8)
    assert indices(video.window(4)) == [4, 5, 6, 7]
    assert indices(video.window(0, 100)) == [2, 3, 4, 5, 6, 7]
    assert indices(video.window(3, 5).reversed()) == [4, 3]
    assert indices(video.reversed().window(3, 5)) == [4, 3]
    assert indices(video.reversed().reversed()) == [2, 3, 4, 5, 6, 7]
    assert video.length_hint == 6
    assert open_video(video) is video


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (3, 3), (5, 2)])
def test_a_window_that_can_hold_nothing_is_refused(start, stop):
    with pytest.raises(VideoError, match="give 0 <= start < stop"):
        open_video(numbered(10), start=start, stop=stop)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_window_behind_the_end_is_an_error_when_read(backwards):
    video = open_video(numbered(10), start=10)
    with pytest.raises(VideoError, match="no frame from 10 on"):
        list(video.reversed() if backwards else video)


@pytest.mark.parametrize("index", [-1, 10])
def test_a_frame_that_is_not_there(index, tmp_path, clip):
    cv2.imwrite(str(tmp_path / "a.png"), numbered(1)[0])
    with pytest.raises(VideoError, match="frame"):
        open_video(numbered(10)).frame(index)
    with pytest.raises(VideoError, match="frame"):
        open_video(list(numbered(10))).frame(index)
    with pytest.raises(VideoError, match="frame"):
        open_video(tmp_path).frame(index)
    with pytest.raises(VideoError, match="frame"):
        open_video(clip("closed.mp4")).frame(-1 if index < 0 else 60)


@pytest.mark.parametrize("source", [None, 3.5, True, b"bytes", {}])
def test_what_holds_no_frames_is_refused(source):
    with pytest.raises(VideoError, match="cannot read frames from"):
        open_video(source)


# Iterables ---------------------------------------------------------------------------------------


def test_frames_of_a_list_keep_index_time_and_stem():
    frames = [
        Frame(index, image, index / 10, f"s{index}")
        for index, image in zip((3, 4, 7), numbered(3), strict=True)
    ]
    video = open_video(frames)
    assert list(video) == frames
    assert list(video.reversed()) == frames[::-1]
    assert video.frame(7) is frames[2]
    assert list(video.window(4, 7)) == [frames[1]]
    assert (video.size_hw, video.length_hint) == ((4, 6), 3)


def test_a_generator_is_read_once_and_never_ahead():
    taken = []
    video = open_video(stream(10, taken))
    assert not taken
    for frame in video:
        assert taken == list(range(frame.index + 1))
    with pytest.raises(VideoError, match="already read"):
        list(video)


def test_a_window_of_a_live_stream_ends_without_waiting_for_one_frame_more():
    taken = []
    assert indices(open_video(stream(10, taken), start=2, stop=4)) == [2, 3]
    assert taken == [0, 1, 2, 3]


def test_a_generator_cannot_be_read_out_of_order():
    video = open_video(stream(3, []))
    with pytest.raises(VideoError, match="cannot be reversed"):
        list(video.reversed())
    with pytest.raises(VideoError, match="cannot be read out of order"):
        video.frame(1)
    assert indices(video) == [0, 1, 2]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "empty"),
        (["a.png"], r"item 0 of the frames: image must be \(H, W, 3\)"),
        ([np.zeros((4, 4), np.uint8)], "item 0"),
        ([numbered(1)[0], numbered(1, (5, 6))[0]], r"frame 1 is \(5, 6\)"),
        ([Frame(2, numbered(1)[0]), Frame(2, numbered(1)[0])], "indices must grow"),
    ],
)
def test_iterables_that_are_no_video(items, message):
    with pytest.raises(VideoError, match=message):
        list(open_video(items))


def test_an_empty_generator_is_an_error():
    with pytest.raises(VideoError, match="no frame from 0 on"):
        list(open_video(iter(())))


# Reading ahead -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [1, 3])
def test_reading_ahead_is_bounded_whatever_the_consumers_pace(ahead):
    taken = []
    for frame in Prefetched(open_video(stream(20, taken)), ahead):
        for _ in range(50):  # a slow consumer: the reader has all the time it could want
            threading.Event().wait(0.0005)
        assert len(taken) <= frame.index + 1 + ahead
    assert taken == list(range(20))


def test_reading_ahead_gives_the_same_frames(clip, stamp_of):
    video = Prefetched(open_video(clip("open.mp4")))
    assert isinstance(video, Video)
    assert [stamp_of(frame.image) for frame in video] == list(range(60))
    assert [stamp_of(frame.image) for frame in video.reversed().window(5, 8)] == [7, 6, 5]
    assert stamp_of(video.frame(33).image) == 33
    assert video.fingerprint() == video.video.fingerprint()
    assert (video.name, video.size_hw, video.length_hint) == ("open.mp4", (64, 160), 60)


def test_an_error_in_the_reader_reaches_the_consumer_in_its_place():
    def failing():
        yield from numbered(3)
        raise OSError("the disk is gone")

    threads = threading.active_count()
    frames = iter(Prefetched(open_video(failing())))
    assert indices([next(frames), next(frames), next(frames)]) == [0, 1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(frames)
    assert threading.active_count() == threads


@pytest.mark.parametrize("end", ["close", "forget"])
def test_a_consumer_that_stops_early_leaves_no_thread(end):
    closed = []

    def watched():
        try:
            yield from numbered(100)
        finally:
            closed.append(True)

    threads = threading.active_count()
    frames = iter(Prefetched(open_video(watched())))
    next(frames)
    assert threading.active_count() == threads + 1
    if end == "close":
        frames.close()
    else:
        del frames
        gc.collect()
    assert threading.active_count() == threads
    assert closed == [True]


def test_reading_ahead_by_nothing_is_refused():
    with pytest.raises(VideoError, match="1 or more"):
        Prefetched(open_video(numbered(2)), 0)
