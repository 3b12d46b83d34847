"""A video that is an iterable: a list, a generator, a live feed of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from propagate.errors import InputError, VideoError
from propagate.types import Frame
from propagate.videos.views import backwards


class FramesSource:
    """Frames of an iterable of `Frame`s or of (H, W, 3) uint8 RGB arrays.

    Frames keep their own index and time; the indices must grow. Arrays are counted from 0. Nothing
    is taken before it is asked for, and nothing is kept. An iterator can be read once.
    """

    name = "frames"
    fps: float | None = None

    def __init__(self, items: Iterable[Any]) -> None:
        """Look at the first item of a sequence; leave anything else untouched."""
        self._items = items
        self._spent = False
        self.size_hw: tuple[int, int] | None = None
        self.length_hint: int | None = None
        if isinstance(items, Sequence):
            if not items:
                raise VideoError("the list of frames is empty; give at least one frame")
            self.length_hint = len(items)
            self.size_hw = _as_frame(items[0], 0).size_hw

    @property
    def _once(self) -> bool:
        """Whether the iterable is an iterator, which reading uses up."""
        return isinstance(self._items, Iterator)

    def read(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The frames with start <= index < stop in order."""
        if self._once and self._spent:
            raise VideoError("this stream of frames was already read; give a list to read it twice")
        self._spent = True
        last: Frame | None = None
        for position, item in enumerate(self._items):
            frame = _as_frame(item, position)
            if last is not None:
                _check_follows(last, frame)
            last = frame
            if stop is not None and frame.index >= stop:
                return
            if frame.index >= start:
                yield frame
            if stop is not None and frame.index + 1 >= stop:
                return  # before the next item is taken: a live source would have to wait for it

    def read_backwards(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The same frames, last to first; VideoError for an iterator."""
        self._refuse_once("reversed")
        last = start - 1
        frame_bytes = 1
        for frame in self.read(start, stop):
            last, frame_bytes = frame.index, frame.image.nbytes
        yield from backwards(self.read, start, last + 1, frame_bytes)

    def frame(self, index: int) -> Frame:
        """One frame; VideoError for an iterator or where there is none."""
        self._refuse_once("read out of order")
        for frame in self.read(index, index + 1):
            return frame
        raise VideoError(f"{self.name}: no frame {index}")

    def fingerprint(self) -> dict[str, Any]:
        """The kind only: the content is not known before it is read."""
        return {"kind": "frames"}

    def _refuse_once(self, wish: str) -> None:
        """VideoError for an iterator."""
        if self._once:
            raise VideoError(f"a stream of frames cannot be {wish}; give a list or a file instead")


def _as_frame(item: Any, position: int) -> Frame:
    """A Frame from what the iterable gave; VideoError where it is neither frame nor picture."""
    if isinstance(item, Frame):
        return item
    try:
        return Frame(position, item)
    except InputError as error:
        raise VideoError(f"item {position} of the frames: {error}") from error


def _check_follows(last: Frame, frame: Frame) -> None:
    """VideoError unless the index grows and the size stays."""
    if frame.index <= last.index:
        raise VideoError(f"frame {frame.index} came after frame {last.index}; indices must grow")
    if frame.size_hw != last.size_hw:
        raise VideoError(
            f"frame {frame.index} is {frame.size_hw} (H, W), the one before {last.size_hw}; "
            "bring all frames to one size"
        )
