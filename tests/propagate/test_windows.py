"""What a window shows is the same place, in the picture and back."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from propagate.coords import Window
from propagate.logits import to_picture
from propagate.masks import box_of
from propagate.types import Evidence, Mask, Prompt
from propagate.windows import map_in, map_in_picture, mask_in_picture, prompt_in, window_around

SIZE = (480, 854)


def test_a_prompt_through_a_window_speaks_of_the_same_pixels():
    window = Window(100, 50, 300, 170)
    mask = np.zeros(SIZE, bool)
    mask[60:90, 120:200] = True
    prompt = Prompt(
        0,
        1,
        points_xy=[[130, 70], [20, 20]],
        labels=[True, False],
        box=[110, 55, 220, 100],
        mask=mask,
        evidence=Evidence(points_xy=np.array([[120.0, 60.0]], np.float32), labels=np.array([True])),
    )
    seen = prompt_in(window, prompt, SIZE)
    np.testing.assert_allclose(seen.points_xy, [[30, 20]])
    assert list(seen.labels) == [True]
    np.testing.assert_allclose(seen.box, [10, 5, 120, 50])
    assert seen.mask.shape == window.size_hw and seen.mask.sum() == mask.sum()
    np.testing.assert_allclose(seen.evidence.points_xy, [[20, 10]])
    back = mask_in_picture(Mask(1, seen.mask), window, SIZE, {})
    assert np.array_equal(back.pixels, mask)


def test_a_map_through_a_window_shows_the_same_place():
    picture = np.zeros((48, 64), np.float32)
    picture[12:24, 32:48] = 1
    window = Window(320, 120, 480, 240)  # of a picture of 480 x 640: the square alone
    np.testing.assert_allclose(map_in(window, picture, (480, 640))[3:-3, 3:-3], 1, atol=0.05)
    whole = map_in(Window.whole((480, 640)), picture, (480, 640))
    np.testing.assert_allclose(whole, picture, atol=1e-5)
    half = map_in(Window(0, 0, 640, 240), picture, (480, 640))
    expected = cv2.resize(picture[:24], (64, 48), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(half[:-2], expected[:-2], atol=0.05)


@given(st.floats(0, 460), st.floats(0, 840), st.floats(0.15, 1))
def test_a_map_of_a_window_and_back_is_the_same_place(y: float, x: float, share: float):
    window = window_around(np.array([x, y, x + 10, y + 10], np.float32), SIZE, share)
    middle = np.array([window.x0 + window.x1, window.y0 + window.y1]) / 2
    radius = 0.3 * window.size_hw[0]
    far = np.hypot(*(np.mgrid[: SIZE[0], : SIZE[1]][::-1] + 0.5 - middle[:, None, None])) - radius
    shown = cv2.resize(
        -far[window.slices].astype(np.float32), (128, 72), interpolation=cv2.INTER_AREA
    )
    back = map_in_picture(window, shown, SIZE, beyond=-9.0)
    assert abs(back.shape[0] - 72 / share) < 2 and abs(back.shape[1] - 128 / share) < 2
    sure = np.abs(far) > 0.5 + 2 / 72 * window.size_hw[0]
    np.testing.assert_array_equal(to_picture(back, SIZE)[sure], (far < 0)[sure])
    outside = np.ones(back.shape, bool)
    x0, y0, x1, y1 = window.part(SIZE)
    tall, wide = back.shape
    outside[int(y0 * tall) : int(np.ceil(y1 * tall)), int(x0 * wide) : int(np.ceil(x1 * wide))] = 0
    assert (back[outside] == -9).all()


def test_what_reaches_the_edge_of_the_picture_reaches_it_through_a_window():
    window = window_around(np.array([0, 0, 60, 60], np.float32), SIZE, 0.25)
    back = map_in_picture(window, np.ones((72, 128), np.float32), SIZE, beyond=-9.0)
    found = to_picture(back, SIZE)
    assert found[0, 0] and found[: window.y1 - 4, : window.x1 - 4].all()
    assert not found[window.y1 + 4 :].any() and not found[:, window.x1 + 4 :].any()


def test_a_small_window_of_a_large_picture_has_no_more_cells_than_are_of_use():
    size_hw, window = (2160, 3840), Window(3000, 1500, 3096, 1554)
    near = np.full((72, 128), -5, np.float32)
    near[20:52, 30:98] = 5
    whole = map_in_picture(window, near, size_hw, -10)
    assert whole.size <= 2**21
    left, top, right, bottom = 3000 + 96 * 30 / 128, 1500 + 54 * 20 / 72, 3073.5, 1539
    seen = box_of(to_picture(whole, size_hw))
    np.testing.assert_allclose(seen, [left, top, right, bottom], atol=2)
