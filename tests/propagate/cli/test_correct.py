"""`propagate correct`: what changes is right, what does not is the same byte for byte."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from PIL import Image

import propagate
from propagate.cli.settings import Choice, resolved
from propagate.export.png import encode_png
from propagate.masks import decode_rle, iou
from propagate.tracker import build

KILL_IN_WRITING = """
import os, signal
replace, count = os.replace, 0
def replace_or_die(*names):
    global count
    count += 1
    if count == {count}:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*names)
os.replace = replace_or_die
"""
KILL_IN_STEP = """
import os, signal
from propagate.tracker import Tracker
step, count = Tracker.step, 0
def step_or_die(*arguments):
    global count
    count += 1
    if count == {count}:
        os.kill(os.getpid(), {signal})
    return step(*arguments)
Tracker.step = step_or_die
"""


def everything(path):
    """Name → bytes of every file but what --undo needs, what the run says of itself included."""
    files = {str(file.relative_to(path)): file for file in path.rglob("*") if file.is_file()}
    seen = {name: file for name, file in sorted(files.items()) if not name.startswith(".undo")}
    return {name: file.read_bytes() for name, file in seen.items()}


def pictures(path):
    """The frames of a video, by a reader that is not ours."""
    video = cv2.VideoCapture(str(path))
    return [picture for _, picture in iter(video.read, (False, None))]


def labels(path):
    with Image.open(path) as picture:
        return np.array(picture)


def frames(tracks):
    """Index → the line of a frame."""
    lines = tracks.decode().splitlines()[1:-1]
    return {json.loads(line.rstrip(","))["index"]: line.rstrip(",") for line in lines}


@pytest.fixture(scope="module")
def tracked(film, quick, mask, tmp_path_factory):
    """A finished run with two objects and all exports; copied by each test."""
    from propagate.cli import main

    out = tmp_path_factory.mktemp("tracked") / "run"
    words = ["track", film, "--mask", mask, "--export", "rle,overlay", "--quiet", *quick]
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in (*words, "--out", out)])
    assert stopped.value.code == 0
    return out


@pytest.fixture
def run(tracked, tmp_path):
    return shutil.copytree(tracked, tmp_path / "run")


@pytest.fixture
def painted(shapes, write_labels, tmp_path):
    """A mask of object 2 in frame 12 that no tracker would give."""
    wrong = np.roll(shapes.masks[2][12], (2, 3), (0, 1)) & ~shapes.masks[1][12]
    return write_labels(tmp_path / "painted.png", np.where(wrong, 2, 0))


def test_only_the_touched_interval_changes_and_the_mask_is_kept(
    command, run, tracked, shapes, painted, tmp_path
):
    x, y = shapes.prompts("point", 20)[1].points_xy[0]
    first = command("correct", run, "--point", f"{x},{y}@20#2")
    assert (first.code, first.err) == (0, "")
    before = everything(run)
    done = command("correct", run, f"--mask={painted}@12")
    assert (done.code, done.err) == (0, "")
    assert "of 24 frames changed" in done.out and str(run) in done.out
    after = everything(run)
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    free = {f"masks/{index:05d}.png" for index in range(1, 20)}
    assert "masks/00012.png" in changed
    assert changed <= free | {"tracks.json", "run.json", "overlay.mp4"}
    old, new = frames(before["tracks.json"]), frames(after["tracks.json"])
    assert old.keys() == new.keys()
    assert {n for n in old if old[n] != new[n]} <= set(range(1, 20))
    assert np.array_equal(labels(run / "masks/00012.png") == 2, labels(painted) == 2)
    report = json.loads(after["run.json"])
    assert [one["frame"] for one in report["corrections"]] == [20, 12]
    start = json.loads((tracked / "run.json").read_text())
    assert {key: report[key] for key in start} == start, "what was there before is still there"


def test_corrections_are_taken_back_one_by_one(command, run, shapes, painted):
    (x, y) = shapes.prompts("point", 20)[1].points_xy[0]
    steps = [everything(run)]
    for words in (["--point", f"{x},{y}@20#2"], [f"--mask={painted}@12"], ["--absent", "15#1"]):
        assert command("correct", run, *words).code == 0
        steps.append(everything(run))
    assert steps[0] != steps[1] != steps[2] != steps[3]
    for step in reversed(steps[:-1]):
        done = command("correct", run, "--undo")
        assert (done.code, done.err) == (0, "") and "taken back" in done.out
        assert everything(run) == step
    done = command("correct", run, "--undo")
    assert done.code == 2 and "no correction" in done.err and everything(run) == steps[0]
    assert command("correct", run, f"--mask={painted}@12").code == 0  # and go on from there
    assert command("correct", run, "--undo").code == 0 and everything(run) == steps[0]


def test_what_was_painted_in_the_run_itself_is_not_taken_back(command, run):
    path = run / "masks/00012.png"
    edited = labels(path).copy()
    edited[2:14, 30:60] = 2
    path.write_bytes(encode_png(edited))
    assert command("correct", run, "--mask", f"{path}@12").code == 0
    done = command("correct", run, "--undo")
    assert done.code == 0 and str(path) in done.err and done.err.count("\n") == 1
    assert np.array_equal(labels(path), edited)
    assert command("correct", run, "--mask", f"{path}@12").code == 0  # as it says
    assert np.array_equal(labels(path), edited)


@pytest.mark.parametrize("left", [2, 3, 4])
def test_an_undoing_that_is_interrupted_is_completed(run, command, painted, monkeypatch, left):
    """Killed after any number of files: the same command, or the next correction, ends it."""
    from propagate.cli.amendment import Amendment

    start = everything(run)
    assert command("correct", run, f"--mask={painted}@12").code == 0
    corrected, replace, calls = everything(run), os.replace, 0

    def dying(*names):
        nonlocal calls
        calls += 1
        if calls > left:
            raise KeyboardInterrupt
        replace(*names)

    monkeypatch.setattr(os, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        Amendment(run).undo()
    monkeypatch.undo()
    assert everything(run) not in (start, corrected)
    done = command("correct", run, "--undo")
    assert done.code == 0, done.err
    assert everything(run) == start
    assert command("correct", run, "--undo").code == 2


def test_a_correction_killed_at_its_very_end_is_still_taken_back(tmp_path, monkeypatch):
    from propagate.cli import amendment

    (tmp_path / "a").write_text("before")
    one = amendment.Amendment(tmp_path)
    one.begin()
    one.place("a").write_text("after")
    monkeypatch.setattr(amendment.shutil, "rmtree", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        one.commit("a", undoable=True)
    monkeypatch.undo()
    assert (tmp_path / "a").read_text() == "after"
    assert amendment.Amendment(tmp_path).undo() == ["a"]
    assert (tmp_path / "a").read_text() == "before"


def test_only_the_last_corrections_are_kept(tmp_path):
    from propagate.cli import amendment

    changes = amendment._KEPT + 5
    for number in range(changes + 1):
        (tmp_path / "a").exists() or (tmp_path / "a").write_text("0")
        one = amendment.Amendment(tmp_path)
        one.begin()
        one.place("a").write_text(str(number))
        one.commit("a", undoable=True)
    for number in range(changes - 1, changes - 1 - amendment._KEPT, -1):
        assert amendment.Amendment(tmp_path).undo() == ["a"]
        assert (tmp_path / "a").read_text() == str(number)
    assert amendment.Amendment(tmp_path).undo() == []


def test_tracks_and_pictures_say_the_same_and_what_the_library_gives(
    command, run, tracked, film, quick, shapes
):
    x, y = shapes.prompts("point", 9)[0].points_xy[0]
    assert command("correct", run, "--point", f"{x},{y}@9#1").code == 0
    from propagate.cli.finished_run import FinishedRun, StoredResults

    before = StoredResults(tracked, FinishedRun.read(tracked).records)
    asked = [propagate.Prompt(9, 1, points_xy=[[x, y]])]
    tracker = build(resolved(Choice(segmenter="colour", overrides=["segmenter.long_side=96"])))
    expected = dict(before) | {
        result.index: result
        for result in propagate.correct(
            film, before, asked, anchors=[(0, 1), (0, 2)], tracker=tracker
        )
    }
    pictures_only = StoredResults(run, {
        index: {**record, "objects": [
            {key: value for key, value in entry.items() if key != "rle"}
            for entry in record["objects"]
        ]}
        for index, record in FinishedRun.read(run).records.items()
    })  # fmt: skip
    for index, result in StoredResults(run, FinishedRun.read(run).records).items():
        assert np.array_equal(result.label_map(), expected[index].label_map())
        assert np.array_equal(result.label_map(), labels(run / f"masks/{index:05d}.png"))
        assert np.array_equal(result.label_map(), pictures_only[index].label_map())


def test_the_overlay_is_drawn_anew(command, run, tracked, painted):
    assert command("correct", run, f"--mask={painted}@12").code == 0

    old, new = (np.array(pictures(path / "overlay.mp4"), int) for path in (tracked, run))
    assert old.shape == new.shape == (24, 64, 96, 3)
    change = np.abs(new - old).max((1, 2, 3))
    assert change[0] < 40 and change[12] > 60


def test_an_edited_picture_is_a_correction_and_nothing_else_is(command, run, shapes):
    path = run / "masks/00012.png"
    edited = labels(path).copy()
    edited[edited == 2] = 0
    free = edited[2:14, 30:60]
    free[free == 0] = 2
    path.write_bytes(encode_png(edited))
    x, y = shapes.prompts("point", 10)[1].points_xy[0]
    before = everything(run)
    done = command("correct", run, "--point", f"{x},{y}@10#2")
    assert done.code == 2 and done.err.count("\n") == 1
    assert "00012.png: was edited" in done.err and f"--mask {path}@12" in done.err
    assert everything(run) == before
    assert command("correct", run, "--mask", f"{path}@12#2").code == 0
    assert np.array_equal(labels(path), edited)
    record = json.loads((run / "tracks.json").read_text())["frames"][12]
    (entry,) = [entry for entry in record["objects"] if entry["id"] == 2]
    assert (entry["area"], entry["score"]) == ((edited == 2).sum(), 1)
    assert np.array_equal(decode_rle(entry["rle"]), edited == 2)


def test_what_was_erased_from_a_picture_or_is_said_to_be_away_is_not_there(command, run, tracked):
    path = run / "masks/00012.png"
    edited = labels(path).copy()
    assert (edited == 1).any()
    edited[edited == 1] = 0
    edited[2:14, 30:60] = 2
    path.write_bytes(encode_png(edited))
    assert command("correct", run, "--mask", f"{path}@12").code == 0
    assert np.array_equal(labels(path), edited)
    assert command("correct", run, "--absent", "18#1").code == 0
    found = json.loads((run / "tracks.json").read_text())["frames"]
    for index in range(12, 19):
        (entry,) = [entry for entry in found[index]["objects"] if entry["id"] == 1]
        assert (entry["state"], "area" in entry) == ("absent", False), (index, entry)
        assert not (labels(run / f"masks/{index:05d}.png") == 1).any()
    again = command("correct", run, "--absent", "18#1")
    assert again.code == 0 and "nothing to do" in again.out
    x, y = np.argwhere(labels(tracked / "masks/00012.png") == 1).mean(0)[::-1]
    assert command("correct", run, f"--point={x},{y}@12#1").code == 0, "a click takes it back"
    assert (labels(path) == 1).any()


def test_clicks_on_one_frame_add_up(command, run, shapes):
    """The second click is answered together with the first."""
    (x, y), (a, b) = (prompt.points_xy[0] for prompt in shapes.prompts("point", 12))
    assert command("correct", run, f"--point={x},{y}@12#1").code == 0
    assert command("correct", run, f"--point={a},{b}@12#1-").code == 0
    report = json.loads((run / "run.json").read_text())
    assert [one["labels"] for one in report["corrections"]] == [[1], [0]]
    assert iou(labels(run / "masks/00012.png") == 1, shapes.masks[1][12]) > 0.8


@pytest.mark.parametrize("moment", ["gathering", "moving", "moved", "tracking", "Ctrl-C"])
def test_killed_at_any_moment_the_same_command_completes_it(
    command, start, run, tracked, painted, moment
):
    whole = shutil.copytree(tracked, run.with_name("whole"))
    assert command("correct", whole, f"--mask={painted}@12").code == 0
    old, new = everything(tracked), everything(whole)
    files = sum(old[name] != new[name] for name in old)  # gathered, two lists, moved
    before = {
        "gathering": KILL_IN_WRITING.format(count=files // 2),
        "moving": KILL_IN_WRITING.format(count=files + 2 + files // 2),
        "moved": KILL_IN_WRITING.format(count=2 * files + 3),
        "tracking": KILL_IN_STEP.format(count=9, signal=int(signal.SIGKILL)),
        "Ctrl-C": KILL_IN_STEP.format(count=9, signal=int(signal.SIGINT)),
    }[moment]
    process = start("correct", run, f"--mask={painted}@12", before=before)
    process.communicate(timeout=60)
    assert process.returncode != 0
    now = {name: content for name, content in everything(run).items() if name[0] != "."}
    assert now.keys() == old.keys()
    for name, content in now.items():
        assert content in (old[name], new[name]), f"{name} is half written"
    assert (now == old) == (moment not in ("moving", "moved"))
    done = command("correct", run, f"--mask={painted}@12")
    assert (done.code, done.err) == (0, "")
    assert everything(run) == new
    again = command("correct", run, f"--mask={painted}@12")
    assert again.code == 0 and "nothing to do" in again.out
    assert everything(run) == new
    assert command("correct", run, "--undo").code == 0
    assert everything(run) == old


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to correct; give --point"),
        (["--absent=x"], "--absent x: write a frame"),
        (["--absent=3"], "say which object.*1, 2"),
        (["--absent=3#7"], "object 7 is not in .*1, 2"),
        (["--point=5,5#1"], "say which frame is corrected"),
        (["--point=5,5@3"], "say which object.*1, 2"),
        (["--point=5,5@3#7"], "object 7 is not in .*1, 2"),
        (["--point=5,5@24#1"], "frame 24 is not in .*0 to 23"),
        (["--point=500,5@3#1"], "outside the picture"),
        (["--mask=nothing.png@3"], "nothing.png"),
        (["--point=5,5@0#1"], "was given as a mask"),
        (["--point=5,5@3#1", "--source=gone.mp4"], "gone.mp4: the source is gone.*--source"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(command, run, words, message):
    before = everything(run)
    done = command("correct", run, *words)
    assert done.code == 2 and done.err.count("\n") == 1, done
    assert re.search(message, done.err), done.err
    assert everything(run) == before


def test_another_source_and_another_folder_are_refused(command, run, folder, film, tmp_path):
    other = tmp_path / "other.mp4"
    other.write_bytes(film.read_bytes() + b"free")
    done = command("correct", run, "--point=5,5@3#1", "--source", other)
    assert done.code == 2 and "is not what was tracked" in done.err
    done = command("correct", folder, "--point=5,5@3#1")
    assert done.code == 2 and "no run.json" in done.err
    moved = tmp_path / "moved.mp4"
    shutil.copy(film, moved)
    report = run / "run.json"
    report.write_text(report.read_text().replace(str(film), "/gone/clip.mp4"))
    done = command("correct", run, "--point=5,5@3#1")
    assert done.code == 2 and "/gone/clip.mp4: the source is gone" in done.err
    assert command("correct", run, "--point=30,30@3#1", "--source", moved).code == 0


def test_a_missing_picture_is_said(command, run, shapes):
    x, y = shapes.prompts("point", 10)[1].points_xy[0]
    (run / "masks/00005.png").unlink()
    tracks = run / "tracks.json"
    tracks.write_text(tracks.read_text().replace('"rle"', '"gone"'))
    done = command("correct", run, f"--point={x},{y}@10#2")
    assert done.code == 2 and "00005.png: is missing" in done.err and done.err.count("\n") == 1


@pytest.fixture
def words(film, quick):
    return ["track", film, "--export", "rle,overlay", *quick]


def test_both_ways_is_tracking_forwards_and_then_correcting(
    command, start, words, mask, painted, tmp_path
):
    two = [f"--mask={mask}", f"--mask={painted}@12"]
    out = tmp_path / "both"
    assert command(*words, *two, "--both-ways", "--out", out).code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "masks", "overlay.mp4", "run.json", "tracks.json",
    ]  # fmt: skip
    one = tmp_path / "one"
    assert command(*words, two[0], "--out", one).code == 0
    assert command("correct", one, two[1]).code == 0
    both, corrected = everything(out), everything(one)
    for index in range(13):
        name = f"masks/{index:05d}.png"
        assert both[name] == corrected[name], name
    for count in (27, 31):  # while gathering, moving
        late = tmp_path / f"late{count}"
        process = start(*words, *two, "--both-ways", "--out", late,
                        before=KILL_IN_WRITING.format(count=count))  # fmt: skip
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, count
        assert command(*words, *two, "--both-ways", "--out", late, "--resume").code == 0
        again = everything(late)
        assert {k: v for k, v in again.items() if k != "run.json"} == {
            k: v for k, v in both.items() if k != "run.json"
        }
    done = command(*words, *two, "--out", out, "--resume")
    assert done.code == 2 and "--both-ways" in done.err


def test_a_folder_keeps_its_names(command, folder, mask, painted, quick, tmp_path):
    out = tmp_path / "named"
    assert command("track", folder, "--mask", mask, "--out", out, *quick).code == 0
    before = everything(out)
    assert command("correct", out, f"--mask={painted}@12").code == 0
    after = everything(out)
    assert before.keys() == after.keys()
    assert np.array_equal(labels(out / "masks/take_1013.png") == 2, labels(painted) == 2)
    assert before["masks/take_1001.png"] == after["masks/take_1001.png"]
    stems = [frame["stem"] for frame in json.loads(after["tracks.json"])["frames"]]
    assert stems == [f"take_{number}" for number in range(1001, 1025)]
