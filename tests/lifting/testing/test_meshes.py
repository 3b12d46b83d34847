"""Meshes: closed, outside outwards, of the volume that the formula gives."""

from __future__ import annotations

import numpy as np
import pytest

from lifting.testing import meshes, rooms

SOLIDS = {
    "box": (meshes.box(0.3, 0.4, 0.5), 0.06),
    "cylinder": (meshes.cylinder(0.2, 0.5), np.pi * 0.04 * 0.5),
    "sphere": (meshes.sphere(0.3), 4 / 3 * np.pi * 0.027),
    "torus": (meshes.torus(0.3, 0.1), 2 * np.pi**2 * 0.3 * 0.01),
    "cone": (meshes.lathe([(0, 0), (0.3, 0), (0, 0.6)]), np.pi * 0.09 * 0.6 / 3),
}


def edges(mesh):
    """Each edge with its direction, corners at one place taken as one; empty triangles left out."""
    _, place = np.unique(np.round(mesh.vertices, 9), axis=0, return_inverse=True)
    triangles = place.ravel()[mesh.triangles]
    whole = (triangles != np.roll(triangles, 1, axis=1)).all(1)
    pairs = np.stack([triangles, np.roll(triangles, -1, axis=1)], -1)[whole].reshape(-1, 2)
    return sorted(map(tuple, pairs.tolist()))


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_closed_and_have_their_volume(name):
    mesh, volume = SOLIDS[name]
    found = edges(mesh)
    assert len(set(found)) == len(found)
    assert sorted((b, a) for a, b in found) == found  # every edge has its opposite
    assert mesh.volume() == pytest.approx(volume, rel=0.03)  # above 0: outside is outside
    assert mesh.vertices[:, 2].min() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("make", rooms._MAKERS)
def test_things_are_closed_for_every_seed(make):
    for seed in range(4):
        name, mesh, radius = make(np.random.default_rng(seed))
        found = edges(mesh)
        assert sorted((b, a) for a, b in found) == found, name
        assert mesh.volume() > 0
        assert np.hypot(*mesh.vertices[:, :2].T).max() <= radius + 0.02


def test_round_surfaces_are_shaded_round_and_edges_stay_sharp():
    ball = meshes.sphere(0.3)
    corners = ball.vertices[ball.triangles] - [0, 0, 0.3]
    cosines = (ball.corner_normals() * corners / 0.3).sum(-1)
    assert cosines.min() > 0.99
    cube = meshes.box(1, 1, 1).corner_normals()
    assert np.allclose(np.abs(cube).max(-1), 1)


def test_turning_and_shifting():
    mesh = meshes.box(0.2, 0.4, 0.6).moved((1, 2, 3), 90)
    assert np.allclose(np.ptp(mesh.vertices, axis=0), [0.4, 0.2, 0.6])
    assert np.allclose(mesh.vertices.min(0), [0.8, 1.9, 3])
    both = meshes.joined(mesh, meshes.sphere(0.1))
    assert both.volume() == pytest.approx(mesh.volume() + meshes.sphere(0.1).volume())
    turn = meshes.rotation("x", 90)
    assert np.allclose(turn @ [0, 1, 0], [0, 0, 1])
    assert np.linalg.det(turn) == pytest.approx(1)
