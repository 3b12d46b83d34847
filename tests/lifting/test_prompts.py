"""What was lifted from some views is found in others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lifting.lifter import lift
from lifting.prompts import prompts_for, sightings
from lifting.types import LabelledCloud
from propagate.errors import SceneError
from propagate.types import Prompt
from tests.lifting.analytic import ROOM, Box, Scene, looking


@pytest.fixture(scope="module")
def known(exact_views):
    """The cloud that every other view makes."""
    return lift(exact_views[::2])


def box_of(mask):
    y, x = np.nonzero(mask)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


def box_iou(one, other):
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    common = np.prod(np.maximum(high - low, 0))
    area = np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])
    return common / (area - common)


@pytest.mark.parametrize("with_depth", [True, False])
def test_prompts_fit_views_that_were_not_lifted(known, exact_views, with_depth):
    overlaps, hits, shown, asked = [], [], 0, 0
    for index, view in enumerate(exact_views[1::2]):
        blind = view if with_depth else view.camera
        prompts = {one.object_id: one for one in prompts_for(blind, known, frame_index=index)}
        for key in np.unique(view.labels[view.labels > 0]):
            truth = view.labels == key
            if truth.sum() < 150:
                continue
            shown += 1
            if key in prompts:
                prompt = prompts[key]
                assert isinstance(prompt, Prompt) and prompt.frame_index == index
                asked += 1
                overlaps.append(box_iou(prompt.box, box_of(truth)))
                x, y = prompt.points_xy.astype(int).T
                hits += truth[y, x].tolist()
    assert asked > 0.95 * shown
    assert np.median(overlaps) > 0.85 and np.mean(hits) > 0.95


def test_hidden_and_far_objects_get_no_prompt(known):
    screen = Box((0.9, -1.0, 0.0), (1.0, 1.0, 2.4), 77)
    camera = looking((2.2, 0.0, 1.3), (0, 0, 0.8))
    open_view = Scene().look(camera)
    hidden_view = Scene((*ROOM, screen)).look(camera)
    on_table = {2, 3, 4, 5}
    assert on_table <= {one.object_id for one in prompts_for(open_view, known)}
    assert not on_table & {one.object_id for one in prompts_for(hidden_view, known)}
    away = looking((2.2, 0.0, 1.3), (4.0, 0.0, 1.3))
    assert prompts_for(away, known) == ()


def test_a_screen_of_points_hides_what_is_behind_it(known):
    y, z = np.meshgrid(np.arange(-1, 1, 0.02), np.arange(0.0, 2.4, 0.02))
    screen = np.stack([np.full(y.size, 0.95), y.ravel(), z.ravel()], 1)
    both = LabelledCloud(
        np.concatenate([known.points, screen]),
        np.concatenate([known.labels, np.full(len(screen), 77)]),
    )
    camera = looking((2.2, 0.0, 1.3), (0, 0, 0.8))
    assert not {2, 3, 4, 5} & {one.object_id for one in prompts_for(camera, both)}


def test_how_much_is_visible(known):
    view = Scene().look(looking((0.0, -1.9, 1.3), (0.0, 0.0, 0.85)))
    seen = {one.object_id: one for one in sightings(view, known, [2, 3])}
    assert 0.3 < seen[3].visible < 0.8 and seen[3].in_picture == 1
    assert list(seen) == [2, 3]


def test_one_half_of_an_object_is_enough(known, exact_views):
    half = known.select((known.labels != 6) | (known.points[:, 2] > 0.5))
    view = next(view for view in exact_views if (view.labels == 6).sum() > 1500)
    (prompt,) = prompts_for(view, half, [6])
    x, y = prompt.points_xy.astype(int).T
    assert (view.labels[y, x] == 6).all()


def test_an_unknown_object_is_refused(known, exact_views):
    with pytest.raises(SceneError, match="no object 999; it has"):
        prompts_for(exact_views[0], known, [2, 999])
    nothing = replace(known, labels=np.zeros_like(known.labels))
    assert prompts_for(exact_views[0], nothing) == ()
