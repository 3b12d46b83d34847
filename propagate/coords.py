"""The pixel convention, and the only place that rescales points and boxes.

x points right, y down. Pixel (0, 0) covers [0, 1) x [0, 1); its centre is (0.5, 0.5). So a picture
of (H, W) covers exactly [0, W) x [0, H), and resizing it multiplies coordinates by the ratio of the
sizes, with no offset: what `cv2.resize` and `torch.nn.functional.interpolate(align_corners=False)`
do to pixels.

Three neighbours count differently, and are met here by name: OpenCV's point functions (optical
flow, remap, contours) put the centre of pixel (0, 0) at (0, 0); `grid_sample` runs from -1 to 1;
SAM scales by the ratio and then adds half a pixel of the network's input.

Points are (N, 2) and boxes (4,) or (N, 4), float32, pixels; sizes are (H, W).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from propagate.errors import InputError
from propagate.types import BoolArray, FloatArray

Size = tuple[int, int]
Part = tuple[float, float, float, float]
"""A part of a picture as shares of its sides: x0, y0, x1, y1 in 0..1."""
WHOLE: Part = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Window:
    """A part of a picture, in whole pixels, end-exclusive; `image[window.slices]` is that part.

    Attributes:
        x0, y0, x1, y1: 0 <= x0 < x1 <= W, 0 <= y0 < y1 <= H.
    """

    x0: int
    y0: int
    x1: int
    y1: int

    @staticmethod
    def whole(size_hw: Size) -> Window:
        """All of a picture."""
        return Window(0, 0, size_hw[1], size_hw[0])

    @property
    def size_hw(self) -> Size:
        """(H, W) of the part."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the part."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def corners(self) -> FloatArray:
        """The same as a box (4,) of the picture."""
        return np.array([self.x0, self.y0, self.x1, self.y1], np.float32)

    def part(self, size_hw: Size) -> Part:
        """The same as shares of a picture's sides, x0, y0, x1, y1."""
        height, width = size_hw
        return self.x0 / width, self.y0 / height, self.x1 / width, self.y1 / height

    def points(self, points_xy: npt.ArrayLike) -> FloatArray:
        """Points (..., 2) of the picture as points of the part."""
        return np.asarray(points_xy, np.float32) - self.corners[:2]

    def box(self, box: npt.ArrayLike) -> FloatArray:
        """Boxes (..., 4) of the picture as boxes of the part; they may reach out of it."""
        return np.asarray(box, np.float32) - np.tile(self.corners[:2], 2)

    def holds(self, box: npt.ArrayLike) -> bool:
        """Whether a box (4,) of the picture lies in the part."""
        x0, y0, x1, y1 = np.asarray(box, np.float64)
        return bool(x0 >= self.x0 and y0 >= self.y0 and x1 <= self.x1 and y1 <= self.y1)


def scale_points(points_xy: npt.ArrayLike, from_hw: Size, to_hw: Size) -> FloatArray:
    """Points (..., 2) of a picture of size `from_hw`, in the same picture at size `to_hw`.

    (1, 1) as either size stands for fractions of the picture.

    Raises:
        InputError: a size without a pixel.
    """
    return _scale(points_xy, from_hw, to_hw)


def scale_box(box: npt.ArrayLike, from_hw: Size, to_hw: Size) -> FloatArray:
    """Boxes (..., 4) of a picture of size `from_hw`, in the same picture at size `to_hw`.

    Raises:
        InputError: a size without a pixel.
    """
    corners = np.asarray(box, np.float64)
    return _scale(corners.reshape(*corners.shape[:-1], 2, 2), from_hw, to_hw).reshape(corners.shape)


def clip_box(box: npt.ArrayLike, size_hw: Size) -> FloatArray | None:
    """The part of a box (4,) that lies in the picture, or None where nothing does."""
    height, width = size_hw
    clipped = np.clip(np.asarray(box, np.float32), 0, np.array([width, height] * 2, np.float32))
    empty = clipped[2] <= clipped[0] or clipped[3] <= clipped[1]
    return None if empty else clipped


def box_middle(box: FloatArray) -> FloatArray:
    """(2,) the middle of a box (4,)."""
    return np.asarray((box[:2] + box[2:]) / 2, box.dtype)


def point_inside(points_xy: npt.ArrayLike, size_hw: Size) -> BoolArray:
    """(...) bool: which of the points (..., 2) lie in the picture; its far edges do not."""
    points = np.asarray(points_xy)
    inside = (points >= 0) & (points < size_hw[::-1])
    both: BoolArray = np.logical_and.reduce(inside, axis=-1)
    return both


