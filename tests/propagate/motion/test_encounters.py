"""Where two that pass each other are, by what is found of both."""

from __future__ import annotations

import numpy as np
import pytest

from propagate.motion._encounters import _fitted


def blob(x: float, y: float, size: float = 6.0) -> np.ndarray:
    """A soft square of cells."""
    rows, columns = np.mgrid[:40, :70]
    return np.clip(size + 0.5 - np.maximum(abs(columns - x), abs(rows - y)), 0, 1).astype(
        np.float32
    )


def test_places_that_explain_what_is_found_stay():
    covers = [blob(30, 20), blob(38, 22)]
    steps, agreement = _fitted(covers, np.maximum(*covers))
    assert steps == [(0, 0), (0, 0)]
    assert agreement == pytest.approx(1)


@pytest.mark.parametrize("moved", [(2, 0), (-2, 0), (0, 1), (0, -1), (-1, 2)])
def test_a_place_is_moved_to_where_it_explains_what_is_found(moved):
    one, other = blob(24, 20), blob(36, 20, 5)
    found = np.maximum(one, blob(36 + moved[0], 20 + moved[1], 5))
    steps, agreement = _fitted([one, other], found)
    assert steps == [(0, 0), moved]
    assert agreement == pytest.approx(1)


def test_no_direction_is_preferred():
    """The same seen in a mirror is corrected the same way; hardly anything is not at all."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.uniform(28, 34, 2)[:, None] + rng.uniform(-3, 3, 2)
        covers = [blob(x[0], y[0] - 12), blob(x[1], y[1] - 12)]
        found = np.maximum(blob(x[0] + 1.5, y[0] - 12), blob(x[1], y[1] - 11.2))
        steps, _ = _fitted(covers, found)
        mirrored, _ = _fitted([cover[::-1, ::-1] for cover in covers], found[::-1, ::-1])
        assert mirrored == [(-dx, -dy) for dx, dy in steps]
        noise = np.clip(np.maximum(*covers) + rng.normal(0, 0.02, covers[0].shape), 0, 1)
        assert _fitted(covers, noise.astype(np.float32))[0] == [(0, 0), (0, 0)]
