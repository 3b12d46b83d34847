"""One room, looked at from all sides, and the same as a sensor would have seen it."""

from __future__ import annotations

import pytest

from lifting.types import View
from tests.lifting.analytic import Scene, around, spoilt


@pytest.fixture(scope="session")
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope="session")
def exact_views(scene) -> list[View]:
    """24 views of 320 x 240 with exact depth and masks."""
    return [scene.look(camera) for camera in around(24)]


@pytest.fixture(scope="session")
def spoilt_views(exact_views) -> list[View]:
    """The same with 1 % depth noise, mask edges 5 px off, and poses wrong by 0.5° and 1 cm."""
    return [spoilt(view, seed) for seed, view in enumerate(exact_views)]
