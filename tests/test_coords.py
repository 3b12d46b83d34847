"""The pixel convention, held against what OpenCV, torch and SAM do to pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from propagate import coords
from propagate.errors import InputError
from propagate.masks import box_of

SIZES = st.tuples(st.integers(1, 4000), st.integers(1, 4000))
NUMBERS = st.floats(-5000, 5000, width=32)
POINTS = arrays.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(2)), elements=NUMBERS)
BOXES = arrays.arrays(np.float32, 4, elements=NUMBERS)


def spot(size_hw, x, y, radius):
    centres = coords.pixel_centres(size_hw)
    return np.exp(-np.square(centres - [x, y]).sum(axis=-1) / (2 * radius**2)).astype(np.float32)


def middle(picture):
    centres = coords.pixel_centres(picture.shape)
    return (centres * picture[..., None]).sum(axis=(0, 1)) / picture.sum()


@given(POINTS, SIZES)
def test_the_same_size_changes_nothing(points, size):
    scaled = coords.scale_points(points, size, size)
    assert scaled.dtype == np.float32
    assert np.array_equal(scaled, points)


@given(POINTS, SIZES, SIZES)
def test_there_and_back(points, one, other):
    there = coords.scale_points(points, one, other)
    assert np.allclose(coords.scale_points(there, other, one), points, rtol=1e-5, atol=1e-4)


@given(POINTS, SIZES, SIZES, SIZES)
def test_two_steps_are_one(points, one, two, three):
    steps = coords.scale_points(coords.scale_points(points, one, two), two, three)
    assert np.allclose(steps, coords.scale_points(points, one, three), rtol=1e-5, atol=1e-4)


@given(SIZES, SIZES)
def test_the_corners_of_a_picture_stay_its_corners(one, other):
    corners = [[0, 0], [one[1], one[0]]]
    assert coords.scale_points(corners, one, other).tolist() == [[0, 0], [other[1], other[0]]]
    whole = [0, 0, one[1], one[0]]
    assert coords.scale_box(whole, one, other).tolist() == [0, 0, other[1], other[0]]


@given(arrays.arrays(np.float32, (3, 4), elements=NUMBERS), SIZES, SIZES)
def test_a_box_is_its_two_corners(boxes, one, other):
    scaled = coords.scale_box(boxes, one, other)
    assert np.array_equal(scaled[:, :2], coords.scale_points(boxes[:, :2], one, other))
    assert np.array_equal(scaled[1], coords.scale_box(boxes[1], one, other))


@pytest.mark.parametrize("to_hw", [(60, 100), (240, 180), (90, 320)])
def test_resized_pixels_lie_where_points_are_sent(to_hw):
    size_hw, point = (120, 160), (61.3, 47.8)
    picture = spot(size_hw, *point, radius=9)
    expected = coords.scale_points(point, size_hw, to_hw)
    by_opencv = cv2.resize(picture, to_hw[::-1], interpolation=cv2.INTER_LINEAR)
    tensor = torch.from_numpy(picture)[None, None]
    by_torch = torch.nn.functional.interpolate(tensor, to_hw, mode="bilinear", align_corners=False)
    assert np.abs(middle(by_opencv) - expected).max() < 0.02
    assert np.abs(middle(by_torch[0, 0].numpy()) - expected).max() < 0.02


def test_grid_sample_reads_the_pixel_at_its_centre():
    picture = torch.arange(35, dtype=torch.float32).reshape(1, 1, 5, 7)
    grid = torch.from_numpy(coords.to_grid(coords.pixel_centres((5, 7)), (5, 7)))[None]
    read = torch.nn.functional.grid_sample(picture, grid, align_corners=False)
    assert torch.allclose(read, picture, atol=1e-4)


def test_an_affine_map_does_the_same_to_places_as_opencv_counts_them():
    matrix = np.array([[1.5, -0.3, 7.0], [0.2, 0.8, -4.0]])
    places = coords.pixel_centres((5, 7)).reshape(-1, 2)
    moved = places @ matrix[:, :2].T + matrix[:, 2]
    theirs = coords.opencv_affine(matrix)
    by_theirs = coords.to_opencv(places) @ theirs[:, :2].T + theirs[:, 2]
    np.testing.assert_allclose(coords.from_opencv(by_theirs), moved, atol=1e-5)
    assert np.array_equal(coords.opencv_affine(np.eye(2, 3)), np.eye(2, 3))


def test_opencv_counts_from_the_centre_of_the_first_pixel():
    picture = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    where = coords.to_opencv(coords.pixel_centres((5, 7)))
    read = cv2.remap(picture, where[..., 0], where[..., 1], cv2.INTER_LINEAR)
    assert np.allclose(read, picture)
    assert np.array_equal(coords.from_opencv(where), coords.pixel_centres((5, 7)))


def test_pixel_centres():
    centres = coords.pixel_centres((2, 3))
    assert centres.dtype == np.float32
    assert centres[1, 2].tolist() == [2.5, 1.5]
    assert coords.point_inside(centres, (2, 3)).all()
    assert np.array_equal(coords.pixel_of(centres, (2, 3)), centres - 0.5)


@given(POINTS, SIZES)
def test_inside_is_being_in_a_pixel(points, size):
    inside = coords.point_inside(points, size)
    assert inside.shape == points.shape[:1]
    pixels = coords.pixel_of(points, size)
    at_home = ((pixels <= points) & (points < pixels + 1)).all(axis=1)
    assert np.array_equal(inside, at_home)
    assert ((pixels >= 0) & (pixels < size[::-1])).all()


@given(BOXES, st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_a_clipped_box_is_the_common_part(box, size):
    clipped = coords.clip_box(box, size)
    width, height = (
        min(end, side) - max(start, 0)
        for start, end, side in zip(box[:2], box[2:], size[::-1], strict=True)
    )
    if width <= 0 or height <= 0:
        assert clipped is None
    else:
        assert np.allclose(clipped[2:] - clipped[:2], [width, height], atol=1e-3)
        assert clipped.min() >= 0 and clipped[2] <= size[1] and clipped[3] <= size[0]


def test_a_box_of_a_mask_is_not_clipped():
    mask = np.ones((4, 6), bool)
    assert np.array_equal(coords.clip_box(box_of(mask), (4, 6)), box_of(mask))


def sam_preprocess_shape(height, width, long_side):
    """The published rule, spelled out."""
    scale = long_side * 1.0 / max(height, width)
    return int(height * scale + 0.5), int(width * scale + 0.5)


@given(SIZES, st.sampled_from([256, 1024]))
def test_sizes_round_as_in_sam(size, long_side):
    expected = tuple(max(1, side) for side in sam_preprocess_shape(*size, long_side))
    assert coords.fit_long_side(size, long_side) == expected


@given(SIZES, st.integers(64, 1024), st.sampled_from([8, 16, 32]))
def test_sizes_are_multiples_and_near_the_shape(size, long_side, multiple):
    fitted = coords.fit_long_side(size, long_side, multiple)
    exact = [side * long_side / max(size) for side in size]
    for side, wanted in zip(fitted, exact, strict=True):
        assert side % multiple == 0
        assert side == multiple or abs(side - wanted) <= multiple / 2 + 1e-6


@given(SIZES, SIZES)
def test_a_letterbox_holds_the_picture_and_touches_a_side(size, canvas):
    height, width = coords.fit_inside(size, canvas)
    assert height <= canvas[0] and width <= canvas[1]
    assert height == canvas[0] or width == canvas[1]
    scale = min(canvas[0] / size[0], canvas[1] / size[1])
    assert abs(height - size[0] * scale) <= 1 and abs(width - size[1] * scale) <= 1


@given(POINTS, SIZES)
def test_points_go_where_sam_puts_them(points, size):
    height, width = sam_preprocess_shape(*size, 1024)
    height, width = max(height, 1), max(width, 1)
    expected = points.astype(float)
    expected[:, 0] *= width / size[1]
    expected[:, 1] *= height / size[0]
    shifted = torch.as_tensor(expected, dtype=torch.float32) + 0.5
    assert np.array_equal(coords.sam_points(points, size), shifted.numpy())
    corners = np.concatenate([points, points[::-1]], axis=1)
    assert np.array_equal(coords.sam_boxes(corners, size)[:, :2], shifted.numpy())


def test_sam_and_we_agree_where_nothing_is_resized():
    ours = coords.pixel_centres((1024, 1024))[::100, ::100]
    assert np.array_equal(coords.sam_points(ours - 0.5, (1024, 1024)), ours)


@pytest.mark.parametrize("sizes", [((0, 4), (3, 3)), ((3, 3), (4, 0))])
def test_a_size_without_pixels_is_refused(sizes):
    with pytest.raises(InputError, match="1 or more"):
        coords.scale_points([[1, 2]], *sizes)
    with pytest.raises(InputError, match="1 or more"):
        coords.fit_inside(*sizes)
