"""The journal survives being cut anywhere, and a resumed run ends with the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as coco

from propagate import plugins
from propagate.errors import OutputError
from propagate.export import Run
from propagate.export.tracks import (
    Config,
    TracksJournal,
    parse_record,
    record,
    replace_frames,
)
from propagate.testing import moving_shapes
from propagate.types import FrameResult, Mask

VIDEO = moving_shapes(2, 7, (48, 64), "leaving")
RESULTS = [VIDEO.result(index) for index in range(7)]
FRAMES = list(VIDEO.frames())


def write(folder, first=0, last=7, name="tracks", *, close=True):
    writer = plugins.build("propagate.export", name).open(folder, Run(done=first))
    for frame, result in list(zip(FRAMES, RESULTS, strict=True))[first:last]:
        writer.write(frame, result)
    if close:
        writer.close()
    return folder / "tracks.json"


def test_every_frame_and_object_is_there(tmp_path):
    frames = json.loads(write(tmp_path).read_text())["frames"]
    assert [frame["index"] for frame in frames] == list(range(7))
    assert frames[3]["time_s"] == pytest.approx(3 / 25)
    for frame, result in zip(frames, RESULTS, strict=True):
        assert frame["size"] == [48, 64]
        assert [entry["id"] for entry in frame["objects"]] == [1, 2]
        for entry in frame["objects"]:
            truth = VIDEO.masks[entry["id"]][result.index]
            if not truth.any():
                assert entry == {"id": entry["id"], "state": "absent", "score": 0.0,
                                 "reason": "hidden"}  # fmt: skip
                continue
            ys, xs = np.nonzero(truth)
            assert entry["area"] == truth.sum()
            assert entry["box"] == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert entry["state"] == "tracked" and "rle" not in entry
    assert any(entry["state"] == "absent" for frame in frames for entry in frame["objects"])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_run_lengths_are_there_when_asked_for_and_coco_reads_them(tmp_path):
    frames = json.loads(write(tmp_path, name="rle").read_text())["frames"]
    entry = frames[0]["objects"][0]
    assert np.array_equal(coco.decode(entry["rle"]).astype(bool), VIDEO.masks[1][0])


def test_a_frame_is_a_line_and_nothing_else_is_left(tmp_path):
    path = write(tmp_path)
    assert len(path.read_text().splitlines()) == 7 + 2
    assert [one.name for one in tmp_path.iterdir()] == ["tracks.json"]


@pytest.mark.parametrize("name", ["tracks", "rle"])
@pytest.mark.parametrize("done", range(8))
def test_a_resumed_run_ends_with_the_same_bytes(tmp_path, name, done):
    whole = write(tmp_path / "whole", name=name).read_bytes()
    write(tmp_path / "cut", 0, min(7, done + 1), name=name, close=False)  # one more than was noted
    assert write(tmp_path / "cut", done, name=name).read_bytes() == whole


def test_a_journal_cut_at_any_byte_keeps_every_whole_line(tmp_path):
    write(tmp_path, 0, 3, close=False)
    path = tmp_path / "tracks.jsonl.part"
    data = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
    for size in range(0, len(data) + 1, 7):
        path.write_bytes(data[:size])
        kept = TracksJournal(path).recover()
        assert kept == list(range(sum(end <= size for end in ends)))
        assert path.read_bytes() == data[: ([0, *ends])[len(kept)]]


def test_closing_again_after_a_kill_changes_nothing(tmp_path):
    path = write(tmp_path)
    before = path.read_bytes()
    write(tmp_path, 7)
    assert path.read_bytes() == before


def test_a_finished_file_is_not_written_on(tmp_path):
    write(tmp_path)
    with pytest.raises(OutputError, match="finished"):
        write(tmp_path, 3)


def test_a_run_anew_forgets_the_old_one(tmp_path):
    write(tmp_path, 0, 5, close=False)
    path = write(tmp_path, 0, 2)
    assert [frame["index"] for frame in json.loads(path.read_text())["frames"]] == [0, 1]


def test_resuming_without_its_frames_is_one_clear_line(tmp_path):
    write(tmp_path, 0, 2, close=False)
    with pytest.raises(OutputError, match="holds 2 of the 4 frames"):
        write(tmp_path, 4)


def test_frames_may_run_backwards(tmp_path):
    journal = TracksJournal(tmp_path / "journal")
    for result in RESULTS[::-1]:
        journal.append(result)
    assert journal.recover(4) == [6, 5, 4, 3]


def test_results_come_back_from_the_journal(tmp_path):
    write(tmp_path, close=False)
    journal = TracksJournal(tmp_path / "tracks.jsonl.part")
    for read, given in zip(journal.results(), RESULTS, strict=True):
        assert (read.index, read.size_hw, read.missing) == (given.index, given.size_hw,
                                                            given.missing)  # fmt: skip
        assert read.time_s == pytest.approx(given.time_s, abs=1e-6)
        assert np.array_equal(read.label_map(), given.label_map())


def test_a_record_survives_names_scores_and_an_empty_mask():
    empty = Mask(3, np.zeros((4, 5), bool), 0.123456, "occluded")
    read = parse_record(record(FrameResult(9, None, (4, 5), (empty,), stem="bild_ö")))
    assert (read.index, read.time_s, read.stem) == (9, None, "bild_ö")
    assert read[3].score == 0.1235 and read[3].state == "occluded" and not read[3].pixels.any()


def test_assembling_an_empty_journal_gives_valid_json(tmp_path):
    path = tmp_path / "tracks.json"
    TracksJournal(tmp_path / "none").assemble(path, Config())
    assert json.loads(path.read_text())["frames"] == []


def test_replaced_frames_are_new_and_all_other_lines_stay(tmp_path):
    video = moving_shapes(2, 6, (40, 64))
    for rle in (False, True):
        config = Config(rle=rle)
        journal = TracksJournal(tmp_path / f"{rle}.part")
        for index in range(6):
            journal.append(video.result(index))
        path, target = tmp_path / f"{rle}.json", tmp_path / f"{rle}2.json"
        journal.assemble(path, config)
        moved = replace(video.result(0), index=3)
        replace_frames(path, target, {3: moved, 5: video.result(5)}, config)
        old, new = path.read_text().splitlines(), target.read_text().splitlines()
        assert [n for n, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]] == [4]
        frame = json.loads(target.read_text())["frames"][3]
        areas = {entry["id"]: entry["area"] for entry in frame["objects"]}
        assert areas == {key: video.masks[key][0].sum() for key in (1, 2)}
        assert all(("rle" in entry) == rle for entry in frame["objects"])
