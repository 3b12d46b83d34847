"""Dense optical flow between two small grey pictures, and masks that go along with it.

Paper: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from propagate import coords
from propagate.types import FloatArray, ImageArray

_LEAST_SIDE = 16  # the search needs room for its patches on its coarsest level
_FINEST = 0  # full detail of a small picture is better and cheaper than half that of a larger one
_PATCH, _STRIDE, _DESCENTS = 8, 4, 12  # pixels, pixels, steps


def small_grey(image: ImageArray, long_side: int) -> ImageArray:
    """(H, W, 3) → (h, w) uint8, no side over `long_side` but where the other would vanish.

    The green channel stands for brightness: most of it is green, and to read one channel of every
    n-th pixel is many times faster than to convert all.
    """
    size_hw = image.shape[0], image.shape[1]
    step = max(1, max(size_hw) // (2 * long_side))
    green = np.ascontiguousarray(image[::step, ::step, 1])
    fitted = coords.fit_long_side(size_hw, min(long_side, max(size_hw)))
    height, width = (max(_LEAST_SIDE, side) for side in fitted)
    return np.asarray(cv2.resize(green, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def backward_flow(now: ImageArray, before: ImageArray, start: FloatArray) -> FloatArray:
    """(h, w, 2) float32: for each pixel of `now`, the (x, y) steps to where it was in `before`.

    The variational smoothing of the published method is left out: it blurs masks' edges.

    Args:
        now: (h, w) uint8.
        before: (h, w) uint8.
        start: (h, w, 2) float32, the flow that the search begins with.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    search.setFinestScale(_FINEST)
    search.setPatchSize(_PATCH)
    search.setPatchStride(_STRIDE)
    search.setGradientDescentIterations(_DESCENTS)
    search.setVariationalRefinementIterations(0)
    return np.asarray(search.calc(now, before, start.copy()), np.float32)


def fit_flow(flow: FloatArray, size_hw: coords.Size) -> FloatArray:
    """A flow (h, w, 2) of a picture, in the same picture at another size."""
    resized = cv2.resize(flow, size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return coords.scale_points(resized, (flow.shape[0], flow.shape[1]), size_hw)


def sources(flow: FloatArray) -> FloatArray:
    """(2, h, w) float32: x and y, as OpenCV counts them, of where each pixel was before.

    Args:
        flow: (h, w, 2) backward flow.
    """
    return np.asarray(_places((flow.shape[0], flow.shape[1])) + np.moveaxis(flow, -1, 0))


@lru_cache(maxsize=4)
def _places(size_hw: coords.Size) -> FloatArray:
    """(2, h, w) float32: x and y of every pixel, as OpenCV counts them; made once for a size."""
    places = coords.to_opencv(np.moveaxis(coords.pixel_centres(size_hw), -1, 0)).copy()
    places.setflags(write=False)
    return places


def fetch(before: FloatArray, sources_xy: FloatArray) -> FloatArray:
    """What lay at each pixel's place in the previous picture: (h, w) float32.

    Args:
        before: (h, w) float32 of the previous picture; beyond its edge it goes on as at the edge.
        sources_xy: (2, h, w), see `sources`.
    """
    x, y = sources_xy
    fetched = cv2.remap(before, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(fetched, np.float32)
