"""Lifting masks that were made in every view on its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from lifting.fuse import renamed
from lifting.instances import Numbering, link
from lifting.lifter import Lifter, point_cells
from lifting.settings import Settings
from lifting.types import LabelArray, LabelledCloud, View
from lifting.visibility import NO_VOTE


@dataclass(frozen=True, eq=False)
class Association:
    """What masks made on their own in every view have in common.

    Attributes:
        cloud: labelled with objects from 1 on, those with most masks first.
        ids: for each view in turn, id of a mask → object; masks that belong to none, because they
            cover several or were seen once only, are left out.
    """

    cloud: LabelledCloud
    ids: tuple[dict[int, int], ...]


def associate(
    views: Iterable[View],
    *,
    cloud: LabelledCloud | None = None,
    settings: Settings | None = None,
) -> Association:
    """Masks that were made in each view on its own, as one cloud of objects.

    The ids of the masks mean nothing beyond their view: which of them are the same object is found
    by what the views agree on, see `lifting.instances`.

    Args:
        views: posed, with labels, and with depth unless a cloud is given. Read once, one at a
            time; what is kept grows with the number of masks.
        cloud: points to label, as for `lift`.
        settings: how; by default pixels without a mask say nothing.

    Raises:
        SceneError: as `lift`.
    """
    settings = settings or Settings(unlabelled="unknown")
    lifter = Lifter(replace(settings, unlabelled="background"))  # every pixel has a number
    state = lifter.start(cloud)
    masks: list[LabelArray] = []
    count = 0
    for view in views:
        numbered, found = _numbered(view, count)
        state = lifter.update(state, numbered)
        masks.append(found)
        count += len(found)
    tally = lifter.tally(state)
    owners = np.repeat(np.arange(len(masks)), [len(found) for found in masks])
    numbering = Numbering(owners.astype(np.int32), np.concatenate(masks))
    target = state.target
    cells = tally.keys if target is None else point_cells(tally, target, settings)
    objects = link(tally, cells, numbering)
    names = _names(numbering, objects, len(masks))
    if settings.unlabelled == "background":
        objects[numbering.masks == 0] = 0
    return Association(lifter.labelled(state, renamed(tally, objects)), names)


def _numbered(view: View, first: int) -> tuple[View, LabelArray]:
    """The view with its masks counted on from `first`, and the id that each number stands for.

    The first number is for what no mask covers.
    """
    if view.labels is None:
        return view, np.zeros(0, np.int32)
    found = np.unique(view.labels)
    ids = np.append(np.int32(0), found[found > 0])
    labels = np.searchsorted(ids, view.labels) + first
    number_of = {int(key): first + number for number, key in enumerate(ids)}
    scores = {number_of[key]: score for key, score in view.scores.items() if key in number_of}
    return view.with_labels(labels, scores), ids


def _names(numbering: Numbering, objects: LabelArray, views: int) -> tuple[dict[int, int], ...]:
    """For each view, id of a mask → object."""
    names: tuple[dict[int, int], ...] = tuple({} for _ in range(views))
    for number in np.flatnonzero((objects != NO_VOTE) & (numbering.masks > 0)):
        names[numbering.views[number]][int(numbering.masks[number])] = int(objects[number])
    return names
