"""Sequences of the TUM RGB-D benchmark: pictures by time stamp, and a trajectory.

    rgb.txt, depth.txt   "stamp file" a line      groundtruth.txt   "stamp tx ty tz qx qy qz qw"
    depth: 16-bit PNG, 5000 units a metre; pose: camera to world; # begins a comment

A colour picture takes the nearest depth picture, each once, and the nearest pose, both within 20 ms
(Sturm et al., "A Benchmark for the Evaluation of RGB-D SLAM Systems", 2012). The intrinsics are
those in `intrinsics.txt` or `camera.txt` ("fx fy cx cy [k1 k2 p1 p2 [k3]]", or 3 x 3; OpenCV's
count), else those published for freiburg1, 2 or 3, by the folder's name, else the benchmark's
default (525, 525, 319.5, 239.5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lifting import camera as cameras
from lifting.formats._files import Look, lens, look, matrix, read_matrix, read_text, rotation
from lifting.formats._pictures import picture_size
from lifting.formats._scene import DepthPicture, Draft, Scene, gathered
from lifting.types import Camera, DoubleArray
from propagate.errors import SceneError

_LISTS = ("rgb.txt", "depth.txt", "groundtruth.txt")
_CALIBRATED = {
    "freiburg1": (517.306408, 516.469215, 318.643040, 255.313989,
                  0.262383, -0.953104, -0.005358, 0.002628, 1.163314),
    "freiburg2": (520.908620, 521.007327, 325.141442, 249.701764,
                  0.231222, -0.784899, -0.003257, -0.000105, 0.917205),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}  # fmt: skip
_DEFAULT = (525.0, 525.0, 319.5, 239.5)


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        units_per_metre: of the depth pictures.
        most_apart_s: seconds between stamps that belong together, at most.
        intrinsics: fx, fy, cx, cy and optionally k1, k2, p1, p2[, k3]; pixels, OpenCV's count.
            None: see the module.
    """

    units_per_metre: float = 5000.0
    most_apart_s: float = 0.02
    intrinsics: tuple[float, ...] | None = None


def build(config: Config) -> Tum:
    """Make the format."""
    return Tum(config)


@dataclass(frozen=True)
class Tum:
    """See the module."""

    config: Config

    def look(self, scene: Path) -> Look:
        """The three lists."""
        return look([(name, (scene / name).is_file()) for name in _LISTS])

    def open(self, scene: Path) -> Scene:
        """See `lifting.formats.Format`."""
        stamps, files = _pictures(scene / "rgb.txt")
        depth_stamps, depth_files = _pictures(scene / "depth.txt")
        pose_stamps, poses = _trajectory(scene / "groundtruth.txt")
        most = self.config.most_apart_s
        depth_of, pose_of = paired(stamps, depth_stamps, most), nearest(stamps, pose_stamps, most)
        camera, notes = self._camera(scene, scene / files[0])
        drafts = []
        for index, name in enumerate(files):
            at, depth = depth_of[index], None
            if at >= 0:
                depth = DepthPicture(scene / depth_files[at], 1 / self.config.units_per_metre)
            pose = poses[pose_of[index]] if pose_of[index] >= 0 else np.full((4, 4), np.nan)
            drafts.append(
                Draft(name, camera, pose, scene / name, depth, time_s=float(stamps[index]))
            )
        alone = sum(draft.depth is None for draft in drafts)
        if alone == len(drafts):
            raise SceneError(f"{scene}: no picture has depth within {most} s; check the stamps")
        found = gathered(scene, drafts)
        if alone:
            shots = tuple(shot for shot in found.shots if shot.depth is not None)
            notes += (f"{alone} of {len(drafts)} views skipped: no depth within {most:g} s",)
            found = replace(found, shots=shots)
        if not found.shots:
            raise SceneError(f"{scene}: no picture has both depth and a pose within {most} s")
        return replace(found, notes=notes + found.notes)

    def _camera(self, scene: Path, first: Path) -> tuple[Camera, tuple[str, ...]]:
        """The one camera, and what was assumed."""
        size = picture_size(first)
        if self.config.intrinsics is not None:
            return _lens("intrinsics", self.config.intrinsics, size), ()
        for name in ("intrinsics.txt", "camera.txt"):
            if (scene / name).is_file():
                numbers = read_matrix(scene / name, (1, 4), (3, 3), (1, 8), (1, 9))
                if numbers.shape == (3, 3):
                    return lens(scene / name, cameras.from_opencv(numbers), size), ()
                return _lens(str(scene / name), tuple(numbers[0]), size), ()
        for name, numbers_of in _CALIBRATED.items():
            if name in scene.resolve().name:
                return _lens(name, numbers_of, size), ()
        note = "no intrinsics are given: took the benchmark's default, a focal length of 525 pixels"
        return _lens("the benchmark's default intrinsics", _DEFAULT, size), (note,)


