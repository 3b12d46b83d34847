"""Masks on disk and the views that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from lifting.formats._files import natural, read_json
from lifting.formats._pictures import read_labels
from lifting.formats._scene import seen_from
from lifting.formats._views import SceneViews
from lifting.types import Camera, LabelArray, View
from propagate.errors import SceneError


@dataclass(frozen=True, eq=False)
class Answer:
    """What `tracks.json` says of one picture.

    Attributes:
        scores: id → expected IoU of its mask, 0..1.
        settled: ids of which is known whether and where they are seen; lost ones are not.
    """

    scores: Mapping[int, float]
    settled: frozenset[int]


@dataclass(frozen=True, eq=False)
class MaskFolder:
    """Masks by name.

    Attributes:
        path: where they lie.
        files: name without suffix, a path from there → file; in natural order.
        answers: the same name → what the tracker said; empty where there is no `tracks.json`.
        known: all ids that the tracker was asked for.
    """

    path: Path
    files: Mapping[str, Path]
    answers: Mapping[str, Answer] = field(default_factory=dict)
    known: frozenset[int] = frozenset()

    @staticmethod
    def of(path: Path) -> MaskFolder:
        """Look into a folder; SceneError where it holds no masks."""
        if not path.is_dir():
            raise SceneError(f"{path}: no such folder of masks; give what propagate track made")
        inner = path / "masks"
        folder = inner if inner.is_dir() else path
        found = [one for one in folder.rglob("*.png") if not one.name.startswith(".")]
        if not found:
            raise SceneError(f"{folder}: no masks (PNG) in this folder; check the path")
        files = {str(one.relative_to(folder).with_suffix("")): one for one in found}
        files = {name: files[name] for name in sorted(files, key=natural)}
        for home in (path, folder.parent):
            tracks = home / "tracks.json"
            if tracks.is_file() and (folder == inner or folder.name == "masks"):
                answers, known = _answers(tracks)
                return MaskFolder(folder, files, answers, known)
        return MaskFolder(folder, files)


@dataclass(frozen=True, eq=False)
class LabelledViews(Iterable[View]):
    """Views, each with its mask.

    Attributes:
        views: what they are made of.
        masks: where their masks lie.
    """

    views: Iterable[View]
    masks: MaskFolder

    def __post_init__(self) -> None:
        """Check that some mask belongs to some view, where the views can be listed."""
        if isinstance(self.views, Sequence) and not any(self.paired):
            raise SceneError(self._unpaired())

    def __len__(self) -> int:
        """How many views; TypeError where their number is not known."""
        return len(self.views)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[View]:
        """The views in order, each decoded now."""
        if isinstance(self.views, Sequence):
            yield from self.after(0)
            return
        for view, mask in self._as_they_come():
            yield view if mask is None else self._labelled(view, view.camera, mask)

    def after(self, count: int) -> Iterator[View]:
        """The views but for the first `count`, which are not decoded; of views that have an end."""
        assert isinstance(self.views, Sequence)
        paired = self.paired
        for index in range(count, len(self.views)):
            view: View = self.views[index]
            camera = view.camera
            if isinstance(self.views, SceneViews):
                camera = self.views.shots[index].camera
            mask = paired[index]
            yield view if mask is None else self._labelled(view, camera, mask)

    @property
    def paired(self) -> list[str | None]:
        """The name of each view's mask, None where it has none."""
        places = self._places()
        named = [self._by_name(name) for _, name in places]
        if any(named):
            return named
        numbers = self._by_number()
        return [numbers.get(index) for index, _ in places]

    @property
    def notes(self) -> tuple[str, ...]:
        """What does not fit together, a line each."""
        if not isinstance(self.views, Sequence):
            return ()
        paired = self.paired
        without = sum(mask is None for mask in paired)
        return (f"{without} of {len(paired)} views have no mask",) if without else ()

    def _places(self) -> list[tuple[int, str]]:
        """Index and name of each view, nothing decoded."""
        if isinstance(self.views, SceneViews):
            return [(shot.index, shot.name) for shot in self.views.shots]
        return [(index, view.name) for index, view in enumerate(self.views)]

    def _by_name(self, name: str) -> str | None:
        """The mask of that name, the folder first kept, then dropped."""
        if not name:
            return None
        path = PurePath(name)
        for one in (path.with_suffix(""), PurePath(path.stem), PurePath(path.name.split(".")[0])):
            if str(one) in self.masks.files:
                return str(one)
        return None

    def _by_number(self) -> dict[int, str]:
        """Number → mask, where all masks are named by numbers."""
        names = list(self.masks.files)
        return {int(name): name for name in names} if all(map(str.isdecimal, names)) else {}

    def _as_they_come(self) -> Iterator[tuple[View, str | None]]:
        """Views of unknown number: by name where they have names, else by number."""
        used, numbers = 0, self._by_number()
        for index, view in enumerate(self.views):
            mask = self._by_name(view.name)
            if mask is None and not view.name:
                mask = numbers.get(index)
            used += mask is not None
            yield view, mask
        if not used:
            raise SceneError(self._unpaired())

    def _unpaired(self) -> str:
        first = next(iter(self.masks.files))
        places = self._places()[:1] if isinstance(self.views, Sequence) else []
        view = f", such as {places[0][1]!r}" if places else ""
        return (
            f"{self.masks.path}: none of the {len(self.masks.files)} masks, such as {first!r}, is "
            f"named like a view{view}, nor by its number; rename them"
        )

    def _labelled(self, view: View, picture: Camera, mask: str) -> View:
        """The view with a mask that was made for a picture of the camera `picture`."""
        path = self.masks.files[mask]
        answer = self.masks.answers.get(mask)
        if self.masks.answers and (answer is None or not answer.settled):
            return view  # before the first prompt, or all lost
        labels, seen = _fitting(path, read_labels(path), view, picture)
        answer = answer or Answer({}, frozenset())
        confidence = None
        if seen is not None or not self.masks.known <= answer.settled:
            trusted = labels > 0 if not self.masks.known <= answer.settled else np.True_
            trusted = trusted if seen is None else trusted & seen
            confidence = np.broadcast_to(trusted, labels.shape).astype(np.float32)
        return replace(view, labels=labels, scores=answer.scores, confidence=confidence)


