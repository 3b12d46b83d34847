"""Pure functions on masks: (H, W) bool arrays in, plain values or new arrays out.

Coordinates follow `propagate.types`: x right, y down, the centre of pixel (0, 0) is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from propagate.errors import InputError
from propagate.types import BoolArray, FloatArray

MAX_PIXELS = 2**27
"""Run lengths for more pixels than this (16384 x 8192) are refused before any memory is taken."""

_DIGIT_BITS = 5
_MAX_DIGITS = 6  # 30 bits: more than any difference of two runs within MAX_PIXELS
_FIRST_CHARACTER = ord("0")


def area(mask: BoolArray) -> int:
    """Count the pixels of a mask (H, W)."""
    return int(np.count_nonzero(mask))


def box_of(mask: BoolArray) -> FloatArray | None:
    """(4,) float32 (x0, y0, x1, y1) pixels, end-exclusive, around a mask; None where empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def centre(mask: BoolArray) -> FloatArray | None:
    """(2,) float32 (x, y), the centre of the pixel that lies deepest inside; None where empty.

    Unlike the centroid it is always on the mask. The picture's edge counts as the mask's edge. Of
    several equally deep pixels it is the one nearest to their mean.
    """
    box = box_of(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = box.astype(int)
    depth = _depth(mask[y0:y1, x0:x1])
    deepest = np.argwhere(depth >= depth.max() - 1e-4)
    away = np.square(deepest - deepest.mean(axis=0)).sum(axis=1)
    y, x = deepest[away.argmin()]
    return np.array([x0 + x + 0.5, y0 + y + 0.5], np.float32)


def iou(one: BoolArray, other: BoolArray) -> float:
    """Intersection over union of two masks of one size, 0..1; 1 where both are empty.

    Raises:
        InputError: the sizes differ.
    """
    if one.shape != other.shape:
        raise InputError(f"masks must have one size, got {one.shape} and {other.shape}")
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 1.0


def boundary(mask: BoolArray) -> BoolArray:
    """(H, W) bool: pixels of the mask that touch, by a side, a pixel that is not on it.

    The picture's edge is no boundary: an object that is cut off there goes on.
    """
    padded = np.pad(mask, 1, mode="edge")
    surrounded = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~surrounded


def components(mask: BoolArray) -> npt.NDArray[np.int32]:
    """(H, W) int32: 0 off the mask, 1 on its largest connected part, 2 on the next, and so on.

    Pixels that touch by a corner are connected.
    """
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    by_area = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")
    rank = np.zeros(len(stats), np.int32)
    rank[1 + by_area] = np.arange(1, len(stats))
    numbered: npt.NDArray[np.int32] = rank[labels]
    return numbered


def largest_component(mask: BoolArray) -> BoolArray:
    """The largest connected part of a mask; empty where it is empty."""
    largest: BoolArray = components(mask) == 1
    return largest


def drop_small(mask: BoolArray, hole_area: int, island_area: int) -> BoolArray:
    """Fill small holes, then drop small islands.

    Args:
        mask: (H, W) bool.
        hole_area: holes of fewer pixels are filled; 0 fills none. What reaches the picture's edge
            is no hole.
        island_area: separate parts of fewer pixels are dropped, but never the largest; 0 drops
            none.
    """
    import cv2

    if hole_area > 0:
        outside = (~mask).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
        small = stats[:, cv2.CC_STAT_AREA] < hole_area
        edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        small[np.isin(np.arange(count), edge)] = False
        small[0] = False
        mask = mask | small[labels]
    if island_area > 0:
        parts = components(mask)
        keep = np.bincount(parts.ravel()) >= island_area
        keep[:2] = [False, True][: len(keep)]
        mask = keep[parts]
    return mask.copy()


def sample_points(mask: BoolArray, count: int, seed: int) -> FloatArray:
    """(N, 2) float32 pixel centres on the mask, each as far from the earlier ones as it can be.

    The first one is `centre(mask)`; N is `count`, or fewer where the mask has fewer pixels. Points
    keep off the mask's edge, where a slightly wrong mask is wrong, if there is room.

    Args:
        mask: (H, W) bool.
        count: how many points, 0 or more.
        seed: of the choice of candidates in a large mask.
    """
    first = centre(mask)
    if first is None or count < 1:
        return np.zeros((0, 2), np.float32)
    depth = _depth(mask)
    inner = np.flatnonzero(depth > 0.3 * depth.max())
    pixels = inner if len(inner) >= count else np.flatnonzero(mask)
    if len(pixels) > (candidates := max(4096, 4 * count)):
        pixels = np.random.default_rng(seed).choice(pixels, candidates, replace=False)
    points = np.stack([pixels % mask.shape[1], pixels // mask.shape[1]], axis=1) + 0.5
    chosen = [first.astype(float)]
    distance = np.square(points - first).sum(axis=1)
    while len(chosen) < count and distance.max() > 0:
        chosen.append(points[distance.argmax()])
        distance = np.minimum(distance, np.square(points - chosen[-1]).sum(axis=1))
    return np.array(chosen, np.float32)


def cell_cover(mask: BoolArray, box: FloatArray, cells_hw: tuple[int, int]) -> FloatArray:
    """How far a mask (H, W), whose box is `box`, covers each of (h, w) cells: exact, 0..1."""
    import cv2

    (height, width), (rows, columns) = mask.shape, cells_hw
    x0, y0, x1, y1 = box.astype(int).tolist()
    part = np.ascontiguousarray(mask[y0:y1, x0:x1])
    sums = cv2.integral(part.view(np.uint8)).astype(np.float32)  # exact below 2**24 pixels
    top, left = y0 * rows // height, x0 * columns // width
    bottom, right = -(-y1 * rows // height), -(-x1 * columns // width)
    by_rows = _between(sums, np.arange(top, bottom + 1) * height / rows - y0)
    corners = _between(by_rows.T, np.arange(left, right + 1) * width / columns - x0).T
    pixels = np.diff(np.diff(corners, axis=0), axis=1)
    cover = np.zeros(cells_hw, np.float32)
    cover[top:bottom, left:right] = (pixels * (rows * columns / mask.size)).clip(0, 1)
    return cover


def _between(sums: npt.NDArray[Any], places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows of an array (N, M) at places between its rows; those beyond its ends are its ends."""
    inside = np.clip(places, 0, len(sums) - 1)
    low = np.minimum(inside.astype(int), len(sums) - 2)
    part = (inside - low)[:, None]
    return np.asarray(sums[low] * (1 - part) + sums[low + 1] * part)


def remove_overlap(
    masks: npt.NDArray[np.bool_], strengths: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.bool_]:
    """Give every pixel that several masks claim to the strongest of them.

    Args:
        masks: (N, H, W) bool.
        strengths: (N,), one a mask (scores), or (N, H, W), one a pixel (logits); higher wins, the
            earlier one where they are equal.

    Returns:
        (N, H, W) bool; a pixel that was claimed is on exactly one mask.
    """
    best = np.full(masks.shape[1:], -np.inf)
    owner = np.full(masks.shape[1:], -1)
    for index, (mask, strength) in enumerate(zip(masks, strengths, strict=True)):
        wins = mask & ((owner < 0) | (strength > best))
        best = np.where(wins, strength, best)
        owner[wins] = index
    owned: npt.NDArray[np.bool_] = owner == np.arange(len(masks)).reshape(-1, 1, 1)
    return owned


def encode_rle(mask: BoolArray) -> dict[str, Any]:
    """Write a mask as COCO run lengths: {"size": [H, W], "counts": text}.

    The runs go down the columns and start with background; the text is COCO's own compression.

    Raises:
        InputError: not (H, W) bool, or without a pixel.
    """
    if mask.ndim != 2 or mask.dtype != bool or not mask.size:
        raise InputError(f"mask must be (H, W) bool with a pixel, got {mask.shape} {mask.dtype}")
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    start = [0, 0] if flat[0] else [0]
    edges = np.concatenate([start, changes, [flat.size]]).astype(np.int64)
    return {"size": [int(side) for side in mask.shape], "counts": _compress(edges[1:] - edges[:-1])}


def decode_rle(rle: Mapping[str, Any]) -> BoolArray:
    """Read COCO run lengths: a new (H, W) bool mask.

    Args:
        rle: {"size": [H, W], "counts": compressed text or bytes, or a list of run lengths}.

    Raises:
        InputError: anything else, more than `MAX_PIXELS`, or runs that do not fill the picture
            exactly.
    """
    if not isinstance(rle, Mapping) or "size" not in rle or "counts" not in rle:
        raise InputError("run lengths need 'size' and 'counts'")
    size, counts = rle["size"], rle["counts"]
    whole = isinstance(size, list | tuple) and all(type(side) is int and side > 0 for side in size)
    if not whole or len(size) != 2:
        raise InputError(f"run lengths: size must be [H, W], both 1 or more, got {str(size)[:80]}")
    height, width = size
    if height * width > MAX_PIXELS:
        raise InputError(f"run lengths: {height} x {width} is over {MAX_PIXELS} pixels")
    runs = _decompress(counts) if isinstance(counts, str | bytes) else _listed(counts)
    if len(runs) and (runs.min() < 0 or runs.max() > height * width):
        raise InputError(f"run lengths: a run is negative or longer than {height} x {width}")
    if runs.sum() != height * width:
        raise InputError(f"run lengths fill {runs.sum()} pixels, not {height} x {width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, runs).reshape(width, height).T)


def _depth(mask: BoolArray) -> FloatArray:
    """(H, W) float32: pixels to the nearest one off the mask; all around the picture is off it."""
    import cv2

    padded = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(depth[1:-1, 1:-1], np.float32)


def _compress(runs: npt.NDArray[np.int64]) -> str:
    """Runs as base-32 digits, low digit first; from the fourth on, the change since two before."""
    numbers = runs.copy()
    numbers[3:] -= runs[1:-2]
    shifts = _DIGIT_BITS * np.arange(_MAX_DIGITS)
    digits = (numbers[:, None] >> shifts) & 31
    rest = numbers[:, None] >> (shifts + _DIGIT_BITS)
    more = rest != np.where(digits & 16, -1, 0)  # the top digit's high bit is the sign
    used = np.ones_like(more)
    used[:, 1:] = np.logical_and.accumulate(more, axis=1)[:, :-1]
    characters: npt.NDArray[np.int64] = (digits + 32 * more + _FIRST_CHARACTER)[used]
    return bytes(characters.tolist()).decode("ascii")


def _decompress(counts: str | bytes) -> npt.NDArray[np.int64]:
    """The inverse of `_compress`; InputError for a text that it never writes."""
    text = counts.encode("utf-8", "replace") if isinstance(counts, str) else counts
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - _FIRST_CHARACTER
    if not len(codes):
        return codes
    ends = np.flatnonzero((codes & 32) == 0)
    if codes.min() < 0 or codes.max() > 63 or not len(ends) or ends[-1] != len(codes) - 1:
        raise InputError("run lengths: the text of 'counts' is damaged or cut off")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _MAX_DIGITS:
        raise InputError("run lengths: a number in 'counts' is too long")
    place = np.arange(len(codes)) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((codes & 31) << (_DIGIT_BITS * place), starts)
    numbers -= np.where(codes[ends] & 16, 1 << (_DIGIT_BITS * lengths), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _listed(counts: Any) -> npt.NDArray[np.int64]:
    """A list of whole numbers as an array."""
    if not isinstance(counts, list | tuple) or any(type(run) is not int for run in counts):
        raise InputError("run lengths: 'counts' must be text or a list of whole numbers")
    try:
        return np.array(counts, np.int64)
    except OverflowError as error:
        raise InputError("run lengths: a run is longer than any picture") from error
