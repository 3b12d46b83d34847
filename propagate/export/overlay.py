"""The source with what was found drawn on it, as a video to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from propagate.errors import OutputError
from propagate.export import Run, make_folder, replacing
from propagate.export._drawing import (
    DARK,
    Rectangle,
    chip,
    chip_size,
    colour_of,
    fill,
    shade,
    trace,
    unit_of,
)
from propagate.export._mp4 import write_mp4
from propagate.export.tracks import TracksJournal
from propagate.masks import box_of
from propagate.types import Frame, FrameResult, ImageArray, Mask

_STRENGTH = 0.38  # of the tint: the object's own texture stays visible


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        name: of the file inside the output folder.
    """

    name: str = "overlay.mp4"


def build(config: Config) -> OverlayExporter:
    """Make the exporter."""
    return OverlayExporter(config)


@dataclass(frozen=True)
class OverlayExporter:
    """One MP4 a run, made at its end from the source and a journal of the results."""

    config: Config

    def open(self, folder: Path, run: Run) -> OverlayWriter:
        """See `propagate.export.Exporter`."""
        path = make_folder(folder) / self.config.name
        journal = TracksJournal(path.with_suffix(".jsonl.part"))
        return OverlayWriter(journal, path, run, journal.resume(run.done, path))


@dataclass(frozen=True, eq=False)
class OverlayWriter:
    """Keeps the results in a journal until the end; `finished`: the video has been made before."""

    journal: TracksJournal
    path: Path
    run: Run
    finished: bool

    def write(self, frame: Frame, result: FrameResult) -> None:
        """See `propagate.export.Writer`."""
        if self.finished:
            raise OutputError(f"{self.path} is finished; remove it, or start the run anew")
        self.journal.append(result)

    def close(self) -> None:
        """See `propagate.export.Writer`; reads the source a second time."""
        if not self.finished:
            render_overlay(self.run.frames, self.journal.results(), self.path, self.run.fps)
            self.journal.remove()


def render_overlay(
    frames: Iterable[Frame], results: Iterable[FrameResult], path: Path, fps: float | None = None
) -> None:
    """Write an MP4 of the frames with their results drawn on them.

    Frames and results go together in order and must match one to one. Times are kept, so a
    variable frame rate stays one (with the package 'av'; without it the rate is `fps`).

    Args:
        frames: the source.
        results: one a frame.
        path: replaced when the video is complete.
        fps: frames a second where frames have no time; None: 25.

    Raises:
        OutputError: a frame has no result or a result no frame, or the file cannot be written.
    """
    with replacing(path) as temporary:
        write_mp4(temporary, _drawn(frames, results), fps)


def _drawn(frames: Iterable[Frame], results: Iterable[FrameResult]) -> Iterator[Frame]:
    """The frames with their results drawn on them."""
    waiting = iter(results)
    for frame in frames:
        result = next(waiting, None)
        if result is None or result.index != frame.index:
            raise OutputError(f"frame {frame.index} has no result; was the run finished?")
        yield Frame(frame.index, draw_overlay(frame.image, result), frame.time_s)
    left = next(waiting, None)
    if left is not None:
        raise OutputError(f"frame {left.index} has a result but the source ends before it")


def draw_overlay(image: ImageArray, result: FrameResult) -> ImageArray:
    """Draw tinted masks with outlines, a label an object, and a line on who is missing.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        result: of the same size.

    Returns:
        A new (H, W, 3) uint8 RGB image.
    """
    drawn = image.copy()
    unit = unit_of(image)
    for mask in result.masks:
        trace(drawn, mask.pixels, DARK, extra=2)  # a seam, so that lines are crisp on any ground
    for mask in result.masks:
        fill(drawn, image, mask.pixels, colour_of(mask.object_id), _STRENGTH)
    for mask in result.masks:
        trace(drawn, mask.pixels, colour_of(mask.object_id))
    taken = _draw_missing(drawn, result, unit)
    for mask in result.masks:
        text = _label(mask)
        rectangle = _place(mask, chip_size(text, unit), result.size_hw, taken)
        if rectangle is not None:
            chip(drawn, rectangle[:2], text, colour_of(mask.object_id), unit)
            taken.append(rectangle)
    return drawn


def _label(mask: Mask) -> str:
    return f"{mask.object_id}  {mask.state}  {mask.score:.2f}"


def _place(
    mask: Mask, size: tuple[int, int], size_hw: tuple[int, int], taken: list[Rectangle]
) -> Rectangle | None:
    """The free place nearest to the object's upper left corner; None where it is empty."""
    box = box_of(mask.pixels)
    if box is None:
        return None
    width, height = size
    gap = max(2, height // 5)
    x = int(min(max(box[0], 0), max(0, size_hw[1] - width)))
    y = int(max(0, box[1] - height - gap))
    step = height + gap
    rows = [*range(y, -1, -step), *range(y + step, size_hw[0] - height, step)]
    for candidate in sorted(rows, key=lambda row: abs(row - y)):  # of two as near, the upper one
        rectangle = (x, candidate, x + width, candidate + height)
        if not any(_overlap(rectangle, other) for other in taken):
            return rectangle
    return x, y, x + width, y + height


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _draw_missing(image: ImageArray, result: FrameResult, unit: float) -> list[Rectangle]:
    """A dark strip along the bottom that says who is missing and why; the room that it takes."""
    missing = [result.missing[object_id] for object_id in sorted(result.missing)]
    if not missing:
        return []
    height = chip_size("0", unit)[1]
    top, width = image.shape[0] - height, image.shape[1]
    strip = (0, top, width, image.shape[0])
    shade(image, strip, 0.55)
    x = round(6 * unit)
    for number, one in enumerate(missing):
        text = f"{one.object_id}  {one.state}: {one.reason}"
        if x + chip_size(text, unit)[0] > width and x > round(6 * unit):
            chip(image, (x, top), f"{len(missing) - number} more", (150, 150, 150), unit)
            break
        chip(image, (x, top), text, colour_of(one.object_id), unit)
        x += chip_size(text, unit)[0] + round(6 * unit)
    return [strip]


__all__ = [
    "Config",
    "OverlayExporter",
    "OverlayWriter",
    "build",
    "draw_overlay",
    "render_overlay",
]
