"""A video that is a file."""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from propagate.errors import MissingPackageError, VideoError
from propagate.types import Frame
from propagate.videos import TruncatedVideoWarning, containers
from propagate.videos.containers import Container, Damage
from propagate.videos.opencv import OpenCVDecoder
from propagate.videos.random_access import RandomAccess
from propagate.videos.views import CHUNK_FRAMES, backwards

_NEAR = 24  # frames: so few are decoded sooner than the file is searched for a way to jump
_LEADING = 16  # frames: a file that begins in mid-stream may hold some that cannot be decoded
_MIB = 2**20


class Decoder(Protocol):
    """Decodes one file from its beginning, as often as asked."""

    def frames(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The frames with start <= index < stop in order; Damage where the stream breaks."""
        ...

    def count(self) -> int:
        """The number of frames that `frames` gives."""
        ...


class FileSource:
    """Frames of a video file, decoded one at a time."""

    def __init__(self, path: Path) -> None:
        """Look at the file and decode its first picture.

        Raises:
            VideoError: missing, empty, not a video, audio only, damaged from the start, too big.
            MissingPackageError: a codec that needs PyAV.
        """
        self._path = path
        self._container = containers.sniff(path)
        self.name = path.name
        self._decoder, first, self.fps, self.length_hint = _opened(path, self._container)
        self.size_hw: tuple[int, int] | None = first.size_hw
        self._random = RandomAccess(path, self._container)

    def read(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The frames with start <= index < stop in order; one warning where the file breaks off."""
        count, broken = 0, False
        try:
            for frame in self._decoder.frames(start, stop):
                self._check_size(frame)
                count = frame.index + 1
                yield frame
        except Damage:
            broken = True
        if count and (stop is None or count < stop):
            self._warn_if_short(count, broken=broken)

    def read_backwards(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The same frames, last to first, in bounded memory."""
        count = self._decoder.count()
        if stop is None or stop > count:
            self._warn_if_short(count, broken=False)
            stop = count
        height, width = self.size_hw or (1, 1)
        yield from backwards(self._read_chunk, start, stop, height * width * 3)

    def frame(self, index: int) -> Frame:
        """One frame; VideoError where there is none."""
        try:
            for frame in self._read_chunk(index, index + 1) if index >= 0 else ():
                return frame
        except Damage as damage:
            raise VideoError(f"{self.name}: no frame {index}; it breaks off before") from damage
        count = self.length_hint
        ends = count is not None and count <= index
        said = f"has {count} frames, counted from 0" if ends else "is shorter"
        raise VideoError(f"{self.name}: no frame {index}; the video {said}")

    def fingerprint(self) -> dict[str, Any]:
        """Size in bytes and SHA-256 of the first and the last MiB."""
        size = self._path.stat().st_size
        with self._path.open("rb") as file:
            first = file.read(_MIB)
            file.seek(max(0, size - _MIB))
            last = file.read(_MIB)
        return {
            "kind": "file",
            "bytes": size,
            "sha256_first_mib": hashlib.sha256(first).hexdigest(),
            "sha256_last_mib": hashlib.sha256(last).hexdigest(),
        }

    def _read_chunk(self, start: int, stop: int | None) -> Iterator[Frame]:
        """A few frames: by a jump where that is proven to be right, else from the beginning."""
        jumped = None
        if start >= _NEAR and stop is not None and stop - start <= CHUNK_FRAMES:
            jumped = self._random.frames(range(start, stop))
        return iter(jumped) if jumped is not None else self._decoder.frames(start, stop)

    def _check_size(self, frame: Frame) -> None:
        """VideoError where the picture's size changes on the way."""
        if frame.size_hw != self.size_hw:
            raise VideoError(
                f"{self.name}: frame {frame.index} is {frame.size_hw} (H, W), the first one "
                f"{self.size_hw}; re-encode the video at one size"
            )

    def _warn_if_short(self, count: int, *, broken: bool) -> None:
        """Warn where frames are missing: a break, missing bytes, or fewer frames than stored.

        An MP4's table counts its samples exactly; that an edit list leaves some of them out is
        the author's will and not a loss.
        """
        missing = (
            self._container is containers.MP4
            and self.length_hint is not None
            and count < self.length_hint - _LEADING
            and containers.shows_all_of_its_samples(self._path)
        )
        if broken or missing or containers.is_cut_short(self._path, self._container):
            warnings.warn(
                f"{self.name}: the file is damaged or cut short; it gave {count} frames",
                TruncatedVideoWarning,
                stacklevel=3,
            )


def _opened(path: Path, container: Container) -> tuple[Decoder, Frame, float | None, int | None]:
    """The decoder that can, the first frame, nominal rate and number of frames by the metadata."""
    opencv = OpenCVDecoder(path, container)
    properties = opencv.properties()
    rate, count, codec = properties or (None, None, "unknown")
    first = _first(opencv)
    if first is not None:
        return opencv, first, rate, count
    if importlib.util.find_spec("av") is not None:
        from propagate.videos.pyav import PyAVDecoder

        first = _first(pyav := PyAVDecoder(path, container))
        if first is not None:
            return pyav, first, rate, count
    elif properties is not None:
        raise MissingPackageError("av", "video", f"{path}: its codec ({codec})")
    if containers.is_cut_short(path, container):
        raise VideoError(f"{path}: cut short before its first picture; copy or record it again")
    if properties is None:
        raise VideoError(f"{path}: no video in it; is it audio only, or damaged?")
    raise VideoError(f"{path}: no picture can be decoded; is it empty or damaged?")


def _first(decoder: Decoder) -> Frame | None:
    """The first frame, or None where there is none."""
    try:
        return next(decoder.frames(0, 1), None)
    except Damage:
        return None
