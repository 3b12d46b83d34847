"""The recipe: exact masks in the clips, honest prompts, a loop that resumes where it stopped."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from propagate.errors import CheckpointError, InputError
from propagate.segmenters._lite.network import Answer, LiteNetwork
from propagate.segmenters._lite.weights import blended, load_weights
from propagate.training import clips, cutouts, losses, questions, rollout, simulation
from propagate.training.clips import ClipSettings
from propagate.training.dataset import STILLS, Samples, SampleSettings, Stage
from propagate.training.loop import train
from propagate.training.photos import Photos
from propagate.training.recipe import FURTHER, GPU, GPU_FURTHER, Recipe, recipe_for

TINY = Stage(2, 3, ((64, 64), (64, 96), (96, 64)))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Six drawn photos of two discs each, in a tar, as the real data lie."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    lines = []
    with tarfile.open(root / "a.tar", "w") as tar:
        for number in range(6):
            image = rng.integers(60, 120, (200, 260, 3)).astype(np.uint8)
            labels = np.zeros((200, 260), np.uint8)
            for segment, centre in ((1, (80, 90)), (2, (180, 110))):
                cv2.circle(labels, centre, 40, segment, -1)
                cv2.circle(image, centre, 40, rng.integers(0, 255, 3).tolist(), -1)
            names = f"made/{number}.png", f"made/{number}.0.png"
            for name, pixels in zip(names, (image, labels), strict=True):
                encoded = cv2.imencode(".png", pixels)[1].tobytes()
                info = tarfile.TarInfo(name)
                info.size = len(encoded)
                tar.addfile(info, io.BytesIO(encoded))
            lines.append(
                {"image": names[0], "labels": [names[1]], "kind": "parts", "source": "made"}
            )
    (root / "index.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return root


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory, published) -> Path:
    path = tmp_path_factory.mktemp("weights") / "published.pth"
    torch.save(published, path)
    return path


def test_photos_are_read_from_their_tar(data: Path) -> None:
    photos = Photos(data, held_out=False)
    assert len(photos) == 6
    assert photos.image(2).shape == (200, 260, 3)
    assert np.unique(photos.labels(2, 0)).tolist() == [0, 1, 2]


def test_a_folder_without_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="index.jsonl"):
        Photos(tmp_path, held_out=False)


def test_a_damaged_photo_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo("made/0.png")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"\x89PNG?"))
    line = {"image": "made/0.png", "labels": ["made/0.png"], "kind": "parts", "source": "made"}
    (tmp_path / "index.jsonl").write_text(json.dumps(line))
    photos = Photos(tmp_path, held_out=False)
    for read in (lambda: photos.image(0), lambda: photos.labels(0, 0)):
        with pytest.raises(InputError, match=r"made/0\.png .*a\.tar"):
            read()


def test_held_out_photos_are_never_trained_on(shared_data: Path) -> None:
    root = shared_data / "train"
    kept, used = Photos(root, held_out=True), Photos(root, held_out=False)
    names = {entry.image for entry in kept.entries}
    assert names.isdisjoint(entry.image for entry in used.entries)
    counts = {s: sum(e.source == s for e in kept.entries) for s in ("coco", "ecssd", "bsds")}
    assert 20 < counts["coco"] < 50 and 70 < counts["ecssd"] < 130 and counts["bsds"] == 0


def test_masks_of_a_clip_are_exact() -> None:
    """A photo whose colour says the label: every pixel of the clip must agree with its mask."""
    labels = np.zeros((200, 300), np.int32)
    cv2.ellipse(labels, (140, 90), (60, 40), 20, 0, 360, 1, -1)
    photo = np.where(labels[..., None] == 1, [220, 30, 30], [30, 30, 220]).astype(np.uint8)
    blue = np.full_like(photo, (30, 30, 220))
    settings = ClipSettings(frames=4, size_hw=(160, 224))
    images, maps = clips.make_clip(np.random.default_rng(5), photo, labels, blue, [], settings)
    assert images.shape == (4, 160, 224, 3) and maps.shape == (4, 160, 224)
    red = images[..., 0].astype(int) > images[..., 2]
    for frame in range(4):
        inner = cv2.erode((maps[frame] == 1).astype(np.uint8), np.ones((9, 9))) > 0
        assert inner.any()
        assert red[frame][inner].mean() > 0.99


def test_a_pasted_object_covers_what_it_covers() -> None:
    photo = np.full((200, 200, 3), 100, np.uint8)
    cutout = cutouts.Cutout(np.full((50, 50, 3), 250, np.uint8), np.ones((50, 50), np.float32))
    images, maps = clips.make_clip(
        np.random.default_rng(1),
        photo,
        np.zeros((200, 200), np.int32),
        photo,
        [cutout],
        ClipSettings(),
    )
    bright = images.mean(-1)
    pasted = maps == clips.PASTED
    assert pasted.any()
    assert bright[pasted].mean() > bright[~pasted].mean() + 40


@pytest.mark.parametrize("seed", range(12))
def test_questions_speak_the_truth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cover = np.zeros((60, 80), np.float32)
    cv2.ellipse(cover, (40, 30), (17, 9), 30, 0, 360, 1.0, -1)
    mask = cv2.resize(cover, (320, 240), interpolation=cv2.INTER_NEAREST) > 0.5
    question = questions.ask(rng, cover, mask)
    for point, label in zip(question.points_xy, question.labels, strict=True):
        if label >= 0:
            x, y = (point // 4).astype(int)
            assert (cover[y, x] > 0.5) == bool(label)
    if np.isfinite(question.box).all():
        ys, xs = np.nonzero(cover > 0.5)
        true = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) * 4
        assert np.abs(question.box - true).max() < 0.2 * 34 * 4
    if question.certain:
        np.testing.assert_array_equal(question.prior, cover)
    assert 0 <= question.trust <= 1


def test_a_batch_is_the_same_every_time(data: Path) -> None:
    samples = Samples(data, SampleSettings(late=TINY), 10)
    one, other = samples[3], Samples(data, SampleSettings(late=TINY), 10)[3]
    for key, value in one.items():
        torch.testing.assert_close(value, other[key], equal_nan=True)
    assert not torch.equal(samples[4]["images"], one["images"]) or samples[4]["images"].shape


def test_a_box_is_exact_to_the_pixel_or_drawn_by_hand() -> None:
    """Not to the cell: a small thing's box says most of where its edge is."""
    mask = np.zeros((240, 320), bool)
    mask[41:62, 33:54] = True
    cover = cv2.resize(mask.astype(np.float32), (80, 60), interpolation=cv2.INTER_AREA)
    asked = [questions.ask(np.random.default_rng(seed), cover, mask) for seed in range(300)]
    boxes = np.stack([one.box for one in asked if np.isfinite(one.box).all()])
    exact = (boxes == (33, 41, 54, 62)).all(1)
    assert 0.45 < exact.mean() < 0.75
    assert np.abs(boxes - (33, 41, 54, 62)).max() < 0.12 * 21 + 1e-3


