"""`propagate review`: it shows what went wrong, and changes nothing."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from propagate.masks import encode_rle
from propagate.testing import moving_shapes
from propagate.videos import open_video


@pytest.fixture(scope="module")
def tracked(film, quick, mask, tmp_path_factory):
    """A finished run; copied by each test."""
    from propagate.cli import main

    out = tmp_path_factory.mktemp("tracked") / "run"
    words = ["track", film, "--mask", mask, "--quiet", *quick, "--out", out]
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    assert stopped.value.code == 0
    return out


@pytest.fixture
def run(tracked, tmp_path):
    return shutil.copytree(tracked, tmp_path / "run")


def rewrite(run, change):
    """Change what tracks.json says of the objects of each frame."""
    path = run / "tracks.json"
    values = json.loads(path.read_text())
    for frame in values["frames"]:
        frame["objects"] = [change(frame["index"], entry) for entry in frame["objects"]]
    path.write_text(json.dumps(values))


def picture(path):
    with Image.open(path) as opened:
        assert opened.format == "PNG"
        return np.array(opened)


def test_the_worst_frame_is_named_with_the_command_that_corrects_it(command, run, contents):
    def spoil(index, entry):
        score = 0.95 if index < 15 or entry["id"] == 2 else 0.2
        return {**entry, "score": score} if "area" in entry else entry

    rewrite(run, spoil)
    before = contents(run)
    done = command("review", run)
    assert (done.code, done.err) == (0, "")
    values = json.loads((run / "review" / "review.json").read_text())
    ones = [one for one in values["frames"] if one["object"] == 1]
    assert ones[0]["frame"] == 15 and ones[0]["depends"] == 8
    assert ones[0]["command"] == f"propagate correct {run} --point X,Y@15#1"
    assert ones[0]["command"] in " ".join(done.out.split())
    assert re.search(r"score (fell to )?0\.20", ones[0]["reason"])
    after = contents(run)
    assert {name: after[name] for name in before} == before
    sheet, plot = (picture(run / "review" / name) for name in ("sheet.png", "scores.png"))
    assert sheet.shape[0] >= 270 and sheet.shape[1] >= 360 and sheet.std() > 10
    assert plot.shape[1] == 1280 and plot.std() > 10


def test_the_plot_shows_the_curves_where_they_are(run, command):
    from propagate.cli.review_pictures import score_plot
    from propagate.export._drawing import colour_of
    from propagate.review import Look

    series = [Look(n, n / 10, "tracked", n / 100, 50, (0, 0, 5, 5), None) for n in range(101)]
    plot = score_plot({3: series}, [(0, 3)], [])
    rows, columns = np.nonzero((plot == colour_of(3)).all(-1))
    inside = columns > 110
    slope = np.polyfit(columns[inside], rows[inside], 1)
    ends = np.polyval(slope, [columns[inside].min(), columns[inside].max()])
    assert slope[0] < 0 and ends[0] - ends[1] == pytest.approx(118, abs=6), "0 to 1 from below"
    hidden = [Look(n, None, "lost", 0.1, 0, None, None) for n in range(101)]
    assert not (score_plot({3: hidden}, [], []) == colour_of(3)).all(-1)[:, 110:].any()


def test_the_sheet_shows_the_object_that_is_meant(shapes, run):
    from propagate.cli.finished_run import FinishedRun, StoredResults
    from propagate.cli.review_pictures import worst_sheet
    from propagate.export._drawing import colour_of
    from propagate.review import Finding, looks

    results = StoredResults(run, FinishedRun.read(run).records)
    look = looks(results.values())[1][3]
    sheet = worst_sheet(open_video(shapes.images), results, [Finding(look, 1, 0.5, 1, 2, "why")])
    near = np.abs(sheet.astype(int) - colour_of(1)).max(-1) < 40
    assert near.sum() > 200, "its outline"


def test_nothing_to_look_at(command, run):
    rewrite(run, lambda index, entry: {**entry, "score": 0.95} if "area" in entry else entry)
    clip = moving_shapes(2, 24, (64, 96))
    values = json.loads((run / "tracks.json").read_text())
    from propagate.export.png import encode_png

    for frame in values["frames"]:
        labels = clip.result(frame["index"]).label_map()
        (run / f"masks/{frame['index']:05d}.png").write_bytes(encode_png(labels))
        frame["objects"] = [
            {"id": key, "state": "tracked", "score": 0.95, "area": int((labels == key).sum()),
             "rle": encode_rle(labels == key)}
            for key in (1, 2)
        ]  # fmt: skip
    (run / "tracks.json").write_text(json.dumps(values))
    done = command("review", run, "--out", run.with_name("elsewhere"))
    assert done.code == 0 and "0 frames to look at" in done.out
    assert not (run / "review").exists()
    left = sorted(path.name for path in run.with_name("elsewhere").iterdir())
    assert left == ["review.json", "scores.png"]


def test_what_cannot_be_reviewed_is_said(command, run, folder, film):
    done = command("review", folder)
    assert done.code == 2 and "no run.json" in done.err and done.err.count("\n") == 1
    (run / "tracks.json").write_text("{}")
    done = command("review", run)
    assert done.code == 2 and "tracks.json: damaged" in done.err and done.err.count("\n") == 1
    report = run / "run.json"
    report.write_text(report.read_text().replace(str(film), "/gone/clip.mp4"))
    done = command("review", run)
    assert done.code == 2 and "the source is gone" in done.err
