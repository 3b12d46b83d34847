"""The shapes of things: rigid parts that swing about joints, or one part that bends.

Units are the object's own: its outline reaches about 1 from the middle, x right, y down. `phase` in
radians is where it is in its movement; one turn is one cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
"""(N, 2) x, y."""

_STEPS = 12  # points of half a circle


@dataclass(frozen=True, eq=False)
class Part:
    """What moves as one: closed outlines, and the joint they swing about.

    Attributes:
        polygons: (N, 2) each, at rest; together they are the part.
        joint: (2,) what it swings about.
        swing: radians to either side.
        lag: radians of the phase that it is behind.
        shade: brightness, 1 as the skin is: far legs are darker.
        waves: (K, 3) a bending of the outline: each row is how many bulges go round, how far they
            reach as a share of the radius, and their cycles while the phase makes one.
    """

    polygons: tuple[Points, ...]
    joint: Points = field(default_factory=lambda: np.zeros(2))
    swing: float = 0.0
    lag: float = 0.0
    shade: float = 1.0
    waves: Points = field(default_factory=lambda: np.zeros((0, 3)))

    def turn(self, phase: float) -> Points:
        """(2, 3) from the part at rest to the object."""
        angle = self.swing * np.sin(phase - self.lag)
        cos, sin = np.cos(angle), np.sin(angle)
        linear = np.array([[cos, -sin], [sin, cos]])
        return np.concatenate([linear, (self.joint - linear @ self.joint)[:, None]], axis=1)

    def outline(self, phase: float) -> list[Points]:
        """(N, 2) each, in the object's units."""
        turn = self.turn(phase)
        return [self._bent(one, phase) @ turn[:, :2].T + turn[:, 2] for one in self.polygons]

    def _bent(self, points: Points, phase: float) -> Points:
        if not len(self.waves):
            return points
        angle = np.arctan2(points[:, 1], points[:, 0])[:, None]
        bulges, reach, cycles = self.waves.T
        bend = 1 + (reach * np.cos(bulges * angle + cycles * phase)).sum(axis=1)
        bent: Points = points * bend[:, None]
        return bent


Outline = tuple[Part, ...]
"""Parts from back to front."""


