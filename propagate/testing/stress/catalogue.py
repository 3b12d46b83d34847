"""The scenarios by name: what happens in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np

from propagate.config import nearest
from propagate.errors import InputError
from propagate.testing.stress import outlines
from propagate.testing.stress.outlines import Points
from propagate.testing.stress.scenario import Scenario
from propagate.testing.stress.scene import Actor, Light, Scene
from propagate.testing.stress.stage import Stage

SIZE_HW = (480, 854)
_LEAD = 12  # frames before an object is hidden, and after
_AWAY = 12  # frames out of the picture
_LEAST_SIDE = 64


def scenarios(
    seed: int = 0,
    names: Iterable[str] | None = None,
    size_hw: tuple[int, int] = SIZE_HW,
) -> list[Scenario]:
    """The stress suite: rendered clips of which every pixel's owner is known.

    Args:
        seed: of shapes, textures, paths and noise; the same arguments give the same clips.
        names: only these, in this order, or all whose names begin so ("occlusion"); None: all.
        size_hw: (H, W) pixels, each 64 or more; what is drawn scales with the height.

    Raises:
        InputError: no scenario of that name, a size too small, or a negative seed.
    """
    if min(size_hw) < _LEAST_SIDE or seed < 0:
        raise InputError(
            f"stress scenarios need sides of {_LEAST_SIDE} pixels or more and a seed of 0 or more, "
            f"got {size_hw} and {seed}"
        )
    return [_build(name, size_hw, seed) for name in _chosen(names)]


def _chosen(names: Iterable[str] | None) -> list[str]:
    """Full names, without repeats."""
    if names is None:
        return list(CATALOGUE)
    chosen: dict[str, None] = {}
    for name in names:
        found = [one for one in CATALOGUE if one == name or one.startswith(f"{name}-")]
        if not found:
            hint = nearest(name, CATALOGUE)
            raise InputError(
                f"no stress scenario {name!r}{hint}; there are: {', '.join(CATALOGUE)}"
            )
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _build(name: str, size_hw: tuple[int, int], seed: int) -> Scenario:
    play = CATALOGUE[name]
    scene = play.act(Stage.named(name, size_hw, play.length, seed))
    ids = sorted({actor.object_id for actor in scene.actors} - {0})
    return Scenario(name, play.asks, scene, tuple(ids))


def _occlusion(stage: Stage, hidden: int) -> Scene:
    """An object goes behind a pillar, stays there for so many frames, and comes out beyond it."""
    scale = 0.13 * stage.height
    number = int(stage.random.integers(3))
    shape = stage.lively(number)
    middle = stage.width * stage.random.uniform(0.45, 0.55)
    far = 0.8 * scale + 0.6 * stage.height
    before = np.linspace(-far, -0.7 * scale, _LEAD)
    path = np.concatenate([before, np.linspace(-0.1, 0.1, hidden) * scale, -before[::-1]])
    if hidden == 1:
        path[_LEAD] = 0
    y = stage.height * stage.random.uniform(0.55, 0.7) + 0.02 * stage.height * np.sin(path / scale)
    target = Actor(1, shape, stage.skin(number), stage.path(middle + path, y, scale))
    pillar = stage.hider(middle, (outlines.half_extent(shape)[0] + 0.15) * scale)
    x2, y2 = stage.wander(0.86 * stage.width, 0.25 * stage.height, 0.06 * stage.height)
    other = Actor(
        2, stage.lively(number + 1), stage.skin(number + 1), stage.path(x2, y2, 0.11 * stage.height)
    )
    return stage.scene([target, other, pillar])


def _exit_return(stage: Stage) -> Scene:
    """One object leaves and returns on the same side, another comes back on the other side."""
    scale = 0.13 * stage.height
    gone = stage.frames
    start, back = 14, 14 + _AWAY
    x = np.interp(
        gone,
        [0, start, back, stage.length - 1],
        [0.5 * stage.width, -1.25 * scale, -1.25 * scale, 0.5 * stage.width],
    )
    first = Actor(1, stage.lively(0), stage.skin(0), stage.path(x, 0.33 * stage.height, scale))
    start, back = 18, 18 + _AWAY
    right, left = stage.width + 1.25 * scale, -1.25 * scale
    leaving = np.interp(gone, [0, start], [0.45 * stage.width, right])
    coming = np.interp(gone, [back, stage.length - 1], [left, 0.6 * stage.width])
    x = np.where(gone < (start + back) / 2, leaving, coming)
    second = Actor(2, stage.lively(1), stage.skin(1), stage.path(x, 0.72 * stage.height, scale))
    return stage.scene([first, second])


def _look_alikes(stage: Stage, turn: Callable[[Points], Points]) -> Scene:
    """Two objects of one shape and texture meet; the first is in front.

    Args:
        stage: where.
        turn: (T,) -1..1, from start to end → (T,) -1..1, where along the way the object is.
    """
    scale = 0.15 * stage.height
    number = int(stage.random.integers(4))
    shape, skin = stage.lively(number), stage.skin(number)
    along = turn(np.linspace(-1, 1, stage.length)) * 0.32 * stage.width
    middle, level = stage.width / 2, stage.height * stage.random.uniform(0.5, 0.6)
    apart = stage.random.uniform(0.1, 0.25) * scale
    drift = 0.03 * stage.height * np.sin(stage.frames / 9)
    behind = Actor(2, shape, skin, stage.path(middle - along, level - apart + drift, scale))
    front = Actor(1, shape, skin, stage.path(middle + along, level + apart - drift, scale))
    return stage.scene([behind, front])


def _turned_back(along: Points) -> Points:
    """Towards the middle and back, stopping where the two overlap by a third of themselves."""
    closest = 0.11
    turned: Points = -np.sqrt(along**2 + closest**2)
    return turned


def _fast(stage: Stage) -> Scene:
    """The object moves by up to one and a half times its own size from frame to frame."""
    scale = 0.07 * stage.height
    clock = np.cumsum(np.minimum(1, 0.25 + stage.frames / 16))  # it gathers speed
    room = np.array([0.5 * stage.width - 1.3 * scale, 0.5 * stage.height - 1.3 * scale])
    start = stage.random.uniform(0, 6.3, 2)
    way = _with_largest_step(clock, start, room, 1.5 * 2 * scale)
    x, y = (way + [stage.width / 2, stage.height / 2]).T
    number = int(stage.random.integers(2, 4))
    path = stage.path(x, y, scale, 0.15 * np.sin(0.3 * clock))
    actor = Actor(1, stage.lively(number), stage.skin(number), path)
    return replace(stage.scene([actor]), shutter=0.12)


def _with_largest_step(clock: Points, start: Points, room: Points, wanted: float) -> Points:
    """(T, 2) to and fro about (0, 0), at the pace whose largest step in pixels is `wanted`."""
    slow, quick = 0.02, 0.6
    for _ in range(40):
        pace = (slow + quick) / 2
        way: Points = np.sin(start + pace * clock[:, None] * [1, 0.71]) * room
        steps = np.linalg.norm(np.diff(way, axis=0), axis=1)
        slow, quick = (pace, quick) if steps.max() < wanted else (slow, pace)
    return way


def _scale(stage: Stage, direction: int) -> Scene:
    """The object becomes eight times as large, or as small."""
    share = stage.frames / (stage.length - 1)
    scale = 0.05 * stage.height * 8 ** (share if direction > 0 else 1 - share)
    x, y = stage.wander(0.5 * stage.width, 0.5 * stage.height, 0.05 * stage.height)
    number = int(stage.random.integers(4))
    actor = Actor(1, stage.lively(number), stage.skin(number), stage.path(x, y, scale))
    return stage.scene([actor])


def _thin(stage: Stage) -> Scene:
    """A rake that sways and a wheel that rolls, four or five pixels thick at 480 lines."""
    swing = 0.5 * np.sin(stage.frames / 9) + stage.random.uniform(-0.3, 0.3)
    x, y = stage.wander(0.28 * stage.width, 0.5 * stage.height, 0.08 * stage.height)
    rake = Actor(
        1,
        outlines.rake(stage.random),
        stage.skin(int(stage.random.integers(8))),
        stage.path(x, y, 0.32 * stage.height, swing),
    )
    radius = 0.21 * stage.height
    x = np.linspace(0.52, 0.8, stage.length) * stage.width
    rolled = (x - x[0]) / radius
    wheel = Actor(
        2,
        outlines.wheel(stage.random),
        stage.skin(int(stage.random.integers(8))),
        stage.path(x, 0.6 * stage.height, radius, rolled),
    )
    return replace(stage.scene([rake, wheel]), shadow=0.1)


def _low_light(stage: Stage) -> Scene:
    """Two ordinary objects in a fifth of the light, and a sensor that is as noisy as then."""
    actors = []
    for number, (x, y) in enumerate(((0.3, 0.55), (0.7, 0.5))):
        way = stage.wander(x * stage.width, y * stage.height, 0.12 * stage.height)
        shape, skin = stage.lively(number + 2), stage.skin(number + 2)
        actors.append(Actor(number + 1, shape, skin, stage.path(*way, 0.19 * stage.height)))
    return replace(stage.scene(actors), light=Light(0.2, 12.0, 3.5))


def _sixteen(stage: Stage) -> Scene:
    """Sixteen objects, each about a place of its own, now and then in front of each other."""
    actors = []
    for number in stage.random.permutation(16).tolist():
        row, column = divmod(number, 4)
        x, y = (column + 0.5) / 4 * stage.width, (row + 0.5) / 4 * stage.height
        way = stage.wander(x, y, 0.07 * stage.height)
        shape, skin = stage.lively(number + row), stage.skin(number)
        actors.append(Actor(number + 1, shape, skin, stage.path(*way, 0.1 * stage.height)))
    return stage.scene(actors)


@dataclass(frozen=True)
class _Play:
    """A scenario before it has a size: what it asks, its frames, and what happens."""

    asks: str
    length: int
    act: Callable[[Stage], Scene]


def _hidden(frames: int) -> _Play:
    words = f"found again after {frames} hidden frame{'s' if frames > 1 else ''}"
    return _Play(words, 2 * _LEAD + frames, partial(_occlusion, hidden=frames))


CATALOGUE: Mapping[str, _Play] = MappingProxyType(
    {
        **{f"occlusion-{frames}": _hidden(frames) for frames in (1, 5, 20, 60)},
        "exit-return": _Play("found again after leaving the picture", 54, _exit_return),
        "look-alikes-cross": _Play(
            "not swapped with its double", 48, partial(_look_alikes, turn=np.positive)
        ),
        "look-alikes-turn": _Play(
            "not swapped when both turn back", 48, partial(_look_alikes, turn=_turned_back)
        ),
        "fast": _Play("followed at 1.5 times its size a frame", 48, _fast),
        "scale-up": _Play("followed while it grows eightfold", 48, partial(_scale, direction=1)),
        "scale-down": _Play(
            "followed while it shrinks to an eighth", 48, partial(_scale, direction=-1)
        ),
        "thin": _Play("fine parts kept", 40, _thin),
        "low-light": _Play("followed in the dark", 40, _low_light),
        "sixteen": _Play("16 objects kept apart", 40, _sixteen),
    }
)
"""Name → scenario."""

NAMES: tuple[str, ...] = tuple(CATALOGUE)
