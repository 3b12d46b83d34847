"""Shapes of objects against boxes that are known and against Open3D's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lifting.export import shapes_of, write_shapes
from lifting.types import LabelledCloud


def cloud_of(*parts):
    points = np.concatenate(parts).astype(np.float32)
    labels = np.repeat(np.arange(1, len(parts) + 1), [len(part) for part in parts])
    return LabelledCloud(points, labels)


def brick(random, sides, count=3000):
    """Points on the surface of a box around 0, its corners among them."""
    points = random.uniform(-0.5, 0.5, (count, 3))
    axis = random.integers(0, 3, count)
    points[np.arange(count), axis] = np.where(random.random(count) < 0.5, -0.5, 0.5)
    corners = [[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]
    return np.concatenate([points, corners]) * sides


@pytest.mark.parametrize("seed", range(5))
def test_a_turned_box_is_found_again(seed):
    random = np.random.default_rng(seed)
    sides, place = np.array([0.3, 0.2, 0.1]), random.uniform(-2, 2, 3)
    turn = Rotation.random(random_state=seed).as_matrix()
    (shape,) = shapes_of(cloud_of(brick(random, sides) @ turn.T + place))
    assert np.allclose(shape.extent, sides, atol=2e-4)
    assert np.allclose(shape.centre, place, atol=2e-4)
    assert np.allclose(np.abs(shape.axes.T @ turn), np.eye(3), atol=5e-3)
    assert np.linalg.det(shape.axes) == pytest.approx(1)
    assert np.allclose(shape.axes @ shape.axes.T, np.eye(3), atol=1e-9)
    assert shape.hull_volume == pytest.approx(0.006, rel=1e-3)
    assert (shape.low <= shape.centroid).all()
    assert (shape.centroid <= shape.high).all()


@pytest.mark.parametrize("seed", range(6))
def test_boxes_are_as_small_as_open3ds_and_hold_all_points(seed):
    open3d = pytest.importorskip("open3d")
    random = np.random.default_rng(seed)
    points = (
        random.normal(size=(400, 3))
        * [1, 0.5, 0.3]
        @ Rotation.random(random_state=seed).as_matrix()
    )
    (shape,) = shapes_of(cloud_of(points))
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
    theirs = cloud.get_minimal_oriented_bounding_box()
    assert np.prod(shape.extent) <= 1.02 * theirs.volume()
    assert np.prod(shape.extent) <= cloud.get_oriented_bounding_box().volume() + 1e-9
    inside = (points - shape.centre) @ shape.axes
    assert (np.abs(inside) <= shape.extent / 2 + 1e-6).all()
    box = cloud.get_axis_aligned_bounding_box()
    assert np.allclose(shape.low, box.min_bound, atol=1e-6)
    assert np.allclose(shape.high, box.max_bound, atol=1e-6)


def test_flat_thin_and_tiny_objects_have_boxes_too():
    random = np.random.default_rng(0)
    flat = np.c_[random.uniform(0, 1, (100, 2)), np.zeros(100)]
    line = np.linspace(0, 1, 20)[:, None] * [1, 2, 2]
    plane, rod, three, dot = shapes_of(cloud_of(flat, line, np.eye(3), np.ones((1, 3))))
    assert plane.hull_volume == 0
    assert plane.extent[2] == pytest.approx(0, abs=1e-6)
    assert rod.extent == pytest.approx([3, 0, 0], abs=1e-5)
    assert three.points == 3
    assert np.allclose(dot.extent, 0)
    for shape in (plane, rod, three, dot):
        assert np.isfinite(shape.axes).all()
        assert np.linalg.det(shape.axes) == pytest.approx(1)


def test_the_json_says_what_the_shapes_are(tmp_path):
    random = np.random.default_rng(1)
    cloud = cloud_of(brick(random, [0.3, 0.2, 0.1]), brick(random, [1, 1, 2]) + 4)
    write_shapes(tmp_path / "boxes.json", cloud)
    found = json.loads((tmp_path / "boxes.json").read_text())
    assert found["unit"] == "m"
    assert [one["id"] for one in found["objects"]] == [1, 2]
    second, shape = found["objects"][1], shapes_of(cloud)[1]
    assert second["points"] == 3008
    assert second["box_volume"] == pytest.approx(2, rel=1e-3)
    assert second["hull_volume"] == pytest.approx(2, rel=1e-3)
    assert second["centroid"] == pytest.approx(shape.centroid, abs=1e-6)
    assert second["oriented_box"]["extent"] == pytest.approx([2, 1, 1], abs=1e-3)
    assert np.allclose(second["oriented_box"]["axes"], shape.axes, atol=1e-6)
    assert second["axis_aligned_box"]["low"] == pytest.approx(shape.low, abs=1e-6)
    write_shapes(tmp_path / "none.json", cloud.select(cloud.labels == 9))
    assert json.loads((tmp_path / "none.json").read_text())["objects"] == []
