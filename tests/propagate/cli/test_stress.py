"""`propagate stress`: the table, every measure, and a picture of each scenario."""

from __future__ import annotations

import json

import cv2


def test_stress(command, tmp_path):
    out = tmp_path / "out"
    words = ("--out", out, "--only", "occlusion-1", "--lines", 64, "--seed", 3)
    done = command("stress", *words, "--segmenter", "colour", "--set", "motion.name=velocity")
    assert done.code == 0, done.err
    assert "occlusion-1" in done.out and "back in 5" in done.out
    values = json.loads((out / "stress.json").read_text())
    assert [one["name"] for one in values["scenarios"]] == ["occlusion-1"]
    assert 0 < values["total"]["j_and_f"] <= 1 and len(values["scenarios"][0]["notes"]) == 50
    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet.shape[1] > 6 * 300 and 180 <= sheet.shape[0] < 260


def test_words_that_do_not_fit(command, tmp_path):
    done = command("stress", "--out", tmp_path / "out", "--only", "oclusion-1")
    assert done.code == 2 and "occlusion-1" in done.err and not (tmp_path / "out").exists()
    done = command("stress", "--out", tmp_path / "out", "--prompt", "scribble")
    assert done.code == 2 and "scribble" in done.err
