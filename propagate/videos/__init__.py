"""Videos: files, folders of pictures, arrays, cameras and streams, all read the same way.

`open_video(source)` gives a `Video`: its frames in display order, one at a time, in bounded memory
whatever the consumer's pace.

Two numbers name a frame. Its index is its place in the order in which pictures are shown, from 0,
counted while reading: what a container says of its own length is only ever a hint. Its `time_s`
is the presentation time in seconds since the first picture shown (exact to 1 ms where the frame
rate varies), or None where the source has no clock.

Colours: pictures are 8-bit RGB. The matrix and range that a file declares are honoured; a file
that declares none is decoded with BT.601, which is what FFmpeg does, also at HD sizes where BT.709
would be the better guess. Pixels are taken as square. Rotation metadata is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from propagate.errors import VideoError
from propagate.types import Frame


class TruncatedVideoWarning(UserWarning):
    """A file is damaged or cut short; the frames that could be read were given."""


@runtime_checkable
class Video(Protocol):
    """Frames in order. Iterating starts from the first one each time, where the source allows it.

    Attributes:
        name: for a person and for output folders: a file's or folder's own name.
        size_hw: (H, W) in pixels, after rotation; None where unknown before reading.
        fps: frames a second, nominal; None where unknown or varying by nature.
        length_hint: number of frames or None. Only for progress bars: metadata may be wrong.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def size_hw(self) -> tuple[int, int] | None: ...  # noqa: D102

    @property
    def fps(self) -> float | None: ...  # noqa: D102

    @property
    def length_hint(self) -> int | None: ...  # noqa: D102

    def __iter__(self) -> Iterator[Frame]:
        """The frames, first to last; VideoError where there is none or one cannot be read."""
        ...

    def frame(self, index: int) -> Frame:
        """The frame with this display ordinal, equal to the one that iterating gives.

        Raises:
            VideoError: no such frame, or a source that can only be read once.
        """
        ...

    def reversed(self) -> Video:
        """The same frames, last to first; each keeps its index and time."""
        ...

    def window(self, start: int = 0, stop: int | None = None) -> Video:
        """The frames with start <= index < stop; each keeps its index and time."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """What tells this source from another one, so that a resumed run never mixes two.

        JSON values only. Says nothing of the time of modification, nor of the place.
        """
        ...


Source = str | PathLike[str] | int | Iterable[Any] | Video


def open_video(source: Source, *, start: int = 0, stop: int | None = None) -> Video:
    """Open a source of frames; its first picture is looked at, where that takes nothing away.

    Args:
        source: the path of a video file or of a folder of pictures, an array (T, H, W, 3) uint8
            RGB, an iterable of `Frame`s or of (H, W, 3) uint8 RGB arrays, the number of a camera,
            or a Video.
        start: index of the first frame that is wanted.
        stop: index after the last frame that is wanted, or None.

    Raises:
        VideoError: the source does not open, is not a video, or holds no frame.
        MissingPackageError: its pictures can only be decoded with the package 'av'.
    """
    video = source if isinstance(source, Video) else _open(source)
    return video if start == 0 and stop is None else video.window(start, stop)


def _open(source: Any) -> Video:
    """Choose the back end by the kind of source; each is imported only when it is needed."""
    from propagate.videos.views import View

    if isinstance(source, str | PathLike):
        return View(_open_path(fspath(source)))
    if isinstance(source, int) and not isinstance(source, bool):
        from propagate.videos.camera import Camera

        return View(Camera(source))
    if hasattr(source, "__array__"):
        from propagate.videos.array import ArraySource

        return View(ArraySource(source))
    if isinstance(source, Iterable) and not isinstance(source, bytes | dict):
        from propagate.videos.frames import FramesSource

        return View(FramesSource(source))
    raise VideoError(
        f"cannot read frames from {type(source).__name__}; give a path, an array (T, H, W, 3), "
        "an iterable of frames or a camera's number"
    )


def _open_path(text: str) -> Any:
    """The back end for a path: a folder or a file."""
    path = Path(text)
    if "://" in text:
        raise VideoError(f"{text}: addresses are not opened; download the video, give the file")
    if not path.exists():
        raise VideoError(f"{text}: no such file or folder; check the path")
    if path.is_dir():
        from propagate.videos.folder import FolderSource

        return FolderSource(path)
    if not path.is_file():
        raise VideoError(f"{text}: not a regular file; for a camera, give its number")
    from propagate.videos.file import FileSource

    return FileSource(path)
