"""Pictures of clouds: every object is where its camera says, in its colour, nearest in front."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lifting import camera as cameras
from lifting.export import (
    Stage,
    draw_cloud,
    stage_for,
    up_of,
    write_picture,
    write_turntable,
)
from lifting.types import Camera, LabelledCloud
from propagate.errors import OutputError, SceneError
from propagate.export._drawing import colour_of

SIZE = (120, 160)


def slab(label, place, count=40, side=0.4, colour=(200, 200, 200)):
    """A square of points across x, at a place."""
    at = np.linspace(-side / 2, side / 2, count)
    y, z = np.meshgrid(at, at)
    points = np.stack([np.zeros(count**2), y.ravel(), z.ravel()], 1) + place
    colours = np.full((count**2, 3), colour, np.uint8)
    return LabelledCloud(points.astype(np.float32), np.full(count**2, label), colours=colours)


def both(*clouds):
    return LabelledCloud(
        np.concatenate([one.points for one in clouds]),
        np.concatenate([one.labels for one in clouds]),
        colours=np.concatenate([one.colours for one in clouds]),
    )


def seen_at(image, stage, point):
    camera = stage.camera()
    (x, y), _ = (part[0] for part in cameras.project(camera, [point]))
    return image[int(y), int(x)].astype(int)


@pytest.fixture
def stage():
    """Looks along -x from +x, z up."""
    return Stage(np.zeros(3), 0.6, np.array([0, 0, 1.0]), 0.0, 0.0, SIZE)


def test_the_camera_stands_level_on_its_ring():
    stage = Stage(np.array([1.0, 2, 3]), 0.5, np.array([0, -1.0, 0]), 40, 20, SIZE)
    for turn in (0, 90, 200):
        camera = stage.camera(turn)
        pixels, depth = cameras.project(camera, [stage.middle, stage.middle + 0.1 * stage.up])
        assert np.allclose(pixels[0], [80, 60])
        assert pixels[1][0] == pytest.approx(80)
        assert pixels[1][1] < 60  # up is up
        assert depth[0] > 0.5
        height = (
            (camera.place - stage.middle) @ stage.up / np.linalg.norm(camera.place - stage.middle)
        )
        assert np.degrees(np.arcsin(height)) == pytest.approx(20)


def test_what_is_nearer_hides_what_is_behind(stage):
    near, far = slab(1, (0.3, 0, 0), 20, 0.2), slab(2, (-0.3, 0, 0))
    for cloud in (both(near, far), both(far, near)):
        image = draw_cloud(cloud, stage)
        in_front, beside = (
            seen_at(image, stage, (0.3, 0, 0)),
            seen_at(image, stage, (-0.3, 0.17, 0)),
        )
        for found, key in ((in_front, 1), (beside, 2)):
            assert np.abs(found - (0.45 * 200 + 0.55 * np.array(colour_of(key)))).max() < 4


def test_surfaces_have_no_holes_and_paper_stays_paper(stage):
    image = draw_cloud(slab(1, (0, 0, 0), count=25), stage)
    camera = stage.camera()
    corners, _ = cameras.project(camera, [(0, -0.2, 0.2), (0, 0.2, -0.2)])
    (x0, y0), (x1, y1) = np.sort(corners, axis=0).round().astype(int)
    inner = image[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].reshape(-1, 3)
    assert np.ptp(inner.astype(int), axis=0).max() <= 2
    assert (image[:, : x0 - 6] > 240).all()
    assert (image[: y0 - 6] > 240).all()


def test_what_is_no_object_fades(stage):
    cloud = both(slab(0, (0, -0.3, 0), colour=(40, 40, 40)), slab(5, (0, 0.3, 0)))
    found = seen_at(draw_cloud(cloud, stage), stage, (0, -0.3, 0))
    assert np.abs(found - (0.65 * 40 + 0.35 * np.array([246, 246, 244]))).max() < 4
    alone = cloud.select(cloud.labels == 0)
    assert np.abs(seen_at(draw_cloud(alone, stage), stage, (0, -0.3, 0)) - 40).max() < 4


def test_a_stage_shows_the_objects_whole():
    random = np.random.default_rng(0)
    things = LabelledCloud(
        (random.random((500, 3)) * [1, 2, 0.5]).astype(np.float32), np.ones(500, int)
    )
    room = LabelledCloud((random.random((500, 3)) * 20 - 10).astype(np.float32), np.zeros(500, int))
    whole = LabelledCloud(
        np.concatenate([things.points, room.points]), np.repeat([1, 0], 500).astype(np.int32)
    )
    stage = stage_for(whole, size_hw=SIZE)
    assert np.allclose(stage.middle, [0.5, 1, 0.25], atol=0.05)
    for turn in range(0, 360, 30):
        camera = stage.camera(turn)
        pixels, _ = cameras.project(camera, things.points)
        inside = cameras.in_picture(camera, pixels, cameras.to_camera(camera, things.points))
        assert inside.mean() > 0.99
    assert stage_for(room).radius > 5


def test_a_stage_stands_where_the_cameras_stood_and_looks_through_what_is_in_the_way(stage):
    thing, wall = slab(1, (0, 0, 0)), slab(0, (1.2, 0, 0), side=4.0)
    K = [[100, 0, 50], [0, 100, 50], [0, 0, 1]]
    for side in ((2.0, 0.5, 0), (-1.0, -2.0, 0)):
        ahead = -np.array(side) / np.linalg.norm(side)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([np.cross(ahead, [0, 0, 1]), [0, 0, -1], ahead], 1)
        pose[:3, 3] = side
        found = stage_for(both(thing, wall), seen_from=[Camera(K, pose, (100, 100))])
        away = found.camera().place - found.middle
        assert np.degrees(np.arctan2(away[1], away[0])) == pytest.approx(
            np.degrees(np.arctan2(side[1], side[0])), abs=0.1
        )
        assert np.allclose(found.up, [0, 0, 1])
    shown = draw_cloud(both(thing, wall), stage)
    assert np.array_equal(shown[60, 80], draw_cloud(thing, stage)[60, 80])


def test_up_is_where_people_hold_their_cameras():
    turned = np.eye(4)
    turned[:3, :3] = cv2.Rodrigues(np.array([0.2, 0, 0]))[0]
    back = np.eye(4)
    back[:3, :3] = turned[:3, :3].T
    K = [[100, 0, 50], [0, 100, 50], [0, 0, 1]]
    assert np.allclose(up_of([Camera(K, turned, SIZE), Camera(K, back, SIZE)]), [0, -1, 0])
    with pytest.raises(SceneError, match="where up is"):
        up_of([])


def test_files(tmp_path, stage):
    cloud = both(slab(1, (0.1, 0, 0)), slab(2, (-0.1, 0, 0)))
    write_picture(tmp_path / "a.png", cloud, stage)
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png"))[:, :, ::-1], draw_cloud(cloud, stage))
    write_picture(tmp_path / "a.jpg", cloud)
    assert cv2.imread(str(tmp_path / "a.jpg")).shape == (720, 960, 3)
    write_turntable(tmp_path / "a.mp4", cloud, stage, count=6)
    video = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    pictures = []
    while (read := video.read())[0]:
        pictures.append(read[1][:, :, ::-1].astype(int))
    assert len(pictures) == 6
    assert np.abs(pictures[0] - draw_cloud(cloud, stage)).mean() < 4
    assert np.abs(pictures[1] - pictures[0]).mean() > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "a.mp4", "a.png"]


def test_what_cannot_be_drawn(tmp_path, stage):
    empty = LabelledCloud(np.zeros((0, 3), np.float32), np.zeros(0, np.int32))
    with pytest.raises(SceneError, match="no point to draw"):
        draw_cloud(empty)
    with pytest.raises(SceneError, match="direction"):
        stage_for(slab(1, (0, 0, 0)), up=(0, 0, 0))
    with pytest.raises(OutputError, match="must end in"):
        write_picture(tmp_path / "a.xyz", slab(1, (0, 0, 0)), stage)
    with pytest.raises(OutputError, match="cannot be written"):
        write_picture(tmp_path / "no" / "a.png", slab(1, (0, 0, 0)), stage)
    one = LabelledCloud(np.zeros((1, 3), np.float32), np.ones(1, np.int32))
    assert draw_cloud(one, stage).shape == (*SIZE, 3)
