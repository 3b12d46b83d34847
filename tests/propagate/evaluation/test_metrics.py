"""J and F: by hand, against a slow second way, and on real masks that are moved by known steps."""

from __future__ import annotations

import tarfile
from math import ceil

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from propagate.errors import InputError
from propagate.evaluation.metrics import (
    calibration_error,
    contour,
    contour_accuracy,
    region_similarity,
    statistics,
)

SEQUENCES = ("blackswan", "bmx-trees", "libby", "parkour")


def square(x, y, side=40, size_hw=(100, 120)):
    mask = np.zeros(size_hw, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def slow_contour(mask):
    """The definition, a pixel at a time."""
    height, width = mask.shape
    edge = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            near = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            inside = [place for place in near if place[0] < height and place[1] < width]
            edge[y, x] = any(mask[place] != mask[y, x] for place in inside)
    return edge


def slow_accuracy(prediction, truth, tolerance=0.008, edge=slow_contour):
    """The definition by exact distances in place of a dilation."""
    found, wanted = edge(prediction), edge(truth)
    if not found.any() and not wanted.any():
        precision = recall = 1.0
    elif not found.any():
        precision, recall = 1.0, 0.0
    elif not wanted.any():
        precision, recall = 0.0, 1.0
    else:
        radius = ceil(tolerance * np.linalg.norm(truth.shape))
        precision = (ndimage.distance_transform_edt(~wanted) <= radius)[found].mean()
        recall = (ndimage.distance_transform_edt(~found) <= radius)[wanted].mean()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def test_region_similarity_by_hand():
    assert region_similarity(square(10, 10), square(10, 10)) == 1
    assert region_similarity(square(10, 10), square(30, 10)) == pytest.approx(1 / 3)
    assert region_similarity(square(0, 0), square(60, 60)) == 0
    nothing = np.zeros((100, 120), bool)
    assert region_similarity(nothing, nothing) == 1
    assert region_similarity(nothing, square(0, 0)) == 0


def test_the_contour_by_hand():
    mask = np.zeros((5, 6), bool)
    mask[2:4, 2:4] = True
    wanted = ["......", ".###..", ".#.#..", ".###..", "......"]
    assert ["".join(".#"[pixel] for pixel in row) for row in contour(mask).astype(int)] == wanted


def test_the_contour_at_the_last_row_and_column():
    mask = np.zeros((3, 3), bool)
    mask[2, 2] = True
    assert contour(mask).astype(int).tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 0]]
    assert not contour(np.ones((3, 3), bool)).any()


@given(mask=arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_the_contour_is_the_definition(mask):
    assert np.array_equal(contour(mask), slow_contour(mask))


def test_a_contour_within_the_tolerance_is_perfect_and_beyond_it_is_not():
    truth = square(30, 30)  # diagonal 156.2 px: the tolerance is 2 px
    assert contour_accuracy(square(32, 30), truth) == 1
    assert contour_accuracy(square(31, 31), truth) == 1
    # 3 px to the right: the upper and lower edges still lie on each other, the others do not.
    shifted = contour_accuracy(square(33, 30), truth)
    assert 0.5 < shifted < 0.6
    assert shifted == pytest.approx(slow_accuracy(square(33, 30), truth))
    assert contour_accuracy(square(33, 30), truth, tolerance=0.02) == 1


def test_contours_of_empty_masks():
    nothing = np.zeros((100, 120), bool)
    assert contour_accuracy(nothing, nothing) == 1
    assert contour_accuracy(nothing, square(9, 9)) == 0
    assert contour_accuracy(square(9, 9), nothing) == 0
    assert contour_accuracy(~nothing, nothing) == 1  # the full picture has no contour either
    assert contour_accuracy(square(0, 0), square(70, 60)) == 0


@given(
    masks=arrays.arrays(bool, st.tuples(st.just(2), st.integers(1, 24), st.integers(1, 24))),
    tolerance=st.sampled_from([0.008, 0.05, 0.2]),
)
def test_contour_accuracy_is_the_definition(masks, tolerance):
    fast, slow = contour_accuracy(*masks, tolerance), slow_accuracy(*masks, tolerance)
    assert fast == pytest.approx(slow, abs=1e-12)


def test_masks_of_two_sizes_are_refused():
    for measure in (region_similarity, contour_accuracy):
        with pytest.raises(InputError, match="one size"):
            measure(np.zeros((4, 5), bool), np.zeros((5, 4), bool))


@pytest.fixture(scope="module")
def real_masks(shared_data):
    masks = {}
    with tarfile.open(shared_data / "davis-dev" / "davis-dev.tar") as archive:
        for member in archive:
            parts = member.name.split("/")
            if "Annotations" in parts and parts[-1] == "00020.png" and parts[-2] in SEQUENCES:
                data = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                masks[parts[-2]] = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) > 0
    assert len(masks) == len(SEQUENCES)
    return masks


@pytest.mark.parametrize("name", SEQUENCES)
def test_real_masks_that_are_moved(real_masks, name):
    truth = real_masks[name]  # 480 x 854: the tolerance is 8 px
    values = []
    for step in (0, 5, 8, 9, 30):
        moved = np.roll(truth, (step, 0), (0, 1))
        value = contour_accuracy(moved, truth)
        assert value == pytest.approx(slow_accuracy(moved, truth, edge=contour))
        overlap = (moved & truth).sum() / (moved | truth).sum()
        assert region_similarity(moved, truth) == pytest.approx(overlap)
        values.append(value)
    assert values[0] == 1 and values[1] > 0.97 and values[2] > 0.97
    assert values[3] < values[2] and values[4] < 0.7


def test_statistics_by_hand():
    values = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
    found = statistics(values)
    assert found.mean == pytest.approx(0.65)
    assert found.recall == 5 / 8  # 0.5 itself is no hit
    # Quarters of 8 frames as DAVIS rounds them: frames 1 to 3 and 6 to 8.
    assert found.decay == pytest.approx(0.9 - 0.4)


def test_statistics_of_more_frames_than_a_byte_counts():
    values = np.linspace(1, 0, 1001)
    assert statistics(values).decay == pytest.approx(0.75, abs=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_statistics_of_few_frames(count):
    found = statistics([0.7] * count)
    assert (found.mean, found.recall, found.decay) == pytest.approx((0.7, 1, 0))


def test_statistics_of_no_frame_are_refused():
    with pytest.raises(InputError, match="no frame"):
        statistics([])


def test_calibration_by_hand():
    assert calibration_error([(0.8, 0.8), (0.3, 0.3)]) == pytest.approx(0)
    assert calibration_error([(0.95, 0.55), (0.15, 0.35)]) == pytest.approx((0.4 + 0.2) / 2)
    # In one bin only the mean counts; in two they cannot make up for each other.
    assert calibration_error([(0.84, 0.94), (0.86, 0.76)]) == pytest.approx(0)
    assert calibration_error([(0.79, 0.89), (0.86, 0.76)]) == pytest.approx(0.1)
    assert calibration_error([(1.0, 1.0), (0.0, 0.0)]) == 0
    assert np.isnan(calibration_error([]))
