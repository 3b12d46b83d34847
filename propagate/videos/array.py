"""A video that is an array in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from propagate.errors import VideoError
from propagate.types import Frame


class ArraySource:
    """Frames of an array (T, H, W, 3) uint8 RGB; the pixels are not copied."""

    name = "array"
    fps: float | None = None

    def __init__(self, array: Any) -> None:
        """Check the array; VideoError unless it is (T, H, W, 3) uint8 with T, H, W >= 1."""
        self._array = np.asarray(array)
        shape, dtype = self._array.shape, self._array.dtype
        if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8 or 0 in shape:
            raise VideoError(f"a video array must be (T, H, W, 3) uint8 RGB, got {shape} {dtype}")
        self.size_hw: tuple[int, int] | None = (shape[1], shape[2])
        self.length_hint: int | None = shape[0]

    def read(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The frames with start <= index < stop in order."""
        return map(self.frame, range(len(self._array))[start:stop])

    def read_backwards(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The same frames, last to first."""
        return map(self.frame, range(len(self._array))[start:stop][::-1])

    def frame(self, index: int) -> Frame:
        """One frame; VideoError where there is none."""
        if not 0 <= index < len(self._array):
            raise VideoError(f"array: no frame {index}; it has {len(self._array)}, counted from 0")
        return Frame(index, self._array[index])

    def fingerprint(self) -> dict[str, Any]:
        """Shape, and SHA-256 of the first and the last frame."""
        ends = self._array[0].tobytes() + self._array[-1].tobytes()
        shape = list(self._array.shape)
        return {"kind": "array", "shape": shape, "sha256": hashlib.sha256(ends).hexdigest()}
