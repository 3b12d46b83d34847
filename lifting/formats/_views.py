"""The views of an opened scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from lifting.formats._pictures import read_colour
from lifting.formats._scene import Scene, Shot, read_view
from lifting.types import LabelledCloud, View
from propagate.errors import SceneError
from propagate.types import ImageArray


@dataclass(frozen=True, eq=False)
class SceneViews(Sequence[View]):
    """Views that are read from disk whenever they are asked for; none is kept.

    Attributes:
        scene: what was found.
        format: the format's name.
        every: only each so many-th view is given.
    """

    scene: Scene
    format: str
    every: int = 1

    @property
    def path(self) -> Path:
        """The folder or file that was opened."""
        return self.scene.path

    @property
    def shots(self) -> tuple[Shot, ...]:
        """The views on disk, one for each view."""
        return self.scene.shots[:: self.every]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or assumed, a line each, with counts."""
        return self.scene.notes

    @property
    def metric(self) -> bool:
        """Whether lengths are metres; else in a unit of the scene's own (COLMAP's)."""
        return self.scene.metric

    @property
    def has_depth(self) -> bool:
        """Whether views come with depth."""
        return any(shot.depth is not None for shot in self.shots)

    def __len__(self) -> int:
        """How many views."""
        return len(self.shots)

    def __iter__(self) -> Iterator[View]:
        """The views in order, each decoded now."""
        return map(read_view, self.shots)

    @overload
    def __getitem__(self, index: int) -> View: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[View]: ...

    def __getitem__(self, index: int | slice) -> View | Sequence[View]:
        """One view, or some, decoded now."""
        shots = self.shots[index]
        return read_view(shots) if isinstance(shots, Shot) else [read_view(one) for one in shots]

    def picture(self, index: int) -> ImageArray:
        """(H, W, 3) uint8 RGB: the whole colour picture of a view, which may be larger than it.

        Raises:
            SceneError: the view has none, or it cannot be read.
        """
        shot = self.shots[index]
        if shot.image is None:
            raise SceneError(f"{self.path}: the view {shot.name!r} has no picture")
        return read_colour(shot.image)

    def cloud(self) -> LabelledCloud | None:
        """The points that come with the scene (COLMAP's), all with label 0; None: there are none.

        Raises:
            SceneError: they cannot be read.
        """
        return None if self.scene.points is None else self.scene.points()
