"""One click in one view, and the object's masks in all of them.

The views are followed in their order, onwards and backwards from the click, as a video is. What was
found is lifted; where the cloud then says that an object should be seen in a view that has no mask
of it, the segmenter is asked there with a box and points projected from the cloud, and of its
answers the one is taken that agrees best with what the cloud says of the view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

import propagate
from lifting import camera as cameras
from lifting.cli.mask_files import Answers, MaskFiles, entries, entry
from lifting.formats import SceneViews
from lifting.occlusion import Target
from lifting.prompts import Sighting, sightings
from lifting.settings import Settings
from lifting.types import Camera, LabelArray, LabelledCloud, View
from lifting.visibility import seen_of_cloud
from propagate.console.progress import bar
from propagate.masks import box_of
from propagate.types import Frame, FrameResult, Prompt

_LEAST_VISIBLE = 0.1
_LEAST_AGREEMENT = 0.6  # of a mask with the cloud; a mask of another thing has none
_LEAST_CONFIDENCE = 0.2  # of points that say what a mask may not cover


@dataclass(frozen=True, eq=False)
class Following:
    """Clicked objects, to be found in every view.

    Attributes:
        files: where their masks go.
        prompts: the clicks; `frame_index` is the place among the views.
        tracker: see `propagate.load_tracker`.
        every: all views are followed, but only each so many-th is lifted.
    """

    files: MaskFiles
    prompts: Sequence[Prompt]
    tracker: Any
    every: int = 1

    @property
    def lifted(self) -> SceneViews:
        """The views that the cloud is made of."""
        return replace(self.files.views, every=self.every)

    @property
    def first(self) -> dict[int, int]:
        """Object → the first view that it is clicked in."""
        views: dict[int, int] = {}
        for prompt in self.prompts:
            views[prompt.object_id] = min(
                prompt.frame_index, views.get(prompt.object_id, prompt.frame_index)
            )
        return views

    def track(self, *, quiet: bool) -> Answers:
        """Follow all objects both ways; their masks are written as they come.

        Raises:
            PropagateError: a picture cannot be read, or a mask not be written.
        """
        count, first = len(self.files.views), self.first
        onwards = range(min(first.values()), count)
        back = range(max(first.values()), -1, -1)
        answers: Answers = {at: [] for at in range(count)}
        self.files.clear()
        done = 0
        with bar("tracking", len(onwards) + len(back), quiet=quiet) as advance:
            for at, result in self._results(onwards, self.prompts):
                self._keep(at, result, {key for key in first if first[key] <= at}, answers)
                advance(done := done + 1)
            starts = [one for one in self.prompts if one.frame_index == first[one.object_id]]
            for at, result in self._results(back, starts):
                self._keep(at, result, {key for key in first if first[key] > at}, answers)
                advance(done := done + 1)
        return answers

    def _results(
        self, order: Iterable[int], prompts: Sequence[Prompt]
    ) -> Iterable[tuple[int, FrameResult]]:
        state = self.tracker.start()
        for at in order:
            frame = Frame(at, self.files.views.picture(at))
            here = [prompt for prompt in prompts if prompt.frame_index == at]
            state = self.tracker.step(state, frame, here)
            yield at, state.last

    def _keep(self, at: int, result: FrameResult, ids: set[int], answers: Answers) -> None:
        """Write the masks of some objects into the view's file."""
        answers[at] += [one for one in entries(result) if one["id"] in ids]
        labels = self.files.read(at)
        for mask in result.masks:
            if mask.object_id in ids:
                labels[mask.pixels & (labels == 0)] = mask.object_id
        self.files.write(at, labels)

    def fill(
        self, cloud: LabelledCloud, answers: Answers, settings: Settings, *, quiet: bool
    ) -> int:
        """Ask where the cloud shows an object that a lifted view has no mask of; how many it found.

        Args:
            cloud: lifted from the masks so far.
            answers: is added to.
            settings: that the cloud was lifted with.
            quiet: no bar.

        Raises:
            PropagateError: a picture cannot be read, or a mask not be written.
        """
        found, target = 0, Target.of(cloud.points)
        with bar("looking again", len(self.lifted), quiet=quiet) as advance:
            for done, at in enumerate(range(0, len(self.files.views), self.every), start=1):
                seen = {one["id"] for one in answers[at] if one.get("box")}
                wanted = [key for key in cloud.object_ids if key not in seen and key in self.first]
                if wanted:
                    view = self.files.views[at]
                    shown = sightings(view, cloud, wanted, settings=settings)
                    shown = tuple(one for one in shown if one.visible >= _LEAST_VISIBLE)
                    if shown:
                        camera = self.files.views.shots[at].camera
                        known = Known.of(view, camera, cloud, target, settings)
                        found += self._ask(at, known, shown, answers)
                advance(done)
        return found

    def _ask(self, at: int, known: Known, shown: Sequence[Sighting], answers: Answers) -> int:
        """Segment what should be there; the number of masks that agree with the cloud."""
        picture, labels, found = self.files.views.picture(at), self.files.read(at), 0
        for one in shown:
            corners = known.placed(np.vstack([one.box.reshape(2, 2), one.points_xy]))
            candidates = propagate.segment(
                picture, corners[2:], None, corners[:2].ravel(), segmenter=self.tracker.segmenter
            )
            free = [each.pixels & (labels == 0) for each in candidates]
            fits = [known.agreement(mask, one.object_id) for mask in free]
            best = int(np.argmax(fits))
            edges = box_of(free[best])
            if fits[best] < _LEAST_AGREEMENT or edges is None:
                continue
            labels[free[best]] = one.object_id
            others = [each for each in answers[at] if each["id"] != one.object_id]
            said = entry(one.object_id, "tracked", fits[best])
            answers[at] = [*others, {**said, "box": edges.astype(int).tolist()}]
            found += 1
        if found:
            self.files.write(at, labels)
            self.files.write_tracks(answers)
        return found


