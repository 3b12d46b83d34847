"""The values say in one line what is wrong with what they are given."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from lifting.types import Camera, LabelledCloud, View
from propagate.errors import InputError, SceneError

K = [[60.0, 0, 40], [0, 60, 30], [0, 0, 1]]
SIZE = (60, 80)


def camera(**changes):
    return Camera(**({"K": K, "world_T_cam": np.eye(4), "size_hw": SIZE} | changes))


def turned(scale=1.0, mirrored=False):
    pose = np.eye(4)
    pose[:3, :3] *= scale
    pose[0, 0] *= -1 if mirrored else 1
    return pose


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"world_T_cam": None}, "pose.*missing"),
        ({"world_T_cam": np.eye(3)}, "pose.*shape"),
        ({"world_T_cam": np.full((4, 4), np.inf)}, "pose.*infinity"),
        ({"world_T_cam": turned(2.0)}, "not rigid"),
        ({"world_T_cam": turned(mirrored=True)}, "not rigid"),
        ({"world_T_cam": np.eye(4) + np.eye(4)[[3, 0, 1, 2]]}, "last row|rigid"),
        ({"K": np.zeros((3, 3))}, "focal lengths must be above 0"),
        ({"K": [[60, 1, 40], [0, 60, 30], [0, 0, 1]]}, "K must be"),
        ({"K": "wide"}, "K must be numbers"),
        ({"K": [60, 60, 40, 30]}, "K must have shape"),
        ({"size_hw": (0, 80)}, "size_hw"),
        ({"distortion": [0.1, 0.2]}, "distortion has 2 numbers"),
        ({"distortion": [np.nan] * 4}, "distortion holds NaN"),
    ],
)
def test_a_camera_refuses(changes, says):
    with pytest.raises(SceneError, match=says) as caught:
        camera(**changes)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, InputError)


DEPTH = np.ones(SIZE, np.float32)


def with_value(value):
    depth = DEPTH.copy()
    depth[3, 4] = value
    return depth


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"camera": None}, "camera must be a lifting.Camera"),
        ({"depth": with_value(np.nan)}, "1 pixels that are NaN"),
        ({"depth": with_value(np.inf)}, "1 pixels that are NaN or infinite"),
        ({"depth": with_value(-1)}, "depth is negative"),
        ({"depth": np.ones(SIZE, np.uint16)}, "metres as float32, got uint16"),
        ({"depth": np.ones((30, 40), np.float32)}, "depth is 30 x 40.*60 x 80"),
        ({"labels": np.ones((80, 60), np.int32)}, "labels is 80 x 60.*60 x 80"),
        ({"labels": np.ones(SIZE)}, "whole numbers"),
        ({"labels": np.full(SIZE, -1)}, "0 .none. or more"),
        ({"labels": np.full(SIZE, 2**40)}, "below 2.31"),
        ({"confidence": np.full(SIZE, 1.5)}, "confidence must lie in 0..1"),
        ({"confidence": np.full(SIZE, np.nan)}, "confidence must lie in 0..1"),
        ({"image": np.zeros((30, 40, 3), np.uint8)}, "image is 30 x 40 x 3"),
        ({"image": np.zeros(SIZE, np.uint8)}, "image must be"),
        ({"scores": {4: 1.5}}, "score of id 4"),
    ],
)
def test_a_view_refuses(changes, says):
    with pytest.raises(InputError, match=says) as caught:
        View(**({"camera": camera(), "name": "left-7"} | changes))
    assert "\n" not in str(caught.value)
    if "image must" not in says:
        assert "left-7" in str(caught.value)


def test_a_view_takes_what_files_hold():
    view = View(camera(), DEPTH.astype(np.float16), np.ones(SIZE, np.uint8), scores={1: 0.5})
    assert view.depth.dtype == np.float32 and view.labels.dtype == np.int32
    assert view.with_labels(np.zeros(SIZE, bool)).labels.max() == 0
    again = pickle.loads(pickle.dumps(view))
    assert np.array_equal(again.depth, view.depth) and dict(again.scores) == {1: 0.5}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"points": np.zeros((4, 2))}, "points must be"),
        ({"points": np.full((4, 3), np.nan)}, "NaN or infinity"),
        ({"labels": np.zeros(3, np.int32)}, "4 points, but labels"),
        ({"labels": np.zeros(4)}, "whole numbers"),
        ({"labels": np.full(4, 2**33)}, "below 2.31"),
        ({"confidence": np.zeros(5)}, "4 points, but confidence"),
        ({"view_counts": np.zeros(5)}, "4 points, but view_counts"),
        ({"colours": np.zeros((4, 3))}, "colours must be .4, 3. uint8"),
    ],
)
def test_a_cloud_refuses(changes, says):
    parts = {"points": np.zeros((4, 3)), "labels": np.zeros(4, np.int32)}
    with pytest.raises(SceneError, match=says):
        LabelledCloud(**(parts | changes))


def test_a_cloud_gives_one_object():
    points = np.arange(12).reshape(4, 3)
    colours = points.astype(np.uint8)
    cloud = LabelledCloud(points, np.array([0, 9, 300, 9]), colours=colours)
    assert cloud.object_ids == (9, 300) and len(cloud) == 4
    assert cloud.confidence.tolist() == [1] * 4 and cloud.view_counts.tolist() == [0] * 4
    one = cloud.select(cloud.labels == 9)
    assert np.array_equal(one.points, points[[1, 3]]) and np.array_equal(one.colours, one.points)
    assert len(LabelledCloud(np.zeros((0, 3)), np.zeros(0, np.int32))) == 0
