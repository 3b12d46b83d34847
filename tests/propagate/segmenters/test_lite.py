"""The default segmenter: what it promises, on pictures with exact truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from propagate import masks, plugins
from propagate.errors import CheckpointError, ConfigError, InputError
from propagate.logits import to_picture
from propagate.segmenters import lite
from propagate.segmenters._lite import int8, prompt_maps
from propagate.segmenters._lite.fast import FastBlock, fuse_activations
from propagate.segmenters._lite.fuse import fuse_norms
from propagate.segmenters._lite.network import LiteNetwork, channels_last
from propagate.segmenters._lite.trunk import CHANNELS, SameConv, Trunk, fold_imagenet
from propagate.segmenters._lite.weights import load_weights, save_weights
from propagate.types import Evidence, Prompt


@pytest.fixture(scope="module")
def segmenter() -> lite.Lite:
    return plugins.build("propagate.segmenters", "lite", {"device": "cpu", "area": 256 * 256})


@pytest.fixture(scope="module")
def disc() -> tuple[np.ndarray, np.ndarray]:
    """A textured disc on a textured ground, and its exact mask."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:240, :320] + 0.5
    mask = (x - 190) ** 2 + (y - 110) ** 2 < 55**2
    ground = np.stack([90 + 30 * np.sin(x / 20), 120 + 20 * np.cos(y / 15), 100 + 0 * x], -1)
    image = np.where(mask[..., None], [220, 60, 40], ground) + rng.normal(0, 6, (240, 320, 3))
    return np.clip(image, 0, 255).astype(np.uint8), mask


def test_click_box_and_mask_find_a_plain_object(segmenter, disc) -> None:
    image, mask = disc
    box = masks.box_of(mask)
    prompts = [
        Prompt(0, 1, points_xy=[[190, 110]]),
        Prompt(0, 2, box=box),
        Prompt(0, 3, mask=mask),
        Prompt(0, 4, points_xy=[[190, 110], [20, 20]], labels=[True, False], box=box),
    ]
    answers = segmenter.decode(segmenter.encode(image), prompts)
    assert [answer.object_id for answer in answers] == [1, 2, 3, 4]
    for answer in answers:
        assert answer.logits.shape[0] == 3
        assert answer.size_hw == (240, 320)
        assert ((answer.scores >= 0) & (answer.scores <= 1)).all()
        best = answer.logits[answer.scores.argmax()]
        assert masks.iou(lite_mask(best), mask) > 0.75, answer.object_id


def lite_mask(logits: np.ndarray) -> np.ndarray:
    return to_picture(logits, (240, 320))


def test_a_batch_answers_as_single_questions_do(segmenter, disc) -> None:
    image, mask = disc
    embedding = segmenter.encode(image)
    prompts = [Prompt(0, 1, points_xy=[[190, 110]]), Prompt(0, 2, box=[10, 10, 90, 90])]
    together = segmenter.decode(embedding, prompts)
    for prompt, answer in zip(prompts, together, strict=True):
        (alone,) = segmenter.decode(embedding, [prompt])
        # Only the order of additions differs, in bfloat16 where the processor has it.
        assert (
            np.abs(alone.logits - answer.logits).mean() < 0.05 * np.abs(answer.logits).std() + 0.02
        )
        assert np.abs(alone.scores - answer.scores).max() < 0.05


def test_same_question_same_answer(segmenter, disc) -> None:
    image, _ = disc
    prompt = Prompt(0, 1, points_xy=[[190, 110]])
    one, other = (segmenter.decode(segmenter.encode(image), [prompt])[0] for _ in range(2))
    np.testing.assert_array_equal(one.logits, other.logits)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_recall_alone_is_a_question(segmenter, disc) -> None:
    image, mask = disc
    embedding = segmenter.encode(image)
    grid = embedding.keys.shape[1:]
    import cv2

    cover = cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
    maps = np.stack([cover, cover, cover, np.ones_like(cover)])
    (answer,) = segmenter.decode(embedding, [Prompt(0, 1, evidence=Evidence(recall=maps))])
    assert masks.iou(lite_mask(answer.logits[answer.scores.argmax()]), mask) > 0.7


def test_keys_have_the_temperature_inside(segmenter, disc) -> None:
    keys = segmenter.encode(disc[0]).keys
    assert keys.dtype == torch.float32
    np.testing.assert_allclose(keys.square().sum(0).numpy(), 16.0, rtol=0.02)


@pytest.mark.parametrize("size_hw", [(480, 854), (854, 480), (37, 1999), (1, 1), (720, 1280)])
def test_inputs_are_whole_tiles_near_the_area(size_hw) -> None:
    height, width = lite.input_size(size_hw, 384 * 672)
    assert height % 32 == 0 and width % 32 == 0 and min(height, width) >= 32
    if max(size_hw) / min(size_hw) < 3:
        assert 0.85 < height * width / (384 * 672) < 1.15


def test_tiny_and_odd_pictures_work(segmenter) -> None:
    for shape in ((1, 1, 3), (7, 400, 3)):
        image = np.full(shape, 128, np.uint8)
        (answer,) = segmenter.decode(
            segmenter.encode(image), [Prompt(0, 1, points_xy=[[0.5, 0.5]])]
        )
        assert np.isfinite(answer.logits).all()


