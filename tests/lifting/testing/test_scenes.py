"""Rendered scenes against shapes in closed form, and against themselves seen in another way."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lifting import camera as cameras
from lifting import testing
from lifting.testing.materials import Material
from lifting.testing.meshes import box, sphere
from lifting.testing.scenes import Scene, Solid
from lifting.types import Camera
from propagate.errors import MissingPackageError, SceneError
from tests.lifting import analytic

pytest.importorskip("open3d")

SIZE = (120, 160)
GREY = Material((0.5, 0.5, 0.5), (0.4, 0.4, 0.4))


@pytest.fixture(scope="module")
def table():
    return testing.table_top(seed=0)


@pytest.fixture(scope="module")
def ring(table):
    return testing.around(table, 8, SIZE)


def test_depth_and_labels_are_those_of_rays_met_in_closed_form():
    exact = analytic.Scene(
        (
            analytic.Box((-2, -2, 0), (2, 2, 3), 0, hollow=True),
            analytic.Box((-0.3, -0.2, 0.1), (0.3, 0.2, 0.5), 3),
            analytic.Ball((0, 0, 0.7), 0.2, 7),
        )
    )
    ours = Scene(
        (
            Solid(0, box(4, 4, 3), GREY),
            Solid(3, box(0.6, 0.4, 0.4), GREY, (0, 0, 0.1)),
            Solid(7, sphere(0.2), GREY, (0, 0, 0.5)),
        )
    )
    camera = testing.looking((1.1, 0.7, 1.2), (0, 0, 0.5), (240, 320))
    seen, true = ours.look(camera, detail=0), exact.look(camera)
    assert (seen.labels == true.labels).mean() > 0.998  # the ball is a polyhedron
    off = np.abs(seen.depth - true.depth)
    same = seen.labels == true.labels
    assert off[same & (true.labels != 7)].max() < 1e-5
    assert off[same & (true.labels == 7)].mean() < 2e-3
    assert seen.image is None


def test_rays_that_meet_nothing_have_no_depth_and_no_label():
    lone = Scene((Solid(3, box(0.2, 0.2, 0.2), GREY),))
    view = lone.look(testing.looking((1, 1, 0.5), (0, 0, 0.1), SIZE), detail=1)
    assert ((view.depth == 0) == (view.labels == 0)).all()
    assert 0 < (view.labels == 3).mean() < 0.2


def test_pixels_lie_on_surfaces_through_a_bent_lens_too(table, ring):
    plain = ring[0]
    bent = Camera(plain.K, plain.world_T_cam, SIZE, [-0.2, 0.05, 1e-3, -1e-3])
    for camera in (plain, bent):
        view = table.look(camera, detail=0)
        y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
        points = cameras.back_project(camera, np.c_[x.ravel(), y.ravel()], view.depth.ravel())
        _, apart = table.truth(points[view.depth.ravel() > 0])
        assert (view.depth > 0).all()
        assert np.quantile(apart, 0.99) < 1e-4


def test_the_same_seed_makes_the_same_pixels_and_another_one_others(table, ring):
    again = testing.table_top(seed=0).look(testing.around(table, 8, SIZE)[2])
    view = table.look(ring[2])
    assert np.array_equal(view.image, again.image)
    assert np.array_equal(view.depth, again.depth)
    assert np.array_equal(view.labels, again.labels)
    assert not np.array_equal(view.image, testing.table_top(seed=1).look(ring[2]).image)


def test_every_thing_is_seen_and_looks_unlike_what_is_behind_it(table, ring):
    seen = [table.look(camera, detail=1) for camera in ring]
    assert table.object_ids == (1, 2, 3, 4, 5, 6)
    assert set(table.names) == {1, 2, 3, 4, 5, 6}
    for key in table.object_ids:
        view = max(seen, key=lambda one: (one.labels == key).sum())
        mine = view.labels == key
        ring_around = np.zeros_like(mine)
        ys, xs = np.nonzero(mine)
        ring_around[max(ys.min() - 4, 0) : ys.max() + 4, max(xs.min() - 4, 0) : xs.max() + 4] = True
        others = view.image[ring_around & (view.labels == 0)].mean(0)
        assert mine.sum() > 60
        assert np.abs(view.image[mine].mean(0) - others).max() > 20


def test_light_leaves_no_part_of_a_picture_black_or_white(table, ring):
    image = table.look(ring[0]).image
    assert (image.max(-1) < 8).mean() < 0.01
    assert (image.min(-1) > 250).mean() < 0.01
    assert 70 < image.mean() < 170


def test_the_true_cloud_lies_on_its_own_surfaces(table):
    cloud = table.cloud(0.03, seed=4)
    labels, apart = table.truth(cloud.points)
    assert apart.max() < 5e-4
    # where a thing stands on the table the two share a surface
    assert (labels == cloud.labels).mean() > 0.98
    area = sum(one.placed.areas().sum() for one in table.solids)
    assert len(cloud) == pytest.approx(area / 0.03**2, rel=0.02)
    assert cloud.colours is not None


def test_points_are_seen_where_the_depth_picture_shows_them(table, ring):
    cloud = table.cloud(0.05)
    camera = ring[1]
    depth = table.look(camera, detail=0).depth
    pixels, away = cameras.project(camera, cloud.points)
    inside = cameras.in_picture(camera, pixels, cameras.to_camera(camera, cloud.points))
    y, x = pixels[inside].astype(int).T[::-1]
    shown = np.abs(depth[y, x] - away[inside]) < 0.03
    seen = table.is_seen(cloud.points, camera)
    assert not seen[~inside].any()
    assert (seen[inside] == shown).mean() > 0.97
    some = table.cloud(0.05, seen_by=ring[:3])
    assert 0 < len(some) < len(cloud)
    assert some.view_counts.min() == 1
    assert some.view_counts.max() == 3


def test_things_stand_apart_and_on_the_table():
    for seed in range(5):
        scene = testing.table_top(seed, things=9)
        things = [one for one in scene.solids if one.label]
        assert len(things) == 9
        for one in things:
            alone = Scene((one,))
            others = np.concatenate([o.placed.vertices for o in things if o is not one])
            assert alone.truth(others)[1].min() > 0.01
            assert one.placed.vertices[:, 2].min() == pytest.approx(0.72, abs=1e-6)


def test_a_room_has_furniture_with_ids_of_its_own():
    scene = testing.room(seed=2, things=3)
    assert scene.object_ids == tuple(range(1, 11))
    assert scene.names[1] == "table"
    labels = set()
    for camera in testing.around(scene, 8, SIZE):
        labels |= set(np.unique(scene.look(camera, detail=0).labels).tolist())
    assert labels == {0, *scene.object_ids}


@pytest.mark.parametrize("things", [0, 13])
def test_a_table_has_room_for_so_many(things):
    for make in (testing.table_top, testing.room):
        with pytest.raises(SceneError, match="1 to 12"):
            make(0, things)


def test_an_empty_scene_and_a_camera_that_looks_down_are_refused():
    with pytest.raises(SceneError, match="at least one"):
        Scene(())
    with pytest.raises(SceneError, match="straight"):
        testing.looking((0, 0, 2), (0, 0, 0), SIZE)


def test_without_open3d_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    scene = Scene((Solid(1, box(1, 1, 1), GREY),))
    with pytest.raises(MissingPackageError, match=r"mask-propagate\[lift\]"):
        scene.truth([[0, 0, 0]])
