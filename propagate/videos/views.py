"""Windows of a source, forwards and backwards: the only classes that a user of `open_video` meets.

A back end is a `Source`: it reads a range of indices. What of it is wanted, and in which
direction, is a view's affair, so that no back end knows of windows or of reversal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from propagate.errors import VideoError
from propagate.types import Frame
from propagate.videos import Video

CHUNK_FRAMES = 32
CHUNK_BYTES = 128 * 2**20


class Source(Protocol):
    """What a back end offers. The attributes are those of `Video`."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def size_hw(self) -> tuple[int, int] | None: ...  # noqa: D102

    @property
    def fps(self) -> float | None: ...  # noqa: D102

    @property
    def length_hint(self) -> int | None: ...  # noqa: D102

    def read(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The frames with start <= index < stop in order, fewer where the source ends."""
        ...

    def read_backwards(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The same frames, last to first."""
        ...

    def frame(self, index: int) -> Frame:
        """One frame; VideoError where there is none."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """See `Video.fingerprint`."""
        ...


@dataclass(frozen=True)
class View:
    """The frames of a source with start <= index < stop, first to last. A `Video`."""

    source: Source
    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        """Refuse a window that can hold nothing."""
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            raise VideoError(
                f"{self.name}: no frame lies between start {self.start} and stop {self.stop}; "
                "give 0 <= start < stop"
            )

    @property
    def name(self) -> str:
        """The source's name."""
        return self.source.name

    @property
    def size_hw(self) -> tuple[int, int] | None:
        """(H, W) in pixels, or None."""
        return self.source.size_hw

    @property
    def fps(self) -> float | None:
        """Nominal frames a second, or None."""
        return self.source.fps

    @property
    def length_hint(self) -> int | None:
        """Number of frames in the window as far as the source says, or None; a hint only."""
        hint = self.source.length_hint
        if hint is None:
            return None
        return max(0, (hint if self.stop is None else min(hint, self.stop)) - self.start)

    def __iter__(self) -> Iterator[Frame]:
        """The frames, first to last."""
        return self._some(self.source.read(self.start, self.stop))

    def frame(self, index: int) -> Frame:
        """The frame with this display ordinal, which must lie in the window."""
        if index < self.start or (self.stop is not None and index >= self.stop):
            end = "the end" if self.stop is None else self.stop - 1
            raise VideoError(f"{self.name}: frame {index} is outside of {self.start} to {end}")
        return self.source.frame(index)

    def reversed(self) -> Video:
        """The same frames, last to first."""
        return BackwardsView(self.source, self.start, self.stop)

    def window(self, start: int = 0, stop: int | None = None) -> Video:
        """A part of this window; the indices stay those of the source."""
        type(self)(self.source, start, stop)  # what was asked for must make sense by itself
        stops = [end for end in (self.stop, stop) if end is not None]
        return replace(self, start=max(self.start, start), stop=min(stops, default=None))

    def fingerprint(self) -> dict[str, Any]:
        """What tells the source from another one; the window is no part of it."""
        return self.source.fingerprint()

    def _some(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """`frames`; VideoError where there is none, which no run should take for success."""
        given = False
        for frame in frames:
            given = True
            yield frame
        if not given:
            raise VideoError(f"{self.name}: no frame from {self.start} on; choose an earlier start")


@dataclass(frozen=True)
class BackwardsView(View):
    """The frames of a source with start <= index < stop, last to first. A `Video`."""

    def __iter__(self) -> Iterator[Frame]:
        """The frames, last to first."""
        return self._some(self.source.read_backwards(self.start, self.stop))

    def reversed(self) -> Video:
        """The same frames, first to last."""
        return View(self.source, self.start, self.stop)


def backwards(
    read: Callable[[int, int | None], Iterator[Frame]], start: int, stop: int, frame_bytes: int
) -> Iterator[Frame]:
    """Frames last to first from a reader that only goes forwards, a bounded chunk at a time.

    Holds at most 32 frames or 128 MiB. Where `read` cannot jump, the time grows with the square
    of the length: that is the price of bounded memory.
    """
    chunk = max(1, min(CHUNK_FRAMES, CHUNK_BYTES // frame_bytes))
    while stop > start:
        first = max(start, stop - chunk)
        yield from list(read(first, stop))[::-1]
        stop = first
