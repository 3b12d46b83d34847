"""`propagate track`: what it leaves, and that it is what the library gives."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image

import propagate
from propagate.cli.settings import Choice, resolved
from propagate.masks import decode_rle, iou
from propagate.tracker import build


def pixels(path):
    """Stored numbers of a PNG, by a reader that is not ours."""
    with Image.open(path) as picture:
        return picture.mode, np.array(picture)


@pytest.fixture(scope="module")
def quick_tracker():
    return build(resolved(Choice(segmenter="colour", overrides=["segmenter.long_side=96"])))


def prompts_of(shapes):
    return [
        f"--point={x},{y}#{prompt.object_id}"
        for prompt in shapes.prompts("point")
        for x, y in prompt.points_xy
    ]


def test_step_by_step_is_track_is_the_command(
    command, shapes, folder, quick, quick_tracker, tmp_path
):
    out = tmp_path / "out"
    done = command("track", folder, *prompts_of(shapes), "--out", out, *quick)
    assert (done.code, done.err) == (0, "")
    assert str(out) in done.out
    prompts = shapes.prompts("point")
    offline = list(propagate.track(folder, prompts, tracker=quick_tracker))
    state = quick_tracker.start()
    names = sorted(path.name for path in (out / "masks").iterdir())
    assert names == [f"take_{n}.png" for n in range(1001, 1025)], "a folder keeps its names"
    for frame, result, name in zip(propagate.open_video(folder), offline, names, strict=True):
        here = [prompt for prompt in prompts if prompt.frame_index == frame.index]
        state = quick_tracker.step(state, frame, here)
        mode, stored = pixels(out / "masks" / name)
        assert mode == "P"
        assert np.array_equal(stored, result.label_map())
        assert np.array_equal(stored, state.last.label_map())
    assert iou(stored == 1, shapes.masks[1][23]) > 0.8, "the last frame's object was found"


def test_a_file_with_everything(command, shapes, film, quick, tmp_path):
    out = tmp_path / "out"
    words = ["--start", 4, "--stop", 16, "--export", "png,rle,overlay", "--quiet"]
    boxes = [f"--box={','.join(map(str, p.box.astype(int)))}" for p in shapes.prompts("box", 4)]
    done = command("track", film, *boxes, "--out", out, *words, *quick)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert sorted(path.name for path in out.iterdir()) == [
        "masks", "overlay.mp4", "run.json", "tracks.json",
    ]  # fmt: skip
    names = sorted(path.name for path in (out / "masks").iterdir())
    assert names == [f"{n:05d}.png" for n in range(4, 16)]
    records = json.loads((out / "tracks.json").read_text())["frames"]
    assert [record["index"] for record in records] == list(range(4, 16))
    for record in records:
        _, stored = pixels(out / "masks" / f"{record['index']:05d}.png")
        for entry in record["objects"]:
            if entry["state"] == "tracked":
                assert np.array_equal(decode_rle(entry["rle"]), stored == entry["id"])
    video = cv2.VideoCapture(str(out / "overlay.mp4"))
    assert sum(1 for _ in iter(lambda: video.read()[0], False)) == 12
    run = json.loads((out / "run.json").read_text())
    assert (run["frames"], run["objects"], run["warnings"]) == (12, [1, 2], [])
    assert run["request"]["settings"]["segmenter"]["long_side"] == 96
    assert run["request"]["prompts"][0]["frame"] == 4
    assert run["timing"]["frames"] == 12


def test_masks_are_returned_as_given_and_ids_over_255_are_kept(
    command, shapes, folder, quick, write_labels, tmp_path
):
    truth = shapes.result(0).label_map()
    given = np.where(truth == 1, 300, np.where(truth == 2, 7, 0))
    path = write_labels(tmp_path / "ids.png", given)
    out = tmp_path / "out"
    done = command("track", folder, "--mask", path, "--out", out, "--stop", 5, *quick)
    assert done.code == 0, done.err
    mode, stored = pixels(out / "masks" / "take_1001.png")
    assert mode.startswith("I;16")
    assert np.array_equal(stored, given)
    _, last = pixels(out / "masks" / "take_1005.png")
    assert {0, 300} <= set(np.unique(last)) <= {0, 7, 300}
    assert iou(last == 300, shapes.masks[1][4]) > 0.8


def test_an_object_that_comes_in_later(command, shapes, folder, quick, tmp_path):
    x, y = shapes.prompts("point", 10)[1].points_xy[0]
    done = command("track", folder, "--point", f"{x},{y}@10", "--out", tmp_path / "o", *quick)
    assert done.code == 0, done.err
    sums = [pixels(path)[1].any() for path in sorted((tmp_path / "o" / "masks").iterdir())]
    assert sums[:10] == [False] * 10 and sums[10]


def test_a_video_that_is_cut_short(command, shapes, film, quick, tmp_path):
    """An MP4 whose index comes first and whose end is missing."""
    cut = tmp_path / "cut.mp4"
    data = film.read_bytes()
    assert data.find(b"moov") < data.find(b"mdat")
    cut.write_bytes(data[: data.find(b"mdat") + (len(data) - data.find(b"mdat")) * 2 // 3])
    words = ["--export", "overlay", *prompts_of(shapes), "--out", tmp_path / "out"]
    done = command("track", cut, *words, *quick)
    assert done.code == 0, done.err
    assert done.err.count("\n") == 1 and "warning" in done.err and "cut.mp4" in done.err
    count = len(list((tmp_path / "out" / "masks").iterdir()))
    assert 4 < count < 24
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["frames"] == count
    assert len(run["warnings"]) == 1
