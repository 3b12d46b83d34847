"""The camera against OpenCV and Open3D, and against itself."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from lifting import camera as cameras
from lifting.types import Camera
from propagate.errors import SceneError

SIZE = (480, 640)
LENSES = {
    "none": [],
    "four": [-0.28, 0.07, 2e-4, -3e-4],
    "five": [0.262, -0.953, -0.005, 0.0026, 1.163],  # a Kinect
    "eight": [0.5, -2.6, 5e-4, -2e-4, 1.5, 0.38, -2.4, 1.4],  # an Azure Kinect
}


def a_camera(seed=0, lens="none", size_hw=SIZE):
    random = np.random.default_rng(seed)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    pose[:3, 3] = random.uniform(-3, 3, 3)
    K = [[525.3, 0, 318.2], [0, 531.9, 247.7], [0, 0, 1]]
    return Camera(K, pose, size_hw, LENSES[lens])


def points_seen(camera, count, seed=0):
    """Points of the world that fall in the picture, by the ideal camera."""
    random = np.random.default_rng(seed)
    bent = random.uniform([-0.5, -0.4], [0.5, 0.4], (count, 2))
    depth = random.uniform(0.3, 8, (count, 1))
    in_cam = np.concatenate([bent * depth, depth], axis=1)
    return in_cam @ camera.world_T_cam[:3, :3].T + camera.place


@given(st.integers(0, 10_000), st.sampled_from(sorted(LENSES)))
def test_projects_as_opencv(seed, lens):
    camera = a_camera(seed, lens)
    points = points_seen(camera, 50, seed)
    rotation, _ = cv2.Rodrigues(camera.cam_T_world[:3, :3])
    theirs, _ = cv2.projectPoints(
        points, rotation, camera.cam_T_world[:3, 3], cameras.to_opencv(camera.K), camera.distortion
    )
    ours, depth = cameras.project(camera, points)
    assert np.abs(ours - (theirs[:, 0] + 0.5)).max() < 1e-9
    assert (depth > 0).all()


@given(st.integers(0, 10_000), st.sampled_from(sorted(LENSES)))
def test_back_projecting_is_the_inverse(seed, lens):
    camera = a_camera(seed, lens)
    points = points_seen(camera, 50, seed)
    pixels, depth = cameras.project(camera, points)
    assert np.abs(cameras.back_project(camera, pixels, depth) - points).max() < 1e-9


@pytest.mark.parametrize("lens", sorted(LENSES))
def test_the_lens_is_taken_out_as_by_opencv(lens):
    camera = a_camera(lens=lens)
    pixels = np.random.default_rng(0).uniform(100, 380, (200, 2))
    rules = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-15)
    lens_there = np.asarray(LENSES[lens] or np.zeros(4))
    theirs = cv2.undistortPoints(
        pixels - 0.5, cameras.to_opencv(camera.K), lens_there, criteria=rules
    )
    assert np.abs(cameras.to_ideal(camera, pixels) - theirs[:, 0]).max() < 1e-9


def test_where_the_lens_leaves_no_ray_there_is_nan():
    strong = Camera([[300, 0, 320], [0, 300, 240], [0, 0, 1]], np.eye(4), SIZE, [-0.5, 0, 0, 0])
    rays = cameras.pixel_rays(strong)
    assert np.isfinite(rays[240, 320]).all()
    assert np.isnan(rays[0, 0]).all()  # x (1 - r² / 2) never reaches that far


def test_points_far_outside_do_not_come_back_through_the_lens():
    camera = Camera([[500, 0, 320], [0, 500, 240], [0, 0, 1]], np.eye(4), SIZE, [-0.3, 0, 0, 0])
    beside = np.array([[1.79, 0.1, 1.0], [0.1, 0.1, 1.0], [0.1, 0.1, -1.0]])
    pixels, _ = cameras.project(camera, beside)
    assert 0 < pixels[0, 0] < 640 and 0 < pixels[0, 1] < 480
    assert np.isnan(pixels[2]).all()
    assert cameras.in_picture(camera, pixels, beside).tolist() == [False, True, False]


def test_rays_of_pixels_are_open3ds():
    open3d = pytest.importorskip("open3d")
    camera = a_camera(3)
    tensor = open3d.core.Tensor
    rays = open3d.t.geometry.RaycastingScene.create_rays_pinhole(
        tensor(camera.K), tensor(camera.cam_T_world), SIZE[1], SIZE[0]
    ).numpy()
    ours = np.concatenate([cameras.pixel_rays(camera), np.ones((*SIZE, 1))], axis=2)
    assert np.abs(ours @ camera.world_T_cam[:3, :3].T - rays[..., 3:]).max() < 1e-6
    assert np.abs(rays[..., :3] - camera.place).max() < 1e-6


def test_depth_pictures_lie_where_open3d_puts_them():
    open3d = pytest.importorskip("open3d")
    camera = a_camera(5)
    depth = np.random.default_rng(0).uniform(0.5, 3, SIZE).astype(np.float32)
    cloud = open3d.t.geometry.PointCloud.create_from_depth_image(
        open3d.t.geometry.Image(depth),
        open3d.core.Tensor(cameras.to_opencv(camera.K)),
        open3d.core.Tensor(camera.cam_T_world),
        depth_scale=1.0,
        depth_max=100.0,
    )
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    ours = cameras.back_project(camera, np.stack([x.ravel(), y.ravel()], 1), depth.ravel())
    theirs = cloud.point.positions.numpy()  # float32, in the order of its threads
    assert len(theirs) == len(ours)
    assert cKDTree(theirs).query(ours[::7])[0].max() < 1e-5


def test_a_centred_camera_looks_along_the_middle():
    camera = Camera([[50, 0, 40], [0, 50, 30], [0, 0, 1]], np.eye(4), (60, 80))
    assert cameras.back_project(camera, [[40, 30]], [2.0]).tolist() == [[0, 0, 2]]
    rays = cameras.pixel_rays(camera)
    assert np.allclose(rays, -rays[::-1, ::-1])


@given(st.tuples(st.integers(10, 900), st.integers(10, 900)), st.sampled_from(sorted(LENSES)))
def test_a_resized_camera_sees_the_same(size, lens):
    camera = a_camera(1, lens)
    small = cameras.resized(camera, size)
    points = points_seen(camera, 20)
    ratio = np.divide(size, SIZE)[::-1]
    assert np.allclose(
        cameras.project(small, points)[0], cameras.project(camera, points)[0] * ratio
    )
    assert small.size_hw == size


def test_axes_of_opengl():
    pose = cameras.from_opengl(np.eye(4))
    camera = Camera([[50, 0, 40], [0, 50, 30], [0, 0, 1]], pose, (60, 80))
    pixels, depth = cameras.project(camera, [[0.2, 0.1, -1.0]])  # right, up, ahead
    assert depth.tolist() == [1.0]
    assert pixels.tolist() == [[50.0, 25.0]]
    turned = a_camera().world_T_cam
    assert np.array_equal(cameras.to_opengl(cameras.from_opengl(turned)), turned)


def test_conventions_of_pixels_are_inverse():
    assert np.array_equal(cameras.from_opencv(cameras.to_opencv(a_camera().K)), a_camera().K)


def test_rays_are_shared_and_protected():
    camera = a_camera(2, "five")
    assert cameras.pixel_rays(camera) is cameras.pixel_rays(a_camera(9, "five"))
    with pytest.raises(ValueError, match="read-only"):
        cameras.pixel_rays(camera)[0, 0] = 1


def test_a_size_without_pixels_is_refused():
    with pytest.raises(SceneError, match="1 or more"):
        cameras.resized(a_camera(), (0, 5))
