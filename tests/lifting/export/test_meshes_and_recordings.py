"""Meshes lie on the true surface, walls behind a bad mask stay out; recordings can be opened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from lifting import testing
from lifting.export import object_meshes, write_mesh, write_rrd
from lifting.lifter import lift
from lifting.settings import Settings
from lifting.testing.materials import Material
from lifting.testing.meshes import box, sphere
from lifting.testing.scenes import Scene, Solid
from lifting.types import View
from propagate.errors import SceneError

open3d = pytest.importorskip("open3d")

RED = Material((0.8, 0.1, 0.1), (0.7, 0.1, 0.1))
GREY = Material((0.6, 0.6, 0.6), (0.5, 0.5, 0.5))


@pytest.fixture(scope="module")
def scene():
    """A ball on a floor, and a box."""
    return Scene(
        (
            Solid(0, box(4, 4, 0.1), GREY, (0, 0, -0.1)),
            Solid(1, sphere(0.2), RED),
            Solid(2, box(0.2, 0.3, 0.25), GREY, (0.5, 0.1, 0)),
        ),
        middle=(0.2, 0, 0.15),
        reach=1.0,
    )


@pytest.fixture(scope="module")
def views(scene):
    return [scene.look(one, detail=1) for one in testing.around(scene, 12, (240, 320))]


@pytest.fixture(scope="module")
def cloud(views):
    return lift(views, settings=Settings(voxel_m=0.015, stride=1))


def test_meshes_lie_on_the_surface(scene, views, cloud, tmp_path):
    ball, brick = object_meshes(views, cloud)
    assert (ball.object_id, brick.object_id) == (1, 2)
    for mesh in (ball, brick):
        labels, apart = scene.truth(mesh.vertices)
        assert (labels == mesh.object_id).mean() > 0.97
        assert np.median(apart) < 0.002
    away = np.linalg.norm(ball.vertices - [0, 0, 0.2], axis=1)
    assert np.median(away) == pytest.approx(0.2, abs=0.002)
    # the other side of what is covered: points of the true ball have a vertex near them
    upper = scene.cloud(0.02)
    upper = upper.points[(upper.labels == 1) & (upper.points[:, 2] > 0.1)]
    nearest = np.linalg.norm(upper[:, None] - ball.vertices[None], axis=2).min(1)
    assert np.quantile(nearest, 0.98) < 0.02
    # red, and facing outwards
    assert ball.colours[:, 0].mean() > 2 * ball.colours[:, 1].mean()
    a, b, c = (ball.vertices[ball.triangles[:, k]] for k in range(3))
    facing = (np.cross(b - a, c - a) * (a - [0, 0, 0.2])).sum(1)
    assert (facing > 0).mean() > 0.95


def test_a_mesh_file_is_read_by_open3d(views, cloud, tmp_path):
    (ball,) = object_meshes(views, cloud, [1])
    write_mesh(tmp_path / "ball.ply", ball)
    theirs = open3d.io.read_triangle_mesh(str(tmp_path / "ball.ply"))
    assert np.allclose(np.asarray(theirs.vertices), ball.vertices)
    assert np.array_equal(np.asarray(theirs.triangles), ball.triangles)
    assert np.allclose(np.asarray(theirs.vertex_colors) * 255, ball.colours)
    write_mesh(tmp_path / "plain.ply", replace(ball, colours=None))
    assert not open3d.io.read_triangle_mesh(str(tmp_path / "plain.ply")).has_vertex_colors()


def test_one_bad_mask_brings_no_floor_with_it(scene, views, cloud):
    ball = maximum_filter(views[0].labels == 1, 31)
    swollen = np.where(ball & (views[0].labels == 0), 1, views[0].labels)
    spoilt = [views[0].with_labels(swollen), *views[1:]]
    assert (swollen == 1).sum() > 1.5 * (views[0].labels == 1).sum()
    (ball,) = object_meshes(spoilt, lift(spoilt, settings=Settings(voxel_m=0.015)), [1])
    assert (scene.truth(ball.vertices)[0] == 1).mean() > 0.95
    assert np.abs(ball.vertices - [0, 0, 0.2]).max() < 0.25


def test_a_lens_with_distortion(scene, cloud):
    bent = [
        replace(one, distortion=np.array([-0.25, 0.08, 0, 0]))
        for one in testing.around(scene, 12, (240, 320))
    ]
    (ball,) = object_meshes([scene.look(one, detail=0) for one in bent], cloud, [1])
    assert ball.colours is None
    away = np.linalg.norm(ball.vertices - [0, 0, 0.2], axis=1)
    assert np.median(np.abs(away - 0.2)) < 0.003


def test_what_has_no_mesh(views, cloud):
    with pytest.raises(SceneError, match="no object 9"):
        object_meshes(views, cloud, [9])
    with pytest.raises(SceneError, match="no view has depth"):
        object_meshes([View(views[0].camera)], cloud)
    away = testing.looking((5, 5, 1), (9, 9, 1), (240, 320))
    assert object_meshes([View(away, np.ones((240, 320), np.float32))], cloud) == ()


def test_a_recording_is_written_whole(tmp_path, views, cloud):
    pytest.importorskip("rerun")
    write_rrd(tmp_path / "a.rrd", cloud, views[:2])
    assert (tmp_path / "a.rrd").read_bytes()[:4] == b"RRF2"
    assert (tmp_path / "a.rrd").stat().st_size > 12 * len(cloud)
    assert [path.name for path in tmp_path.iterdir()] == ["a.rrd"]
