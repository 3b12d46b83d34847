"""Video files: which frame is which, at what time, and what a bad file is answered with."""

from __future__ import annotations

import os
import shutil
import threading
import warnings

import numpy as np
import pytest

from propagate.errors import VideoError
from propagate.videos import Video, containers, open_video
from propagate.videos.random_access import RandomAccess

WHOLE = {
    "closed.mp4": range(60),
    "open.mp4": range(60),
    "open.mkv": range(60),
    "varied.mp4": range(60),
    "varied.mkv": range(60),
    "altref.webm": range(60),
    "altref.mp4": range(60),
    "ten.mp4": range(60),
    "hevc.mp4": range(60),
    "hevc10.mp4": range(60),
    "refresh.mp4": range(60),
    "av1.mp4": range(30),
    "plain.avi": range(60),
    "plain.ts": range(60),
    "fragmented.mp4": range(60),
    "edited.mp4": range(30, 60),
    "tail.mp4": range(30),
}
PROVEN = ("closed.mp4", "varied.mp4", "varied.mkv", "hevc.mp4", "rotated1.mp4")
UNPROVEN = sorted(set(WHOLE) - set(PROVEN))


@pytest.mark.parametrize("name", WHOLE)
def test_every_frame_is_given_once_in_display_order_without_a_warning(clip, stamp_of, name):
    frames = list(open_video(clip(name)))
    assert [stamp_of(frame.image) for frame in frames] == list(WHOLE[name])
    assert [frame.index for frame in frames] == list(range(len(WHOLE[name])))
    assert frames[0].time_s == 0


@pytest.mark.parametrize("name", ["varied.mp4", "varied.mkv"])
def test_times_of_a_varying_rate_are_exact_to_a_millisecond(clip, varied_ms, name):
    times = [frame.time_s for frame in open_video(clip(name))]
    assert np.allclose(times, np.array(varied_ms) / 1000, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["closed.mp4", "edited.mp4", "plain.ts", "plain.avi"])