def test_single_photos_come_among_the_clips(data: Path) -> None:
    stills = replace(STILLS, batch=3, shapes=TINY.shapes)
    settings = SampleSettings(early=TINY, late=TINY, stills=stills, early_batches=2)
    mixed = Samples(data, replace(settings, stills_share=0.5), 40)
    shapes = [tuple(mixed[number]["covers"].shape[:3]) for number in range(20)]
    assert set(shapes[:2]) == {(2, 3, 3)}, "clips alone at first"
    assert set(shapes) == {(2, 3, 3), (3, 4, 1)}, "clips x objects x pictures"


def test_a_photo_alone_teaches_questions_and_nothing_of_following(data: Path) -> None:
    stills = replace(STILLS, batch=2, shapes=TINY.shapes)
    batch = Samples(data, SampleSettings(stills=stills, stills_share=1.0), 1)[0]
    result = rollout.forward(LiteNetwork().train(), batch, torch.Generator().manual_seed(0))
    assert torch.isfinite(result.loss) and result.loss.requires_grad
    assert torch.isnan(result.followed)


class TestLosses:
    truth = torch.zeros(1, 16, 16)
    truth[:, 4:10, 5:12] = 1

    def test_the_truth_costs_next_to_nothing(self) -> None:
        good = losses.mask_losses((self.truth * 20 - 10)[:, None], self.truth)
        bad = losses.mask_losses((10 - self.truth * 20)[:, None], self.truth)
        assert float(good) < 0.02 < 2 < float(bad)

    def test_overlap_counts_pixels(self) -> None:
        logits = torch.full((1, 2, 16, 16), -1.0)
        logits[0, 0, 4:10, 5:12] = 1
        logits[0, 1, 4:7, 5:12] = 1
        np.testing.assert_allclose(losses.overlaps(logits, self.truth), [[1.0, 0.5]])

    def test_only_the_best_candidate_matters_where_several_are_right(self) -> None:
        good, bad = self.truth * 20 - 10, 10 - self.truth * 20
        answer = Answer(torch.stack([bad, good, bad], 1), torch.zeros(1, 3), [])
        loss = {
            flag: float(
                losses.answer_loss(answer, self.truth, torch.tensor([flag]), torch.ones(1))[0]
            )
            for flag in (True, False)
        }
        assert loss[True] < 0.3 * loss[False]


