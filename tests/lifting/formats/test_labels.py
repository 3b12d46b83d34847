"""Masks find their views: by name, by number, at the picture's size; what is unknown stays so."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

import lifting
from lifting import camera as cameras
from propagate.errors import SceneError
from propagate.export import Run
from propagate.export.png import Config as PngConfig
from propagate.export.png import build as build_png
from propagate.export.tracks import Config as TracksConfig
from propagate.export.tracks import build as build_tracks
from propagate.types import Frame, FrameResult, Mask, Missing
from tests.lifting.formats.writers import (
    WRITERS,
    as_sevenscenes,
    as_transforms,
    write_depth,
    write_labels,
)


def tracked(folder, views, results, stems=None):
    """What `propagate track` leaves: its own exporters write it."""
    names = stems or [None] * len(views)
    ids = tuple(sorted({key for result in results for key in result.missing} | {300}))
    writers = [
        one.open(folder, Run(object_ids=ids))
        for one in (build_png(PngConfig()), build_tracks(TracksConfig()))
    ]
    for view, result, stem in zip(views, results, names, strict=True):
        frame = Frame(result.index, view.image, stem=stem)
        for writer in writers:
            writer.write(frame, replace(result, stem=stem))
    for writer in writers:
        writer.close()
    return folder


def answer(index, view, ids, missing=None):
    masks = tuple(Mask(key, view.labels == key, 0.5 + key / 1000) for key in sorted(ids))
    return FrameResult(index, None, view.size_hw, masks, missing or {})


@pytest.mark.parametrize("named", [True, False])
def test_what_propagate_track_left(named, tmp_path, shown, on_surfaces):
    """Ids beyond 255, scores, and each mask with its view, by name or by number."""
    scene = as_sevenscenes(_folder(tmp_path / "scene"), shown)
    ids = [sorted(set(np.unique(view.labels).tolist()) - {0}) for view in shown]
    every = set().union(*ids)
    results = []
    for index, (view, here) in enumerate(zip(shown, ids, strict=True)):
        gone = {key: Missing(key, "absent", "left", 0.1) for key in every - set(here)}
        results.append(answer(index, view, here, gone))
    stems = [f"frame-{n:06d}.color" for n in range(5)] if named else None
    out = tracked(tmp_path / "out", shown, results, stems)
    views = lifting.label_views(lifting.open_views(scene), out)
    on_surfaces(views)
    for view, truth in zip(views, shown, strict=True):
        assert (view.labels == truth.labels).all()
        assert view.confidence is None
        assert view.scores == pytest.approx(
            {key: 0.5 + key / 1000 for key in np.unique(truth.labels).tolist() if key}
        )
    again = lifting.label_views(lifting.open_views(scene), out / "masks")
    assert [dict(view.scores) for view in again] == [dict(view.scores) for view in views]


def test_what_the_tracker_did_not_know_has_no_vote(tmp_path, shown):
    scene = as_sevenscenes(_folder(tmp_path / "scene"), shown)
    lost = {1: Missing(1, "lost", "cannot tell", 0.1)}
    gone = {1: Missing(1, "absent", "left", 0.1)}
    both = {**gone, 6: Missing(6, "absent", "left", 0.1)}
    results = [
        answer(0, shown[0], []),  # before the first prompt
        answer(1, shown[1], [1]),  # before object 6 is asked for
        answer(2, shown[2], [6], lost),
        answer(3, shown[3], [6], gone),
        answer(4, shown[4], [], both),
    ]
    out = tracked(tmp_path / "out", shown, results)
    views = list(lifting.label_views(lifting.open_views(scene), out))
    assert views[0].labels is None
    for view in views[1:3]:
        assert (view.confidence == (view.labels > 0)).all()
    assert views[3].confidence is None and views[4].confidence is None
    assert not views[4].labels.any()


@pytest.mark.parametrize("mode", ["P", "L", "I;16", "P4", "1"])
def test_kinds_of_png(mode, tmp_path, shown):
    """Written by Pillow: palettes of 8 and 4 bits, grey of 8, 16 and 1."""
    wide = np.where(shown[0].labels > 7, 7, shown[0].labels)
    if mode == "I;16":
        wide = wide * 1000
    elif mode == "1":
        wide = (wide > 0).astype(int)
    for number in range(5):
        path = _folder(tmp_path / "masks") / f"frame-{number:06d}.png"
        picture = Image.fromarray(wide.astype(np.uint16 if mode == "I;16" else np.uint8))
        if mode.startswith("P"):
            picture.putpalette([value for key in range(16) for value in (key * 9, key, 0)])
        if mode == "1":
            picture = Image.fromarray(wide.astype(bool))
        picture.save(path, **({"bits": 4} if mode == "P4" else {}))
    scene = as_sevenscenes(_folder(tmp_path / "scene"), shown)
    for view in lifting.label_views(lifting.open_views(scene), tmp_path / "masks"):
        assert (view.labels == wide).all()


def test_black_and_white_is_one_object(tmp_path, shown):
    scene = as_sevenscenes(_folder(tmp_path / "scene"), shown)
    write_labels(tmp_path / "m" / "frame-000000.png", (shown[0].labels > 0) * 65535)
    views = lifting.label_views(lifting.open_views(scene), tmp_path / "m")
    assert set(np.unique(next(iter(views)).labels)) == {0, 1}
    assert views.notes == ("4 of 5 views have no mask",)
    assert [view.labels is None for view in views] == [False, True, True, True, True]


def test_masks_of_a_picture_larger_than_its_depth(tmp_path, shown, on_surfaces):
    """The view has its depth's pixels; masks of the picture's size are read where those fall."""
    large = [
        replace(
            view,
            camera=cameras.resized(view.camera, (180, 240)),
            image=np.repeat(np.repeat(view.image, 3, 0), 3, 1),
            depth=np.repeat(np.repeat(view.depth, 3, 0), 3, 1),
            labels=None,
        )
        for view in shown
    ]
    as_transforms(tmp_path, large)
    for number, view in enumerate(shown):
        write_depth(tmp_path / f"depth/{number}.png", view.depth, 1000)
        write_labels(tmp_path / f"m/{number}.png", np.repeat(np.repeat(view.labels, 3, 0), 3, 1))
        write_labels(tmp_path / f"s/{number}.png", view.labels)
        write_labels(tmp_path / f"w/{number}.png", np.repeat(view.labels, 2, 1))
    views = lifting.open_views(tmp_path)
    on_surfaces(lifting.label_views(views, tmp_path / "m"))
    for view, truth in zip(lifting.label_views(views, tmp_path / "s"), shown, strict=True):
        assert (view.labels == truth.labels).all()
    with pytest.raises(SceneError, match=r"w/0.png: the mask is 160x60, .* 240x180"):
        list(lifting.label_views(views, tmp_path / "w"))


@pytest.mark.parametrize("make", [list, iter, tuple])
def test_views_of_ones_own(make, tmp_path, shown):
    """A list, or a stream that is read once; by name where views have one, else by number."""
    for number, view in enumerate(shown):
        write_labels(tmp_path / "n" / f"{number:05d}.png", view.labels)
        write_labels(tmp_path / "m" / f"view{number}.png", view.labels)
    bare = [replace(view, labels=None) for view in shown]
    for folder, mine in (
        ("n", bare),
        ("m", [replace(view, name=f"a/view{n}.jpg") for n, view in enumerate(bare)]),
    ):
        found = lifting.label_views(make(mine), tmp_path / folder)
        for view, truth in zip(found, shown, strict=True):
            assert (view.labels == truth.labels).all()


def test_masks_of_views_that_were_skipped(tmp_path, shown):
    """The number of a mask counts all pictures of the scene, skipped ones too."""
    scene = WRITERS["scannet"](_folder(tmp_path / "scene"), shown)
    for folder in ("color", "depth", "pose"):
        for path in sorted((scene / folder).iterdir()):
            path.rename(path.with_stem(f"rgb{path.stem}"))
    (scene / "pose" / "rgb1.txt").write_text("-inf " * 16)
    for number, view in enumerate(shown):
        write_labels(tmp_path / "m" / f"{number:05d}.png", view.labels)
    views = list(lifting.label_views(lifting.open_views(scene), tmp_path / "m"))
    for view, truth in zip(views, shown[:1] + shown[2:], strict=True):
        assert (view.labels == truth.labels).all()


def test_masks_that_belong_to_nothing(tmp_path, shown):
    scene = as_sevenscenes(_folder(tmp_path / "scene"), shown)
    views = lifting.open_views(scene)
    with pytest.raises(SceneError, match="no such folder of masks"):
        lifting.label_views(views, tmp_path / "no")
    with pytest.raises(SceneError, match="no masks"):
        lifting.label_views(views, _folder(tmp_path / "empty"))
    write_labels(tmp_path / "m" / "other.png", shown[0].labels)
    with pytest.raises(SceneError, match=r"'other'.*frame-000000.color.png"):
        lifting.label_views(views, tmp_path / "m")
    with pytest.raises(SceneError, match="'other'"):
        list(lifting.label_views((view for view in shown), tmp_path / "m"))


def test_masks_that_are_damaged(tmp_path, shown):
    scene = as_sevenscenes(_folder(tmp_path / "scene"), shown)
    path = tmp_path / "m" / "frame-000000.png"
    write_labels(path, shown[0].labels)
    views = lifting.label_views(lifting.open_views(scene), tmp_path / "m")
    whole = path.read_bytes()
    for data, words in (
        (whole[:-30], "cut short"),
        (whole[:50] + b"!!" + whole[52:], "damaged"),
        (b"GIF89a", "not a PNG"),
        (b"", "empty"),
    ):
        path.write_bytes(data)
        with pytest.raises(SceneError, match=words):
            next(iter(views))
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    with pytest.raises(SceneError, match="colours"):
        next(iter(views))


@pytest.mark.parametrize("text", ["[]", "{}", '{"frames": [{}]}', '{"frames": 3}', "{"])
def test_tracks_that_are_damaged(text, tmp_path, shown):
    write_labels(tmp_path / "masks" / "0.png", shown[0].labels)
    (tmp_path / "tracks.json").write_text(text)
    with pytest.raises(SceneError, match=r"tracks\.json"):
        lifting.label_views(shown, tmp_path)


def test_lifting_from_disk(tmp_path, shown):
    """The promise of the package: the scene, the masks, the cloud."""
    scene = as_transforms(_folder(tmp_path / "scene"), shown)
    for number, view in enumerate(shown):
        write_labels(tmp_path / "m" / f"{number}.png", view.labels)
    cloud = lifting.lift(lifting.label_views(lifting.open_views(scene), tmp_path / "m"))
    assert {1, 3, 6, 7, 10} <= set(cloud.object_ids)
    json.dumps([int(one) for one in cloud.object_ids])


def _folder(path):
    path.mkdir(exist_ok=True)
    return path
