"""Lifting on rendered scenes: exact masks, and masks that `lite` makes from one click an object.

pytest -m bench tests/benchmarks/test_lift_rendered.py
"""

from __future__ import annotations

import time

import numpy as np
import pytest

import propagate
from lifting import testing
from lifting.anchors import anchored
from lifting.lifter import lift
from lifting.settings import Settings
from lifting.testing import Sensor

pytest.importorskip("open3d")
pytestmark = pytest.mark.bench

SPOILT = Sensor(depth_share=0.01, edge_px=5, pose_degrees=0.5, pose_m=0.01)
FINE = Settings(voxel_m=0.01)
SCENES = {"table top": testing.table_top, "room": testing.room}


def judged(scene, cloud):
    truth, _ = scene.truth(cloud.points)
    good, objects = cloud.labels == truth, (truth > 0) | (cloud.labels > 0)
    return {
        "points": len(cloud),
        "right": round(good.mean(), 4),
        "right, on objects": round(good[objects].mean(), 4),
        "object IoU": round(np.mean(list(overlaps(scene, cloud).values())), 3),
    }


def overlaps(scene, cloud, ids=()):
    """Id → IoU over the cloud's own points; the truth is the surface that lies nearest."""
    truth, _ = scene.truth(cloud.points)
    found = {}
    for key in ids or scene.object_ids:
        mine, true = cloud.labels == key, truth == key
        if true.any():
            found[key] = (mine & true).sum() / (mine | true).sum()
    return found


@pytest.mark.parametrize("kind", SCENES)
def test_labels(kind, show):
    rows = []
    for seed in range(3):
        scene = SCENES[kind](seed)
        views = [scene.look(camera, detail=0) for camera in testing.around(scene, 24, seed=seed)]
        spoilt = [SPOILT.spoilt(view, number) for number, view in enumerate(views)]
        rows.append({"seed": seed, "24 VGA views": "exact", **judged(scene, lift(views))})
        rows.append({"seed": seed, "24 VGA views": "spoilt", **judged(scene, lift(spoilt))})
    show(f"{kind}; spoilt: 1 % depth, 5 px edges, 0.5 degrees, 1 cm", rows)


def test_one_click_an_object(show):
    """48 frames over half a circle, VGA, tracked with `lite` from a click on each thing.

    All are clicked in one frame, that in which none is much hidden, and followed both ways.
    """
    rows, every = [], []
    for seed in range(4):
        scene = testing.table_top(seed)
        way = testing.around(scene, 48, arc_degrees=180, seed=seed)
        views = list(scene.views(way, detail=1))
        start = testing.clearest(views)
        began = time.perf_counter()
        masks = followed(views, start)
        tracked = time.perf_counter()
        votes = lift(masks, settings=FINE)
        cloud = anchored(votes, masks[start])
        lifted = time.perf_counter()
        in_3d = overlaps(scene, cloud)
        every += in_3d.values()
        flat = [overlap_2d(views, masks, key) for key in scene.object_ids]
        rows.append(
            {
                "seed": seed,
                "things": len(in_3d),
                "IoU in pictures": round(np.mean(flat), 3),
                "in 3D, votes": mean(overlaps(scene, votes)),
                "anchored": mean(in_3d),
                "worst": min((round(v, 2), scene.names[k]) for k, v in in_3d.items()),
                "exact masks": mean(overlaps(scene, lift(views, settings=FINE))),
                "track, s": round(tracked - began, 1),
                "lift, s": round(lifted - tracked, 1),
            }
        )
    show(f"one click an object: mean IoU in 3D {np.mean(every):.3f}", rows)


def mean(values):
    return round(np.mean(list(values.values())), 3)


def followed(views, start):
    """The views with the masks that the tracker makes of clicks in the one at `start`."""
    masks = {}
    for part in (views[start:], views[start::-1]):
        results = propagate.track(testing.frames(part), testing.clicks(part[0]))
        for view, result in zip(part, results, strict=True):
            scores = {mask.object_id: mask.score for mask in result.masks}
            masks[view.name] = view.with_labels(result.label_map(), scores)
    return [masks[view.name] for view in views]


def overlap_2d(views, masks, key):
    """Mean IoU of an object's masks over the frames that show it."""
    scores = []
    for view, made in zip(views, masks, strict=True):
        true, mine = view.labels == key, made.labels == key
        if true.sum() > 50:
            scores.append((mine & true).sum() / (mine | true).sum())
    return np.mean(scores)
