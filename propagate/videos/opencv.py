"""Video decoding with OpenCV: the default, in bounded memory and right on every kind of file.

It decodes in display order, honours edit lists, applies rotation and gives exact times. What it
cannot do is AV1.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, cast

import cv2

from propagate.errors import VideoError
from propagate.types import Frame, ImageArray
from propagate.videos.containers import Container, Damage

MAX_PIXELS = 2**28
_RETRIES = 64
_lock = threading.RLock()
_loud: list[int] = []


@contextmanager
def quiet() -> Iterator[None]:
    """Silence OpenCV's own log for the time being: errors are told by exceptions here."""
    with _lock:
        _loud.append(cv2.utils.logging.getLogLevel())
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        with _lock:
            level = _loud.pop()
            if not _loud:  # threads may overlap: the one that leaves last restores
                cv2.utils.logging.setLogLevel(level)


@contextmanager
def opened(path: Path, container: Container, *settings: int) -> Iterator[cv2.VideoCapture]:
    """A capture of a local file, closed at the end; it may turn out not to be opened.

    Only the container's own demuxer and the file protocol are allowed. OpenCV takes both from the
    environment, which is put back at once; FFmpeg's chatter is silenced for the process when the
    first file is opened, unless the environment asks for it.
    """
    wanted = {
        "OPENCV_FFMPEG_CAPTURE_OPTIONS": (
            f"protocol_whitelist;file|format_whitelist;{container.demuxers}"
        ),
        "OPENCV_FFMPEG_LOGLEVEL": os.environ.get("OPENCV_FFMPEG_LOGLEVEL", "-8"),
    }
    with _lock, quiet():
        before = {key: os.environ.get(key) for key in wanted}
        os.environ.update(wanted)
        try:
            # Absolute, so that no name can pass for an address.
            capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, list(settings))
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value
    try:
        yield capture
    finally:
        capture.release()


def to_rgb(picture: Any) -> ImageArray:
    """(H, W, 3) uint8 RGB from OpenCV's BGR."""
    return cast(ImageArray, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def check_pixels(path: Path, height: float, width: float) -> None:
    """VideoError where pictures are too big to be meant, before memory is taken for one."""
    if height * width > MAX_PIXELS:
        raise VideoError(
            f"{path}: pictures of {width:.0f}x{height:.0f} are over the limit of "
            f"{MAX_PIXELS // 2**20} megapixels; scale the video down"
        )


@dataclass(frozen=True)
class OpenCVDecoder:
    """Decodes one file from its beginning, as often as asked."""

    path: Path
    container: Container

    def properties(self) -> tuple[float | None, int | None, str] | None:
        """Nominal frames a second, number of frames by the metadata, codec; None: no video."""
        with opened(self.path, self.container) as capture:
            if not capture.isOpened():
                return None
            check_pixels(
                self.path,
                capture.get(cv2.CAP_PROP_FRAME_HEIGHT),
                capture.get(cv2.CAP_PROP_FRAME_WIDTH),
            )
            rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
            return (
                rate if 0 < rate < 10_000 else None,
                int(count) if 0 < count < 2**31 else None,
                codec(capture),
            )

    def frames(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The frames with start <= index < stop in order.

        Raises:
            Damage: after the last frame, where the stream breaks.
        """
        with opened(self.path, self.container) as capture:
            index, first_ms = 0, 0.0
            while (stop is None or index < stop) and capture.grab():
                now_ms = capture.get(cv2.CAP_PROP_POS_MSEC)
                first_ms = now_ms if index == 0 else first_ms
                if index >= start:
                    came, picture = capture.retrieve()
                    if not came:
                        raise Damage
                    yield Frame(index, to_rgb(picture), _seconds(now_ms - first_ms))
                index += 1
            # A reader at its end stays at its end: a picture after a refusal means that the
            # refusal was a damaged one. What follows has no sure index, so it is not given.
            if index != stop and any(capture.grab() for _ in range(_RETRIES)):
                raise Damage

    def count(self) -> int:
        """The number of frames that `frames` gives."""
        with opened(self.path, self.container) as capture:
            count = 0
            while capture.grab():
                count += 1
            return count


def codec(capture: cv2.VideoCapture) -> str:
    """The codec's four letters, in lower case."""
    return (
        int(capture.get(cv2.CAP_PROP_FOURCC))
        .to_bytes(8, "little", signed=True)[:4]
        .decode("latin-1")
        .strip("\0 ")
        .lower()
    )


def _seconds(milliseconds: float) -> float | None:
    """Milliseconds as seconds; None where a container without a clock gave nonsense."""
    return milliseconds / 1000 if isfinite(milliseconds) and 0 <= milliseconds < 1e11 else None
