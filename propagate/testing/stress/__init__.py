"""A stress suite for trackers: rendered clips of which the owner of every pixel is known.

    report = run(propagate.load_tracker(), scenarios(seed=0))
    report.total.j_and_f, report.of("look-alikes").switches

Objects are hidden for 1 to 60 frames, leave and return, meet their doubles, move by more than their
own size a frame, grow or shrink eightfold, are thin, stand in the dark, or are sixteen. Nothing is
stored: a clip is drawn from its seed, at any size. `run` takes any tracker with `start` and `step`.
"""

from __future__ import annotations

from propagate.testing.stress.catalogue import NAMES, scenarios
from propagate.testing.stress.measures import Figures, Note
from propagate.testing.stress.runner import Report, ScenarioResult, Shown, run, run_scenario
from propagate.testing.stress.scenario import Scenario
from propagate.testing.stress.scene import Drawn

__all__ = [
    "NAMES",
    "Drawn",
    "Figures",
    "Note",
    "Report",
    "Scenario",
    "ScenarioResult",
    "Shown",
    "run",
    "run_scenario",
    "scenarios",
]
