"""Masks without common ids become objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lifting.association import associate
from lifting.lifter import lift
from lifting.settings import Settings
from lifting.types import LabelledCloud
from propagate.errors import SceneError
from tests.lifting.analytic import average_precision, independent, mean_confidence


def precision(scene, cloud, overlap=0.5):
    truth, _ = scene.truth(cloud.points)
    return average_precision(cloud.labels, truth, mean_confidence(cloud), overlap=overlap)


def made_alone(views, seed, **errors):
    return [independent(view, 1000 * seed + n, **errors) for n, view in enumerate(views)]


@pytest.mark.parametrize("seed", [0, 1])
def test_split_and_swallowed_masks_are_told_apart(scene, exact_views, seed):
    found = associate(made_alone(exact_views, seed))
    assert precision(scene, found.cloud) > 0.9
    assert precision(scene, found.cloud, 0.75) > 0.8


def test_masks_that_are_only_numbered_anew_are_as_good_as_ids(scene, exact_views):
    found = associate(made_alone(exact_views, 0, split=0, merge=0))
    known = lift(exact_views, settings=Settings(unlabelled="unknown"))
    assert precision(scene, found.cloud, 0.9) == precision(scene, known, 0.9) == 1.0


def test_masks_are_told_their_objects(scene, exact_views):
    """With the names, every mask of every view lies on the truth that its object stands for."""
    views = made_alone(exact_views, 3, split=0.2, merge=0)
    found = associate(views)
    assert len(found.ids) == len(views)
    meant: dict[int, set[int]] = {}
    for view, exact, names in zip(views, exact_views, found.ids, strict=True):
        for mask, thing in names.items():
            (truth,) = set(exact.labels[view.labels == mask])
            meant.setdefault(thing, set()).add(int(truth))
    assert all(len(truths) == 1 for truths in meant.values())
    assert {truth for truths in meant.values() for truth in truths} == {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 300,
    }  # fmt: skip


def test_a_given_cloud_is_labelled_without_depth(scene, exact_views):
    points = lift(exact_views).points[::2]
    blind = [replace(view, depth=None) for view in made_alone(exact_views, 1)]
    found = associate(blind, cloud=LabelledCloud(points, np.zeros(len(points), np.int32)))
    assert found.cloud.points is points
    assert precision(scene, found.cloud) > 0.9


def test_the_order_of_objects_is_that_of_their_masks(exact_views):
    found = associate(made_alone(exact_views, 0))
    masks = [sum(thing in names.values() for names in found.ids) for thing in (1, 2, 3)]
    assert min(masks) > 8
    assert min(found.cloud.object_ids) == 1


def test_one_view_and_views_without_masks(exact_views):
    alone = associate(exact_views[:1])
    assert len(alone.cloud.object_ids) > 4 and len(alone.ids[0]) == len(set(alone.ids[0].values()))
    blank = replace(exact_views[1], labels=None)
    assert associate([exact_views[0], blank, exact_views[2]]).ids[1] == {}
    empty = exact_views[0].with_labels(np.zeros(exact_views[0].size_hw, np.int32))
    assert not associate([empty, empty]).cloud.labels.any()
    with pytest.raises(SceneError, match="no views"):
        associate([])
    with pytest.raises(SceneError, match="has labels"):
        associate([blank])
