"""The default tracker where tracking is hard: hidden, gone and back, doubles, fast, thin, dark.

pytest -m bench tests/benchmarks/test_stress.py

`propagate stress --out DIR` measures the same and leaves a contact sheet.
"""

from __future__ import annotations

import os

import pytest

import propagate
from propagate.testing.stress import NAMES, run_scenario, scenarios
from propagate.testing.stress.runner import Report

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("prompt", ["mask"])
def test_stress(show, prompt):
    tracker = propagate.load_tracker()
    seed = int(os.environ.get("STRESS_SEED", "0"))
    results = tuple(run_scenario(tracker, one, prompt) for one in scenarios(seed))
    report = Report(results)
    rows = [row(one.name, one.figures) for one in results]
    rows += [row(f"{family}-*", report.of(family)) for family in ("occlusion", "look-alikes")]
    show(f"stress, seed {seed}, {prompt} in the first frame", [*rows, row("all", report.total)])
    assert len(results) == len(NAMES)


def row(name, found):
    return {
        "scenario": name,
        "J&F": f"{100 * found.j_and_f:.1f}",
        "switches / 1000": f"{found.switches:.1f}",
        "on another, %": f"{100 * found.mistaken:.1f}",
        "mask while absent, %": f"{100 * found.false_positives:.1f}",
        "back in 5, %": f"{100 * found.reacquired:.0f}",
        "delay": f"{found.delay:.1f}",
        "calibration, %": f"{100 * found.calibration:.1f}",
    }