def paired(one: DoubleArray, other: DoubleArray, most_apart: float) -> list[int]:
    """For each of `one` the place in `other` that belongs to it, -1 for none; each used once.

    The pairs that lie nearest together are made first.

    Args:
        one: (N,) seconds.
        other: (M,) seconds.
        most_apart: seconds.
    """
    order = np.argsort(other, kind="stable")
    ranked = other[order]
    pairs = []
    for index, stamp in enumerate(one):
        low, high = np.searchsorted(ranked, [stamp - most_apart, stamp + most_apart * (1 + 1e-9)])
        pairs += [
            (abs(float(ranked[at] - stamp)), index, int(order[at])) for at in range(low, high)
        ]
    found, taken = [-1] * len(one), set()
    for _, index, at in sorted(pairs):
        if found[index] < 0 and at not in taken:
            found[index] = at
            taken.add(at)
    return found


def nearest(one: DoubleArray, other: DoubleArray, most_apart: float) -> list[int]:
    """As `paired`, but several may have the same partner."""
    order = np.argsort(other, kind="stable")
    ranked = other[order]
    after = np.clip(np.searchsorted(ranked, one), 0, len(ranked) - 1)
    before = np.maximum(after - 1, 0)
    best = np.where(np.abs(ranked[before] - one) <= np.abs(ranked[after] - one), before, after)
    close = np.abs(ranked[best] - one) <= most_apart
    return [int(order[at]) if near else -1 for at, near in zip(best, close, strict=True)]


def _lens(where: str, numbers: tuple[float, ...], size_hw: tuple[int, int]) -> Camera:
    if len(numbers) not in (4, 8, 9):
        raise SceneError(f"{where}: give fx, fy, cx, cy and 0, 4 or 5 numbers of the lens")
    K = cameras.from_opencv(matrix(*numbers[:4]))  # noqa: N806
    return lens(where, K, size_hw, numbers[4:])


def _rows(path: Path, columns: int) -> list[list[str]]:
    """The words of each line; SceneError where there are too few, or no line at all."""
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < columns:
            raise SceneError(f"{path}, line {number}: must have {columns} words, got {len(words)}")
        rows.append(words)
    if not rows:
        raise SceneError(f"{path}: the list is empty")
    return rows


def _pictures(path: Path) -> tuple[DoubleArray, list[str]]:
    """Stamps in seconds and files."""
    rows = _rows(path, 2)
    try:
        stamps = np.array([float(row[0]) for row in rows])
    except ValueError as error:
        raise SceneError(f"{path}: a stamp is no number ({error})") from error
    order = np.argsort(stamps, kind="stable")
    return stamps[order], [rows[at][1] for at in order]


def _trajectory(path: Path) -> tuple[DoubleArray, DoubleArray]:
    """(N,) stamps in seconds and (N, 4, 4) poses, camera to world; some may not be finite."""
    try:
        values = np.array([[float(word) for word in row[:8]] for row in _rows(path, 8)])
    except ValueError as error:
        raise SceneError(f"{path}: must hold numbers ({error})") from error
    poses = np.tile(np.eye(4), (len(values), 1, 1))
    poses[:, :3, 3] = values[:, 1:4]
    poses[:, :3, :3] = [rotation(row[[7, 4, 5, 6]]) for row in values]
    return values[:, 0], poses
