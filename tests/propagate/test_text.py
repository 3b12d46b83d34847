"""Words become boxes by a real detector of transformers, tiny and random, loaded from a folder."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
import torch

from propagate.errors import CheckpointError, ConfigError, MissingPackageError, PromptError
from propagate.text import Config, load_detector
from tests.propagate import detectors

pytestmark = pytest.mark.filterwarnings("ignore")  # of the library, about itself


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("detectors")
    return {
        "owl": detectors.owl(folder / "owl"),
        "dino": detectors.grounding_dino(folder / "dino"),
    }


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)


def test_boxes_are_where_the_detector_says(folders, image):
    """OWL sees a square of 6 x 6 cells; each box is as large as a cell, around its last corner."""
    found = load_detector(Config(str(folders["owl"]), least_score=0, most=100)).find(image, "a dog")
    cell = 160 / detectors.GRID
    places = set()
    for one in found:
        column, row = (round(float(at) / cell - 0.5) for at in one.box[:2])
        wanted = np.array([column, row, column + 1, row + 1]) * cell + cell / 2
        np.testing.assert_allclose(one.box, np.minimum(wanted, [160, 120, 160, 120]), atol=0.05)
        places.add((column, row))
    assert places == {(column, row) for column in range(6) for row in range(4)}
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True) and 0 <= scores[-1] < scores[0] <= 1


def test_other_words_are_scored_otherwise_and_the_best_are_kept(folders, image):
    detector = load_detector(Config(str(folders["owl"]), least_score=0, most=3))
    dog, again, cat = (detector.find(image, text) for text in ("a dog", " A  Dog. ", "a cat"))
    assert len(dog) == 3
    assert [one.score for one in dog] == [one.score for one in again]
    assert [one.score for one in dog] != [one.score for one in cat]


def test_boxes_that_repeat_a_better_one_are_dropped(folders, image):
    kept = load_detector(Config(str(folders["owl"]), least_score=0, most_overlap=0)).find(
        image, "a dog"
    )
    for number, one in enumerate(kept):
        for other in kept[number + 1 :]:
            low, high = np.maximum(one.box, other.box)[:2], np.minimum(one.box, other.box)[2:]
            assert (high - low).min() <= 0.05


def test_grounding_dino_finds_boxes_on_the_picture(folders, image):
    for one in load_detector(Config(str(folders["dino"]), least_score=0.01)).find(image, "a dog"):
        assert (one.box >= 0).all() and (one.box <= [160, 120, 160, 120]).all()
        assert (one.box[2:] - one.box[:2]).min() >= 1 and 0 < one.score <= 1


def test_nothing_found_and_nothing_said(folders, image):
    detector = load_detector(Config(str(folders["owl"]), least_score=1))
    with pytest.raises(PromptError, match='nothing like "a dog" .* score of 1'):
        detector.find(image, "a dog")
    with pytest.raises(PromptError, match="empty"):
        detector.find(image, " . ")


def test_what_is_no_detector(tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match="no such folder"):
        load_detector(Config(str(tmp_path / "gone")))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="no zero-shot detector") as refused:
        load_detector(Config(str(tmp_path)))
    assert "\n" not in str(refused.value)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match="own/detector"):
        load_detector(Config("own/detector"))


def test_a_pickle_is_not_read(folders, tmp_path, image):
    """Weights that are not safetensors could run code."""
    from safetensors.torch import load_file

    for path in folders["owl"].iterdir():
        if path.name != "model.safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    state = load_file(folders["owl"] / "model.safetensors")
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError):
        load_detector(Config(str(tmp_path)))


def test_a_missing_package_is_named(folders, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "transformers":
            raise ModuleNotFoundError("no transformers", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r"transformers.*\[text\]"):
        load_detector(Config(str(folders["owl"])))


@pytest.mark.parametrize("wrong", [{"most": 0}, {"least_score": 2}, {"least_score": -1}])
def test_numbers_that_find_nothing(wrong):
    with pytest.raises(ConfigError):
        Config(**wrong)
