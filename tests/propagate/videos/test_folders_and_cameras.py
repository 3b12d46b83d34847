"""Folders of pictures and cameras as videos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from propagate.errors import VideoError
from propagate.videos import open_video
from propagate.videos.folder import natural

# Folders -----------------------------------------------------------------------------------------


def write(folder, *names, size_hw=(4, 6)):
    for number, name in enumerate(names):
        picture = cv2.imencode(".png", np.full((*size_hw, 3), number, np.uint8))[1]
        (folder / name).write_bytes(picture.tobytes())


def test_a_folder_is_read_in_natural_order_and_keeps_stems(tmp_path):
    write(tmp_path, "frame2.png", "frame10.png", "frame1.PNG", ".hidden.png", "frame3.png.part")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "sub.png").mkdir()
    video = open_video(tmp_path)
    assert [frame.stem for frame in video] == ["frame1", "frame2", "frame10"]
    assert [int(frame.image[0, 0, 0]) for frame in video] == [2, 0, 1]
    assert [frame.stem for frame in video.reversed()] == ["frame10", "frame2", "frame1"]
    assert video.frame(2).stem == "frame10"
    assert next(iter(video)).time_s is None
    assert (video.name, video.size_hw, video.length_hint) == (tmp_path.name, (4, 6), 3)


def test_natural_order():
    names = ["b", "a10", "a9b2", "a9b11", "a09", "a", "10", "9"]
    assert sorted(names, key=natural) == ["9", "10", "a", "a09", "a9b2", "a9b11", "a10", "b"]


def test_a_folder_names_the_first_picture_of_another_size(tmp_path):
    write(tmp_path, "1.png", "2.png")
    write(tmp_path, "3.png", "4.png", size_hw=(4, 8))
    frames = iter(open_video(tmp_path))
    assert [next(frames).index, next(frames).index] == [0, 1]
    with pytest.raises(VideoError, match=r"3\.png: the picture is \(4, 8\).*1\.png, \(4, 6\)"):
        next(frames)


def test_a_folder_names_the_picture_that_cannot_be_read(tmp_path):
    write(tmp_path, "1.png", "2.png")
    path = tmp_path / "2.png"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(VideoError, match=r"2\.png: the picture is damaged or cut short"):
        list(open_video(tmp_path))


@pytest.mark.parametrize("names", [(), ("clip.mp4", "notes.txt")])
def test_a_folder_without_pictures(tmp_path, names):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(VideoError, match="no pictures in this folder"):
        open_video(tmp_path)


def test_two_pictures_that_would_be_one_frame(tmp_path):
    write(tmp_path, "00000.png", "00001.png", "00001.jpg")
    with pytest.raises(VideoError, match=r"00001\.jpg and 00001\.png would be the same frame"):
        open_video(tmp_path)


def test_a_folder_is_told_from_another(tmp_path):
    write(tmp_path, "1.png", "2.png")
    fingerprint = open_video(tmp_path).fingerprint()
    assert fingerprint == open_video(tmp_path).fingerprint()
    (tmp_path / "2.png").rename(tmp_path / "3.png")
    assert open_video(tmp_path).fingerprint() != fingerprint


# Cameras -----------------------------------------------------------------------------------------


class ThreeFrames:
    """Stands in for a device that no test machine has."""

    released = 0

    def __init__(self, number):
        self.left = 3 if number == 0 else 0
        self.open = number == 0

    def isOpened(self):  # noqa: N802
        return self.open

    def set(self, *_):
        return True

    def read(self):
        self.left -= 1
        return (True, np.full((4, 6, 3), (1, 2, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        ThreeFrames.released += 1


def test_a_camera_gives_stamped_rgb_frames_and_is_released(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", ThreeFrames)
    before = ThreeFrames.released
    frames = list(open_video(0))
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert frames[0].image[0, 0].tolist() == [3, 2, 1]
    assert frames[0].time_s == 0
    assert frames[0].time_s <= frames[1].time_s <= frames[2].time_s
    assert [frame.index for frame in open_video(0, start=1, stop=2)] == [1]
    assert ThreeFrames.released == before + 2


def test_what_a_camera_cannot_do(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", ThreeFrames)
    video = open_video(0)
    with pytest.raises(VideoError, match="cannot be reversed"):
        list(video.reversed())
    with pytest.raises(VideoError, match="out of order"):
        video.frame(0)
    with pytest.raises(VideoError, match="camera 7 does not open"):
        list(open_video(7))
    with pytest.raises(VideoError, match="start at 0"):
        open_video(-1)
