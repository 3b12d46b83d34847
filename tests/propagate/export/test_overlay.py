"""What is drawn, and a video whose colours, times and size are right by FFmpeg's own account."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from propagate import plugins
from propagate.errors import OutputError
from propagate.export import Run, _mp4
from propagate.export._drawing import colour_of
from propagate.export.overlay import draw_overlay, render_overlay
from propagate.testing import moving_shapes
from propagate.types import Frame, FrameResult, Mask, Missing

ROOT = Path(__file__).resolve().parents[3]
VIDEO = moving_shapes(2, 8, (96, 128), "leaving")
RESULTS = [VIDEO.result(index) for index in range(8)]


def flat(colour, size_hw=(240, 320)):
    return np.full((*size_hw, 3), colour, np.uint8)


def disk(size_hw=(240, 320), centre=(160, 150), radius=60):
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_the_object_is_tinted_and_the_rest_is_left(ground):
    image, mask = flat(ground), disk()
    drawn = draw_overlay(image, FrameResult(0, None, (240, 320), (Mask(1, mask),)))
    assert (image == ground).all()  # the source is not changed
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9))) > 0
    tint = drawn[inside].mean(axis=0) - ground
    assert np.allclose(tint, 0.38 * (np.array(colour_of(1)) - ground), atol=2)
    far = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))) == 0
    far[:120] = False  # where the label is
    assert (drawn[far] == ground).all()
    assert (drawn[50:90, 95:200] != ground).any()


def test_colours_are_stable_and_differ():
    colours = np.array([colour_of(one) for one in range(1, 41)], float)
    assert colour_of(300) == colour_of(300)
    apart = np.abs(colours[:10, None] - colours[None, :10]).sum(axis=2) + 999 * np.eye(10)
    assert apart.min() > 60
    light = colours @ [0.299, 0.587, 0.114]
    assert light.min() > 60 and light.max() < 240


def test_a_line_says_who_is_missing():
    missing = {2: Missing(2, "absent", "left the picture"), 5: Missing(5, "lost", "unsure")}
    result = FrameResult(0, None, (240, 320), (), missing)
    drawn = draw_overlay(flat(200), result)
    assert (drawn[:200] == 200).all()
    assert drawn[-8:].mean() < 150
    assert (drawn == np.array(colour_of(2), np.uint8)).all(axis=2).any()


@pytest.mark.parametrize("size_hw", [(1, 1), (7, 300), (33, 20), (1080, 1920)])
def test_any_size_and_many_objects_can_be_drawn(size_hw):
    masks = tuple(Mask(one, np.ones(size_hw, bool)) for one in range(1, 30))
    missing = {one: Missing(one, "lost", "a résumé that is long " * 3) for one in range(30, 40)}
    result = FrameResult(0, None, size_hw, (*masks, Mask(99, np.zeros(size_hw, bool))), missing)
    assert draw_overlay(flat(9, size_hw), result).shape == (*size_hw, 3)


def test_labels_of_objects_at_one_place_do_not_cover_each_other():
    mask = disk((720, 960), (400, 500), 100)
    result = FrameResult(0, None, (720, 960), (Mask(1, mask), Mask(2, mask)))
    drawn = draw_overlay(flat(255, (720, 960)), result)[:390]
    dots = [(drawn == np.array(colour_of(one), np.uint8)).all(axis=2) for one in (1, 2)]
    assert dots[0].sum() == dots[1].sum() > 20


def export(folder, run, results=RESULTS):
    writer = plugins.build("propagate.export", "overlay").open(folder, run)
    for result in results[run.done :]:
        writer.write(Frame(result.index, VIDEO.images[result.index]), result)
    return writer


def frames_of(times=None, size_hw=(96, 128)):
    times = [index / 25 for index in range(8)] if times is None else times
    for index, time_s in enumerate(times):
        image = VIDEO.images[index][: size_hw[0], : size_hw[1]]
        yield Frame(index, image, time_s)


def results_of(size_hw=(96, 128)):
    for result in RESULTS:
        masks = tuple(Mask(m.object_id, m.pixels[: size_hw[0], : size_hw[1]]) for m in result.masks)
        yield FrameResult(result.index, result.time_s, size_hw, masks)


def read(path):
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        pictures = [frame.to_ndarray(format="rgb24") for frame in frames]
        return stream.codec_context, [float(frame.time) for frame in frames], pictures


def test_the_video_is_h264_and_shows_what_was_drawn(tmp_path):
    path = tmp_path / "overlay.mp4"
    render_overlay(frames_of(), RESULTS, path, 25.0)
    context, times, pictures = read(path)
    assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
    assert context.color_range == 1
    assert times == pytest.approx([index / 25 for index in range(8)])
    wanted = [draw_overlay(VIDEO.images[index], RESULTS[index]) for index in range(8)]
    for picture, want in zip(pictures, wanted, strict=True):
        assert np.abs(picture.astype(float) - want).mean() < 8


def test_colours_are_those_of_the_source(tmp_path):
    colour = np.array([48, 192, 64])
    path = tmp_path / "flat.mp4"
    still = [Frame(index, flat(colour, (96, 128)), index / 25) for index in range(3)]
    render_overlay(still, [FrameResult(i, None, (96, 128)) for i in range(3)], path)
    pictures = read(path)[2]
    assert np.abs(pictures[1].reshape(-1, 3).mean(axis=0) - colour).max() < 3


def test_times_of_a_variable_frame_rate_are_kept_and_begin_at_0(tmp_path):
    times = [4.0, 4.01, 4.05, 4.06, 4.2, 4.21, 4.5, 4.55]
    path = tmp_path / "vfr.mp4"
    render_overlay(frames_of(times), RESULTS, path, 25.0)
    assert read(path)[1] == pytest.approx([time - 4.0 for time in times], abs=2e-5)


def test_without_times_the_rate_is_the_one_given(tmp_path):
    path = tmp_path / "rate.mp4"
    render_overlay(frames_of([None] * 8), RESULTS, path, 10.0)
    assert read(path)[1] == pytest.approx([index / 10 for index in range(8)])


def test_odd_sizes_get_one_more_row_and_column(tmp_path):
    path = tmp_path / "odd.mp4"
    size_hw = (95, 127)
    render_overlay(frames_of(size_hw=size_hw), results_of(size_hw), path, 25.0)
    assert read(path)[2][0].shape == (96, 128, 3)


def test_without_pyav_opencv_writes_a_video(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert not _mp4.has_h264()
    path = tmp_path / "plain.mp4"
    render_overlay(frames_of(), RESULTS, path, 25.0)
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    assert count == 8


def test_two_runs_write_the_same_bytes_also_when_one_is_resumed(tmp_path):
    whole = export(tmp_path / "whole", Run(list(frames_of()), 25.0))
    whole.close()
    export(tmp_path / "cut", Run(list(frames_of()), 25.0), RESULTS[:5])  # killed here
    resumed = export(tmp_path / "cut", Run(list(frames_of()), 25.0, done=4))
    resumed.close()
    paths = [tmp_path / name / "overlay.mp4" for name in ("whole", "cut")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["overlay.mp4"]


@pytest.mark.parametrize("count", [7, 9])
def test_frames_and_results_that_do_not_match_leave_no_file(tmp_path, count):
    path = tmp_path / "overlay.mp4"
    results = [*RESULTS, FrameResult(8, None, (96, 128))][:count]
    with pytest.raises(OutputError, match="frame [78]"):
        render_overlay(frames_of(), results, path, 25.0)
    assert not list(tmp_path.iterdir())


def test_no_frame_at_all_is_one_clear_line(tmp_path):
    with pytest.raises(OutputError, match="no frame"):
        render_overlay([], [], tmp_path / "overlay.mp4")


@pytest.mark.skipif(not _mp4.has_h264(), reason="needs av with libx264")
def test_the_bytes_do_not_depend_on_what_was_in_memory(tmp_path):
    """A C library that fills fresh memory with garbage changes nothing."""
    code = (
        "import sys; from pathlib import Path; from propagate.testing import moving_shapes;"
        "from propagate.export.overlay import render_overlay;"
        "clip = moving_shapes(2, 24, (64, 96));"
        "results = map(clip.result, range(24));"
        "render_overlay(clip.frames(), results, Path(sys.argv[1]))"
    )
    for garbage in ("1", "170"):
        words = [sys.executable, "-c", code, str(tmp_path / f"{garbage}.mp4")]
        environment = {**os.environ, "MALLOC_PERTURB_": garbage}
        subprocess.run(words, check=True, cwd=ROOT, env=environment)
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "170.mp4").read_bytes()
