"""Views become a cloud whose labels are right, in any order, at once or one by one."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from lifting.lifter import Lifter, lift
from lifting.settings import Settings
from lifting.types import LabelledCloud
from propagate.errors import ConfigError, SceneError
from tests.lifting.analytic import ROOM, Ball, Scene, looking


def right(scene, cloud):
    """The share of points with the true label: of all, and of those on or taken for objects."""
    truth, _ = scene.truth(cloud.points)
    good = cloud.labels == truth
    objects = (truth > 0) | (cloud.labels > 0)
    return good.mean(), good[objects].mean()


def unlabelled(cloud):
    return LabelledCloud(cloud.points, np.zeros(len(cloud), np.int32), colours=cloud.colours)


@pytest.fixture(scope="module")
def exact_cloud(exact_views):
    return lift(exact_views)


def test_exact_masks_and_depth(scene, exact_cloud):
    everywhere, on_objects = right(scene, exact_cloud)
    assert everywhere > 0.99 and on_objects > 0.99
    assert np.percentile(scene.truth(exact_cloud.points)[1], 99) < 0.005
    assert set(exact_cloud.object_ids) == {shape.label for shape in ROOM} - {0}


def test_as_a_sensor_sees_it(scene, spoilt_views):
    everywhere, on_objects = right(scene, lift(spoilt_views))
    assert everywhere > 0.98 and on_objects > 0.96


def test_every_surface_that_is_seen_twice_is_there(exact_views, exact_cloud):
    near = [replace(view, depth=np.where(view.depth < 2, view.depth, 0)) for view in exact_views]
    some = lift(near, settings=Settings(stride=4, least_views=1, least_support=0))
    apart, _ = cKDTree(exact_cloud.points).query(some.points[some.view_counts > 2])
    assert np.percentile(apart, 99) < 0.02


def test_colours_and_counts_and_confidence(exact_views, exact_cloud):
    table = exact_cloud.select(exact_cloud.labels == 1)
    assert np.median(np.abs(table.colours.astype(int) - [37, 91, 53])) == 0
    assert exact_cloud.view_counts.max() <= len(exact_views)
    sure, unsure = exact_cloud.view_counts > 12, exact_cloud.view_counts == 1
    assert exact_cloud.confidence[sure].mean() > 0.85 > 0.55 > exact_cloud.confidence[unsure].max()
    bare = lift([replace(view, image=None) for view in exact_views[:2]])
    assert bare.colours is None


@pytest.mark.parametrize("given", [False, True])
def test_batch_equals_incremental_through_a_pickle(spoilt_views, exact_cloud, given):
    cloud = unlabelled(exact_cloud) if given else None
    lifter = Lifter()
    state = lifter.start(cloud)
    for number, view in enumerate(spoilt_views):
        before = state
        state = lifter.update(state, view)
        assert before.views == number and state.views == number + 1
        if number == 11:
            state = pickle.loads(pickle.dumps(state))
    one_by_one, at_once = lifter.cloud(state), lift(iter(spoilt_views), cloud=cloud)
    assert np.array_equal(one_by_one.points, at_once.points)
    assert np.array_equal(one_by_one.labels, at_once.labels)
    assert np.array_equal(one_by_one.confidence, at_once.confidence)


def test_an_old_state_stays_what_it_was(exact_views):
    lifter = Lifter()
    early = lifter.update(lifter.update(lifter.start(), exact_views[0]), exact_views[1])
    cloud = lifter.cloud(early)
    later = early
    for view in exact_views[2:]:
        later = lifter.update(later, view)
    again = lifter.cloud(early)
    assert np.array_equal(cloud.points, again.points) and np.array_equal(cloud.labels, again.labels)
    assert len(lifter.cloud(later)) > len(cloud)


def test_any_order_of_views(spoilt_views, exact_cloud):
    order = np.random.default_rng(1).permutation(len(spoilt_views))
    shuffled = [spoilt_views[n] for n in order]
    cloud = unlabelled(exact_cloud.select(slice(None, None, 3)))
    one, other = lift(spoilt_views, cloud=cloud), lift(shuffled, cloud=cloud)
    assert (one.labels != other.labels).mean() < 1e-3
    one, other = lift(spoilt_views), lift(shuffled)
    assert abs(len(one) - len(other)) < 1e-3 * len(one)
    apart, at = cKDTree(one.points).query(other.points)
    assert (apart > 1e-4).mean() < 1e-3
    assert (one.labels[at] != other.labels).mean() < 1e-3


def test_a_given_cloud_keeps_its_points(scene, exact_views, exact_cloud):
    cloud = unlabelled(exact_cloud)
    labelled = lift(exact_views, cloud=cloud)
    assert labelled.points is cloud.points and labelled.colours is cloud.colours
    assert right(scene, labelled)[1] > 0.99


def test_a_given_cloud_hides_itself_where_views_have_no_depth(scene, exact_views, exact_cloud):
    blind = [replace(view, depth=None) for view in exact_views]
    labelled = lift(blind, cloud=unlabelled(exact_cloud))
    assert right(scene, labelled)[1] > 0.98
    assert (labelled.view_counts == 0).mean() < 0.01


def test_points_that_no_view_sees_have_no_label(exact_views):
    outside = np.random.default_rng(0).uniform(-1, 1, (50, 3)) + [0, 0, 30]
    inside = lift(exact_views[:1]).points[:50]
    cloud = LabelledCloud(np.concatenate([outside, inside]), np.zeros(100, np.int32))
    labelled = lift(exact_views, cloud=cloud)
    assert not labelled.view_counts[:50].any() and not labelled.labels[:50].any()
    assert labelled.view_counts[50:].all()


def test_what_the_mask_leaks_onto_the_wall_is_taken_back():
    """A ball in the middle whose mask is too large by a ring, always on the same side."""
    scene = Scene((ROOM[0], Ball((0, 0, 1.3), 0.3, 7)))
    views = []
    for x in np.linspace(-0.2, 0.2, 8):
        view = scene.look(looking((x - 2, 0, 1.3), (0, 0, 1.3)))
        labels = view.labels.copy()
        labels[:, 3:] = np.maximum(labels[:, 3:], labels[:, :-3])
        views.append(replace(view, labels=labels))
    kept = lift(views, settings=Settings(least_fragment=0))
    clean = lift(views)
    far = kept.select(kept.labels == 7).points[:, 0] > 0.6
    assert far.sum() > 50
    ball = clean.select(clean.labels == 7)
    assert len(ball) > 200 and ball.points[:, 0].max() < 0.6


def test_floating_points_are_dropped(exact_views):
    view = exact_views[0]
    depth = view.depth.copy()
    depth[100:103, 100:103] = 0.4  # a speck in the air
    speck = lift([replace(view, depth=depth)], settings=Settings(least_floater=0, least_cosine=0))
    clean = lift([replace(view, depth=depth)], settings=Settings(least_cosine=0))
    place = view.camera.place

    def nearest(cloud):
        return np.linalg.norm(cloud.points - place, axis=1).min()

    assert nearest(speck) < 0.5 < nearest(clean)


def test_scores_decide_between_views(exact_views):
    view, whole = exact_views[0], Settings(least_fragment=0)
    sure = view.with_labels(np.full(view.size_hw, 4), {4: 0.9})
    unsure = view.with_labels(np.full(view.size_hw, 2**31 - 1), {2**31 - 1: 0.3})
    assert set(lift([sure, unsure], settings=whole).labels) == {4}
    soft = replace(sure, confidence=np.full(view.size_hw, 0.1, np.float32))
    assert set(lift([soft, unsure], settings=whole).labels) == {2**31 - 1}


def test_what_pixels_without_object_say(exact_views):
    view = exact_views[0]
    votes = [view.with_labels(np.full(view.size_hw, label)) for label in (0, 0, 0, 9)]
    assert set(lift(votes).labels) == {0}
    unknown = Settings(unlabelled="unknown", least_fragment=0)
    assert set(lift(votes, settings=unknown).labels) == {9}


def refused(says, views, **options):
    with pytest.raises(SceneError, match=says) as caught:
        lift(views, **options)
    assert "\n" not in str(caught.value)


def test_bad_input_gets_one_line(exact_views):
    view = exact_views[0]
    refused("no views", [])
    refused("none of the 2 views has labels", [replace(view, labels=None)] * 2)
    refused("no depth", [replace(view, depth=None)])
    refused("show no point", [replace(view, depth=np.zeros_like(view.depth))])
    refused("must be lifting.View", [view, "frame.png"])
    empty = LabelledCloud(np.zeros((0, 3)), np.zeros(0, np.int32))
    refused("0 points", [view], cloud=empty)
    away = LabelledCloud(np.ones((9, 3)) * 500, np.zeros(9, np.int32))
    refused("show no point", [view], cloud=away)
    pose = view.camera.world_T_cam.copy()
    pose[0, 3] = 1e6
    far = replace(view, camera=replace(view.camera, world_T_cam=pose))
    refused("too far for voxels", [far])


@pytest.mark.parametrize(
    "wrong",
    [{"voxel_m": 0}, {"stride": -1}, {"unlabelled": "air"}, {"least_fragment": 1.0}],
)
def test_settings_refuse(wrong):
    with pytest.raises(ConfigError):
        Settings(**wrong)


def test_the_function_is_not_shadowed_by_a_module():
    import lifting.lifter

    assert callable(lifting.lift)