def test_drift_takes_one_side_of_some_masks_and_adds_another_object_to_some() -> None:
    masks = torch.zeros(100, 2, 24, 32)
    masks[:, 0, 4:16, 3:15] = 1
    masks[:, 1, 12:20, 20:30] = 1
    drifted = simulation.drift(masks, torch.Generator().manual_seed(0))
    assert drifted.shape == masks.shape
    assert set(drifted.unique().tolist()) == {0.0, 1.0}
    lost = ((masks - drifted) > 0).flatten(2).any(2).float().mean()
    gained = ((drifted - masks) > 0).flatten(2).any(2).float().mean()
    assert 0.13 < lost < 0.3 and 0.03 < gained < 0.2
    assert (drifted <= masks.amax(1, keepdim=True)).all()


def test_training_learns_resumes_and_repeats(data: Path, imagenet: Path, tmp_path: Path) -> None:
    def go(folder: Path, steps: int) -> None:
        recipe = Recipe(
            steps, 2, 1, log_every=1, save_every=2, early=TINY, late=TINY, early_steps=1
        )
        for _ in train(data, folder, recipe, imagenet):
            pass

    go(tmp_path / "whole", 4)
    go(tmp_path / "halves", 2)
    halves = torch.load(tmp_path / "halves" / "checkpoint.pt", weights_only=True)
    assert halves["step"] == 2
    go(tmp_path / "halves", 4)
    with (tmp_path / "halves" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(float(row["step"])) for row in rows] == [1, 2, 3, 4]
    network = load_weights(tmp_path / "halves" / "lite.safetensors")
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    start = torch.load(tmp_path / "whole" / "checkpoint.pt", weights_only=True)["network"]
    assert not torch.equal(start["decoder.masks.weight"], halves["network"]["decoder.masks.weight"])


def test_training_without_a_start_is_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="ImageNet"):
        next(train(data, tmp_path / "run", Recipe(steps=1), None))


def test_blended_weights_lie_between() -> None:
    one, other = LiteNetwork(), LiteNetwork()
    mixed = blended(one, other, 0.25).state_dict()
    for key, value in one.state_dict().items():
        if value.is_floating_point():
            expected = 0.75 * value + 0.25 * other.state_dict()[key]
            torch.testing.assert_close(mixed[key], expected)


def test_a_shorter_recipe_keeps_both_stages_and_its_end() -> None:
    short = Recipe().lasting(300)
    assert (short.steps, short.early_steps, short.cool_down) == (300, 200, 90)


def test_what_is_done_depends_on_the_device_and_the_start() -> None:
    published, own = Path("efficientnet.pth"), Path("lite.safetensors")
    assert recipe_for(own, "cuda") is GPU_FURTHER and recipe_for(published, "cuda") is GPU
    assert recipe_for(own, "cpu") is FURTHER
    assert recipe_for(published, "cpu") == Recipe() == recipe_for(None, "cpu")