@dataclass(frozen=True, eq=False)
class Known:
    """What a cloud says of a view.

    Attributes:
        own: the camera of the view.
        whole: the camera of its picture, which may be larger than the view.
        pixels: (N, 2) whole pixels of the picture, x and y: where points of the cloud are seen.
        labels: (N,) theirs.
    """

    own: Camera
    whole: Camera
    pixels: npt.NDArray[np.intp]
    labels: LabelArray

    @staticmethod
    def of(
        view: View, whole: Camera, cloud: LabelledCloud, target: Target, settings: Settings
    ) -> Known:
        """Find the points that a view shows, those left out whose label nobody knows."""
        seen = seen_of_cloud(view, target, settings).indices
        assert seen is not None  # a cloud was given
        seen = seen[cloud.confidence[seen] > _LEAST_CONFIDENCE]
        places, _ = cameras.project(view.camera, cloud.points[seen])
        empty = Known(view.camera, whole, np.zeros((0, 2), np.intp), cloud.labels[:0])
        return replace(
            empty, pixels=empty.placed(places).astype(np.intp), labels=cloud.labels[seen]
        )

    def placed(self, places: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Pixels (N, 2) of the view as pixels of the picture."""
        scale = np.divide(self.whole.focal_xy, self.own.focal_xy)
        moved = (np.asarray(places) - self.own.centre_xy) * scale + self.whole.centre_xy
        height, width = self.whole.size_hw
        return np.clip(moved, 0, np.array([width, height]) - 1e-3).astype(np.float32)

    def agreement(self, mask: npt.NDArray[np.bool_], object_id: int) -> float:
        """IoU, 0..1, of a mask (H, W) and an object, counted in points of the cloud."""
        inside = mask[self.pixels[:, 1], self.pixels[:, 0]]
        mine = self.labels == object_id
        either = int((inside | mine).sum())
        return int((inside & mine).sum()) / either if either else 0.0
