"""Errors have the size that was asked for, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lifting import testing
from lifting.testing import KINECT, Sensor
from lifting.types import View
from propagate.errors import SceneError

pytest.importorskip("open3d")

SIZE = (240, 320)


@pytest.fixture(scope="module")
def view():
    scene = testing.table_top(seed=2)
    (seen,) = scene.views(testing.around(scene, 1, SIZE), detail=1)
    return seen


def test_a_perfect_sensor_changes_nothing(view):
    same = Sensor().spoilt(view, 0)
    assert np.array_equal(same.depth, view.depth)
    assert np.array_equal(same.labels, view.labels)
    assert np.array_equal(same.image, view.image)
    assert np.array_equal(same.camera.world_T_cam, view.camera.world_T_cam)


def test_depth_noise_is_a_share_of_the_depth(view):
    noisy = Sensor(depth_share=0.01).spoilt(view, 1).depth
    off = (noisy - view.depth) / view.depth
    assert off.std() == pytest.approx(0.01, rel=0.03)
    assert abs(off.mean()) < 1e-4


def test_holes_lie_at_jumps_and_in_patches(view):
    lost = Sensor(holes=0.05).spoilt(view, 1).depth == 0
    jump = np.abs(np.diff(view.depth, axis=1)) > 0.1
    assert lost[:, 1:][jump].all()
    assert 0.05 <= lost.mean() < 0.15
    assert not Sensor(farthest_m=2.0).spoilt(view, 1).depth[view.depth > 2].any()


def test_poses_are_off_by_exactly_so_much(view):
    moved = Sensor(pose_degrees=0.5, pose_m=0.01).spoilt(view, 3).camera
    turn = Rotation.from_matrix(moved.world_T_cam[:3, :3] @ view.camera.world_T_cam[:3, :3].T)
    assert np.degrees(turn.magnitude()) == pytest.approx(0.5)
    assert np.linalg.norm(moved.place - view.camera.place) == pytest.approx(0.01)


def test_edges_move_and_insides_stay(view):
    from scipy.ndimage import distance_transform_edt

    labels = Sensor(edge_px=6.0).spoilt(view, 4).labels
    changed = labels != view.labels
    edge = np.zeros(SIZE, bool)
    edge[:, 1:] |= view.labels[:, 1:] != view.labels[:, :-1]
    edge[1:] |= view.labels[1:] != view.labels[:-1]
    away = distance_transform_edt(~edge)
    assert changed.any()
    assert away[changed].max() < 12  # 6 px of 640 are 3 of 320, and no deviation is 4 of its own


def test_the_same_seed_spoils_in_the_same_way(view):
    one, again, other = (KINECT.spoilt(view, seed) for seed in (5, 5, 6))
    assert np.array_equal(one.depth, again.depth)
    assert np.array_equal(one.image, again.image)
    assert not np.array_equal(one.depth, other.depth)
    assert 1.0 < np.abs(one.image.astype(float) - view.image).mean() < 3.0


def test_views_become_a_video_and_clicks_lie_on_their_objects(view):
    scene = testing.table_top(seed=2)
    seen = list(scene.views(testing.around(scene, 4, (90, 120), arc_degrees=40), detail=1, fps=10))
    video = list(testing.frames(seen))
    assert [frame.index for frame in video] == [0, 1, 2, 3]
    assert [frame.time_s for frame in video] == [0, 0.1, 0.2, 0.3]
    assert video[3].stem == "frame-000003"
    prompts = testing.clicks(seen[1], 1)
    assert {one.object_id for one in prompts} == set(np.unique(seen[1].labels)) - {0}
    for one in prompts:
        x, y = one.points_xy[0].astype(int)
        assert seen[1].labels[y, x] == one.object_id
    assert [one.object_id for one in testing.clicks(view, 0, [3])] == [3]


def test_the_clearest_view_is_the_one_where_the_most_hidden_object_shows_most(view):
    labels = np.zeros((3, *SIZE), np.int32)
    labels[:, :10, :100] = 1
    labels[0, 20:30, :10], labels[1, 20:30, :80], labels[2, 20:30] = 2, 2, 2
    labels[2, :10, 20:100] = 0
    seen = [view.with_labels(one) for one in labels]
    assert testing.clearest(seen) == 1  # 1 whole, 2 a quarter; elsewhere one of them less
    assert testing.clearest([view.with_labels(0 * labels[0])]) == 0
    with pytest.raises(SceneError, match="no views"):
        testing.clearest([])


def test_video_and_clicks_need_pictures_and_labels(view):
    bare = View(view.camera, view.depth, name="bare")
    with pytest.raises(SceneError, match="bare.*no picture"):
        list(testing.frames([bare]))
    with pytest.raises(SceneError, match="bare.*no labels"):
        testing.clicks(bare)