def test_no_prompts_no_answers(segmenter, disc) -> None:
    assert segmenter.decode(segmenter.encode(disc[0]), []) == []


def test_a_grey_picture_is_refused(segmenter) -> None:
    with pytest.raises(InputError, match="RGB"):
        segmenter.encode(np.zeros((40, 40), np.uint8))


class TestPromptMaps:
    def test_a_disc_peaks_at_its_point(self) -> None:
        points = torch.tensor([[[42.0, 26.0], [82.0, 62.0]]])
        drawn = prompt_maps.draw_points(points, torch.tensor([[1, 0]]), (24, 32))
        positive, negative = drawn[0]
        assert divmod(int(positive.argmax()), 32) == (26 // 4, 42 // 4)
        assert divmod(int(negative.argmax()), 32) == (62 // 4, 82 // 4)
        assert positive.max() <= 1

    def test_padding_draws_nothing(self) -> None:
        drawn = prompt_maps.draw_points(torch.zeros(2, 3, 2), torch.full((2, 3), -1), (8, 8))
        assert not drawn.any()

    def test_a_box_covers_its_area_exactly(self) -> None:
        boxes = torch.tensor([[3.0, 5.5, 30.25, 20.0], [torch.nan] * 4])
        drawn = prompt_maps.draw_boxes(boxes, (16, 16))
        assert float(drawn[0].sum() * 16) == pytest.approx(27.25 * 14.5, rel=1e-5)
        assert not drawn[1].any()


def test_clicks_and_boxes_are_answered_at_the_size_that_was_trained_with(segmenter, disc) -> None:
    image, mask = disc
    small = plugins.build("propagate.segmenters", "lite", {"device": "cpu", "area": 128 * 192})
    usual = segmenter.encode(image)
    click = Prompt(0, 1, points_xy=np.array([[60.0, 50.0]]), labels=np.array([True]))
    prompts = [Prompt(0, 2, mask=mask), click, Prompt(0, 3, box=masks.box_of(mask))]
    seen = small.encode(image)
    rough, *found = small.decode(seen, prompts)
    assert seen.input_hw != usual.input_hw
    assert rough.logits.shape[1:] == (seen.input_hw[0] // 4, seen.input_hw[1] // 4)
    for answer, wanted in zip(found, segmenter.decode(usual, prompts[1:]), strict=True):
        np.testing.assert_allclose(answer.logits, wanted.logits, rtol=1e-3, atol=1e-3)
        assert answer.object_id == wanted.object_id


class TestNetwork:
    def test_fusing_changes_nothing(self) -> None:
        torch.manual_seed(1)
        network = LiteNetwork().train()
        image = torch.randint(0, 255, (2, 3, 64, 96))
        maps, recall = torch.rand(2, 6, 16, 24), torch.rand(2, 5, 4, 6)
        network.decode(network.encode(image), maps, recall)  # moves the running statistics
        network.eval()
        with torch.inference_mode():
            before = network.decode(network.encode(image), maps, recall)
            fused = fuse_activations(channels_last(fuse_norms(network)))
            after = fused.decode(fused.encode(image), maps, recall)
        assert any(isinstance(module, FastBlock) for module in fused.modules())
        torch.testing.assert_close(after.logits, before.logits, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(after.scores, before.scores, rtol=1e-3, atol=1e-3)

    @pytest.mark.skipif(
        not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="no bfloat16 on this CPU"
    )
    def test_a_decoder_of_bfloat16_answers_nearly_alike(self, disc) -> None:
        image, mask = disc
        exact, rounded = (
            fuse_activations(channels_last(fuse_norms(load_weights(lite.SHIPPED))), dtype)
            for dtype in (torch.float32, torch.bfloat16)
        )
        segmenters = [
            lite.Lite(network, torch.device("cpu"), lite.Config.area)
            for network in (exact, rounded)
        ]
        prompts = [
            Prompt(0, 1, box=masks.box_of(mask)),
            Prompt(0, 2, points_xy=np.argwhere(mask)[:1, ::-1] + 0.5, labels=np.array([1])),
        ]
        found = [each.decode(each.encode(image), prompts) for each in segmenters]
        for one, other in zip(*found, strict=True):
            assert 0 < np.abs(one.scores - other.scores).max() < 0.03
            best = one.scores.argmax()
            assert masks.iou(one.logits[best] > 0, other.logits[best] > 0) > 0.97

    def test_folding_batch_norms_into_the_trunk_is_exact(self, published) -> None:
        trunk = Trunk().eval()
        trunk.load_state_dict(fold_imagenet(published))
        image = torch.randn(1, 3, 64, 64)
        first = torch.nn.functional.conv2d(
            torch.nn.functional.pad(image, (0, 1, 0, 1)), published["_conv_stem.weight"], stride=2
        )
        order = ("running_mean", "running_var", "weight", "bias")
        norm = [published[f"_bn0.{key}"] for key in order]
        normed = torch.nn.functional.batch_norm(first, *norm, eps=1e-3)
        torch.testing.assert_close(trunk.stem(image), normed, rtol=1e-4, atol=1e-4)
        taps = trunk(image)
        assert tuple(tap.shape[1] for tap in taps) == CHANNELS
        assert [tap.shape[2] for tap in taps] == [16, 8, 4, 2]


@pytest.mark.skipif(not int8.is_possible(), reason="this build of torch has no 8-bit convolutions")
class TestWholeNumbers:
    @pytest.mark.parametrize(("groups", "stride", "kernel"), [(1, 1, 1), (8, 1, 3), (8, 2, 5)])
    def test_a_convolution_is_the_rounded_one_of_what_its_bytes_mean(
        self, groups: int, stride: int, kernel: int
    ) -> None:
        torch.manual_seed(kernel)
        conv = SameConv(8, 8, kernel, stride, groups=groups).requires_grad_(False)
        before, after = (0.02, 120), (0.03, 100)
        x = torch.randint(0, 256, (1, 8, 12, 16), dtype=torch.uint8)
        x = x.contiguous(memory_format=torch.channels_last)
        steps = conv.weight.abs().amax((1, 2, 3), keepdim=True) / 127
        exact = SameConv(8, 8, kernel, stride, groups=groups).requires_grad_(False)
        exact.load_state_dict({"weight": (conv.weight / steps).round() * steps, "bias": conv.bias})
        wanted = exact((x.float() - before[1]) * before[0]) / after[0] + after[1]
        got = int8.IntegerConvolution(conv, before, after)(x)
        assert got.dtype == torch.uint8
        assert (got.float() - wanted.clamp(0, 255)).abs().max() < 0.51

    def test_features_and_answers_stay_close(self, disc) -> None:
        image, mask = disc
        plain, whole = (
            plugins.build("propagate.segmenters", "lite", {"device": "cpu", "precision": precision})
            for precision in ("float32", "int8")
        )
        one, other = (segmenter.encode(image).features for segmenter in (plain, whole))
        for name in one._fields:
            exact, rounded = getattr(one, name), getattr(other, name)
            assert 0 < (rounded - exact).norm() < 0.1 * exact.norm(), name
        prompt = Prompt(0, 1, box=masks.box_of(mask))
        found = [
            answer.logits[answer.scores.argmax()] > 0
            for segmenter in (plain, whole)
            for answer in segmenter.decode(segmenter.encode(image), [prompt])
        ]
        assert masks.iou(*found) > 0.95

    def test_weights_without_ranges_compute_in_floats(self, tmp_path: Path, disc) -> None:
        state = load_file(lite.SHIPPED)
        del state["trunk.ranges"]
        save_file(state, tmp_path / "old.safetensors")
        settings = {"device": "cpu", "checkpoint": str(tmp_path / "old.safetensors")}
        old = plugins.build("propagate.segmenters", "lite", settings)
        plain = plugins.build(
            "propagate.segmenters", "lite", {"device": "cpu", "precision": "float32"}
        )
        torch.testing.assert_close(
            old.encode(disc[0]).features.wide, plain.encode(disc[0]).features.wide
        )
        with pytest.raises(ConfigError, match="train-lite"):
            plugins.build("propagate.segmenters", "lite", {**settings, "precision": "int8"})


class TestWeights:
    def test_a_round_trip_keeps_half_precision(self, tmp_path: Path) -> None:
        network = LiteNetwork()
        save_weights(network, tmp_path / "a.safetensors")
        again = load_weights(tmp_path / "a.safetensors")
        assert not again.training
        for key, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                torch.testing.assert_close(again.state_dict()[key], value.half().float())
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors"]

    def test_the_shipped_file_is_small(self) -> None:
        assert lite.SHIPPED.stat().st_size <= 16e6
        assert (lite.SHIPPED.parent / "lite.md").is_file()

    @pytest.mark.parametrize("damage", ["missing", "text", "truncated", "other", "shape", "nan"])
    def test_damage_is_one_clear_line(self, tmp_path: Path, damage: str) -> None:
        path = tmp_path / "weights.safetensors"
        shipped = lite.SHIPPED.read_bytes()
        state = load_file(lite.SHIPPED)
        key = next(iter(state))
        if damage == "text":
            path.write_text("not weights")
        elif damage == "truncated":
            path.write_bytes(shipped[: len(shipped) // 2])
        elif damage == "other":
            save_file({"layer.weight": torch.zeros(3)}, path)
        elif damage == "shape":
            save_file({**state, key: torch.zeros(3)}, path)
        elif damage == "nan":
            save_file({**state, key: torch.full_like(state[key], torch.nan)}, path)
        with pytest.raises(CheckpointError) as error:
            plugins.build(
                "propagate.segmenters", "lite", {"checkpoint": str(path), "device": "cpu"}
            )
        assert "\n" not in str(error.value) and "weights.safetensors" in str(error.value)

    def test_cuda_without_a_gpu_is_said(self) -> None:
        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU")
        with pytest.raises(ConfigError, match="cuda"):
            plugins.build("propagate.segmenters", "lite", {"device": "cuda"})
