"""What a tracker took for the object elsewhere goes; what was clicked stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lifting.anchors import anchored
from lifting.lifter import lift
from lifting.types import LabelledCloud, View
from propagate.errors import SceneError
from tests.lifting.analytic import looking


@pytest.fixture(scope="module")
def misled(exact_views):
    """The views as tracked: from the sixth on, 9 is taken for 2 (another ball), 2 for nothing."""
    wrong = [
        view.with_labels(np.select([view.labels == 9, view.labels == 2], [2, 0], view.labels))
        for view in exact_views[6:]
    ]
    return [*exact_views[:6], *wrong]


def best(views, key):
    return max(views, key=lambda view: (view.labels == key).sum())


def test_a_look_alike_elsewhere_is_dropped(scene, misled, exact_views):
    cloud = lift(misled)
    truth, _ = scene.truth(cloud.points)
    alike = (cloud.labels == 2) & (truth == 9)
    assert alike.sum() > 50  # votes alone are led astray
    clicked = best(exact_views[:6], 2)
    cleaned = anchored(cloud, clicked)
    assert not (cleaned.labels[alike] == 2).any()
    assert (cleaned.confidence[alike] == 0).all()
    own = (cloud.labels == 2) & (truth == 2)
    assert (cleaned.labels[own] == 2).mean() > 0.95
    others = (cloud.labels != 2) & (cloud.labels > 0) & ~np.isin(cloud.labels, clicked.labels)
    assert np.array_equal(cleaned.labels[others], cloud.labels[others])
    assert np.array_equal(cleaned.points, cloud.points)


def test_a_right_cloud_stays_as_it_is(exact_views):
    cloud = lift(exact_views)
    cleaned = anchored(cloud, [best(exact_views, key) for key in cloud.object_ids])
    assert (cleaned.labels == cloud.labels).mean() > 0.999
    assert set(cleaned.object_ids) == set(cloud.object_ids)


def test_parts_that_lie_near_stay():
    """A chair's back is seen, its seat hangs a little apart; a second chair stands far away."""
    at = np.stack(np.meshgrid(np.arange(20), np.arange(20)), -1).reshape(-1, 2) * 0.02
    flat = np.c_[at, np.zeros(len(at))]
    points = np.concatenate([flat, flat + [0.55, 0, 0], flat + [3, 0, 0]]).astype(np.float32)
    cloud = LabelledCloud(points, np.full(len(points), 1, np.int32))
    camera = looking((0.2, 0.21, 1.0), (0.2, 0.2, 0.0))
    labels = np.zeros((240, 320), np.int32)
    labels[:, 100:] = 1
    view = View(camera, labels=labels)
    kept = anchored(cloud, view).labels.reshape(3, -1)
    assert (kept[0] == 1).all()
    half = np.hypot(0.38, 0.38) / 2
    assert np.array_equal(kept[1] == 1, points[400:800, 0] - 0.38 < half)
    assert 0.2 < (kept[1] == 1).mean() < 0.9
    assert (kept[2] == 0).all()
    strict = anchored(cloud, view, reach=0).labels.reshape(3, -1)
    assert (strict[0] == 1).all()
    assert (strict[1:] == 0).all()


def test_objects_that_the_view_does_not_show_are_left_alone(exact_views):
    cloud = lift(exact_views)
    empty = exact_views[0].with_labels(np.zeros_like(exact_views[0].labels))
    assert np.array_equal(anchored(cloud, empty).labels, cloud.labels)
    with pytest.raises(SceneError, match="no labels"):
        anchored(cloud, replace(exact_views[0], labels=None))
