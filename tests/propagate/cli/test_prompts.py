"""Which object an option speaks of, and what is refused before a run starts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from propagate.cli.prompts import SharedPixelsWarning, check, describe, gather, resolve
from propagate.errors import PromptError
from propagate.videos import open_video

SIZE_HW = (64, 96)


def asked(*, points=(), boxes=(), masks=(), file=None, first_frame=0):
    prompts = resolve(gather(points, boxes, masks, file), SIZE_HW, first_frame)
    return [(prompt.frame_index, prompt.object_id) for prompt in prompts]


@pytest.fixture
def blob(tmp_path, write_labels):
    """A mask with the given ids, a row each."""

    def make(name, *ids):
        labels = np.zeros(SIZE_HW, int)
        for row, object_id in enumerate(ids):
            labels[10 * row : 10 * row + 8, 5:30] = object_id
        return str(write_labels(tmp_path / name, labels))

    return make


def test_points_without_an_id_belong_to_object_1():
    assert asked(points=["1,1", "2,2-", "3,3@5", "4,4#2"]) == [(0, 1), (0, 1), (5, 1), (0, 2)]


def test_each_box_without_an_id_is_an_object_of_its_own():
    box = "1,1,9,9"
    assert asked(boxes=[box, box, f"{box}@4"]) == [(0, 1), (0, 2), (4, 3)]
    assert asked(boxes=[box, f"{box}#1", box]) == [(0, 2), (0, 1), (0, 3)]


def test_a_box_and_a_point_without_ids_speak_of_object_1():
    assert asked(boxes=["1,1,9,9"], points=["2,2-"]) == [(0, 1), (0, 1)]


def test_ids_of_masks(blob):
    two, one = blob("two.png", 1, 2), blob("one.png", 1)
    assert asked(masks=[two]) == [(0, 1), (0, 2)]
    assert asked(masks=[one, one]) == [(0, 1), (0, 2)], "in one frame: two objects"
    assert asked(masks=[one, f"{one}@9"]) == [(0, 1), (9, 1)], "later: the same object"
    assert asked(masks=[two, one], boxes=["1,1,9,9"]) == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert asked(masks=[f"{one}#7", f"{two}#2"]) == [(0, 7), (0, 2)]
    with pytest.raises(PromptError, match="holds objects 1, 2, not 5"):
        asked(masks=[f"{two}#5"])


def test_the_pixels_of_a_mask_that_was_renumbered(blob):
    one, other = blob("a.png", 1), blob("b.png", 0, 1)
    prompts = resolve(gather((), (), [one, other]), SIZE_HW, 0)
    assert prompts[0].mask[0:8, 5:30].all() and prompts[0].mask.sum() == 8 * 25
    assert prompts[1].mask[10:18, 5:30].all() and prompts[1].mask.sum() == 8 * 25


def test_what_names_no_frame_is_in_the_first_one_of_the_run():
    assert asked(points=["1,1", "2,2@30"], first_frame=12) == [(12, 1), (30, 1)]


def test_a_file_and_options_together(tmp_path):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps([{"object": 1, "box": [1, 2, 3, 4]}, {"object": 4, "frame": 2,
                                 "points": [[1, 1]]}]))  # fmt: skip
    assert asked(boxes=["1,1,9,9"], file=path) == [(0, 2), (0, 1), (2, 4)]


def test_nothing_asked():
    with pytest.raises(PromptError, match="nothing to look for"):
        gather((), (), ())


def checked(folder, *, points=(), boxes=(), masks=()):
    video = open_video(folder)
    check(resolve(gather(points, boxes, masks), SIZE_HW, 0), video, 0)


def test_what_fits_passes(folder, mask):
    checked(folder, points=["5,5", "6,6@23-", "0,0@3#9", "95.9,63.9#2"], masks=[f"{mask}@7"])


@pytest.mark.parametrize(
    ("points", "boxes", "message"),
    [
        (["96,10"], [], "outside the picture"),
        (["10,-1"], [], "outside the picture"),
        ([], ["100,10,120,30"], "outside the picture"),
        ([], ["30,10,20,30"], "x0 < x1"),
        (["10,10-"], [], "object 1 has no mask"),
        (["10,10#1", "10,10@5#2-"], [], "object 2 has no mask in frame 5"),
        (["10,10", "10,10@24"], [], "frame 24"),
        (["10,10#65536"], [], "ids go up to 65535"),
    ],
)
def test_what_does_not_fit_is_refused(folder, points, boxes, message):
    with pytest.raises(PromptError, match=message):
        checked(folder, points=points, boxes=boxes)


def test_a_mask_and_a_point_for_one_object_in_one_frame(folder, mask):
    with pytest.raises(PromptError, match="has a mask"):
        checked(folder, points=["5,5"], masks=[str(mask)])


def test_masks_that_share_pixels_are_told(folder, write_labels, tmp_path):
    left, right = np.zeros(SIZE_HW, np.uint8), np.zeros(SIZE_HW, np.uint8)
    left[10:20, 10:30], right[10:20, 25:50] = 255, 255
    files = [write_labels(tmp_path / f"{n}.png", one) for n, one in enumerate((left, right))]
    with pytest.warns(SharedPixelsWarning, match="objects 1 and 2 share 50 pixels"):
        checked(folder, masks=[f"{files[0]}#1", f"{files[1]}#2"])


def test_descriptions_tell_prompts_apart(mask):
    one = describe(resolve(gather(["5,5"], ["1,1,9,9#2"], [f"{mask}@3"]), SIZE_HW, 0))
    assert json.loads(json.dumps(one)) == one
    other = describe(resolve(gather(["5,5-"], ["1,1,9,9#2"], [f"{mask}@3"]), SIZE_HW, 0))
    assert one != other
    assert {key for entry in one for key in entry} == {
        "frame", "object", "points", "labels", "box", "mask_sha256",
    }  # fmt: skip
