"""Masks: measured against brute force and, for run lengths, against pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco
from scipy import ndimage

from propagate import masks
from propagate.errors import InputError

SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24))
MASKS = SIZES.flatmap(lambda size: arrays.arrays(bool, size))
EIGHT = np.ones((3, 3), bool)


def disc(size_hw, x, y, radius):
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]] + 0.5
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


@given(MASKS)
def test_the_box_is_the_smallest_that_holds_the_mask(mask):
    box = masks.box_of(mask)
    if not mask.any():
        assert box is None
        return
    x0, y0, x1, y1 = box.astype(int)
    assert mask[y0:y1, x0:x1].sum() == mask.sum() == masks.area(mask)
    assert mask[y0].any() and mask[y1 - 1].any() and mask[:, x0].any() and mask[:, x1 - 1].any()


@given(MASKS)
def test_the_centre_is_the_deepest_pixel_of_the_mask(mask):
    point = masks.centre(mask)
    if not mask.any():
        assert point is None
        return
    x, y = point
    assert x % 1 == 0.5 and y % 1 == 0.5
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    assert mask[int(y), int(x)]
    assert depth[int(y), int(x)] == pytest.approx(depth.max(), abs=1e-3)


def test_the_centre_of_symmetric_shapes():
    assert masks.centre(np.ones((5, 9), bool)).tolist() == [4.5, 2.5]
    assert masks.centre(disc((40, 60), 30.5, 20.5, 11)).tolist() == [30.5, 20.5]
    ring = disc((41, 41), 20.5, 20.5, 18) & ~disc((41, 41), 20.5, 20.5, 10)
    x, y = masks.centre(ring)
    assert ring[int(y), int(x)]


@given(SIZES.flatmap(lambda size: st.tuples(*[arrays.arrays(bool, size)] * 2)))
def test_iou_is_the_ratio_of_counts(pair):
    one, other = pair
    union = sum(map(bool, (one | other).ravel()))
    expected = sum(map(bool, (one & other).ravel())) / union if union else 1.0
    assert masks.iou(one, other) == masks.iou(other, one) == pytest.approx(expected)


def test_iou_refuses_two_sizes():
    with pytest.raises(InputError, match="one size"):
        masks.iou(np.ones((2, 3), bool), np.ones((3, 2), bool))


@given(MASKS)
def test_the_boundary_touches_the_outside_by_a_side(mask):
    eroded = ndimage.binary_erosion(mask, border_value=1)
    assert np.array_equal(masks.boundary(mask), mask & ~eroded)


def test_the_picture_edge_is_no_boundary():
    assert not masks.boundary(np.ones((4, 5), bool)).any()


@given(MASKS)
def test_components_are_numbered_by_area(mask):
    labels = masks.components(mask)
    assert labels.dtype == np.int32
    assert np.array_equal(labels > 0, mask)
    expected, count = ndimage.label(mask, EIGHT)
    assert labels.max() == count
    pairs = {(int(a), int(b)) for a, b in zip(labels[mask], expected[mask], strict=True)}
    assert len(pairs) == count
    areas = np.bincount(labels[mask], minlength=count + 1)[1:]
    assert (np.diff(areas) <= 0).all()
    assert masks.largest_component(mask).sum() == (areas[0] if count else 0)


def test_small_holes_are_filled_and_small_islands_dropped():
    mask = disc((60, 80), 40, 30, 25)
    holed = mask.copy()
    holed[28:31, 38:41] = False
    holed[10:12, 2:4] = True
    before = holed.copy()
    assert np.array_equal(masks.drop_small(holed, 10, 5), mask)
    assert np.array_equal(masks.drop_small(holed, 9, 4), before)
    assert np.array_equal(masks.drop_small(holed, 0, 0), before)
    assert np.array_equal(holed, before)


def test_a_gap_that_reaches_the_edge_is_no_hole():
    mask = np.ones((6, 6), bool)
    mask[0, 2] = False
    assert np.array_equal(masks.drop_small(mask, 10, 0), mask)


def test_the_largest_island_is_always_kept():
    mask = np.zeros((6, 6), bool)
    mask[1, 1:3] = True
    mask[4, 4] = True
    kept = masks.drop_small(mask, 0, 100)
    assert kept.sum() == 2 and kept[1, 1]
    assert not masks.drop_small(np.zeros((3, 3), bool), 5, 5).any()


@given(MASKS, st.integers(0, 12), st.integers(0, 3))
def test_sampled_points_are_distinct_pixels_of_the_mask(mask, count, seed):
    points = masks.sample_points(mask, count, seed)
    assert points.shape == (min(count, mask.sum()), 2)
    assert points.dtype == np.float32
    assert len(np.unique(points, axis=0)) == len(points)
    columns, rows = points.astype(int).T
    assert mask[rows, columns].all()
    assert np.array_equal(points, masks.sample_points(mask, count, seed))
    if len(points):
        assert np.array_equal(points[0], masks.centre(mask))


def test_sampled_points_are_well_spread():
    points = masks.sample_points(np.ones((200, 300), bool), 16, seed=1)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e6 * np.eye(16)
    assert gaps.min() > 0.5 * np.sqrt(200 * 300 / 16)


def test_sampled_points_keep_off_the_edge():
    mask = disc((80, 80), 40, 40, 30)
    columns, rows = masks.sample_points(mask, 12, seed=0).astype(int).T
    assert ndimage.distance_transform_edt(mask)[rows, columns].min() > 0.25 * 30


@given(SIZES.flatmap(lambda size: arrays.arrays(bool, (3, *size))), st.integers(0, 9))
def test_overlap_goes_to_the_strongest(stack, seed):
    strengths = np.random.default_rng(seed).integers(0, 3, stack.shape).astype(np.float32)
    alone = masks.remove_overlap(stack, strengths)
    assert np.array_equal(alone.sum(axis=0), stack.any(axis=0))
    assert not (alone & ~stack).any()
    claims = np.where(stack, strengths, -1)
    assert np.array_equal(alone.argmax(axis=0), np.where(stack.any(0), claims.argmax(axis=0), 0))


def test_overlap_by_score():
    stack = np.ones((3, 2, 2), bool)
    alone = masks.remove_overlap(stack, np.array([0.1, 0.9, 0.9]))
    assert alone[1].all() and not alone[0].any() and not alone[2].any()
    assert masks.remove_overlap(stack[:0], np.zeros(0)).shape == (0, 2, 2)


def oracle_encode(mask):
    rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}


@given(MASKS)
@example(np.zeros((1, 1), bool))
@example(np.ones((1, 1), bool))
@example(np.ones((7, 3), bool))
def test_run_lengths_equal_the_oracle_byte_for_byte(mask):
    rle = masks.encode_rle(mask)
    assert rle == oracle_encode(mask)
    decoded = masks.decode_rle(rle)
    assert decoded.flags.c_contiguous and decoded.dtype == bool
    assert np.array_equal(decoded, mask)
    assert np.array_equal(masks.decode_rle({**rle, "counts": rle["counts"].encode()}), mask)


@pytest.mark.parametrize("size_hw", [(720, 1280), (3000, 4000), (1, 5000), (5000, 1)])
def test_run_lengths_of_large_masks(size_hw):
    mask = disc(size_hw, size_hw[1] * 0.4, size_hw[0] * 0.6, min(max(size_hw) / 5, 600))
    mask[0, 0] = True
    assert masks.encode_rle(mask) == oracle_encode(mask)
    assert np.array_equal(masks.decode_rle(masks.encode_rle(mask)), mask)


def test_run_lengths_as_a_list():
    expected = np.array([[0, 1], [0, 1], [1, 0]], bool)
    assert np.array_equal(masks.decode_rle({"size": [3, 2], "counts": [2, 3, 1]}), expected)
    assert np.array_equal(masks.decode_rle({"size": [3, 2], "counts": [2, 3, 0, 0, 1]}), expected)


BOMB = "P" + "o" * 5 + "4"


@pytest.mark.parametrize(
    "rle",
    [
        {},
        None,
        "P4",
        {"size": [2, 2]},
        {"counts": "04"},
        {"size": [100000, 1000000], "counts": "1"},
        {"size": [2**40, 2**40], "counts": [1]},
        {"size": [0, 4], "counts": "0"},
        {"size": [-2, -2], "counts": "04"},
        {"size": [2], "counts": "04"},
        {"size": [2, 2, 1], "counts": "04"},
        {"size": [2.0, 2], "counts": "04"},
        {"size": [True, 4], "counts": "04"},
        {"size": "22", "counts": "04"},
        {"size": [2, 2], "counts": ""},
        {"size": [2, 2], "counts": []},
        {"size": [2, 2], "counts": [3]},
        {"size": [2, 2], "counts": [5]},
        {"size": [2, 2], "counts": [-1, 5]},
        {"size": [2, 2], "counts": [2**80]},
        {"size": [2, 2], "counts": [2**63 - 1, 2**63 - 1, 6]},
        {"size": [2, 2], "counts": [2.0, 2.0]},
        {"size": [2, 2], "counts": [True, 3]},
        {"size": [2, 2], "counts": [[4]]},
        {"size": [2, 2], "counts": {"a": 4}},
        {"size": [2, 2], "counts": None},
        {"size": [2, 2], "counts": "5"},
        {"size": [2, 2], "counts": "P"},
        {"size": [2, 2], "counts": "0\x00"},
        {"size": [2, 2], "counts": "é"},
        {"size": [2, 2], "counts": BOMB},
        {"size": [2, 2], "counts": "o" * 40 + "0"},
        {"size": [2, 2], "counts": b"\xff\xff"},
    ],
)
def test_hostile_run_lengths_are_refused(rle):
    with pytest.raises(InputError):
        masks.decode_rle(rle)


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.text(st.characters(min_codepoint=44, max_codepoint=115), max_size=12)
    | st.binary(max_size=9),
)
def test_any_text_is_a_mask_or_an_input_error(size, counts):
    try:
        mask = masks.decode_rle({"size": list(size), "counts": counts})
    except InputError:
        return
    assert mask.shape == size
    assert np.array_equal(masks.decode_rle(masks.encode_rle(mask)), mask)


@given(MASKS, st.data())
def test_a_damaged_text_never_gives_a_wrong_size(mask, data):
    rle = masks.encode_rle(mask)
    text = list(rle["counts"])
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.characters(min_codepoint=40, max_codepoint=127))
    try:
        damaged = masks.decode_rle({**rle, "counts": "".join(text)})
    except InputError:
        return
    assert damaged.shape == mask.shape


@pytest.mark.parametrize(
    "mask", [np.ones((2, 2), np.uint8), np.ones((2, 2, 1), bool), np.ones((0, 2), bool)]
)
def test_only_masks_are_encoded(mask):
    with pytest.raises(InputError, match="mask must be"):
        masks.encode_rle(mask)
