"""Pictures of results: the worst frames on one sheet, and J over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from propagate import coords
from propagate.errors import InputError
from propagate.evaluation.davis import read_labels
from propagate.evaluation.results import FrameScore, SequenceResult
from propagate.export._drawing import (
    DARK,
    WHITE,
    Colour,
    Rectangle,
    chip,
    chip_size,
    colour_of,
    trace,
)
from propagate.masks import box_of
from propagate.types import BoolArray, ImageArray
from propagate.videos.images import read_image

TRUTH: Colour = (40, 200, 255)
PREDICTION: Colour = (255, 170, 30)

_CELL = (300, 480)  # (H, W) pixels
_GAP = 8
_CONTEXT = 0.35  # of the object's size, seen around it
_LARGEST = 3  # times that small objects are enlarged
_PLOT = (320, 960)
_MARGIN = (44, 24, 40, 52)  # pixels of the plot: top, right, bottom, left
_GRID: Colour = (225, 228, 232)
_INK: Colour = (70, 76, 84)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def worst_frames(result: SequenceResult, count: int) -> list[FrameScore]:
    """The frames with the lowest J, worst first, at least a twentieth of the video apart."""
    apart = max(2, result.frame_count // 20)
    chosen: list[FrameScore] = []
    for one in sorted(result.frames, key=lambda each: each.j):
        if all(abs(one.index - other.index) >= apart for other in chosen):
            chosen.append(one)
        if len(chosen) == count:
            break
    return chosen


def contact_sheet(results: Sequence[SequenceResult], masks: Path, count: int = 4) -> ImageArray:
    """A row a sequence with its worst frames: cut out around the object, both contours drawn.

    Args:
        results: one or more.
        masks: where `evaluate` put the answers: masks/<sequence>/<frame>.png.
        count: frames a sequence.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: an answer or a picture is gone.
    """
    height, width = _CELL
    top = 40
    rows = len(results)
    size = (top + rows * (height + _GAP) + _GAP, count * (width + _GAP) + _GAP)
    sheet = np.full((*size, 3), DARK, np.uint8)
    x = _GAP
    for text, colour in (("truth", TRUTH), ("prediction", PREDICTION)):
        chip(sheet, (x, 8), text, colour, unit=0.9)
        x += chip_size(text, 0.9)[0]
    for row, result in enumerate(results):
        for column, one in enumerate(worst_frames(result, count)):
            y, x = top + row * (height + _GAP), _GAP + column * (width + _GAP)
            sheet[y : y + height, x : x + width] = _cell(result, one, masks)
    return sheet


def _cell(result: SequenceResult, one: FrameScore, masks: Path) -> ImageArray:
    """One frame around one object, with its name and J."""
    sequence = result.sequence
    labels = sequence.truth(one.stem)
    if labels is None:
        raise InputError(f"sequence {sequence.name!r}: the true mask of {one.stem} is gone")
    truth: BoolArray = labels == one.object_id
    answer = read_labels(masks / sequence.name / f"{one.stem}.png") == one.object_id
    if answer.shape != truth.shape:
        raise InputError(f"{masks / sequence.name}: answers of another size than the true masks")
    picture = read_image(sequence.picture(one.stem))
    window = _window(truth | answer)
    cell = _look(picture, window)
    # The prediction lies on top, so a good one hides the truth but for a rim.
    for mask, colour in ((truth, TRUTH), (answer, PREDICTION)):
        seen = _look(mask.astype(np.uint8) * 255, window) > 127
        trace(cell, seen, DARK, extra=3)
        trace(cell, seen, colour, extra=1)
    who = f"{sequence.name} {one.stem}"
    who += f" #{one.object_id}" if len(result.objects) > 1 else ""
    state = f"  {one.state}" if one.score is None else ""
    chip(cell, (0, 0), f"{who}  J {one.j:.2f}{state}", PREDICTION, unit=0.9)
    return cell


def _window(mask: BoolArray) -> Rectangle:
    """The part of the picture around a mask, of a cell's shape; may reach beyond the picture."""
    size = np.array(mask.shape[::-1])
    cell = np.array(_CELL[::-1])
    box = box_of(mask)
    if box is None:
        box = np.array([0, 0, *size], np.float32)
    needed = (box[2:] - box[:2]) * (1 + 2 * _CONTEXT)
    scale = min(max((needed / cell).max(), 1 / _LARGEST), (size / cell).max())
    half = cell * scale / 2
    middle = np.clip(coords.box_middle(box), np.minimum(half, size / 2),
                     np.maximum(size - half, size / 2))  # fmt: skip
    (x0, y0), (x1, y1) = np.round([middle - half, middle + half]).astype(int).tolist()
    return x0, y0, x1, y1


