"""What a view shows: geometry against closed forms, trust against distances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_cdt

from lifting import camera as cameras
from lifting.occlusion import Target, hidden_by_points
from lifting.settings import Settings
from lifting.types import Camera, View
from lifting.visibility import (
    NO_VOTE,
    cosines_of,
    edge_trust,
    seen_by_depth,
    seen_of_cloud,
    smoothed,
)
from propagate.errors import SceneError

SIZE = (60, 80)
CAMERA = Camera([[70, 0, 40], [0, 70, 30], [0, 0, 1]], np.eye(4), SIZE)
RAW = Settings(stride=1, smoothing=0, least_cosine=0)


def plane(normal, offset):
    """Depth of the plane normal . p = offset, and the true cosines."""
    rays = cameras.pixel_rays(CAMERA).astype(float)
    rays = np.concatenate([rays, np.ones((*SIZE, 1))], 2)
    depth = offset / (rays @ normal)
    cosine = np.abs(rays @ normal) / np.linalg.norm(rays, axis=2) / np.linalg.norm(normal)
    return depth.astype(np.float32), cosine


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.5, 5))
def test_the_angle_to_a_plane(x, y, offset):
    depth, truth = plane(np.array([x / 2, y / 2, 1.0]), offset)
    found = cosines_of(depth, cameras.pixel_rays(CAMERA), (1 / 70, 1 / 70))
    assert np.abs(found - truth)[1:-1, 1:-1].max() < 0.02


def test_jumps_of_the_depth_are_not_surface():
    depth = np.full(SIZE, 3.0, np.float32)
    depth[:, 40:] = 1.0
    view = View(CAMERA, depth, np.ones(SIZE, np.int32))
    x = seen_by_depth(view, replace(RAW, least_cosine=0.1)).points[:, 0]
    near_jump = np.abs(x) < 0.01
    assert not near_jump.any() and len(x) > 0.9 * depth.size


@pytest.mark.parametrize("lens", [[], [-0.2, 0.05, 1e-3, -1e-3]])
def test_points_of_pixels_are_back_projected(lens):
    random = np.random.default_rng(0)
    pose = np.eye(4)
    pose[:3, 3] = [1, -2, 0.5]
    camera = replace(CAMERA, distortion=lens, world_T_cam=pose)
    depth = random.uniform(1, 3, SIZE).astype(np.float32)
    samples = seen_by_depth(View(camera, depth), RAW)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    truth = cameras.back_project(camera, np.stack([x.ravel(), y.ravel()], 1), depth.ravel())
    assert np.abs(samples.points - truth).max() < 1e-5
    assert (samples.labels == NO_VOTE).all() and samples.colours is None


@given(st.integers(1, 5), st.integers(20, 40), st.integers(20, 40))
def test_samples_read_their_own_pixel(step, height, width):
    camera = replace(CAMERA, size_hw=(height, width))
    labels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    image = np.repeat((labels % 251).astype(np.uint8)[..., None], 3, 2)
    view = View(camera, np.ones((height, width), np.float32), labels, image=image)
    samples = seen_by_depth(view, replace(RAW, stride=step))
    pixels, _ = cameras.project(camera, samples.points)
    x, y = np.floor(pixels).astype(int).T
    assert np.array_equal(samples.labels, labels[y, x])
    assert np.array_equal(samples.colours, image[y, x])
    assert len(samples.labels) == len(labels[step // 2 :: step, step // 2 :: step].ravel())


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_trust_grows_with_the_distance_to_the_edge(seed, step):
    random = np.random.default_rng(seed)
    labels = np.kron(random.integers(0, 3, (4, 5)), np.ones((15, 16))).astype(np.int32)
    edges = np.zeros(labels.shape, bool)
    edges[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edges[:-1] |= labels[1:] != labels[:-1]
    edges[1:] |= labels[1:] != labels[:-1]
    apart = distance_transform_cdt(~edges, "chessboard") if edges.any() else np.full(SIZE, 99)
    trust = edge_trust(labels, step, 8)
    apart = apart[step // 2 :: step, step // 2 :: step]
    assert trust.shape == apart.shape
    assert (trust[apart > 8] == 1).all()
    assert (trust[apart < 1] <= 0.1001).all()
    assert (trust[(apart >= 2) & (apart < 7)] < 1).all()


def test_smoothing_halves_noise_and_keeps_jumps():
    random = np.random.default_rng(0)
    depth = np.full(SIZE, 2.0, np.float32)
    depth[:, 40:] = 3.0
    noisy = (depth * (1 + 0.005 * random.standard_normal(SIZE))).astype(np.float32)
    noisy[5, 5] = 0
    for step in (1, 2, 3):
        found = smoothed(noisy, step, 0.03)
        truth = depth[step // 2 :: step, step // 2 :: step]
        off = np.abs(found / truth - 1)
        assert np.median(off) < 0.6 * np.median(np.abs(noisy / depth - 1)[noisy > 0])
        assert off[found > 0].max() < 0.02
    assert smoothed(noisy, 1, 0.03)[5, 5] == 0
    assert np.array_equal(smoothed(noisy, 1, 0.0), noisy)


def sheet(z, half, gap=0.02):
    x, y = np.meshgrid(np.arange(-half, half, gap), np.arange(-half, half, gap))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], 1).astype(np.float32)


def test_a_sheet_hides_what_is_behind_it_and_nothing_else():
    front, back = sheet(1.0, 0.2), sheet(2.0, 0.8)
    points = np.concatenate([front, back])
    pixels, depth = cameras.project(CAMERA, points)
    hidden = hidden_by_points(pixels, depth, 0.02 * 70, np.full(len(depth), 0.05))
    behind = np.abs(back[:, :2]).max(axis=1)
    assert not hidden[: len(front)].any()
    assert hidden[len(front) :][behind < 0.36].all()
    assert not hidden[len(front) :][behind > 0.53].any()


def test_depth_decides_what_of_a_cloud_is_seen():
    depth = np.full(SIZE, 2.0, np.float32)
    depth[:, :20] = 0  # no measurement there
    points = np.concatenate([sheet(2.0, 0.9), sheet(1.5, 0.3), sheet(3.0, 0.5)])
    view = View(CAMERA, depth, np.full(SIZE, 4, np.int32))
    seen = seen_of_cloud(view, Target.of(points), Settings())
    assert (points[seen.indices, 2] == 2.0).all()
    assert len(np.unique(seen.indices)) == len(seen.indices)
    assert points[seen.indices, 0].min() > (20 - 40) / 70 * 2
    assert set(seen.labels) == {4}
    assert abs(Target.of(points).spacing_m - 0.02) < 1e-4


def test_a_view_without_depth_makes_no_points():
    with pytest.raises(SceneError, match="view 'a.png' has no depth"):
        seen_by_depth(View(CAMERA, name="a.png"), RAW)


def test_far_depth_is_left_out():
    depth = np.full(SIZE, 9.0, np.float32)
    depth[:30] = 2.0
    samples = seen_by_depth(View(CAMERA, depth), replace(RAW, farthest_m=5))
    assert samples.points[:, 2].max() < 5
