"""The other commands, and what all have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import propagate
from propagate.masks import decode_rle, iou

ROOT = Path(__file__).resolve().parents[3]


def test_the_version(command):
    done = command("--version")
    assert (done.code, done.out) == (0, f"propagate {propagate.__version__}\n")


@pytest.mark.parametrize(
    "name", ["track", "segment", "auto", "eval", "models", "demo", "stress", "train-lite"]
)
def test_help(command, name):
    assert name in command().out
    done = command(name, "--help")
    assert done.code == 0 and "--help" in done.out


@pytest.mark.parametrize("words", [["trak"], ["track"], ["--verson"], ["models", "x"]])
def test_words_that_are_not_known(command, words):
    done = command(*words)
    assert done.code == 2 and done.err.count("\n") == 1 and done.out == ""


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom propagate.cli import main\n"
        "try: main(['track', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'cv2', 'scipy', 'av', 'decord') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_models(command):
    done = command("models")
    assert done.code == 0
    assert "lite.safetensors" in done.out and "colour" in done.out


def test_segment(command, shapes, folder, quick, tmp_path):
    x, y = shapes.prompts("point")[0].points_xy[0]
    picture, out = folder / "take_1001.png", tmp_path / "out"
    done = command("segment", picture, "--point", f"{x},{y}", "--out", out, *quick)
    assert (done.code, done.err) == (0, "")
    listed = json.loads((out / "masks.json").read_text())
    scores = [entry["score"] for entry in listed["masks"]]
    assert scores == sorted(scores, reverse=True) and len(scores) > 1
    for entry in listed["masks"]:
        stored = np.array(Image.open(out / entry["file"]))
        assert np.array_equal(decode_rle(entry["rle"]), stored == 1)
        assert stored.sum() == entry["area"]
    best = decode_rle(listed["masks"][0]["rle"])
    assert iou(best, shapes.masks[1][0]) > 0.7
    height, width = cv2.imread(str(out / "candidates.png")).shape[:2]
    assert width > height


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to look for"),
        (["--point=5,5@3"], "drop @ and #"),
        (["--point=5,5-"], "negative point"),
        (["--box=1,1,9,9", "--box=1,1,9,9"], "one --box"),
        (["--point=96,5"], "outside the picture"),
    ],
)
def test_segment_refuses(command, folder, quick, tmp_path, words, message):
    picture = folder / "take_1001.png"
    done = command("segment", picture, *words, "--out", tmp_path / "out", *quick)
    assert done.code == 2 and done.err.count("\n") == 1 and message in done.err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def davis(shapes, folder, write_labels, tmp_path):
    """The clip laid out like DAVIS."""
    root = tmp_path / "davis"
    for kind in ("JPEGImages", "Annotations"):
        (root / kind).mkdir(parents=True)
    (root / "JPEGImages" / "shapes").symlink_to(folder)
    (root / "Annotations" / "shapes").mkdir()
    for index in range(len(shapes.images)):
        path = root / "Annotations" / "shapes" / f"take_{index + 1001}.png"
        write_labels(path, shapes.result(index).label_map())
    return root


def test_eval(command, davis, quick, tmp_path):
    done = command("eval", davis, "--out", tmp_path / "out", *quick)
    assert (done.code, done.err) == (0, "")
    assert "shapes" in done.out and "J&F" in done.out
    values = json.loads((tmp_path / "out" / "results.json").read_text())
    assert values["summary"]["j_mean"] > 0.3
    assert (tmp_path / "out" / "worst.png").exists()


def test_eval_refuses(command, davis, quick, tmp_path):
    for words, message in (
        ([davis, "--sequences", "shape"], "shapes"),
        ([davis, "--prompt", "text"], "click"),
        ([tmp_path / "no"], "JPEGImages"),
    ):
        done = command("eval", *words, "--out", tmp_path / "out", *quick)
        assert done.code == 2 and done.err.count("\n") == 1 and message in done.err, done
        assert not (tmp_path / "out").exists()


def test_demo(command, quick, tmp_path, monkeypatch):
    monkeypatch.setattr("propagate.cli.demo._LENGTH", 12)
    out = tmp_path / "out"
    done = command("demo", "--out", out, *quick)
    assert (done.code, done.err) == (0, "")
    assert {"overlay.mp4", "contact_sheet.png", "masks"} <= {path.name for path in out.iterdir()}
    assert str(out / "overlay.mp4") in done.out
    assert float(done.out.split("true masks:")[1]) > 0.5


def test_demo_with_a_video_of_ones_own(command, shapes, film, quick, tmp_path):
    x, y = shapes.prompts("point")[0].points_xy[0]
    words = ["--source", film, "--point", f"{x},{y}", "--out", tmp_path / "out", *quick]
    done = command("demo", *words)
    assert done.code == 0 and "true masks" not in done.out
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 24
    assert command("demo", "--source", film, "--out", tmp_path / "o", *quick).code == 2


def test_train_lite_refuses(command, tmp_path):
    for words, message in (
        ([tmp_path], "index.jsonl"),
        ([tmp_path, "--device", "tpu"], "cpu or cuda"),
    ):
        done = command("train-lite", *words, "--out", tmp_path / "w.safetensors")
        assert done.code == 2 and done.err.count("\n") == 1 and message in done.err
    assert list(tmp_path.iterdir()) == []


def test_auto(command, folder, quick, tmp_path):
    done = command(
        "auto", folder, "--out", tmp_path / "out", *quick,
        "--option", "least_score=0.1", "--option", "least_stability=0.1",
    )  # fmt: skip
    assert done.code == 0, done.err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    stems = {path.stem for path in folder.iterdir()}
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("json", "png")}
    told = json.loads((tmp_path / "out" / f"{min(stems)}.json").read_text())
    assert told["image"]["width"] == 96 and told["annotations"]


def test_auto_leaves_out_what_it_cannot_read_and_goes_on_later(command, folder, quick, tmp_path):
    damaged = sorted(folder.iterdir())[1]
    whole, out = damaged.read_bytes(), tmp_path / "out"
    damaged.write_bytes(whole[: len(whole) // 2])
    words = ["auto", folder, "--out", out, *quick]
    done = command(*words)
    assert done.code == 2 and str(damaged) in done.err and "--resume" in done.err
    made = {path: path.stat().st_mtime_ns for path in out.glob("*.json")}
    assert len(made) == len(list(folder.iterdir())) - 1
    damaged.write_bytes(whole)
    refused = command(*words)
    assert refused.code == 2 and "--resume" in refused.err
    other = command(*words, "--resume", "--option", "least_score=0.1")
    assert other.code == 2 and "other settings" in other.err
    assert command(*words, "--resume").code == 0
    assert (out / f"{damaged.stem}.json").is_file() and not (out / ".run").exists()
    assert made == {path: path.stat().st_mtime_ns for path in made}  # not made again


def test_auto_with_a_single_damaged_picture(command, quick, tmp_path):
    damaged = tmp_path / "photo.png"
    damaged.write_bytes(b"no picture")
    done = command("auto", damaged, "--out", tmp_path / "out", *quick)
    assert done.code == 2 and done.err.count("\n") == 1 and "photo.png" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--option", "points=4"], "points_per_side"),
        (["--option", "sampling=all"], "grid, adaptive"),
        (["--option", "batch=0"], "1 or more"),
    ],
)
def test_auto_refuses(command, folder, quick, tmp_path, words, message):
    done = command("auto", folder, "--out", tmp_path / "out", *words, *quick)
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
