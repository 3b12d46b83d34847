"""What is kept of a mask, against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propagate.masks import box_of
from propagate.motion import _objects


def averaged(mask, rows, columns):
    """Every cell's covered part: each pixel is split until cells hold whole pieces."""
    height, width = mask.shape
    up, across = rows // math.gcd(height, rows), columns // math.gcd(width, columns)
    fine = np.kron(mask, np.ones((up, across)))
    return fine.reshape(rows, height * up // rows, columns, width * across // columns).mean((1, 3))


@given(st.integers(1, 20), st.integers(193, 420), st.integers(0, 2**31))
def test_a_cover_is_the_exact_part_of_every_cell(height, width, seed):
    random = np.random.default_rng(seed)
    mask = np.zeros((height, width), bool)
    x0, y0 = random.integers(width), random.integers(height)
    mask[y0:, x0 : x0 + 90] = random.random((height - y0, min(90, width - x0))) < 0.6
    mask[y0, x0] = True
    cover = _objects.small_cover(mask, box_of(mask))
    assert cover.dtype == np.float32 and cover.shape[1] == _objects.COVER_SIDE
    assert np.allclose(cover, averaged(mask, *cover.shape), atol=1e-5)


def test_a_single_pixel_leaves_a_trace_in_a_huge_picture():
    mask = np.zeros((300, 9000), bool)
    mask[120, 4000] = True
    cover = _objects.small_cover(mask, box_of(mask))
    assert 0 < cover.sum() < 0.01
    assert np.isfinite(_objects.spread(_objects.moments(cover))).all()


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(slice(40, 41), slice(0, 300)), (slice(0, 240), slice(7, 8)), (slice(9, 10), slice(3, 4))],
)
def test_points_lie_on_thin_masks(rows, columns):
    mask = np.zeros((240, 320), bool)
    mask[rows, columns] = True
    points = _objects.points_on(mask, box_of(mask), 5)
    x, y = points.astype(int).T
    assert len(points) == min(5, mask.sum()) and mask[y, x].all()
    assert len({*map(tuple, points)}) == len(points)