def _fitting(path: Path, labels: LabelArray, view: View, picture: Camera) -> tuple[LabelArray, Any]:
    """The mask as the view sees it, and where it does; None: everywhere."""
    if labels.shape == picture.size_hw:
        return seen_from(labels, picture, view.camera)
    if labels.shape == view.size_hw:
        return labels, None
    (height, width), (wanted_height, wanted_width) = labels.shape, picture.size_hw
    raise SceneError(
        f"{path}: the mask is {width}x{height}, the picture of {view} "
        f"{wanted_width}x{wanted_height}; make masks at the picture's size"
    )


def _answers(path: Path) -> tuple[dict[str, Answer], frozenset[int]]:
    """What `tracks.json` says, by the name of the mask; and all ids in it."""
    values = read_json(path)
    answers: dict[str, Answer] = {}
    known: set[int] = set()
    try:
        for frame in values["frames"]:
            objects = frame["objects"]
            name = str(frame.get("stem") or f"{int(frame['index']):05d}")
            known.update(int(one["id"]) for one in objects)
            answers[name] = Answer(
                {
                    int(one["id"]): min(1.0, max(0.0, float(one["score"])))
                    for one in objects
                    if "box" in one
                },
                frozenset(int(one["id"]) for one in objects if one["state"] != "lost"),
            )
    except (KeyError, TypeError, ValueError) as error:
        raise SceneError(f"{path}: not a tracks.json of propagate track, or damaged") from error
    return answers, frozenset(known)
