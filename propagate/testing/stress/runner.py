"""Runs a tracker through scenarios."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.table import Table

from propagate.errors import InputError
from propagate.evaluation.prompts import check_kind
from propagate.evaluation.runner import StepTracker
from propagate.testing.stress.measures import Figures, Note, figures, notes
from propagate.testing.stress.scenario import Scenario, is_visible
from propagate.testing.stress.scene import Drawn
from propagate.types import Frame, FrameResult

_DIGITS = 4


@dataclass(frozen=True, eq=False)
class Shown:
    """What a watcher of a run sees of a frame: the picture, the truth and the answer."""

    scenario: Scenario
    frame: Frame
    drawn: Drawn
    result: FrameResult


Watch = Callable[[Shown], None]


@dataclass(frozen=True, eq=False)
class ScenarioResult:
    """One scenario.

    Attributes:
        name: of the scenario.
        asks: what it asks of a tracker.
        notes: object id → a note a frame, in order.
        frame_count: frames.
        seconds: that the tracker's steps took; drawing and measuring are not in it.
    """

    name: str
    asks: str
    notes: dict[int, tuple[Note, ...]]
    frame_count: int
    seconds: float

    @cached_property
    def figures(self) -> Figures:
        """The measures."""
        return figures(self.notes.values(), self.frame_count)


@dataclass(frozen=True, eq=False)
class Report:
    """What came out: in order, one or more."""

    results: tuple[ScenarioResult, ...]

    @property
    def total(self) -> Figures:
        """The measures over all scenarios, see `of`."""
        return self.of("")

    def of(self, family: str) -> Figures:
        """The measures over the scenarios whose names begin so, such as "look-alikes".

        J&F is the mean over scenarios, or the one with sixteen objects would outweigh the others;
        the rest are taken over all of their frames.

        Raises:
            InputError: none does.
        """
        chosen = [one for one in self.results if one.name.startswith(family)]
        if not chosen:
            raise InputError(f"no scenario {family!r} in this report")
        every = [series for one in chosen for series in one.notes.values()]
        found = figures(every, sum(one.frame_count for one in chosen))
        means = [one.figures.j_and_f for one in chosen]
        return dataclasses.replace(found, j_and_f=sum(means) / len(means))

    def table(self) -> Table:
        """A row a scenario and one for all; shares in percent."""
        grid = Table("scenario", "asks")
        for name in _COLUMNS:
            grid.add_column(name, justify="right")
        for one in self.results:
            rate = one.frame_count / one.seconds if one.seconds else float("nan")
            grid.add_row(one.name, one.asks, *_cells(one.figures), _cell(rate, 1))
        grid.add_section()
        frames = sum(one.frame_count for one in self.results)
        seconds = sum(one.seconds for one in self.results)
        rate = frames / seconds if seconds else float("nan")
        grid.add_row("all", "", *_cells(self.total), _cell(rate, 1), style="bold")
        return grid

    def as_json(self) -> str:
        """Everything that was measured; a number that does not exist is null."""
        values = {
            "total": _numbers(dataclasses.asdict(self.total)),
            "scenarios": [
                {
                    "name": one.name,
                    "frames": one.frame_count,
                    "seconds": round(one.seconds, _DIGITS),
                    **_numbers(dataclasses.asdict(one.figures)),
                    "notes": [
                        _numbers(dataclasses.asdict(note))
                        for series in one.notes.values()
                        for note in series
                    ],
                }
                for one in self.results
            ],
        }
        return json.dumps(values, indent=1, allow_nan=False) + "\n"


_COLUMNS = (
    "J&F",
    "switches / 1000",
    "on another",
    "mask while absent",
    "back in 5",
    "delay",
    "calibration",
    "frames/s",
)


def run(
    tracker: StepTracker,
    scenarios: Iterable[Scenario],
    prompt: str = "mask",
    watch: Watch | None = None,
) -> Report:
    """Measure a tracker: every object is given in the first frame, then compared with the truth.

    Args:
        tracker: `propagate.tracker.Tracker`, or anything with its `start` and `step`.
        scenarios: from `scenarios`.
        prompt: "mask", "box" or "click", made from the true mask.
        watch: is shown every frame, or None.

    Raises:
        InputError: no scenario, no such prompt, or an answer of another size than the picture.
    """
    check_kind(prompt)
    results = tuple(run_scenario(tracker, one, prompt, watch) for one in scenarios)
    if not results:
        raise InputError("no stress scenario to run; give one or more")
    return Report(results)


def run_scenario(
    tracker: StepTracker, scenario: Scenario, prompt: str = "mask", watch: Watch | None = None
) -> ScenarioResult:
    """Measure a tracker in one scenario; see `run`."""
    waiting = scenario.prompts(check_kind(prompt))
    series: dict[int, list[Note]] = {one: [] for one in scenario.object_ids}
    state, seconds = tracker.start(), 0.0
    for frame, drawn in scenario.drawn():
        began = time.perf_counter()
        state = tracker.step(state, frame, waiting)
        seconds += time.perf_counter() - began
        waiting = []
        result: FrameResult = state.last
        if result.size_hw != frame.size_hw:
            raise InputError(f"answers are {result.size_hw} (H, W), pictures {frame.size_hw}")
        flags = {one: is_visible(drawn, one) for one in scenario.object_ids}
        for note in notes(drawn.labels, flags, result):
            series[note.object_id].append(note)
        if watch is not None:
            watch(Shown(scenario, frame, drawn, result))
    done = {one: tuple(each) for one, each in series.items()}
    return ScenarioResult(scenario.name, scenario.asks, done, len(scenario), seconds)


def _cells(found: Figures) -> list[str]:
    return [
        _cell(100 * found.j_and_f, 1),
        _cell(found.switches, 1),
        _cell(100 * found.mistaken, 1),
        _cell(100 * found.false_positives, 1),
        _cell(100 * found.reacquired, 0),
        _cell(found.delay, 1),
        _cell(100 * found.calibration, 1),
    ]


def _cell(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Floats rounded, None where they are none."""
    return {
        key: (round(value, _DIGITS) if math.isfinite(value) else None)
        if isinstance(value, float)
        else value
        for key, value in values.items()
    }
