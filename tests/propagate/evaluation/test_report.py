"""Tables, files and pictures say what the results say."""

from __future__ import annotations

import csv
import io
import json

import cv2
import numpy as np
import pytest
from rich.console import Console

from propagate.errors import InputError
from propagate.evaluation.pictures import PREDICTION, TRUTH, contact_sheet, plot, worst_frames
from propagate.evaluation.report import table, write_report
from propagate.evaluation.runner import evaluate


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def results(data_set, out, still_tracker):
    return list(evaluate(data_set, still_tracker(), out=out))


def test_the_table_has_a_row_a_sequence_and_one_for_all(results):
    console = Console(width=120, file=io.StringIO())
    console.print(table(results))
    text = console.file.getvalue()
    for result in results:
        (line,) = [line for line in text.splitlines() if result.sequence.name in line.split()]
        assert f"{100 * result.j_and_f:.1f}" in line and f"{100 * result.j:.1f}" in line
    assert "all objects" in text


def test_the_files_hold_the_results(results, out):
    write_report(results, out)
    values = json.loads((out / "results.json").read_text())
    assert [one["name"] for one in values["sequences"]] == ["one", "two"]
    for one, result in zip(values["sequences"], results, strict=True):
        assert one["j_mean"] == pytest.approx(result.j, abs=1e-4)
        assert len(one["frames"]) == len(result.frames)
        assert one["frames_tracked"] == 9 and one["seconds"] > 0
    rows = list(csv.DictReader((out / "results.csv").read_text().splitlines()))
    assert [(row["sequence"], row["object"]) for row in rows] == [
        ("one", "1"),
        ("two", "1"),
        ("two", "2"),
    ]
    assert float(rows[2]["j_mean"]) == pytest.approx(results[1].objects[1].j.mean, abs=1e-4)
    for name in ("worst.png", "plots/one.png", "plots/two.png"):
        assert cv2.imread(str(out / name)) is not None


def test_the_worst_frames_are_the_worst_and_not_neighbours(results):
    worst = worst_frames(results[0], 3)
    assert worst[0].j == min(one.j for one in results[0].frames)
    assert [one.j for one in worst] == sorted(one.j for one in worst)
    indices = sorted(one.index for one in worst)
    assert min(np.diff(indices)) >= 2


def test_the_sheet_shows_both_contours_in_a_cell_a_frame(results, out):
    sheet = contact_sheet(results, out / "masks", count=2)
    assert sheet.shape == (40 + 2 * 308 + 8, 2 * 488 + 8, 3)
    for column in range(2):
        x = 8 + 488 * column
        for y, colours in ((80, (TRUTH, PREDICTION)), (388, (PREDICTION,))):
            cell = sheet[y : y + 260, x : x + 480]  # in the second row the object has left
            for colour in colours:
                assert (cell == np.array(colour, np.uint8)).all(axis=2).sum() > 50


def test_a_sheet_needs_the_answers(results, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        contact_sheet(results, tmp_path / "nothing")


def test_the_plot_goes_down_where_j_does(data_set, videos, knowing_tracker):
    (result,) = evaluate(data_set, knowing_tracker(videos["one"], (4,)), ["one"])
    drawn = plot(result)
    coloured = np.ptp(drawn.astype(int), axis=2) > 60
    rows = [np.flatnonzero(coloured[:, x]).mean() for x in (180, 557, 809)]  # frames 1, 4, 6
    assert rows[1] > rows[0] + 100 and rows[1] > rows[2] + 100


def test_a_tracker_that_never_answers_can_be_reported(data_set, out, videos, knowing_tracker):
    tracker = knowing_tracker(videos["one"], tuple(range(9)))
    results = list(evaluate(data_set, tracker, ["one"], out=out))
    write_report(results, out)
    values = json.loads((out / "results.json").read_text())
    assert values["summary"]["calibration_error"] is None
    assert values["summary"]["j_mean"] == 0
