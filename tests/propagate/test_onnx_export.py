"""What is exported answers as torch does, for any number of prompts, and nothing else is kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from propagate import onnx_export
from propagate.cli import main
from propagate.errors import ConfigError, InputError, MissingPackageError
from propagate.onnx_export import ExportError, export, graphs, parse_size
from propagate.segmenters._sam.image_encoder import ImageEncoder, VitSize
from propagate.segmenters._sam.network import ENCODERS, Question, SamNetwork
from propagate.segmenters._sam.plain import PlainDecoder

runtime = pytest.importorskip("onnxruntime", reason="pip install 'mask-propagate[onnx]'")
pytest.importorskip("onnxscript", reason="pip install 'mask-propagate[onnx]'")

SMALL = (64, 96)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`lite`, exported for small pictures by the command."""
    path = tmp_path_factory.mktemp("onnx")
    with pytest.raises(SystemExit) as stopped:
        main(["export-onnx", "lite", "--out", str(path), "--size", "64x96", "--quiet"])
    assert stopped.value.code == 0
    return path


def session(path):
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_the_files_are_there_and_told_of(folder):
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["lite-decoder.onnx", "lite-encoder.onnx", "lite.json"]
    report = json.loads((folder / "lite.json").read_text())
    for one in report["files"]:
        assert one["megabytes"] == round((folder / one["file"]).stat().st_size / 1e6, 2)
        assert one["largest_difference"] < 1e-3
        assert all(each["onnxruntime"] > 0 for each in one["milliseconds"].values())
    decoder = report["files"][1]
    assert decoder["inputs"]["points"] == ["prompts", "points", 2]
    assert decoder["inputs"]["readings"][0] == "prompts"


@pytest.mark.parametrize(("count", "points"), [(1, 1), (4, 2), (9, 6)])
def test_encoder_and_decoder_together_answer_as_torch(folder, count, points):
    """Numbers of prompts and points that the command did not try."""
    image = np.random.default_rng(3).integers(0, 256, (1, *SMALL, 3), np.uint8)
    encoder, decoder = (session(folder / f"lite-{part}.onnx") for part in ("encoder", "decoder"))
    wide, middle, fine, keys = encoder.run(None, {"image": image})
    _, plain = graphs("lite", None, SMALL)
    given = [one.numpy() for one in plain.example(count)]
    given[3] = np.random.default_rng(4).uniform(0, 64, (count, points, 2)).astype(np.float32)
    given[4] = np.resize(np.array([1, 0, 1], np.int64), (count, points))
    given[5][0] = 0  # no box
    given[:3] = [wide, middle, fine]
    found = decoder.run(None, dict(zip(plain.inputs, given, strict=True)))
    with torch.inference_mode():
        features = plain.module.network.encode(torch.from_numpy(image).permute(0, 3, 1, 2))
        tensors = [torch.from_numpy(one) for one in given[3:]]
        wanted = plain.module(*features[:3], *tensors)
    np.testing.assert_allclose(keys, features.keys, atol=1e-4)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_sams_plain_decoder_answers_as_the_fast_one():
    side = 128
    network = SamNetwork(ImageEncoder(VitSize(32, 1, 2, (0,)), side), side).eval()
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.05)
    points = side * torch.rand(3, 2, 2)
    labels = torch.tensor([[1, -1], [2, 3], [0, 1]])
    embedding, masks = torch.randn(1, 256, 8, 8), 4 * torch.randn(3, 1, 32, 32)
    plain = PlainDecoder(network)
    with torch.inference_mode():
        for given, has_mask in ((masks, torch.ones(3)), (None, torch.zeros(3))):
            wanted = network.decode(embedding, Question(points, labels, given))
            found = plain(embedding, points, labels, masks, has_mask)
            for one, other in zip(found, wanted, strict=True):
                torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_sams_decoder(tmp_path):
    state = SamNetwork(ENCODERS["mobile-sam"]()).state_dict()
    torch.save(state, tmp_path / "weights.pth")
    (one,) = export("mobile-sam", tmp_path, tmp_path / "weights.pth")
    assert one.inputs["points"] == ["prompts", "points", 2]
    assert one.largest_difference < 1e-3


def test_a_file_that_answers_differently_is_not_kept(folder, tmp_path, monkeypatch):
    spoilt = graphs("lite", None, SMALL)[1]
    for value in spoilt.module.network.decoder.masks.parameters():
        value.data += 0.1
    good = (folder / "lite-decoder.onnx").read_bytes()
    monkeypatch.setattr(onnx_export, "graphs", lambda *_: [spoilt])
    monkeypatch.setattr(onnx_export, "_write", lambda graph, path: path.write_bytes(good))
    with pytest.raises(ExportError, match="differs from torch"):
        list(export("lite", tmp_path / "out", None, SMALL))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("colour", None, "no network"),
        ("none", None, "no network"),
        ("lite", (50, 64), "multiples of 32"),
        ("mobile-sam", (64, 64), "one size"),
    ],
)
def test_what_cannot_be_exported(name, size, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        list(export(name, tmp_path / "out", None, size))
    assert not (tmp_path / "out").exists()


def test_sizes_are_read():
    assert parse_size("384x672") == (384, 672)
    for wrong in ("384", "axb", "1x2x3", "-3x4"):
        with pytest.raises(InputError, match="not a size"):
            parse_size(wrong)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest):
        if name == "onnxscript":
            raise ModuleNotFoundError("no onnxscript", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r"onnxscript.*\[onnx\]"):
        list(export("lite", tmp_path))
