"""Wrong input: exit code 2, one line that says how to mend it, and nothing left behind."""

from __future__ import annotations

import os
import shutil

import cv2
import numpy as np
import pytest


@pytest.fixture
def refused(command, folder, quick, tmp_path):
    """Run `track` with bad words; check what every refusal has; return the line on stderr."""

    def run(*words, source=folder, out=None, options=quick):
        out = tmp_path / "out" if out is None else out
        before = sorted(tmp_path.rglob("*"))
        done = command("track", source, "--out", out, *options, *words)
        assert done.code == 2, done
        assert done.out == ""
        assert done.err.startswith("propagate: ") and done.err.count("\n") == 1, done.err
        assert sorted(tmp_path.rglob("*")) == before, "something was left behind"
        return done.err

    return run


def test_a_file_that_is_missing(refused, tmp_path):
    assert "no such file" in refused("--point=5,5", source=tmp_path / "no.mp4")


def test_a_text_file_called_mp4(refused, tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("not a video\n" * 100)
    assert "text.mp4" in refused("--point=5,5", source=path)


def test_a_video_without_a_byte(refused, tmp_path):
    path = tmp_path / "empty.mp4"
    path.write_bytes(b"")
    assert "empty" in refused("--point=5,5", source=path)


def test_an_empty_folder(refused, tmp_path):
    (tmp_path / "nothing").mkdir()
    assert "no pictures" in refused("--point=5,5", source=tmp_path / "nothing")


def test_a_folder_of_mixed_sizes(refused, folder, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(folder, mixed)
    cv2.imwrite(str(mixed / "take_1009.png"), np.zeros((64, 90, 3), np.uint8))
    line = refused("--point=5,5", source=mixed)
    assert "take_1009.png" in line and "90x64" in line and "96x64" in line


def test_a_folder_of_mixed_sizes_outside_of_what_is_wanted(command, folder, quick, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(folder, mixed)
    cv2.imwrite(str(mixed / "take_1009.png"), np.zeros((64, 90, 3), np.uint8))
    words = ["--point=48,20", "--stop", 6, "--out", tmp_path / "out", *quick]
    assert command("track", mixed, *words).code == 0


def test_a_mask_of_another_size(refused, write_labels, tmp_path):
    path = write_labels(tmp_path / "small.png", np.ones((32, 48), int))
    assert "48x32" in refused("--mask", path)


def test_an_empty_mask(refused, write_labels, tmp_path):
    path = write_labels(tmp_path / "blank.png", np.zeros((64, 96), int))
    assert "mask is empty" in refused("--mask", path)


def test_a_mask_that_is_missing(refused, tmp_path):
    assert "cannot be read" in refused("--mask", tmp_path / "no.png@0")


def test_nan_in_a_prompts_file(refused, tmp_path):
    path = tmp_path / "prompts.json"
    path.write_text('[{"frame": 0, "object": 1, "points": [[NaN, 3]]}]')
    assert "NaN" in refused("--prompts", path)


def test_an_empty_mask_in_a_prompts_file(refused, write_labels, tmp_path):
    write_labels(tmp_path / "blank.png", np.zeros((64, 96), int))
    path = tmp_path / "prompts.json"
    path.write_text('[{"frame": 20, "mask": "blank.png"}]')
    assert "mask is empty" in refused("--point=5,5", "--prompts", path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to look for"),
        (["--point=500,5"], "outside the picture"),
        (["--point=5,5", "--point=500,5@20"], "outside the picture"),
        (["--point=5,5", "--point=6,6#9-"], "object 9 has no mask"),
        (["--point=5,5", "--point=6,6@12#9-"], "object 9 has no mask in frame 12"),
        (["--point=5,5@24"], "frame 24"),
        (["--point=5,5@3", "--start", "4"], "frame 3"),
        (["--point=5,5@8", "--stop", "8"], "frame 8"),
        (["--point=5,5", "--start", "24"], "frame 24"),
        (["--point=5,5", "--start", "5", "--stop", "5"], "0 <= start < stop"),
        (["--point=5,5", "--set", "segmenter.long_sides=3"], "did you mean 'long_side'"),
        (["--point=5,5", "--set", "selection.patients=3"], "did you mean 'patience'"),
        (["--point=5,5", "--config", "quick"], "no preset named 'quick'"),
        (["--point=5,5", "--segmenter", "colours"], "did you mean 'colour'"),
        (["--point=5,5", "--export", "png,prores"], "there are png, rle, overlay"),
        (["--point=5,5", "--frames", "3"], "--frames"),
        (["--point=5,5", "--start", "x"], "--start"),
        (["--point=5;5"], "write X,Y"),
    ],
)
def test_words_that_make_no_sense(refused, words, message):
    assert message in refused(*words)


def test_an_unknown_key_in_a_settings_file(refused, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("selection: {patients: 3}\n")
    assert "did you mean 'patience'" in refused("--point=5,5", "--config", path)


def test_weights_that_are_none(refused, tmp_path):
    path = tmp_path / "lite.safetensors"
    path.write_bytes(b"nothing of the kind")
    line = refused("--point=5,5", "--checkpoint", path, options=())
    assert "not a safetensors file" in line


def test_a_folder_with_something_in_it(refused, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "holiday.txt").write_text("keep me")
    assert "not empty" in refused("--point=5,5")
    assert "not empty" in refused("--point=5,5", "--resume")


def test_a_folder_that_cannot_be_made(refused, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert "cannot be made" in refused("--point=48,20", out=tmp_path / "file" / "out")
    assert "is a file" in refused("--point=48,20", out=tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(refused, tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    assert "cannot be" in refused("--point=48,20")


def test_the_traceback_comes_only_when_it_is_wanted(command, tmp_path, monkeypatch):
    words = ["track", tmp_path / "no.mp4", "--point=5,5", "--out", tmp_path / "out"]
    assert "Traceback" not in command(*words).err
    monkeypatch.setenv("PROPAGATE_DEBUG", "1")
    done = command(*words)
    assert done.code == 2
    assert "Traceback" in done.err


def test_a_fault_of_our_own_is_one_line_and_exit_code_1(start, folder, tmp_path):
    spoil = "import propagate; del propagate.__version__; import propagate.cli.tracking"
    words = ["track", folder, "--point=5,5", "--out", tmp_path / "out", "--segmenter", "colour"]
    process = start(*words, before=spoil)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert err.count("\n") == 1 and "AttributeError" in err and "PROPAGATE_DEBUG" in err
