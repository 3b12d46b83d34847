"""The grammar of --point, --box and --mask, and prompts files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propagate.cli.prompt_text import (
    Asked,
    parse_absent,
    parse_box,
    parse_mask,
    parse_point,
    read_prompts_file,
)
from propagate.errors import PromptError

numbers = st.decimals(-5000, 5000, places=2).map(str)
suffixes = st.none() | st.integers(0, 10**6)
ids = st.none() | st.integers(1, 10**5)


def suffix(frame, object_id, *, swapped):
    marks = [
        "" if frame is None else f"@{frame}",
        "" if object_id is None else f"#{object_id}",
    ]
    return "".join(marks[::-1] if swapped else marks)


@given(numbers, numbers, suffixes, ids, st.booleans(), st.booleans())
def test_points(x, y, frame, object_id, positive, swapped):
    text = f"{x},{y}{suffix(frame, object_id, swapped=swapped)}{'' if positive else '-'}"
    asked = parse_point(text)
    assert asked.points == ((float(x), float(y)),)
    assert (asked.frame, asked.object_id, asked.labels) == (frame, object_id, (positive,))


@given(st.lists(numbers, min_size=4, max_size=4), suffixes, ids, st.booleans())
def test_boxes(corners, frame, object_id, swapped):
    asked = parse_box(",".join(corners) + suffix(frame, object_id, swapped=swapped))
    assert asked.box == tuple(map(float, corners))
    assert (asked.frame, asked.object_id) == (frame, object_id)


def test_what_the_documentation_shows():
    assert parse_point("640,360@48") == Asked(
        "--point 640,360@48", 48, points=((640.0, 360.0),), labels=(True,)
    )
    assert parse_point("600, 350-").labels == (False,)
    assert parse_point("320,180@7#2-").object_id == 2


@pytest.mark.parametrize(
    "text",
    ["", "3", "3,4,5", "a,b", "nan,3", "inf,3", "3;4", "3,4@", "3,4#0", "3,4@1@2", "3,4--",
     "3,4@-1", "1e3,4", "9999999999,4"],
)  # fmt: skip
def test_what_is_no_point(text):
    with pytest.raises(PromptError, match="--point"):
        parse_point(text)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1,2,3,x", "1,2,3,4-", "1,2,3,4#1#2"])
def test_what_is_no_box(text):
    with pytest.raises(PromptError, match="--box"):
        parse_box(text)


def test_a_mask_whose_path_has_signs_in_it(tmp_path):
    odd = tmp_path / "shot@2" / "a#1.png"
    odd.parent.mkdir()
    assert parse_mask(f"{odd}@7") == Asked(f"--mask {odd}@7", 7, mask=odd)
    assert parse_mask(f"{odd.parent}/b.png#3@7").object_id == 3
    plate = tmp_path / "plate.png@12"
    assert (parse_mask(str(plate)).frame, parse_mask(str(plate)).mask) == (
        12,
        Path(tmp_path / "plate.png"),
    )
    plate.write_bytes(b"")  # now there is a file of the whole name
    assert (parse_mask(str(plate)).frame, parse_mask(str(plate)).mask) == (None, plate)


@pytest.mark.parametrize(
    ("text", "frame", "object_id"), [("78", 78, None), ("78#2", 78, 2), (" @5#31 ", 5, 31)]
)
def test_an_object_that_is_away(text, frame, object_id):
    asked = parse_absent(text)
    assert (asked.frame, asked.object_id, asked.absent) == (frame, object_id, True)
    assert not asked.points and asked.box is None and asked.mask is None


@pytest.mark.parametrize("text", ["", "#2", "7#", "7#0", "7#1#2", "-3", "7.5", "7@8", "x"])
def test_what_is_no_frame_of_absence(text):
    with pytest.raises(PromptError, match="--absent"):
        parse_absent(text)


def read(tmp_path, text):
    path = tmp_path / "prompts.json"
    path.write_text(text)
    return read_prompts_file(path)


def test_a_prompts_file(tmp_path):
    entries = [
        {"frame": 3, "object": 2, "points": [[1, 2.5], [3, 4]], "labels": [1, 0]},
        {"object": 1, "box": [1, 2, 3, 4]},
        {"mask": "sub/m.png"},
        {"frame": 9, "object": 2, "absent": True},
    ]
    points, box, mask, away = read(tmp_path, json.dumps(entries))
    assert (points.frame, points.object_id, points.labels) == (3, 2, (True, False))
    assert points.points == ((1.0, 2.5), (3.0, 4.0))
    assert (box.frame, box.box) == (None, (1.0, 2.0, 3.0, 4.0))
    assert mask.mask == tmp_path / "sub" / "m.png"
    assert mask.object_id is None
    assert (away.frame, away.object_id, away.absent) == (9, 2, True)
    assert not (points.absent or box.absent or mask.absent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("{}", "must be a list"),
        ("[]", "must be a list"),
        ("[3]", "entry 0: must be an object"),
        ('[{"object": 1, "points": [[NaN, 3]]}]', "NaN"),
        ('[{"object": 1, "points": [[1e999, 3]]}]', "finite"),
        ('[{"object": 1, "points": [["1", 3]]}]', "must be a number"),
        ('[{"object": 1, "points": [[true, 3]]}]', "must be a number"),
        ('[{"object": 1, "points": [[1, 2, 3]]}]', r"must be \[x, y\]"),
        ('[{"object": 1, "points": 3}]', "must be a list"),
        ('[{"object": 1, "points": [[1, 2]], "labels": [1, 0]}]', "1 points but 2 labels"),
        ('[{"object": 1, "points": [[1, 2]], "labels": [2]}]', "label must be 1"),
        ('[{"object": 1, "point": [[1, 2]]}]', "unknown key 'point'; did you mean 'points'"),
        ('[{"object": 0, "points": [[1, 2]]}]', "object must be a whole number"),
        ('[{"object": 1.0, "points": [[1, 2]]}]', "object must be a whole number"),
        ('[{"object": 1, "frame": -1, "points": [[1, 2]]}]', "frame must be a whole number"),
        ('[{"object": 1, "box": [1, 2, 3]}]', "box must be"),
        ('[{"object": 1}]', "asks for nothing"),
        ('[{"points": [[1, 2]]}]', "which object"),
        ('[{"mask": 3}]', "mask must be the name"),
        ('[{"frame": 3, "absent": true}]', "which object"),
        ('[{"object": 1, "absent": 1}]', "absent must be true or false"),
        ('[{"object": 1, "absent": false}]', "asks for nothing"),
        ('[{"object": 1, "absent": true, "points": [[1, 2]]}]', "is absent and somewhere"),
    ],
)
def test_what_a_prompts_file_may_not_hold(tmp_path, text, message):
    with pytest.raises(PromptError, match=message) as refused:
        read(tmp_path, text)
    assert "prompts.json" in str(refused.value)


def test_a_prompts_file_that_is_not_there(tmp_path):
    with pytest.raises(PromptError, match="cannot be read"):
        read_prompts_file(tmp_path / "no.json")
