"""The stress clips: the truth is exact, and what a scenario promises happens."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from propagate.errors import InputError
from propagate.testing.stress import NAMES, scenarios
from propagate.testing.stress.drawing import draw
from propagate.testing.stress.outlines import panel
from propagate.testing.stress.scenario import is_visible
from propagate.testing.stress.scene import Actor, Light, Scene

SMALL = (120, 214)


@cache
def clip(name, seed=0, size_hw=SMALL):
    return scenarios(seed, [name], size_hw)[0]


def centre(mask):
    return np.argwhere(mask).mean(axis=0)


def painted(scene, number):
    """The scene with one actor white and everything else black, and nothing but its colours."""
    tiles = [np.full((16, 16, 3), 255 * (n == number), np.uint8) for n in range(len(scene.actors))]
    actors = tuple(
        replace(actor, skin=(tile,), flat=True)
        for actor, tile in zip(scene.actors, tiles, strict=True)
    )
    black = np.zeros_like(scene.background)
    return replace(scene, actors=actors, background=black, light=Light(1, 0, 0), shadow=0)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("occlusion-5", 11),
        ("look-alikes-cross", 22),
        ("fast", 20),
        ("thin", 9),
        ("exit-return", 12),
    ],
)
def test_labels_are_what_the_colours_say(name, index):
    scene = clip(name).scene
    count = len(scene.actors)
    shares = [draw(painted(scene, n), index).image[..., 0].astype(int) for n in range(count)]
    stack = np.stack([255 - sum(shares), *shares])
    order = np.sort(stack, axis=0)
    sure = order[-1] - order[-2] > 2 + count  # levels: more than rounding may add up to
    owners = np.array([0, *(actor.object_id for actor in scene.actors)])[stack.argmax(axis=0)]
    labels = draw(scene, index).labels
    assert sure.mean() > 0.97
    assert np.array_equal(labels[sure], owners[sure])
    assert set(np.unique(labels)) == set(np.unique(owners))


def box_scene(x, *, length=2, shutter=0.0, speed=0.0):
    tile = np.full((16, 16, 3), 200, np.uint8)
    poses = np.array([[x + speed * t, 40.0, 20.0, 0.0, 0.0] for t in range(length)])
    actor = Actor(7, panel(1.0, 0.5), (tile,), poses, flat=True)
    background = np.zeros((90, 130, 3), np.uint8)
    camera = np.zeros((length, 2))
    return Scene((80, 120), background, camera, (actor,), Light(1, 0, 0), shutter, 0)


def test_a_rectangle_lies_where_it_was_put():
    drawn = draw(box_scene(60), 0)
    expected = np.zeros((80, 120), int)
    expected[30:50, 40:80] = 7
    assert np.array_equal(drawn.labels, expected)
    off = np.abs(drawn.image[..., 0] - expected // 7 * 200)
    assert off.max() <= 50 and not off[32:48, 42:78].any() and not off[:28].any()
    assert drawn.whole[7] == pytest.approx(800, rel=0.01)


def test_edges_are_as_soft_as_the_share_of_the_pixel_that_is_covered():
    for offset in (0.25, 0.5, 0.75):
        row = draw(box_scene(60 + offset), 0).image[40, :, 0]
        assert row[40] == pytest.approx(200 * (1 - offset), abs=26)
        assert row[80] == pytest.approx(200 * offset, abs=26)
    assert draw(box_scene(60.4), 0).labels[40].nonzero()[0].tolist() == list(range(40, 80))
    assert draw(box_scene(60.6), 0).labels[40].nonzero()[0].tolist() == list(range(41, 81))


def test_an_open_shutter_smears_and_the_truth_is_where_most_of_the_light_was():
    drawn = draw(box_scene(40, length=3, shutter=0.5, speed=16), 1)
    row = drawn.image[40, :, 0].astype(int)
    assert (np.diff(row[30:46]) >= 0).all() and 0 < row[36] < 200  # from 4 px before to 4 after
    assert drawn.labels[40].nonzero()[0].tolist() == list(range(36, 76))


def test_what_is_outside_or_cut_off_keeps_its_whole_area():
    inside, cut, out = (draw(box_scene(x), 0) for x in (60, 0, -40))
    assert (cut.labels == 7).sum() == 400 and not out.labels.any()
    assert inside.whole == cut.whole == out.whole


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_is_a_clip(name):
    one, other = clip(name), clip(name, seed=1)
    again = scenarios(0, [name], SMALL)[0]
    index = len(one) // 2
    first = draw(one.scene, index)
    assert np.array_equal(first.image, draw(again.scene, index).image)
    assert np.array_equal(first.labels, again.truth(index))
    assert not np.array_equal(first.image, draw(other.scene, index).image)
    assert first.image.shape == (*SMALL, 3) and first.image.dtype == np.uint8


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_there_to_be_prompted(name, seed):
    one = clip(name, seed)
    first = draw(one.scene, 0)
    labels = first.labels
    prompts = one.prompts("click")
    assert [prompt.object_id for prompt in prompts] == list(one.object_ids)
    for prompt in prompts:
        x, y = prompt.points_xy[0].astype(int)
        assert labels[y, x] == prompt.object_id
    for number in one.object_ids:
        assert (labels == number).sum() >= 0.3 * first.whole[number]


@pytest.mark.parametrize(("hidden", "seed"), [(1, 0), (1, 1), (5, 0), (20, 1), (60, 0)])
def test_an_occlusion_has_the_length_that_it_says(hidden, seed):
    one = clip(f"occlusion-{hidden}", seed)
    every = [drawn for _, drawn in one.drawn()]
    truths = [drawn.labels for drawn in every]
    gone = [not (labels == 1).any() for labels in truths]
    assert sum(gone) == hidden
    assert gone.index(True) == 12 and all(gone[12 : 12 + hidden])
    assert all((labels == 2).any() for labels in truths)
    assert [is_visible(drawn, 1) for drawn in every] == [not one for one in gone]


def test_they_leave_and_return_one_of_them_on_the_other_side():
    one = clip("exit-return")
    for number in (1, 2):
        visible = one.visible[number]
        away = np.flatnonzero(~visible)
        assert visible[0] and visible[-1] and 10 <= len(away) <= 20
        assert len(away) == away[-1] - away[0] + 1
        out, back = (one.truth(index) == number for index in (away[0] - 1, away[-1] + 1))
        sides = [centre(mask)[1] > SMALL[1] / 2 for mask in (out, back)]
        assert (sides[0] == sides[1]) == (number == 1)


@pytest.mark.parametrize(
    ("name", "swap"), [("look-alikes-cross", True), ("look-alikes-turn", False)]
)
def test_look_alikes_look_alike_and_the_first_is_in_front(name, swap):
    one = clip(name)
    behind, front = one.scene.actors
    assert behind.skin is front.skin and behind.outline is front.outline
    right = []
    for labels in (one.truth(0), one.truth(len(one) - 1)):
        right.append(centre(labels == 1)[1] > centre(labels == 2)[1])
    assert (right[0] != right[1]) == swap
    meeting = draw(one.scene, len(one) // 2)
    shares = {n: (meeting.labels == n).sum() / meeting.whole[n] for n in (1, 2)}
    assert shares[1] > 0.9 > 0.87 > shares[2]


@pytest.mark.parametrize("seed", range(3))
def test_fast_is_one_and_a_half_times_its_size_and_in_the_picture(seed):
    one = clip("fast", seed)
    centres = np.array([centre(drawn.labels == 1) for _, drawn in one.drawn()])
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    size = 2 * 0.07 * SMALL[0]
    assert 1.4 * size < steps.max() < 1.6 * size
    assert one.visible[1].all() and one.scene.shutter > 0


@pytest.mark.parametrize(("name", "factor"), [("scale-up", 8), ("scale-down", 1 / 8)])
def test_scale_changes_eightfold(name, factor):
    one = clip(name, size_hw=(240, 428))
    sizes = []
    for index in (0, len(one) - 1):
        x, y, width, height = cv2.boundingRect((one.truth(index) == 1).astype(np.uint8))
        sizes.append(max(width, height))
    assert sizes[1] / sizes[0] == pytest.approx(factor, rel=0.2)


def test_thin_is_thin():
    labels = clip("thin", size_hw=(480, 854)).truth(3)
    for number in (1, 2):
        depth = cv2.distanceTransform((labels == number).astype(np.uint8), cv2.DIST_L2, 5)
        assert np.percentile(depth[depth > 0], 95) < 5 and (labels == number).sum() > 2000


def test_low_light_is_dark_and_noisy():
    dark, usual = clip("low-light"), clip("sixteen")
    images = [next(one.frames()).image for one in (dark, usual)]
    assert images[0].mean() < 0.45 * images[1].mean()
    noise = [
        float(np.abs(cv2.Laplacian(i.mean(axis=2), cv2.CV_64F)).mean() / i.mean()) for i in images
    ]
    assert noise[0] > 2 * noise[1]


def test_sixteen_are_sixteen_that_differ():
    one = clip("sixteen")
    drawn = draw(one.scene, 0)
    assert one.object_ids == tuple(range(1, 17))
    colours = [drawn.image[drawn.labels == number].mean(axis=0) for number in one.object_ids]
    gaps = [np.abs(a - b).max() for n, a in enumerate(colours) for b in colours[:n]]
    assert np.mean(gaps) > 50


def test_frames_come_in_order_with_times():
    frames = list(clip("occlusion-1").frames())
    assert [frame.index for frame in frames] == list(range(25))
    assert frames[5].time_s == pytest.approx(0.2)


def test_families_of_names():
    found = scenarios(0, ["occlusion", "fast", "occlusion-5"], SMALL)
    assert [one.name for one in found] == [
        "occlusion-1", "occlusion-5", "occlusion-20", "occlusion-60", "fast",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"names": ["oclusion-5"]}, "occlusion-5"),
        ({"size_hw": (32, 900)}, "64 pixels"),
        ({"seed": -1}, "seed of 0"),
    ],
)
def test_impossible_suites_are_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        scenarios(**wrong)
