"""Video decoding with PyAV (optional): for what OpenCV cannot decode, such as AV1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from propagate.errors import VideoError
from propagate.types import Frame, ImageArray
from propagate.videos.containers import Container, Damage
from propagate.videos.opencv import check_pixels


@dataclass(frozen=True)
class PyAVDecoder:
    """Decodes one file from its beginning, as often as asked."""

    path: Path
    container: Container

    def frames(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The frames with start <= index < stop in order.

        Raises:
            Damage: after the last frame, where the stream breaks.
        """
        first_s: float | None = None
        for index, picture in enumerate(self._pictures()):
            if stop is not None and index >= stop:
                return
            first_s = picture.time if index == 0 else first_s
            if index >= start:
                clocked = picture.time is not None and first_s is not None
                time_s = picture.time - first_s if clocked else None
                yield Frame(index, upright(picture), time_s)

    def count(self) -> int:
        """The number of frames that `frames` gives."""
        count = 0
        try:
            for _ in self._pictures():
                count += 1
        except Damage:
            return count
        return count

    def _pictures(self) -> Iterator[Any]:
        """Decoded pictures in display order."""
        try:
            with av.open(
                str(self.path.absolute()),
                format=self.container.demuxers.split(",")[0],
                options={"protocol_whitelist": "file"},
                metadata_errors="ignore",
            ) as opened:
                if not opened.streams.video:
                    raise VideoError(f"{self.path}: holds no video; is it audio only?")
                stream = opened.streams.video[0]
                stream.thread_type = "AUTO"
                check_pixels(self.path, stream.height, stream.width)
                yield from opened.decode(stream)
        except av.error.FFmpegError as error:
            raise Damage from error


def upright(picture: Any) -> ImageArray:
    """(H, W, 3) uint8 RGB of a decoded picture, turned as its metadata says."""
    image = picture.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, round(picture.rotation / 90) % 4))
