"""The source of a run, looked at before anything is written."""

from __future__ import annotations

from pathlib import Path

from propagate.errors import VideoError
from propagate.videos import Video, open_video
from propagate.videos.folder import natural
from propagate.videos.images import SUFFIXES, read_image
from propagate.videos.picture_sizes import claimed_size

_HEADER = 2**16  # bytes; a size that lies further back is not checked in advance


def open_source(path: str, start: int, stop: int | None) -> Video:
    """The frames with start <= index < stop of a file or folder.

    Raises:
        VideoError: it cannot be read, holds no such frame, or its pictures differ in size.
    """
    if start < 0 or (stop is not None and stop <= start):
        raise VideoError(f"--start {start} --stop {stop} leaves no frame; give 0 <= start < stop")
    video = open_video(path, start=start, stop=stop)
    if start > 0:
        video.frame(start)
    if Path(path).is_dir():
        _check_sizes(Path(path), video, slice(start, stop))
    return video


def _check_sizes(folder: Path, video: Video, window: slice) -> None:
    """VideoError where a picture's header claims another size than the first picture has."""
    pictures = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    pictures = [path for path in pictures if not path.name.startswith(".") and path.is_file()]
    for path in sorted(pictures, key=lambda each: (natural(each.stem), each.name))[window]:
        with path.open("rb") as file:
            claimed = claimed_size(file.read(_HEADER))
        if claimed is None or claimed == video.size_hw:
            continue
        height, width = read_image(path).shape[:2]  # a camera held upright says so elsewhere
        if (height, width) != video.size_hw:
            first_h, first_w = video.size_hw or (0, 0)
            raise VideoError(
                f"{path}: the picture is {width}x{height}, the first one of the folder "
                f"{first_w}x{first_h}; bring all to one size"
            )
