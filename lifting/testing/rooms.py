"""Scenes made by seed: things on a table, and a furnished room."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lifting.testing.materials import Material, Pattern
from lifting.testing.meshes import (
    Mesh,
    box,
    cylinder,
    joined,
    lathe,
    rotation,
    sphere,
    torus,
)
from lifting.testing.scenes import Scene, Solid
from propagate.errors import SceneError

Random = np.random.Generator
Thing = tuple[str, Mesh, float]

_HUES = (0.0, 0.55, 0.33, 0.12, 0.75, 0.62, 0.08, 0.45, 0.9, 0.22)
_GAP = 0.03
_MOST_THINGS = 12
_TABLE = (1.3, 0.9)
_HIGH = 0.72


def _colour(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    """A colour of the wheel; hue 0..1 from red over yellow, green and blue."""
    wheel = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    red, green, blue = value * (1 - saturation * (1 - wheel))
    return float(red), float(green), float(blue)


def _bottle(random: Random) -> Thing:
    radius, height = random.uniform(0.032, 0.042), random.uniform(0.2, 0.28)
    shape = [(0, 0), (1, 0), (1, 0.6), (0.85, 0.68), (0.4, 0.78), (0.34, 0.95), (0.42, 0.96)]
    profile = np.array([*shape, (0.42, 1.0), (0, 1.0)]) * [radius, height]
    return "bottle", lathe(profile), radius


def _vase(random: Random) -> Thing:
    radius, height = random.uniform(0.05, 0.07), random.uniform(0.18, 0.26)
    at = np.linspace(0, 1, 14)
    outside = 0.62 + 0.38 * np.sin(np.pi * (0.15 + 1.15 * at)) + 0.1 * at
    outer = np.stack([outside * radius, at * height], axis=1)
    inner = np.stack([outside[::-1] * radius - 0.005, at[::-1] * height], axis=1)
    inner[:, 1] = np.maximum(inner[:, 1], 0.01)
    return "vase", lathe(np.concatenate([[(0, 0)], outer, inner, [(0, 0.01)]])), radius


def _mug(random: Random) -> Thing:
    radius, height = random.uniform(0.038, 0.048), random.uniform(0.09, 0.11)
    wall = [(0, 0), (radius, 0), (radius, height), (radius - 0.005, height)]
    body = lathe([*wall, (radius - 0.005, 0.008), (0, 0.008)])
    ring = torus(0.3 * height, 0.007).tilted(rotation("x", 90), (0, 0.007, 0))
    handle = ring.moved((radius + 0.012, 0, height / 2))
    return "mug", joined(body, handle), radius + 0.05


def _bowl(random: Random) -> Thing:
    radius = random.uniform(0.07, 0.1)
    angle = np.linspace(-np.pi / 2, -0.1, 10)
    outer = np.stack([radius * np.cos(angle), 0.7 * radius * (1 + np.sin(angle))], axis=1)
    inner = outer[::-1] * [0.94, 0.94] + [0, 0.006]
    return "bowl", lathe(np.concatenate([outer, inner])), radius


def _ball(random: Random) -> Thing:
    radius = random.uniform(0.045, 0.075)
    return "ball", sphere(radius), radius


def _can(random: Random) -> Thing:
    radius, height = random.uniform(0.03, 0.05), random.uniform(0.09, 0.16)
    return "can", cylinder(radius, height), radius


def _carton(random: Random) -> Thing:
    sides = random.uniform([0.07, 0.05, 0.16], [0.14, 0.09, 0.26])
    return "carton", box(*sides), float(np.hypot(*sides[:2]) / 2)


def _book(random: Random) -> Thing:
    sides = random.uniform([0.14, 0.19, 0.02], [0.18, 0.25, 0.045])
    return "book", box(*sides), float(np.hypot(*sides[:2]) / 2)


def _ring(random: Random) -> Thing:
    radius, thickness = random.uniform(0.05, 0.07), random.uniform(0.016, 0.024)
    return "ring", torus(radius, thickness), radius + thickness


_MAKERS: tuple[Callable[[Random], Thing], ...] = (
    _bottle, _carton, _ball, _mug, _vase, _book, _can, _bowl, _ring,
)  # fmt: skip
_PATTERNS: tuple[Pattern, ...] = ("mottled", "print", "stripes", "mottled", "checks", "print")


def _look(random: Random, number: int) -> Material:
    """A look of its own for the thing with this number."""
    hue = _HUES[number % len(_HUES)] + random.uniform(-0.03, 0.03)
    one = _colour(hue, random.uniform(0.45, 0.8), random.uniform(0.5, 0.9))
    other = _colour(hue + random.uniform(-0.06, 0.06), 0.5, random.uniform(0.4, 0.9))
    pattern = _PATTERNS[int(random.integers(len(_PATTERNS)))]
    scale, gloss = random.uniform(0.04, 0.09), random.uniform(0.05, 0.3)
    return Material(one, other, pattern, scale, gloss, int(random.integers(1000)))


def _wood(random: Random) -> Material:
    light, dark = _colour(0.085, 0.5, 0.72), _colour(0.07, 0.6, 0.5)
    return Material(light, dark, "wood", 0.07, 0.06, int(random.integers(1000)))


def _shell(random: Random, sides: tuple[float, float, float]) -> list[Solid]:
    """Floor, ceiling and walls, which are background."""
    x, y, z = sides
    wall = Material((0.78, 0.77, 0.73), (0.74, 0.74, 0.71), "mottled", 0.5, 0.0, 3)
    floor = Material((0.52, 0.5, 0.48), (0.36, 0.35, 0.34), "tiles", 0.4, 0.05, 5)
    panel = Material((0.55, 0.62, 0.66), (0.8, 0.8, 0.78), "print", 0.25, 0.0, 8)
    thick = 0.1
    parts: list[tuple[Mesh, Material, tuple[float, float, float]]] = [
        (box(x, y, thick), floor, (0, 0, -thick)),
        (box(x, y, thick), wall, (0, 0, z)),
        (box(thick, y, z), wall, (-x / 2, 0, 0)),
        (box(thick, y, z), wall, (x / 2, 0, 0)),
        (box(x, thick, z), wall, (0, -y / 2, 0)),
        (box(x, thick, z), wall, (0, y / 2, 0)),
    ]
    for side in (-1, 1):  # something on the walls, or pictures of them show nothing
        at = random.uniform(-0.25, 0.25, 2) * [x, y]
        parts.append((box(0.9, 0.03, 0.6), panel, (at[0], side * (y / 2 - 0.06), 1.3)))
        parts.append((box(0.03, 0.7, 0.9), panel, (side * (x / 2 - 0.06), at[1], 1.1)))
    return [Solid(0, mesh, look, shift, name="room") for mesh, look, shift in parts]


def _table(random: Random, label: int) -> Solid:
    top = box(*_TABLE, 0.04).moved((0, 0, _HIGH - 0.04))
    legs = [
        box(0.06, 0.06, _HIGH - 0.04).moved((x * _TABLE[0] / 2, y * _TABLE[1] / 2, 0))
        for x in (-0.9, 0.9)
        for y in (-0.88, 0.88)
    ]
    return Solid(label, joined(top, *legs), _wood(random), name="table")


def table_top(seed: int = 0, things: int = 6) -> Scene:
    """Things on a table in a room; the table and the room are background, things have ids from 1.

    Args:
        seed: of all that is random; the same one makes the same scene.
        things: how many, 1 to 12.

    Raises:
        SceneError: another number of things.
    """
    if not 1 <= things <= _MOST_THINGS:
        raise SceneError(f"a table top has 1 to {_MOST_THINGS} things, got {things}")
    random = np.random.default_rng(seed)
    solids = [*_shell(random, (4.0, 3.6, 2.6)), _table(random, 0)]
    solids += _things(random, things, first=1)
    return Scene(tuple(solids), middle=(0, 0, _HIGH + 0.05), reach=1.15)


def _things(random: Random, count: int, first: int) -> list[Solid]:
    """Things on the table that do not touch each other, each of another kind as long as it goes."""
    kinds = random.permutation(len(_MAKERS))
    made = [_MAKERS[kinds[number % len(kinds)]](random) for number in range(count)]
    while True:  # a crowded draw is thrown away whole
        places: list[tuple[float, float, float]] = []
        for _, _, radius in made:
            spot = _free_spot(random, places, radius)
            if spot is None:
                break
            places.append((*spot, radius))
        if len(places) == count:
            break
    turns = random.uniform(0, 360, count).tolist()
    return [
        Solid(first + number, mesh, _look(random, number), (x, y, _HIGH), turn, name)
        for number, ((name, mesh, _), (x, y, _), turn) in enumerate(
            zip(made, places, turns, strict=True)
        )
    ]


def _free_spot(
    random: Random, taken: list[tuple[float, float, float]], radius: float
) -> tuple[float, float] | None:
    """Where a thing of this radius stands free on the table; None where nothing was found."""
    for _ in range(50):
        half = np.array(_TABLE) / 2 - radius - 0.06
        x, y = random.uniform(-half, half)
        if all(np.hypot(x - a, y - b) > radius + other + _GAP for a, b, other in taken):
            return float(x), float(y)
    return None


def room(seed: int = 0, things: int = 6) -> Scene:
    """A furnished room; id 1 is the table, then come the furniture and the things on the table.

    Args:
        seed: of all that is random.
        things: on the table, 1 to 12.

    Raises:
        SceneError: another number of things.
    """
    if not 1 <= things <= _MOST_THINGS:
        raise SceneError(f"a table has 1 to {_MOST_THINGS} things on it, got {things}")
    random = np.random.default_rng(seed)
    solids = [*_shell(random, (5.0, 4.4, 2.6)), _table(random, 1)]
    furniture = [
        ("chair", _chair(), (0.0, -0.85, 0.0), random.uniform(-20, 20)),
        ("chair", _chair(), (-0.2, 0.85, 0.0), 180 + random.uniform(-20, 20)),
        ("cabinet", box(0.45, 1.2, random.uniform(0.9, 1.2)), (-2.2, 0.3, 0.0), 0.0),
        ("shelf", _shelf(), (2.2, -0.6, 0.0), 0.0),
        ("stool", cylinder(0.2, 0.45), (1.5, 1.5, 0.0), 0.0),
        ("ball", sphere(0.22), (-1.5, -1.6, 0.0), 0.0),
    ]
    for number, (name, mesh, place, turn) in enumerate(furniture):
        look = _wood(random) if name == "shelf" else _look(random, number + 3)
        solids.append(Solid(number + 2, mesh, look, place, float(turn), name))
    solids += _things(random, things, first=len(furniture) + 2)
    return Scene(tuple(solids), middle=(0, 0, 0.6), reach=1.75)


def _chair() -> Mesh:
    """A seat at 0.45 m, open at +y, its back at -y."""
    legs = [box(0.04, 0.04, 0.45).moved((x, y, 0)) for x in (-0.18, 0.18) for y in (-0.18, 0.18)]
    posts = [box(0.04, 0.04, 0.5).moved((x, -0.18, 0.47)) for x in (-0.18, 0.18)]
    slats = [box(0.36, 0.03, 0.1).moved((0, -0.18, z)) for z in (0.58, 0.78)]
    return joined(box(0.42, 0.42, 0.04).moved((0, 0, 0.44)), *legs, *posts, *slats)


def _shelf() -> Mesh:
    """1.6 m high, with four boards between two sides."""
    sides = [box(0.35, 0.03, 1.6).moved((0, y, 0)) for y in (-0.45, 0.45)]
    boards = [box(0.35, 0.9, 0.03).moved((0, 0, z)) for z in (0.05, 0.55, 1.05, 1.55)]
    return joined(*sides, *boards)
