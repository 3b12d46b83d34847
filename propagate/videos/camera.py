"""A camera attached to this machine, through OpenCV."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import cv2

from propagate.errors import VideoError
from propagate.types import Frame
from propagate.videos.opencv import quiet, to_rgb


class Camera:
    """Frames of a camera until it is unplugged; times are seconds since the first frame.

    A slow consumer gets the newest picture the driver holds; the ones in between are dropped by
    the driver, so that memory and delay stay bounded.
    """

    fps: float | None = None
    length_hint: int | None = None
    size_hw: tuple[int, int] | None = None

    def __init__(self, number: int) -> None:
        """Name the camera; it is opened when it is read. VideoError for a negative number."""
        if number < 0:
            raise VideoError(f"camera {number}: numbers start at 0")
        self._number = number
        self.name = f"camera {number}"

    def read(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The frames with start <= index < stop; VideoError where the camera does not open."""
        with quiet():
            capture = cv2.VideoCapture(self._number)
        try:
            if not capture.isOpened():
                raise VideoError(f"{self.name} does not open; is it plugged in and not in use?")
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            yield from _frames(capture, start, stop)
        finally:
            capture.release()

    def read_backwards(self, start: int, stop: int | None) -> Iterator[Frame]:
        """Not possible: VideoError."""
        raise VideoError(f"{self.name} cannot be reversed; record a file first")

    def frame(self, index: int) -> Frame:
        """Not possible: VideoError."""
        raise VideoError(f"{self.name}: frame {index} cannot be fetched out of order")

    def fingerprint(self) -> dict[str, Any]:
        """The kind and the number: two recordings cannot be told apart."""
        return {"kind": "camera", "number": self._number}


def _frames(capture: cv2.VideoCapture, start: int, stop: int | None) -> Iterator[Frame]:
    """Pictures as they come, stamped with the time that has passed since the first one."""
    began: float | None = None
    index = 0
    while stop is None or index < stop:
        came, picture = capture.read()
        if not came:
            return
        now = time.monotonic()
        began = now if began is None else began
        if index >= start:
            yield Frame(index, to_rgb(picture), now - began)
        index += 1
