"""Frames → MP4: H.264 through PyAV where it is installed, else OpenCV's MPEG-4 part 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from propagate.errors import OutputError
from propagate.types import Frame, ImageArray

DEFAULT_FPS = 25.0
_CLOCK = Fraction(1, 90_000)
_BT709 = 1  # the number that FFmpeg gives to BT.709 matrix, primaries and transfer
_LIMITED_RANGE = 1
_QUALITY = "20"  # x264's constant rate factor: drawn edges stay clean


def write_mp4(path: Path, frames: Iterable[Frame], fps: float | None) -> None:
    """Write frames, all of one size, to `path`; sides are made even by repeating the last pixels.

    Args:
        path: written directly: give a temporary name.
        frames: at least one. Where they have times these are kept, the first becomes 0.
        fps: frames a second where they have none; None: 25.

    Raises:
        OutputError: no frame, or no encoder.
    """
    checked = _one_size(frames)
    first = next(checked, None)
    if first is None:
        raise OutputError(f"{path.name}: there is no frame to write")
    rate = fps if fps is not None and fps > 0 else DEFAULT_FPS
    if has_h264():
        _write_h264(path, first, checked, rate)
    else:
        _write_mpeg4(path, first, checked, rate)


def has_h264() -> bool:
    """Whether PyAV is installed and has an H.264 encoder."""
    try:
        import av
    except ImportError:
        return False
    return "libx264" in av.codecs_available


def _write_h264(path: Path, first: Frame, rest: Iterable[Frame], fps: float) -> None:
    import av

    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
            rate = Fraction(fps).limit_denominator(1001)
            stream: Any = container.add_stream("libx264", rate=rate)
            stream.height, stream.width = _even(first.image).shape[:2]
            stream.pix_fmt = "yuv420p"
            # Without macroblock trees: with them x264's bytes depend on what was in memory before.
            stream.options = {"crf": _QUALITY, "preset": "veryfast", "x264-params": "mbtree=0"}
            stream.codec_context.time_base = _CLOCK
            _tag(stream.codec_context)
            for picture, pts, duration in _timed(first, rest, fps):
                frame: Any = av.VideoFrame.from_ndarray(_even(picture), format="rgb24")
                frame = frame.reformat(
                    format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
                )
                _tag(frame)
                frame.pts, frame.time_base, frame.duration = pts, _CLOCK, duration
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise OutputError(f"{path.name}: the video cannot be written ({error})") from error


def _tag(target: Any) -> None:
    """Say which matrix, primaries, transfer and range the numbers have; players guess otherwise."""
    target.colorspace = _BT709
    target.color_primaries = _BT709
    target.color_trc = _BT709
    target.color_range = _LIMITED_RANGE


def _timed(
    first: Frame, rest: Iterable[Frame], fps: float
) -> Iterator[tuple[ImageArray, int, int]]:
    """Picture, start and duration in ticks of the clock; starts grow, whatever the source says."""
    usual = max(1, round(1 / fps / _CLOCK))
    held, pts, before = first, 0, usual
    for count, frame in enumerate(rest, start=1):
        if frame.time_s is None or first.time_s is None:
            start = round(count / fps / _CLOCK)
        else:
            # Backwards through a video times fall, but the copy still plays forwards.
            start = round(abs(frame.time_s - first.time_s) / _CLOCK)
        start = max(start, pts + 1)
        yield held.image, pts, start - pts
        held, pts, before = frame, start, start - pts
    yield held.image, pts, before


def _write_mpeg4(path: Path, first: Frame, rest: Iterable[Frame], fps: float) -> None:
    height, width = _even(first.image).shape[:2]
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, fps, (width, height))
    if not writer.isOpened():
        raise OutputError(f"{path.name}: OpenCV has no MPEG-4 encoder; pip install av")
    writer.write(cv2.cvtColor(_even(first.image), cv2.COLOR_RGB2BGR))
    for frame in rest:
        writer.write(cv2.cvtColor(_even(frame.image), cv2.COLOR_RGB2BGR))
    writer.release()


def _one_size(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The frames; OutputError where one has another size than the first."""
    size_hw: tuple[int, int] | None = None
    for frame in frames:
        size_hw = size_hw or frame.size_hw
        if frame.size_hw != size_hw:
            raise OutputError(
                f"frame {frame.index} is {frame.size_hw}, the first one {size_hw}; "
                "an overlay video needs pictures of one size"
            )
        yield frame


def _even(image: ImageArray) -> ImageArray:
    """The picture with even sides, as 4:2:0 colour needs."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