def _look(picture: ImageArray, window: Rectangle) -> ImageArray:
    """The window of a picture (H, W, 3) or (H, W) at a cell's size; black beyond the picture."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = window
    part = picture[max(0, y0) : y1, max(0, x0) : x1]
    beyond = (max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width))
    whole = cv2.copyMakeBorder(part, *beyond, cv2.BORDER_CONSTANT)
    how = cv2.INTER_AREA if x1 - x0 > _CELL[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(whole, _CELL[::-1], interpolation=how), np.uint8)


def plot(result: SequenceResult) -> ImageArray:
    """J over the frames, a line an object; frames without a mask have a dot on the axis.

    Returns:
        (320, 960, 3) uint8 RGB.
    """
    drawn = np.full((*_PLOT, 3), WHITE, np.uint8)
    last = max(one.index for one in result.frames)
    _axes(drawn, last)
    title = f"{result.sequence.name}   J {result.j:.3f}   F {result.f:.3f}"
    _write(drawn, (_MARGIN[3], 28), title, 0.62, DARK)
    for place, each in enumerate(result.objects):
        colour = colour_of(each.object_id)
        _line(
            drawn, [one for one in result.frames if one.object_id == each.object_id], last, colour
        )
        if len(result.objects) > 1:
            x = _PLOT[1] // 2 + 44 * place
            cv2.circle(drawn, (x, 23), 5, colour, -1, cv2.LINE_AA)
            _write(drawn, (x + 9, 28), str(each.object_id), 0.5, DARK)
    return drawn


def _line(drawn: ImageArray, series: Sequence[FrameScore], last: int, colour: Colour) -> None:
    """One object's J, and dots on the axis where it has no mask."""
    points = np.array([_at(one.index, one.j, last) for one in series])
    corners = [np.round(points * 16).astype(np.int32)]  # in sixteenths of a pixel: shift=4
    cv2.polylines(
        drawn, corners, isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA, shift=4
    )
    for one in series:
        if one.score is None:
            x, y = _at(one.index, 0, last)
            cv2.circle(drawn, (round(x), round(y)), 3, colour, -1, cv2.LINE_AA)


def _axes(drawn: ImageArray, last: int) -> None:
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x0, y), (x1, _) = _at(0, value, last), _at(last, value, last)
        cv2.line(drawn, (round(x0), round(y)), (round(x1), round(y)), _GRID, 1)
        _write(drawn, (8, round(y) + 5), f"{value:.2f}", 0.45, _INK)
    step = next((step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500) if last / step <= 20), 1000)
    for index in range(0, last + 1, step):
        x, y = _at(index, 0, last)
        cv2.line(drawn, (round(x), round(y)), (round(x), round(y) + 5), _INK, 1)
        _write(drawn, (round(x) - 8, round(y) + 22), str(index), 0.45, _INK)


def _at(index: int, value: float, last: int) -> tuple[float, float]:
    """(x, y) in the plot of a value at a frame."""
    top, right, bottom, left = _MARGIN
    x = left + (_PLOT[1] - left - right) * index / max(1, last)
    return x, top + (_PLOT[0] - top - bottom) * (1 - value)


def _write(drawn: ImageArray, place: tuple[int, int], text: str, size: float, ink: Colour) -> None:
    cv2.putText(drawn, text, place, _FONT, size, ink, 1, cv2.LINE_AA)


def encode_picture(picture: ImageArray) -> bytes:
    """(H, W, 3) uint8 RGB as the bytes of a PNG."""
    encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    return encoded.tobytes()
