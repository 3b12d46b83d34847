"""Views of a room of planes and balls, and what is right about them once they were read back."""

from __future__ import annotations

import numpy as np
import pytest

from lifting.camera import back_project
from tests.lifting.analytic import Scene, around
from tests.lifting.formats.writers import WRITERS

SIZE_HW = (60, 80)


@pytest.fixture(scope="session")
def shown():
    """Five exact views of 80 x 60; their K counts as ours."""
    scene = Scene()
    return [scene.look(camera) for camera in around(5, SIZE_HW)]


@pytest.fixture
def on_surfaces():
    """Check that the points of views lie on the room's surfaces, where their labels say."""

    def check(views, *, most_apart=0.002, count=5):
        scene, seen = Scene(), 0
        for view in views:
            height, width = view.size_hw
            x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
            there = view.depth > 0
            assert there.mean() > 0.5
            places = np.stack([x[there], y[there]], 1)
            points = back_project(view.camera, places, view.depth[there])
            labels, apart = scene.truth(points)
            assert apart.max() < most_apart
            if view.labels is not None:
                assert (labels == view.labels[there]).mean() > 0.97
            if view.image is not None:
                wanted = np.stack([labels * 37, labels * 91, labels * 53], -1).astype(np.uint8)
                assert (wanted == view.image[there]).all(1).mean() > 0.97
            seen += 1
        assert seen == count

    return check


@pytest.fixture
def written(tmp_path, shown):
    """Write the room in a format: the folder."""

    def write(name):
        folder = tmp_path / "scene"
        folder.mkdir()
        return WRITERS[name](folder, shown)

    return write
