"""Decode the next frames while the consumer works on this one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from propagate.errors import VideoError
from propagate.types import Frame
from propagate.videos import Video


@dataclass(frozen=True)
class Prefetched:
    """A `Video` that is read at most `ahead` frames ahead, by one thread, while it is iterated.

    An error in the reading is raised where the consumer would have met it. The thread ends with
    the iteration: at the last frame, at an error, or when the iterator is closed or collected.
    Not for live sources: it adds up to `ahead` frames of delay.
    """

    video: Video
    ahead: int = 2

    def __post_init__(self) -> None:
        """Refuse to read ahead by less than one frame."""
        if self.ahead < 1:
            raise VideoError(f"frames can be read ahead by 1 or more, got {self.ahead}")

    @property
    def name(self) -> str:
        """The video's name."""
        return self.video.name

    @property
    def size_hw(self) -> tuple[int, int] | None:
        """(H, W) in pixels, or None."""
        return self.video.size_hw

    @property
    def fps(self) -> float | None:
        """Nominal frames a second, or None."""
        return self.video.fps

    @property
    def length_hint(self) -> int | None:
        """Number of frames or None; a hint only."""
        return self.video.length_hint

    def __iter__(self) -> Iterator[Frame]:
        """The frames in order."""
        frames = iter(self.video)
        pending: deque[Future[Frame | None]] = deque()
        reader = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        # One worker takes the tasks in order, so the frames come in order; the number of tasks
        # that wait is the number of frames that may lie in memory.
        try:
            for _ in range(self.ahead):
                pending.append(reader.submit(next, frames, None))
            while (frame := pending.popleft().result()) is not None:
                pending.append(reader.submit(next, frames, None))
                yield frame
        finally:
            reader.shutdown(wait=True, cancel_futures=True)
            close = getattr(frames, "close", None)
            if close is not None:
                close()

    def frame(self, index: int) -> Frame:
        """The frame with this display ordinal."""
        return self.video.frame(index)

    def reversed(self) -> Video:
        """The same frames, last to first, read ahead too."""
        return replace(self, video=self.video.reversed())

    def window(self, start: int = 0, stop: int | None = None) -> Video:
        """A part of the video, read ahead too."""
        return replace(self, video=self.video.window(start, stop))

    def fingerprint(self) -> dict[str, Any]:
        """What tells the source from another one."""
        return self.video.fingerprint()