def pixel_of(points_xy: npt.ArrayLike, size_hw: Size) -> npt.NDArray[np.intp]:
    """(..., 2) whole (x, y): the pixel that holds each point; the nearest one for points outside.

    `mask[y, x]` then reads the mask at the point.
    """
    height, width = size_hw
    whole = np.floor(np.asarray(points_xy)).astype(np.intp)
    pixels: npt.NDArray[np.intp] = np.clip(whole, 0, [width - 1, height - 1])
    return pixels


def pixel_centres(size_hw: Size) -> FloatArray:
    """(H, W, 2) float32: the (x, y) of the centre of every pixel."""
    height, width = size_hw
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y], axis=-1).astype(np.float32) + np.float32(0.5)


def fit_long_side(size_hw: Size, long_side: int, multiple: int = 1) -> Size:
    """The size of a picture whose longer side becomes `long_side`, its shape kept.

    Args:
        size_hw: (H, W) of the picture.
        long_side: pixels, 1 or more.
        multiple: each side is rounded to the nearest multiple of it, but not below one; the two
            axes then scale a little differently, which `scale_points` allows for. With 1, sizes
            round as in SAM.

    Raises:
        InputError: a size without a pixel.
    """
    _check(size_hw)
    scale = long_side / max(size_hw)
    height, width = (
        max(multiple, multiple * int(side * scale / multiple + 0.5)) for side in size_hw
    )
    return height, width


def fit_inside(size_hw: Size, canvas_hw: Size) -> Size:
    """The largest size with the picture's shape that a canvas holds (a letterbox).

    The picture lies in the canvas' upper left corner and padding goes to the right and below, so
    that `scale_points(points, size_hw, fit_inside(size_hw, canvas_hw))` gives places on the canvas,
    and the same call with the sizes swapped leads back.

    Raises:
        InputError: a size without a pixel.
    """
    _check(size_hw)
    _check(canvas_hw)
    scale = min(canvas_hw[0] / size_hw[0], canvas_hw[1] / size_hw[1])
    height, width = (
        min(room, max(1, int(side * scale + 0.5)))
        for side, room in zip(size_hw, canvas_hw, strict=True)
    )
    return height, width


def to_opencv(points_xy: npt.ArrayLike) -> FloatArray:
    """Points (..., 2) as OpenCV counts them, with the centre of pixel (0, 0) at (0, 0)."""
    return np.asarray(points_xy, np.float32) - np.float32(0.5)


def from_opencv(points_xy: npt.ArrayLike) -> FloatArray:
    """The inverse of `to_opencv`."""
    return np.asarray(points_xy, np.float32) + np.float32(0.5)


def opencv_affine(matrix: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A (2, 3) affine map of places (x, y, 1), as OpenCV takes it: see `to_opencv`."""
    affine = np.array(matrix, np.float64)
    affine[:, 2] += affine[:, :2] @ (0.5, 0.5) - 0.5
    return affine


def to_grid(points_xy: npt.ArrayLike, size_hw: Size) -> FloatArray:
    """Points (..., 2) as `torch.nn.functional.grid_sample(align_corners=False)` counts them.

    -1 is the picture's left or upper edge, 1 its right or lower edge.
    """
    return scale_points(points_xy, size_hw, (2, 2)) - np.float32(1)


def sam_points(points_xy: npt.ArrayLike, size_hw: Size, long_side: int = 1024) -> FloatArray:
    """Points (..., 2) where SAM's prompt encoder places them, in pixels of its padded input.

    The published networks were trained with this: the ratio of the rounded sizes, then half a
    pixel. It agrees with `scale_points` only for points that count pixel centres as whole numbers,
    and only where nothing is resized; reference outputs are reproduced with it and not otherwise.

    Paper: Kirillov et al., "Segment Anything", 2023.

    Args:
        points_xy: as one would hand them to the official predictor.
        size_hw: (H, W) of the picture before resizing.
        long_side: of the network's input.
    """
    resized = scale_points(points_xy, size_hw, fit_long_side(size_hw, long_side))
    return resized + np.float32(0.5)  # in float32, as there


def sam_boxes(boxes: npt.ArrayLike, size_hw: Size, long_side: int = 1024) -> FloatArray:
    """Corners (..., 4) where SAM's prompt encoder places them; see `sam_points`."""
    corners = np.asarray(boxes, np.float64)
    points = corners.reshape(*corners.shape[:-1], 2, 2)
    return sam_points(points, size_hw, long_side).reshape(corners.shape)


def _scale(points_xy: npt.ArrayLike, from_hw: Size, to_hw: Size) -> FloatArray:
    _check(from_hw)
    _check(to_hw)
    ratio_xy = np.array([to_hw[1] / from_hw[1], to_hw[0] / from_hw[0]])
    scaled: npt.NDArray[np.float64] = np.asarray(points_xy, np.float64) * ratio_xy
    return scaled.astype(np.float32)


def _check(size_hw: Size) -> None:
    if min(size_hw) < 1:
        raise InputError(f"a picture needs a height and a width of 1 or more, got {size_hw}")
