"""Simulated prompts lie where a person would put them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from propagate.errors import InputError
from propagate.evaluation.prompts import check_kind, corrective_click, simulate_prompt


def rectangle(x0, y0, x1, y1, size_hw=(60, 80)):
    mask = np.zeros(size_hw, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_the_three_kinds():
    mask = rectangle(10, 20, 31, 29)
    given_mask = simulate_prompt("mask", mask, 3, 2)
    assert np.array_equal(given_mask.mask, mask)
    assert (given_mask.frame_index, given_mask.object_id) == (3, 2)
    assert simulate_prompt("box", mask, 0, 1).box.tolist() == [10, 20, 31, 29]
    click = simulate_prompt("click", mask, 0, 1)
    assert click.points_xy.tolist() == [[20.5, 24.5]] and click.labels.tolist() == [True]


def test_an_object_that_is_not_seen_cannot_be_prompted():
    with pytest.raises(InputError, match="object 4 is not seen in frame 7"):
        simulate_prompt("mask", np.zeros((5, 5), bool), 7, 4)


def test_an_unknown_kind_names_the_known_ones():
    with pytest.raises(InputError, match="mask, box, click"):
        check_kind("scribble")


def test_what_is_missing_gets_a_positive_click():
    point, positive = corrective_click(rectangle(10, 10, 20, 30), rectangle(10, 10, 41, 31))
    assert positive and rectangle(20, 10, 41, 31)[int(point[1]), int(point[0])]
    assert point.tolist() == [30.5, 20.5]


def test_what_is_too_much_gets_a_negative_click():
    prediction = rectangle(5, 5, 20, 20) | rectangle(40, 30, 61, 51)
    point, positive = corrective_click(prediction, rectangle(5, 5, 20, 20))
    assert not positive and point.tolist() == [50.5, 40.5]


def test_the_deeper_error_comes_first_though_a_thin_one_is_larger():
    truth = rectangle(10, 10, 21, 21)
    prediction = rectangle(0, 50, 80, 54)  # 320 pixels too much, at most 2 deep; 121 missing
    point, positive = corrective_click(prediction, truth)
    assert positive and point.tolist() == [15.5, 15.5]


def test_nothing_wrong_needs_no_click():
    assert corrective_click(rectangle(1, 1, 9, 9), rectangle(1, 1, 9, 9)) is None


@given(masks=arrays.arrays(bool, (2, 13, 17)))
def test_a_click_is_always_on_the_deepest_error(masks):
    prediction, truth = masks
    click = corrective_click(prediction, truth)
    wrong = prediction ^ truth
    if click is None:
        assert not wrong.any()
        return
    (x, y), positive = click
    assert truth[int(y), int(x)] == positive != prediction[int(y), int(x)]
    depths = [
        ndimage.distance_transform_edt(np.pad(error, 1))[1:-1, 1:-1]
        for error in (truth & ~prediction, prediction & ~truth)
    ]
    assert depths[0 if positive else 1][int(y), int(x)] == pytest.approx(np.max(depths), rel=1e-4)