def test_times_begin_at_the_first_picture_shown(clip, name):
    times = [frame.time_s for frame in open_video(clip(name))]
    assert np.allclose(times, np.arange(len(times)) / 25, rtol=0, atol=1e-3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotation_is_applied(clip, stamp_of, turns):
    video = open_video(clip(f"rotated{turns}.mp4"))
    frames = list(video)
    assert video.size_hw == frames[0].size_hw == ((160, 64) if turns % 2 else (64, 160))
    # The display matrix turns clockwise; turned back, every picture says its number.
    assert [stamp_of(np.rot90(frame.image, turns)) for frame in frames] == list(range(60))


@pytest.mark.parametrize("name", sorted({*WHOLE, "rotated1.mp4", "rotated2.mp4", "rotated3.mp4"}))
def test_a_frame_fetched_by_index_equals_the_one_that_iterating_gives(clip, name):
    video = open_video(clip(name))
    for frame in video:
        fetched = video.frame(frame.index)
        assert fetched.index == frame.index
        assert np.array_equal(fetched.image, frame.image)
        assert abs(fetched.time_s - frame.time_s) <= 1e-3


@pytest.mark.parametrize("name", PROVEN)
def test_jumps_are_made_in_proven_files_and_land_where_they_should(clip, name):
    path = clip(name)
    frames = list(open_video(path))
    jump = RandomAccess(path, containers.sniff(path)).frames
    for index in (59, 24, 25, 0, 37, 58):
        (fetched,) = jump([index])
        assert np.array_equal(fetched.image, frames[index].image)
    batch = jump(range(20, 50))
    assert [frame.index for frame in batch] == list(range(20, 50))
    for fetched, frame in zip(batch, frames[20:50], strict=True):
        assert np.array_equal(fetched.image, frame.image)


@pytest.mark.parametrize("name", [*UNPROVEN, "cut.mp4", "cut.mkv"])
def test_no_jump_is_made_where_it_is_not_proven_to_be_right(clip, name):
    path = clip(name)
    assert RandomAccess(path, containers.sniff(path)).frames([10]) is None


@pytest.mark.parametrize("name", ["open.mp4", "refresh.mp4", "edited.mp4"])
def test_the_files_that_are_refused_are_those_that_decord_gets_wrong(clip, name):
    """Keeps the rule honest: where this fails, decord has been mended and the rule can go."""
    import decord

    path = clip(name)
    frames = list(open_video(path))
    wrong = 0
    for frame in frames:
        reader = decord.VideoReader(str(path), num_threads=1)
        wrong += not np.array_equal(reader[frame.index].asnumpy(), frame.image)
    assert wrong > 0


@pytest.mark.parametrize("name", sorted({*WHOLE, "rotated1.mp4", "rotated3.mp4"}))
def test_pyav_gives_the_same_frames(clip, stamp_of, name):
    from propagate.videos.pyav import PyAVDecoder

    path = clip(name)
    decoder = PyAVDecoder(path, containers.sniff(path))
    ours = list(open_video(path))
    frames = list(decoder.frames(0, None))
    assert decoder.count() == len(frames) == len(ours)
    for one, other in zip(ours, frames, strict=True):
        # Pictures of 10 bits are rounded and dithered to 8 differently.
        close = 25 if name in ("ten.mp4", "hevc10.mp4") else 0
        assert np.abs(one.image.astype(int) - other.image).max() <= close
        assert abs(one.time_s - other.time_s) <= 1e-3
    assert [frame.index for frame in decoder.frames(7, 9)] == [7, 8]


@pytest.mark.parametrize("name", ["closed.mp4", "open.mp4", "edited.mp4", "av1.mp4"])
def test_reversed_gives_the_same_frames_last_to_first(clip, name):
    video = open_video(clip(name))
    backwards = list(video.reversed())
    forwards = list(video)
    assert [frame.index for frame in backwards] == [frame.index for frame in forwards][::-1]
    for one, other in zip(backwards, forwards[::-1], strict=True):
        assert np.array_equal(one.image, other.image)
        assert abs(one.time_s - other.time_s) <= 1e-3


def test_reversed_holds_a_bounded_chunk(clip, monkeypatch):
    from propagate.videos import file, views

    monkeypatch.setattr(views, "CHUNK_BYTES", 5 * 64 * 160 * 3)
    asked = []
    read = file.FileSource._read_chunk
    monkeypatch.setattr(
        file.FileSource,
        "_read_chunk",
        lambda self, start, stop: asked.append(stop - start) or read(self, start, stop),
    )
    video = open_video(clip("open.mp4"))
    assert [frame.index for frame in video.reversed()] == list(range(60))[::-1]
    assert max(asked) == 5


def test_a_window_keeps_indices_and_times(clip, stamp_of):
    video = open_video(clip("closed.mp4"), start=10, stop=14)
    frames = list(video)
    assert [frame.index for frame in frames] == [10, 11, 12, 13]
    assert [stamp_of(frame.image) for frame in frames] == [10, 11, 12, 13]
    assert frames[0].time_s == pytest.approx(0.4)
    assert [frame.index for frame in video.reversed()] == [13, 12, 11, 10]
    assert video.length_hint == 4
    with pytest.raises(VideoError, match="frame 9 is outside"):
        video.frame(9)


def test_what_a_file_says_of_itself(clip):
    video = open_video(str(clip("closed.mp4")))
    assert isinstance(video, Video)
    assert video.name == "closed.mp4"
    assert video.size_hw == (64, 160)
    assert video.fps == pytest.approx(25)
    assert video.length_hint == 60


def test_the_fingerprint_is_of_the_content_alone(clip, tmp_path):
    path = tmp_path / "copy.mp4"
    shutil.copy(clip("closed.mp4"), path)
    os.utime(path, (1, 1))
    fingerprint = open_video(path).fingerprint()
    assert fingerprint == open_video(clip("closed.mp4"), start=3).fingerprint()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert open_video(path).fingerprint() != fingerprint


def test_opening_leaves_environment_and_log_level_as_they_were(clip, monkeypatch):
    import cv2

    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "threads;1")
    before, level = dict(os.environ), cv2.utils.logging.getLogLevel()
    list(open_video(clip("closed.mp4"), stop=3))
    assert dict(os.environ) == before
    assert cv2.utils.logging.getLogLevel() == level


def test_a_consumer_that_stops_early_leaves_no_thread_and_no_open_file(clip):
    path = clip("closed.mp4")
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    frames = iter(open_video(path))
    next(frames)
    frames.close()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == files


@pytest.mark.parametrize("name", ["open.mp4", "varied.mkv"])
def test_no_frame_is_decoded_before_it_is_asked_for(clip, monkeypatch, name):
    import cv2

    grabbed = []
    open_capture = cv2.VideoCapture

    class Counting:
        """Stands before a capture; OpenCV's own classes must not be derived from."""

        def __init__(self, *arguments):
            self.capture = open_capture(*arguments)

        def grab(self):
            grabbed.append(True)
            return self.capture.grab()

        def __getattr__(self, name):
            return getattr(self.capture, name)

    video = open_video(clip(name))
    monkeypatch.setattr(cv2, "VideoCapture", Counting)
    for frame in video:
        assert len(grabbed) == frame.index + 1


def test_a_real_clip_is_read_by_index_as_in_order(shared_data):
    paths = sorted(shared_data.glob("clips/*.mp4"))
    if not paths:
        pytest.skip("no clips in the shared data folder")
    video = open_video(paths[0])
    for frame in video.window(60, 63):
        fetched = video.frame(frame.index)
        assert np.array_equal(fetched.image, frame.image)
        assert abs(fetched.time_s - frame.time_s) <= 1e-3


def test_a_size_that_changes_on_the_way_is_refused(clip):
    video = open_video(clip("closed.mp4"))
    video.source.size_hw = (64, 128)
    with warnings.catch_warnings(), pytest.raises(VideoError, match="re-encode the video at one"):
        list(video)
