"""What `propagate review` shows: the worst frames side by side, and scores over time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import cv2
import numpy as np

from propagate.anchors import Anchor
from propagate.cli.finished_run import StoredResults
from propagate.cli.sheet import with_mask
from propagate.export._drawing import DARK, WHITE, Colour, chip, chip_size, colour_of, plain
from propagate.review import Finding, Look
from propagate.types import ImageArray, Mask
from propagate.videos import Video

_CELL_HW = (270, 360)
_GAP = 10
_AROUND = 2.2  # sides of the object's box that a cell shows
_LEAST_SIDE = 96  # pixels of the picture that a cell shows at least

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP, _BOTTOM = 1280, 170, 96, 24, 44, 34
_GRID: Colour = (58, 62, 70)
_FAINT: Colour = (150, 155, 165)
_STATES: dict[str, Colour] = {
    "occluded": (96, 84, 48),
    "absent": (62, 66, 74),
    "lost": (120, 48, 48),
}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def worst_sheet(video: Video, results: StoredResults, findings: Sequence[Finding]) -> ImageArray:
    """Cells in the order of the findings: what is around the object, its mask, what is wrong.

    Args:
        video: the source.
        results: of the run.
        findings: one or more.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    columns = min(len(findings), 3 if len(findings) in (3, 5, 6, 9) else 4)
    rows = -(-len(findings) // columns)
    height, width = _CELL_HW
    size = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP)
    sheet: ImageArray = np.full((*size, 3), DARK, np.uint8)
    for number, finding in enumerate(findings, start=1):
        row, column = divmod(number - 1, columns)
        y, x = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        sheet[y : y + height, x : x + width] = _cell(video, results, number, finding)
    return sheet


