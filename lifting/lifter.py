"""From views to a labelled cloud, all at once (`lift`) or as they come (`Lifter`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from lifting.fragments import floating, well_seen, without_fragments
from lifting.fuse import Verdict, centres, decide, tally_view, voxel_keys
from lifting.occlusion import Target
from lifting.settings import Settings
from lifting.tally import KeyArray, Tallies, Tally, added, merged
from lifting.types import LabelArray, LabelledCloud, View
from lifting.visibility import Samples, seen_by_depth, seen_of_cloud
from propagate.errors import SceneError
from propagate.types import FloatArray, ImageArray

_MANY_VIEWS = 8
_FORGET_AFTER = (
    64  # views; a place that one of so many has seen, and none of as many after, is noise
)


@dataclass(frozen=True, eq=False)
class LiftState:
    """What is known after some views. Replaced, never edited; can be pickled and gone on with.

    Attributes:
        tallies: the votes so far.
        views: how many views there were.
        labelled: how many of them had masks.
        target: the given cloud, or None.
    """

    tallies: Tallies = ()
    views: int = 0
    labelled: int = 0
    target: Target | None = None


@dataclass(frozen=True)
class Lifter:
    """Lifts view by view.

    >>> lifter = lifting.Lifter()
    >>> state = lifter.start()
    >>> for view in camera:
    ...     state = lifter.update(state, view)
    >>> cloud = lifter.cloud(state)

    Attributes:
        settings: how.
    """

    settings: Settings = Settings()

    def start(self, cloud: LabelledCloud | None = None) -> LiftState:
        """Nothing is known.

        Args:
            cloud: where given, its points are labelled and no others are made.

        Raises:
            SceneError: a cloud with fewer than two points.
        """
        return LiftState(target=None if cloud is None else Target.of(cloud.points, cloud.colours))

    def update(self, state: LiftState, view: View) -> LiftState:
        """The state after one more view.

        Raises:
            SceneError: a view without depth where no cloud was given, or points too far away.
        """
        if not isinstance(view, View):
            raise SceneError(f"views must be lifting.View, got {type(view).__name__}")
        tally = tally_view(self.seen(state, view), self.settings.voxel_m)
        noisy = state.target is None and self.settings.least_views > 1
        return replace(
            state,
            tallies=added(state.tallies, tally, _FORGET_AFTER if noisy else 0),
            views=state.views + 1,
            labelled=state.labelled + (view.labels is not None),
        )

    def seen(self, state: LiftState, view: View) -> Samples:
        """What the view says of the given cloud, or of the points that its depth makes."""
        if state.target is None:
            return seen_by_depth(view, self.settings)
        return seen_of_cloud(view, state.target, self.settings)

    def cloud(self, state: LiftState) -> LabelledCloud:
        """The cloud that the views so far make.

        Raises:
            SceneError: no views yet, none of them with masks, or none that shows a point.
        """
        return self.labelled(state, self.tally(state))

    def tally(self, state: LiftState) -> Tally:
        """All votes so far, in one.

        Raises:
            SceneError: as `cloud`.
        """
        if not state.views:
            raise SceneError("there are no views to lift")
        if not state.labelled:
            raise SceneError(
                f"none of the {state.views} views has labels; add masks with lifting.label_views"
            )
        tally = merged(state.tallies)
        if not len(tally.keys):
            raise SceneError(
                f"the {state.views} views show no point: is the depth all 0, or in millimetres, "
                "or does no camera look at the cloud?"
            )
        return tally

    def labelled(self, state: LiftState, tally: Tally) -> LabelledCloud:
        """The cloud that some votes make; `state` says of what and how many views gave them."""
        if state.target is not None:
            return _labelled(tally, state.target, self.settings)
        if state.views < _MANY_VIEWS or self.settings.least_views <= 1:
            return _fused(tally, replace(self.settings, least_views=1))
        if state.views >= 2 * _FORGET_AFTER:  # so that it does not matter what was forgotten before
            tally = tally.at(tally.views > 1)
        return _fused(tally, self.settings)


def lift(
    views: Iterable[View],
    *,
    cloud: LabelledCloud | None = None,
    settings: Settings | None = None,
) -> LabelledCloud:
    """Masks of many views as one labelled cloud.

    The ids of the masks mean the same object in every view, as those of `propagate.track` do; see
    `associate` for masks that were made in each view on its own.

    Args:
        views: posed, with labels; with depth, unless a cloud is given. Read once, one at a time,
            and not kept.
        cloud: points to label, for example of a reconstruction; a view without depth then takes
            the points themselves to tell which of them are hidden. By default points are made from
            the depth, one a voxel.
        settings: how; `Settings()` by default.

    Returns:
        With `cloud`, its points in their order, with its colours. Otherwise points in no
        particular order, coloured where views have pictures.

    Raises:
        SceneError: no views, none with labels, none that shows a point, or one without depth
            where no cloud is given.
    """
    lifter = Lifter(settings or Settings())
    state = lifter.start(cloud)
    for view in views:
        state = lifter.update(state, view)
    return lifter.cloud(state)


def _fused(tally: Tally, settings: Settings) -> LabelledCloud:
    """Voxels as points: noise, floating pieces and far fragments are taken away."""
    verdict = decide(tally)
    rows = np.flatnonzero(well_seen(tally.keys, tally.sums[:, 0], tally.views, settings))
    if settings.least_floater and len(rows):
        rows = rows[~floating(tally.keys[rows], settings.least_floater)]
    keys, sums, views = tally.keys[rows], tally.sums[rows], tally.views[rows]
    verdict = verdict.at(rows)
    labels = verdict.labels
    if settings.least_fragment and len(rows):
        labels = without_fragments(keys, verdict, views, settings.least_fragment)
    offsets = sums[:, 1:4] / sums[:, :1]
    return LabelledCloud(
        (centres(keys, settings.voxel_m) + offsets * settings.voxel_m).astype(np.float32),
        labels,
        _confidence(verdict, labels, views),
        _colours(sums),
        views,
    )


def _labelled(tally: Tally, target: Target, settings: Settings) -> LabelledCloud:
    """The given points, each with its votes; those that no view saw have label 0."""
    verdict = decide(tally)
    labels = verdict.labels
    if settings.least_fragment:
        labels = _without_fragments_of_points(tally, verdict, target, settings)
    count = len(target.points)
    whole_labels, views = np.zeros(count, np.int32), np.zeros(count, np.int32)
    confidence = np.zeros(count, np.float32)
    whole_labels[tally.keys] = labels
    views[tally.keys] = tally.views
    confidence[tally.keys] = _confidence(verdict, labels, tally.views)
    return LabelledCloud(target.points, whole_labels, confidence, target.colours, views)


def _without_fragments_of_points(
    tally: Tally, verdict: Verdict, target: Target, settings: Settings
) -> LabelArray:
    """As for voxels, which are as large as the gaps between the points here."""
    keys = point_cells(tally, target, settings)
    order = np.argsort(keys, kind="stable")
    labels = np.empty_like(verdict.labels)
    labels[order] = without_fragments(
        keys[order], verdict.at(order), tally.views[order], settings.least_fragment
    )
    return labels


def point_cells(tally: Tally, target: Target, settings: Settings) -> KeyArray:
    """(V,) the voxels that hold the points which a tally counts, not finer than their spacing."""
    size = max(settings.voxel_m, 2 * target.spacing_m)
    return voxel_keys(target.points[tally.keys], size)


def _confidence(verdict: Verdict, labels: LabelArray, views: LabelArray) -> FloatArray:
    """The winner's share of the votes, shrunk where few views saw the point: by n / (n + 1).

    0 where the label was taken away after the vote.
    """
    shares = verdict.shares * (views / (views + np.float32(1)))
    return np.where(labels == verdict.labels, shares, 0).astype(np.float32)


def _colours(sums: FloatArray) -> ImageArray | None:
    """(V, 3) uint8: the mean colour; black where no view had a picture, None where none had."""
    if not sums[:, 4].any():
        return None
    mean = sums[:, 5:8] / np.maximum(sums[:, 4:5], np.finfo(np.float32).tiny)
    rounded: ImageArray = np.clip(np.rint(mean), 0, 255).astype(np.uint8)
    return rounded
