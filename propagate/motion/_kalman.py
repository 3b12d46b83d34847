"""A box that moves at a steady speed, filtered: what is known of it and how surely.

The filter is linear and Gaussian (Kalman, 1960). As in Bewley et al., "Simple Online and Realtime
Tracking", 2016, speed is what carries a box over frames without a measurement; here centre and
sides are measured, and the sides have speeds as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_MEASURED = np.hstack([np.eye(4), np.zeros((4, 4))])
_FIRST_SPEED = 0.5  # deviation of an unknown speed, in sides a frame


@dataclass(frozen=True, eq=False)
class Belief:
    """What is believed of a box.

    Attributes:
        mean: (8,) centre x, y, width, height in pixels, and their speeds in pixels a frame.
        covariance: (8, 8) of the same.
    """

    mean: Array
    covariance: Array

    @property
    def box(self) -> Array:
        """(4,) corners in pixels; sides are a tenth of a pixel or more."""
        half = np.maximum(self.mean[2:4], 0.1) / 2
        return np.concatenate([self.mean[:2] - half, self.mean[:2] + half])

    @property
    def deviation(self) -> float:
        """How far off the centre may be, in parts of the box's mean side."""
        variance = self.covariance[0, 0] + self.covariance[1, 1]
        return float(np.sqrt(variance) / _side(self.mean))


@dataclass(frozen=True)
class Noise:
    """How unsteady boxes are, in parts of their mean side.

    Attributes:
        speed: deviation by which a speed changes in a frame.
        measurement: deviation of a measured centre or side.
    """

    speed: float
    measurement: float


def first(box: npt.ArrayLike, noise: Noise) -> Belief:
    """The belief after one measured box, its speed unknown."""
    measured = _centre_and_sides(box)
    side = _side(measured)
    deviations = np.repeat([noise.measurement, _FIRST_SPEED], 4) * side
    return Belief(np.concatenate([measured, np.zeros(4)]), np.diag(deviations**2))


def predict(belief: Belief, frames: int, noise: Noise) -> Belief:
    """The belief `frames` frames later, sizes going on like places; it only gets less sure."""
    step = np.eye(8) + frames * np.eye(8, k=4)
    variance = (noise.speed * _side(belief.mean)) ** 2
    # A speed that wanders in every frame: its variance grows with time, the place's with its cube.
    place, both, speed = frames**3 / 3, frames**2 / 2, float(frames)
    wander = np.kron(np.array([[place, both], [both, speed]]), np.eye(4)) * variance
    return Belief(step @ belief.mean, step @ belief.covariance @ step.T + wander)


def correct(belief: Belief, box: npt.ArrayLike, noise: Noise) -> Belief:
    """The belief with a measured box taken in."""
    surprise = _centre_and_sides(box) - belief.mean[:4]
    measured = np.eye(4) * (noise.measurement * _side(belief.mean)) ** 2
    covariance = belief.covariance
    gain = np.linalg.solve(covariance[:4, :4] + measured, covariance[:4]).T
    left = np.eye(8) - gain @ _MEASURED
    # Joseph's form: stays a covariance however the numbers round.
    updated = left @ covariance @ left.T + gain @ measured @ gain.T
    return Belief(belief.mean + gain @ surprise, updated)


def _centre_and_sides(box: npt.ArrayLike) -> Array:
    low, high = np.asarray(box, float).reshape(2, 2)
    return np.concatenate([(low + high) / 2, high - low])


def _side(mean: Array) -> float:
    return float(max(1.0, mean[2:4].mean()))