def _cell(video: Video, results: StoredResults, number: int, finding: Finding) -> ImageArray:
    """(270, 360, 3): one finding."""
    look = finding.look
    x0, y0, x1, y1 = _around(results[look.index].size_hw, look)
    part = video.frame(look.index).image[y0:y1, x0:x1]
    how = cv2.INTER_AREA if part.shape[0] > _CELL_HW[0] else cv2.INTER_CUBIC
    cell = np.asarray(cv2.resize(part, _CELL_HW[::-1], interpolation=how), np.uint8)
    result = results[look.index]
    if finding.object_id in result:
        mask = result[finding.object_id]
        small = mask.pixels[y0:y1, x0:x1].astype(np.float32)
        fitted = cv2.resize(small, _CELL_HW[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
        cell = with_mask(cell, Mask(mask.object_id, fitted))
    elif look.box is not None:
        scale = _CELL_HW[1] / (x1 - x0)
        left, top, right, bottom = (
            round(scale * side) for side in np.subtract(look.box, (x0, y0, x0, y0)).tolist()
        )
        colour = colour_of(finding.object_id)
        cv2.rectangle(cell, (left, top), (right - 1, bottom - 1), colour, 1)
    time = "" if look.time_s is None else f"  {look.time_s:.2f} s"
    head = f"{number}   frame {look.index}{time}   #{finding.object_id}"
    chip(cell, (0, 0), head, colour_of(finding.object_id), 0.9)
    where = f"x {x0} to {x1}  y {y0} to {y1}"
    for line, text in enumerate((where, finding.reason)):
        text = _fitting(text, _CELL_HW[1])
        below = chip_size(text, 0.75)[1]
        chip(cell, (0, _CELL_HW[0] - (line + 1) * below), text, WHITE, 0.75)
    return cell


def _around(size_hw: tuple[int, int], look: Look) -> tuple[int, int, int, int]:
    """The part of a picture around an object in the shape of a cell: x0, y0, x1, y1."""
    height, width = size_hw
    box = np.array(look.box if look.box is not None else (0, 0, width, height))
    shape = _CELL_HW[1] / _CELL_HW[0]
    tall = max(_AROUND * max(box[3] - box[1], (box[2] - box[0]) / shape), _LEAST_SIDE)
    tall = min(tall, height, width / shape)
    wide = tall * shape
    x0 = round(float(np.clip((box[0] + box[2] - wide) / 2, 0, width - wide)))
    y0 = round(float(np.clip((box[1] + box[3] - tall) / 2, 0, height - tall)))
    x1, y1 = min(width, x0 + max(1, round(wide))), min(height, y0 + max(1, round(tall)))
    return x0, y0, x1, y1


def _fitting(text: str, width: int) -> str:
    """The text, cut where its label would be wider than `width` pixels."""
    if chip_size(text, 0.75)[0] <= width:
        return text
    while chip_size(text + "...", 0.75)[0] > width:
        text = text[:-1]
    return text + "..."


def score_plot(
    seen: Mapping[int, Sequence[Look]], anchors: Collection[Anchor], findings: Sequence[Finding]
) -> ImageArray:
    """The score of every object over time, a row each.

    Shaded: occluded, absent or lost. Triangles: frames that the user answered. Numbers: findings.

    Args:
        seen: from `propagate.review.looks`.
        anchors: (frame index, object id).
        findings: numbered as given, from 1.

    Returns:
        (H, 1280, 3) uint8 RGB.
    """
    height = _TOP + _ROW * max(1, len(seen)) + _BOTTOM
    plot: ImageArray = np.full((height, _WIDTH, 3), DARK, np.uint8)
    indices = [look.index for series in seen.values() for look in series]
    axis = _Axis(min(indices, default=0), max(indices, default=1))
    _legend(plot)
    for row, (object_id, series) in enumerate(seen.items()):
        top = _TOP + row * _ROW
        mine = sorted(index for index, key in anchors if key == object_id)
        _row(plot, axis, top, object_id, series)
        for index in mine:
            _triangle(plot, axis.x(index), top + 14)
        for number, finding in enumerate(findings, start=1):
            if finding.object_id == object_id:
                _number(plot, axis, top, number, finding)
    _ticks(plot, axis, next(iter(seen.values()), ()))
    return plot


class _Axis:
    """Where a frame and a score lie in the plot."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, max(last, first + 1)

    def x(self, index: float) -> int:
        """Column of a frame."""
        part = (index - self.first) / (self.last - self.first)
        return round(_LEFT + part * (_WIDTH - _LEFT - _RIGHT))

    @staticmethod
    def y(score: float, top: int) -> int:
        """Row of a score in the panel that begins at `top`."""
        return round(top + _ROW - 22 - float(np.clip(score, 0, 1)) * (_ROW - 52))


def _row(plot: ImageArray, axis: _Axis, top: int, object_id: int, series: Sequence[Look]) -> None:
    """One object's panel."""
    colour = colour_of(object_id)
    bottom, ceiling = axis.y(0, top), axis.y(1, top)
    for look in series:
        if look.area == 0:
            left, right = axis.x(look.index - 0.5), axis.x(look.index + 0.5)
            left, right = max(left, _LEFT), min(max(right, left + 1), _WIDTH - _RIGHT)
            plot[ceiling:bottom, left:right] = _STATES.get(look.state, DARK)
    for score in (0, 0.5, 1):
        y = axis.y(score, top)
        cv2.line(plot, (_LEFT, y), (_WIDTH - _RIGHT, y), _GRID, 1)
        _write(plot, f"{score:g}", (_LEFT - 32, y + 4), _FAINT, 0.42)
    _write(plot, f"#{object_id}", (14, (ceiling + bottom) // 2 + 6), colour, 0.62)
    runs: list[list[tuple[int, int]]] = [[]]
    for look in series:
        if look.area:
            runs[-1].append((axis.x(look.index), axis.y(look.score, top)))
        elif runs[-1]:
            runs.append([])
    for run in filter(None, runs):
        line = np.array([*run, run[-1]], np.int32)  # one point alone is drawn as well
        cv2.polylines(plot, [line], False, colour, 2, cv2.LINE_AA)  # noqa: FBT003 - not closed


def _number(plot: ImageArray, axis: _Axis, top: int, number: int, finding: Finding) -> None:
    """A finding: a ring on the curve and its number above the panel."""
    look = finding.look
    x, y = axis.x(look.index), axis.y(look.score if look.area else 0, top)
    cv2.line(plot, (x, top + 24), (x, y - 6), _FAINT, 1)
    cv2.circle(plot, (x, y), 5, WHITE, 2, cv2.LINE_AA)
    text = str(number)
    width = cv2.getTextSize(text, _FONT, 0.45, 1)[0][0]
    cv2.circle(plot, (x, top + 14), 11, (200, 60, 60), -1, cv2.LINE_AA)
    _write(plot, text, (x - width // 2, top + 19), WHITE, 0.45)


def _triangle(plot: ImageArray, x: int, y: int) -> None:
    """An anchor: it points down at the frame."""
    corners = np.array([(x - 7, y - 6), (x + 7, y - 6), (x, y + 6)], np.int32)
    cv2.fillConvexPoly(plot, corners, WHITE, cv2.LINE_AA)


def _legend(plot: ImageArray) -> None:
    _write(plot, "expected IoU", (_LEFT, 27), WHITE, 0.5)
    x = _LEFT + 170
    _triangle(plot, x, 22)
    _write(plot, "answered by you", (x + 14, 27), _FAINT, 0.45)
    x += 180
    cv2.circle(plot, (x, 22), 9, (200, 60, 60), -1, cv2.LINE_AA)
    _write(plot, "worth a correction", (x + 16, 27), _FAINT, 0.45)
    x += 200
    for state, colour in _STATES.items():
        cv2.rectangle(plot, (x, 14), (x + 22, 30), colour, -1)
        _write(plot, state, (x + 30, 27), _FAINT, 0.45)
        x += 130


def _ticks(plot: ImageArray, axis: _Axis, series: Sequence[Look]) -> None:
    """Frame numbers, with seconds where the source has a clock, below the last panel."""
    times = {look.index: look.time_s for look in series}
    span = axis.last - axis.first
    step = next(s for p in range(9) for s in (10**p, 2 * 10**p, 5 * 10**p) if span / s <= 10)
    y = plot.shape[0] - 16
    _write(plot, "frame", (14, y), _FAINT, 0.42)
    for index in range(-(-axis.first // step) * step, axis.last + 1, step):
        time = times.get(index)
        text = f"{index}" if time is None else f"{index} ({time:.1f} s)"
        width = cv2.getTextSize(text, _FONT, 0.42, 1)[0][0]
        x = min(axis.x(index) - width // 2, _WIDTH - width - 4)
        _write(plot, text, (max(x, _LEFT - 20), y), _FAINT, 0.42)


def _write(
    plot: ImageArray, text: str, corner_xy: tuple[int, int], colour: Colour, size: float
) -> None:
    cv2.putText(plot, plain(text), corner_xy, _FONT, size, colour, 1, cv2.LINE_AA)