def blob(random: np.random.Generator) -> Outline:
    """A smooth shape that bends slowly."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radius = 0.78 + sum(
        random.uniform(0.02, 0.16) / n * np.cos(n * angle + random.uniform(0, 6.3))
        for n in range(2, 7)
    )
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    waves = np.array([[2, 0.07, 1.0], [3, 0.05, -1.0], [5, 0.02, 2.0]])
    return (Part((ring,), waves=waves),)


def fish(random: np.random.Generator) -> Outline:
    """A body with a tail that beats; it looks to the right."""
    t = np.linspace(0, np.pi, 40)
    deep = random.uniform(0.42, 0.55)
    back = np.stack([-np.cos(t), -deep * np.sin(t) ** 1.2 * (1 - 0.25 * np.cos(t + np.pi))], axis=1)
    body = np.concatenate([back, back[::-1] * [1, -0.9]]) * [0.75, 1] + [0.22, 0]
    tail = np.array([[-0.4, 0], [-0.75, -0.42], [-1, -0.5], [-0.86, 0], [-1, 0.5], [-0.75, 0.42]])
    fin = np.array([[0.3, -0.3], [0.05, -0.72], [-0.2, -0.68], [-0.15, -0.3]])
    return (
        Part((tail,), np.array([-0.4, 0.0]), 0.45, 0.4, 0.85),
        Part((fin,), np.array([0.05, -0.3]), 0.12, 0.0, 0.9),
        Part((body,), np.array([0.6, 0.0]), 0.07),
    )


def walker(random: np.random.Generator) -> Outline:
    """A figure on two legs."""
    stout = random.uniform(0.9, 1.25)
    limb, hip, shoulder = 0.085 * stout, np.array([0, 0.12]), np.array([0, -0.38])
    leg = capsule((0, 0.1), (0.02, 0.92), limb * 1.35, limb * 0.9)
    arm = capsule((0, -0.38), (0.04, 0.22), limb, limb * 0.75)
    return (
        Part((arm,), shoulder, 0.6, 0.0, 0.7),
        Part((leg,), hip, 0.5, np.pi, 0.75),
        Part((capsule((0, -0.42), (0, 0.15), 0.2 * stout, 0.16 * stout),)),
        Part((capsule((0.02, -0.8), (0.02, -0.76), 0.17, 0.16),), shoulder, 0.05),
        Part((leg,), hip, 0.5),
        Part((arm,), shoulder, 0.6, np.pi, 1.1),
    )


def grazer(random: np.random.Generator) -> Outline:
    """An animal on four legs; it looks to the right."""
    high, stout = random.uniform(0.45, 0.6), random.uniform(0.26, 0.34)
    parts = []
    for x, lag, shade in (
        (-0.5, np.pi, 0.65),
        (0.4, 0.0, 0.65),
        (-0.42, 0.0, 0.9),
        (0.48, np.pi, 0.9),
    ):
        leg = capsule((x, 0.0), (x, high + 0.15), 0.12, 0.07)
        parts.append(Part((leg,), np.array([x, 0.05]), 0.4, lag, shade))
    tail = capsule((-0.66, -0.15), (-0.95, 0.25), 0.06, 0.035)
    neck = capsule((0.5, -0.15), (0.8, -0.55), 0.2, 0.13)
    head = capsule((0.76, -0.58), (1.0, -0.45), 0.15, 0.09)
    nod = np.array([0.5, -0.1])
    body = Part((capsule((-0.42, -0.08), (0.42, -0.08), stout, stout * 0.92),))
    return (
        *parts[:2],
        Part((tail,), np.array([-0.66, -0.15]), 0.4, 1.0, 0.8),
        body,
        Part((neck,), nod, 0.1),
        Part((head,), nod, 0.1),
        *parts[2:],
    )


def rake(random: np.random.Generator) -> Outline:
    """A rod with tines, a sixtieth of its length thick: what fine masks lose first."""
    thick = 0.017
    rod = capsule((0, -1), (0, 0.55), thick, thick)
    bar = capsule((-0.42, 0.55), (0.42, 0.55), thick, thick)
    count = int(random.integers(4, 7))
    tines = [
        capsule((x, 0.55), (x * 1.1, 0.95), thick, thick) for x in np.linspace(-0.4, 0.4, count)
    ]
    return (Part((rod, bar, *tines)),)


def wheel(random: np.random.Generator) -> Outline:
    """A hoop with spokes; the picture is seen through it."""
    thick, count = 0.026, int(random.integers(5, 9))
    angle = np.linspace(0, 2 * np.pi, 33)
    rim = 0.95 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    hoop = [capsule(one, other, thick, thick) for one, other in zip(rim, rim[1:], strict=False)]
    spokes = [
        capsule((0, 0), 0.95 * np.array([np.cos(a), np.sin(a)]), thick * 0.7, thick * 0.7)
        for a in np.linspace(0, 2 * np.pi, count, endpoint=False)
    ]
    hub = capsule((0, 0), (0.001, 0), 0.09, 0.09)
    return (Part((*hoop, *spokes, hub)),)


def panel(half_width: float, half_height: float) -> Outline:
    """A rectangle: something to hide behind."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return (Part((corners * [half_width, half_height],)),)


LIVELY = (grazer, fish, blob, walker)
"""Shapes for ordinary objects, in the order in which they are taken."""


def capsule(
    start: Sequence[float] | Points, end: Sequence[float] | Points, thick: float, thin: float
) -> Points:
    """(N, 2) around a segment, with the radius `thick` at its start and `thin` at its end."""
    one, other = np.asarray(start, float), np.asarray(end, float)
    along = np.arctan2(*(other - one)[::-1])
    half = np.linspace(-np.pi / 2, np.pi / 2, _STEPS)
    caps = []
    for centre, radius, angle in ((other, thin, half + along), (one, thick, half + along + np.pi)):
        caps.append(centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return np.concatenate(caps)


def half_extent(outline: Outline) -> tuple[float, float]:
    """The farthest that an outline reaches from the middle in x and in y, over a cycle."""
    phases = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    every = np.concatenate(
        [one for part in outline for phase in phases for one in part.outline(phase)]
    )
    x, y = np.abs(every).max(axis=0)
    return float(x), float(y)
