"""Video files that are damaged, cut short or none at all: frames that are there, one clear line."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from propagate.errors import MissingPackageError, VideoError
from propagate.videos import TruncatedVideoWarning, containers, open_video


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "zeroed.mp4"])
def test_a_damaged_file_gives_what_it_has_and_one_warning(clip, stamp_of, name):
    video = open_video(clip(name))
    with pytest.warns(
        TruncatedVideoWarning, match=r"damaged or cut short; it gave \d+ frames"
    ) as w:
        frames = list(video)
    assert len(w) == 1
    assert 15 < len(frames) < 50
    assert [stamp_of(frame.image) for frame in frames] == list(range(len(frames)))
    with pytest.warns(TruncatedVideoWarning) as w:
        assert len(list(video.reversed())) == len(frames)
    assert len(w) == 1
    with pytest.raises(VideoError, match="no frame 59"):
        video.frame(59)


def test_pyav_warns_of_a_damaged_file_too(clip):
    from propagate.videos.pyav import PyAVDecoder

    path = clip("zeroed.mp4")
    decoder = PyAVDecoder(path, containers.sniff(path))
    frames = []
    with pytest.raises(containers.Damage):
        for frame in decoder.frames(0, None):
            frames.append(frame)
    with pytest.warns(TruncatedVideoWarning):
        assert len(list(open_video(path))) == len(frames) == decoder.count()


def test_bytes_that_a_device_appended_are_no_damage(clip, tmp_path):
    path = tmp_path / "phone.mp4"
    path.write_bytes(clip("closed.mp4").read_bytes() + b"SEFH" * 20)
    assert len(list(open_video(path))) == 60


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="not a regular file"):
        open_video(tmp_path / "pipe.mp4")


def test_a_window_before_the_damage_is_read_without_a_warning(clip):
    assert len(list(open_video(clip("cut.mp4"), stop=10))) == 10


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("headless.mp4", "cut short before its first picture"),
        ("audio.mp4", "no video.*audio only"),
        ("nothing.mkv", "no video|no picture"),
    ],
)
def test_files_without_a_picture(clip, name, message):
    with pytest.raises(VideoError, match=message) as caught:
        open_video(clip(name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["audio.mp4", "nothing.mkv"])
def test_files_without_a_picture_where_pyav_is_absent(clip, monkeypatch, name):
    path = clip(name)
    _without_pyav(monkeypatch)
    with pytest.raises(VideoError, match="no video|no picture"):
        open_video(path)


def test_av1_without_pyav_names_the_package(clip, monkeypatch):
    path = clip("av1.mp4")
    _without_pyav(monkeypatch)
    with pytest.raises(MissingPackageError, match=r"av01.*pip install 'mask-propagate\[video\]'"):
        open_video(path)


def test_the_default_needs_no_pyav(clip, monkeypatch):
    path = clip("hevc10.mp4")
    _without_pyav(monkeypatch)
    assert len(list(open_video(path))) == 60


def _without_pyav(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "av" else find(name)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"just some notes\n", "a text, not a video"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "a playlist, not a video"),
        (b"\xef\xbb\xbf#EXTM3U\n", "a playlist, not a video"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "a playlist, not a video"),
        (b"<?xml version='1.0'?>\n<MPD></MPD>", "a playlist, not a video"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a single picture"),
        (b"RIFF\x00\x10\x00\x00WAVEfmt " + bytes(100), "not a known video format"),
        (bytes(range(256)) * 8, "not a known video format"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(400), "no video in it"),
    ],
)
def test_what_is_no_video_is_refused_by_its_content_in_one_line(tmp_path, content, message):
    path = tmp_path / "upload.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=message) as caught:
        open_video(path)
    assert "\n" not in str(caught.value)


def test_a_playlist_behind_an_allowed_name_opens_nothing(tmp_path, clip):
    shutil.copy(clip("closed.mp4"), tmp_path / "other.mp4")
    path = tmp_path / "list.mp4"
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")
    with pytest.raises(VideoError, match="playlist"):
        open_video(path)


def test_the_decoder_itself_opens_only_the_container_that_was_sniffed(tmp_path, clip):
    from propagate.videos.opencv import OpenCVDecoder

    shutil.copy(clip("closed.mp4"), tmp_path / "other.mp4")
    path = tmp_path / "list.ffconcat"
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")
    assert OpenCVDecoder(path, containers.MP4).properties() is None
    assert OpenCVDecoder(clip("open.mkv"), containers.MP4).properties() is None
    assert OpenCVDecoder(clip("open.mkv"), containers.MATROSKA).properties() is not None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.mp4", "no such file"),
        ("rtsp://camera/1", "addresses are not opened"),
        ("https://a.example/b.mp4", "addresses are not opened"),
    ],
)
def test_paths_that_are_none(source, message):
    with pytest.raises(VideoError, match=message):
        open_video(source)


def test_pictures_too_big_to_be_meant(clip, monkeypatch):
    from propagate.videos import opencv

    path = clip("closed.mp4")
    monkeypatch.setattr(opencv, "MAX_PIXELS", 160 * 64 - 1)
    with pytest.raises(VideoError, match="pictures of 160x64 are over the limit"):
        open_video(path)


def test_the_terminal_stays_quiet_on_damaged_files(clip):
    code = (
        "import sys, warnings; from propagate.videos import open_video\n"
        "warnings.simplefilter('ignore')\n"
        "for path in sys.argv[1:]:\n"
        "    try: list(open_video(path))\n"
        "    except ValueError: pass\n"
    )
    names = ("cut.mp4", "cut.mkv", "zeroed.mp4", "headless.mp4", "audio.mp4", "av1.mp4")
    command = [sys.executable, "-c", code, *(str(clip(name)) for name in names)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout + answer.stderr == ""
