"""Everything in a picture: found once, drawn where it is, and written as SA-1B writes it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

import propagate
from propagate import automatic
from propagate.automatic import Config, Crop
from propagate.errors import ConfigError, InputError
from propagate.masks import decode_rle, iou
from propagate.testing import moving_shapes
from propagate.types import Candidates, Canvas


@pytest.fixture(scope="module")
def colour():
    return propagate.load_segmenter("colour")


@pytest.fixture(scope="module")
def scene():
    return moving_shapes(3, 2, (96, 128), "apart", seed=3)


class Counted:
    """A segmenter that counts questions."""

    def __init__(self, inner):
        self.inner, self.asked = inner, 0

    def encode(self, image):
        return self.inner.encode(image)

    def decode(self, embedding, prompts):
        self.asked += len(prompts)
        return self.inner.decode(embedding, prompts)


@pytest.mark.parametrize("sampling", ["grid", "adaptive"])
@pytest.mark.parametrize("layers", [0, 1])
def test_every_shape_is_found(colour, scene, sampling, layers):
    config = Config(12, layers, sampling, least_score=0.3, least_stability=0.5)
    records = propagate.generate_masks(scene.images[0], segmenter=colour, config=config)
    found = [decode_rle(record["segmentation"]) for record in records]
    for truth in (masks[0] for masks in scene.masks.values()):
        assert max(iou(mask, truth) for mask in found) > 0.75
    boxes = np.array([record["bbox"] for record in records], float)
    boxes[:, 2:] += boxes[:, :2]
    for n in range(len(boxes)):
        others = np.delete(boxes, n, 0)
        assert automatic.box_iou(boxes[n], others).max(initial=0) < 0.85


def test_adaptive_asks_less(colour, scene):
    asked = {}
    for sampling in ("grid", "adaptive"):
        counted = Counted(colour)
        config = Config(12, 0, sampling, least_score=0.3, least_stability=0.5)
        automatic.generate(scene.images[0], counted, config)
        asked[sampling] = counted.asked
    assert asked["grid"] == 144
    assert asked["adaptive"] < 72


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_records_are_those_of_sa_1b(colour, scene):
    config = Config(8, least_score=0.2, least_stability=0.3)
    records = propagate.generate_masks(scene.images[0], segmenter=colour, config=config)
    assert records == json.loads(json.dumps(records))
    scores = [record["predicted_iou"] for record in records]
    assert scores == sorted(scores, reverse=True)
    for record in records:
        mask = coco.decode(record["segmentation"])
        assert mask.shape == (96, 128)
        assert record["area"] == mask.sum()
        assert record["bbox"] == coco.toBbox(record["segmentation"]).tolist()
        (x, y) = record["point_coords"][0]
        assert 0 <= x < 128 and 0 <= y < 96
        assert record["crop_box"] == [0, 0, 128, 96]
        assert 0.3 <= record["stability_score"] <= 1


def test_small_islands_go_where_that_is_wanted(colour, scene):
    config = Config(8, least_score=0.2, least_stability=0.3, least_area=60)
    for record in propagate.generate_masks(scene.images[0], segmenter=colour, config=config):
        assert record["area"] >= 60


def test_masks_that_tidying_makes_one_are_kept_once():
    """The same blob, alone and with a far speck: boxes far apart in size until the speck goes."""

    class Speckled:
        def encode(self, image):
            return None

        def decode(self, embedding, prompts):
            logits = np.full((2, 64, 64), -9, np.float32)
            logits[:, 10:30, 10:30] = 9
            logits[1, 60:62, 60:62] = 9
            scores = np.array([0.9, 0.95], np.float32)
            return [Candidates(p.object_id, logits, scores, (64, 64)) for p in prompts]

    image = np.zeros((64, 64, 3), np.uint8)
    both = automatic.generate(image, Speckled(), Config(2, 0, "grid"))
    assert sorted(record["area"] for record in both) == [400, 404]
    (one,) = automatic.generate(image, Speckled(), Config(2, 0, "grid", least_area=20))
    assert one["area"] == 400
    assert one["predicted_iou"] == pytest.approx(0.9), "it needed no tidying"


@given(st.integers(1, 40))
def test_the_grid_is_whole_and_every_first_part_of_it_is_spread(side):
    points = automatic.grid(side)
    places = (np.arange(side) + 0.5) / side
    assert sorted(map(tuple, points.round(5))) == sorted(
        (x, y)
        for x in places.astype(np.float32).round(5)
        for y in places.astype(np.float32).round(5)
    )
    if side >= 8:
        first = points[:16]
        assert np.ptp(first, axis=0).min() > 0.5


@given(st.integers(40, 900), st.integers(40, 900), st.integers(0, 2))
def test_crops_cover_the_picture_and_stay_inside(height, width, layers):
    made = automatic.crops((height, width), layers)
    assert made[0] == Crop((0, 0, width, height), 0)
    for layer in range(layers + 1):
        seen = np.zeros((height, width), bool)
        for crop in (one for one in made if one.layer == layer):
            x0, y0, x1, y1 = crop.box
            assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
            seen[y0:y1, x0:x1] = True
        assert seen.all()
        assert sum(one.layer == layer for one in made) == 4**layer


def test_what_ends_with_the_picture_is_not_cut_by_its_crop():
    made = [crop for crop in automatic.crops((300, 400), 1) if crop.layer == 1]
    corner = np.array([0, 0, 30, 30], np.float32)
    height, width = made[0].size_hw
    last = np.array([width - 30, height - 30, width, height], np.float32)
    assert [automatic._is_cut(corner, crop, crop.size_hw) for crop in made] == [
        False, True, True, True,
    ]  # fmt: skip
    assert automatic._is_cut(last, made[0], made[0].size_hw)
    assert not automatic._is_cut(np.array([50, 50, 90, 90]), made[3], made[3].size_hw)


def test_padding_of_a_canvas_is_never_part_of_a_mask():
    """Logits of a wide picture on a square canvas, positive all over the padding."""

    class Padded:
        def encode(self, image):
            return None

        def decode(self, embedding, prompts):
            logits = np.full((1, 32, 32), -9, np.float32)
            logits[0, :8, :16] = 9  # the left half of the picture, which has 8 rows of cells
            logits[0, 8:] = 9
            canvas = Canvas((128, 128), (32, 128))
            scores = np.ones(1, np.float32)
            return [Candidates(p.object_id, logits, scores, (50, 200), canvas) for p in prompts]

    image = np.zeros((50, 200, 3), np.uint8)
    (record,) = automatic.generate(image, Padded(), Config(4))
    assert record["stability_score"] == 1
    assert record["bbox"][0] == 0 and record["bbox"][2] == pytest.approx(100, abs=3)


@pytest.mark.parametrize("wrong", [{"points_per_side": 0}, {"batch": 0}, {"crop_layers": -1}])
def test_settings_that_ask_for_nothing_are_refused(wrong):
    with pytest.raises(ConfigError):
        Config(**wrong)


def test_a_grey_picture_is_refused(colour):
    with pytest.raises(InputError):
        propagate.generate_masks(np.zeros((8, 8), np.uint8), segmenter=colour)
