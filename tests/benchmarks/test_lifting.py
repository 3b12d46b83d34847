"""Lifting: right labels, objects without ids, time and memory, beside two published ways.

pytest -m bench tests/benchmarks/test_lifting.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from lifting.association import associate
from lifting.lifter import Lifter, lift
from lifting.settings import Settings
from tests.benchmarks import lifting_baselines as baselines
from tests.lifting.analytic import (
    Scene,
    around,
    average_precision,
    independent,
    mean_confidence,
    spoilt,
)

pytestmark = pytest.mark.bench

ROOT = Path(__file__).resolve().parents[2]
VGA = (480, 640)


@pytest.fixture(scope="module")
def scene():
    return Scene()


@pytest.fixture(scope="module")
def views(scene):
    return [scene.look(camera) for camera in around(24, VGA)]


def shares(scene, cloud):
    truth, apart = scene.truth(cloud.points)
    good, objects = cloud.labels == truth, (truth > 0) | (cloud.labels > 0)
    return {
        "points": len(cloud),
        "right": round(good.mean(), 4),
        "right, on objects": round(good[objects].mean(), 4),
        "off the surface, mm (median)": round(1e3 * float(np.median(apart)), 1),
    }


def test_labels(scene, views, show):
    noisy = [spoilt(view, seed) for seed, view in enumerate(views)]
    exact = lift(views)
    given = replace(exact, labels=np.zeros_like(exact.labels))
    rows = [
        {"24 VGA views": "exact", **shares(scene, exact)},
        {"24 VGA views": "1 % depth, 5 px, 0.5°, 1 cm", **shares(scene, lift(noisy))},
        {"24 VGA views": "same, a given cloud", **shares(scene, lift(noisy, cloud=given))},
    ]
    show("labels of points", rows)


ERRORS = {
    "numbered anew": {"split": 0.0, "merge": 0.0},
    "20 % split, 10 % swallowed": {},
    "same, as a sensor sees it": {},
}


@pytest.mark.parametrize("errors", ERRORS)
def test_objects_without_ids(scene, views, show, errors):
    """Class-agnostic AP on the same points for all."""
    where = lift(views).points
    truth, _ = scene.truth(where)
    found = {}
    for seed in range(3):
        masks = [independent(v, 1000 * seed + n, **ERRORS[errors]) for n, v in enumerate(views)]
        if "sensor" in errors:
            masks = [spoilt(view, n) for n, view in enumerate(masks)]
        cloud = associate(masks).cloud
        answers = {
            "ours": (cloud.points, cloud.labels, mean_confidence(cloud)),
            "pairwise merging": baselines.pairwise_merging(masks, baselines.at_once),
            "mask clustering": baselines.mask_clustering(masks, where),
        }
        for name, (points, ids, scores) in answers.items():
            apart, nearest = cKDTree(points).query(where)
            there = np.where(apart < baselines.VOXEL, ids[nearest], 0)
            for overlap in (0.25, 0.5, 0.75):
                score = average_precision(there, truth, scores, overlap=overlap)
                found.setdefault(name, {}).setdefault(overlap, []).append(score)
    rows = [
        {"method": name}
        | {f"AP{100 * overlap:.0f}": round(np.mean(s), 3) for overlap, s in scores.items()}
        for name, scores in found.items()
    ]
    show(f"class-agnostic AP, {errors}; mean of 3", rows)


def test_time_a_view(views, show):
    """250 views each; the two ways of merging pairs differ in how they look for neighbours."""
    many = [views[n % len(views)] for n in range(250)]
    masks = [independent(view, n) for n, view in enumerate(many)]
    lifter, rows = Lifter(), []
    began = time.perf_counter()
    state = lifter.start()
    for view in many:
        state = lifter.update(state, view)
    looped = time.perf_counter()
    lifter.cloud(state)
    rows.append(timed("lift with ids", time.perf_counter() - began))
    rows.append(timed("  of it the last step", time.perf_counter() - looped))
    for name, run in {
        "associate, without ids": associate,
        "pairwise merging, point by point": baselines.pairwise_merging,
        "pairwise merging, at once": lambda v: baselines.pairwise_merging(v, baselines.at_once),
    }.items():
        began = time.perf_counter()
        run(masks)
        rows.append(timed(name, time.perf_counter() - began))
    show("250 VGA views, masks given", rows)


def timed(what, seconds, views=250):
    return {"what": what, "s": round(seconds, 2), "ms a view": round(1e3 * seconds / views, 1)}


MEASURED = """
import sys
from lifting.lifter import lift
from tests.lifting.analytic import Scene, around, spoilt
scene = Scene()
seen = [scene.look(camera) for camera in around(20, (480, 640))]
moved = (spoilt(seen[n % 20], n, edge_px=0.0) for n in range(int(sys.argv[1])))
cloud = lift(moved)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(cloud), int(peak.split()[1]) / 1024)
"""


def test_memory(show):
    """Every view has its own noise and pose error, so that no two are alike."""
    rows = []
    for count in (100, 1000):
        command = [sys.executable, "-c", MEASURED, str(count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        points, peak = done.stdout.split()
        rows.append({"views": count, "points": int(points), "peak RSS, MB": round(float(peak))})
    for row in rows:
        row["of 100 views"] = round(row["peak RSS, MB"] / rows[0]["peak RSS, MB"], 2)
    show("peak memory, a room seen again and again", rows)


def test_strides(scene, views, show):
    rows = []
    for stride in (0, 1, 2, 4):
        began = time.perf_counter()
        cloud = lift(views, settings=Settings(stride=stride))
        seconds = time.perf_counter() - began
        rows.append(
            {"stride": stride or "by itself", **shares(scene, cloud), "s": round(seconds, 2)}
        )
    show("every how many pixels", rows)
